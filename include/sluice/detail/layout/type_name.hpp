#pragma once

// How a type is spelled, in the same way by every compiler where that is possible.

#include <cstddef>
#include <string_view>
#include <type_traits>

namespace sluice::detail {

template <class T>
constexpr std::string_view compiler_name() noexcept {
  constexpr std::string_view text = __PRETTY_FUNCTION__;  // "… [with T = x; …]" (g++) or "… [T = x]" (clang)
  constexpr auto begin = text.find("T = ") + 4;
  // A name may itself hold ']' or ';': the end is what follows the last of it.
  constexpr auto alias = text.rfind("; std::string_view = ");
  constexpr auto end = alias != std::string_view::npos && alias > begin ? alias : text.rfind(']');
  return text.substr(begin, end - begin);
}

/// g++ and clang spell the built-in types differently; these names are the same everywhere.
template <class T>
constexpr std::string_view type_name() noexcept {
  if constexpr (std::is_same_v<T, bool>)
    return "bool";
  else if constexpr (std::is_same_v<T, char> || std::is_same_v<T, std::byte>)
    return "byte";
  else if constexpr (std::is_floating_point_v<T>)
    return sizeof(T) == 4 ? "f32" : sizeof(T) == 8 ? "f64" : "f128";
  else if constexpr (std::is_integral_v<T>) {
    constexpr bool is_signed = std::is_signed_v<T>;
    switch (sizeof(T)) {
      case 1: return is_signed ? "i8" : "u8";
      case 2: return is_signed ? "i16" : "u16";
      case 4: return is_signed ? "i32" : "u32";
      case 8: return is_signed ? "i64" : "u64";
      default: return is_signed ? "i128" : "u128";  // __int128, where the compiler calls it integral
    }
  } else
    return compiler_name<T>();
}

/// Whether a class has no name of its own, as the compilers spell it.
template <class T>
constexpr bool is_unnamed() noexcept {
  if constexpr (!std::is_class_v<T>)
    return false;
  else
    return compiler_name<T>().find("unnamed struct>") != std::string_view::npos ||  // g++
           compiler_name<T>().find("(unnamed struct at ") != std::string_view::npos ||
           compiler_name<T>().find("(anonymous struct at ") != std::string_view::npos;  // clang
}

}  // namespace sluice::detail
