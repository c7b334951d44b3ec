#pragma once

// How two processes know that they mean the same message. The compiler's spelling of T is the name; size and alignment
// join it in a hash. Builds that spell a type differently, or that want to tell two layouts of one name apart,
// specialise message_traits.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "sluice/base/bytes.hpp"

namespace sluice {

namespace detail {

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

}  // namespace detail

/// Specialise to name a message for the world, e.g. `name = "acme.quote"` and `version = 2` when its fields changed
/// while its size did not.
template <class T>
struct message_traits {
  static constexpr std::string_view name = detail::type_name<T>();
  static constexpr std::uint64_t version = 0;
};

/// A message type as both sides of a channel compare it.
struct type_identity {
  std::string_view name;
  std::uint64_t hash = 0;
  std::uint64_t message_bytes = 0;
  std::uint32_t message_alignment = 1;
};

template <class T>
[[nodiscard]] constexpr type_identity identity_of() noexcept {
  using traits = message_traits<T>;
  const auto hash = fnv1a(traits::version, fnv1a(alignof(T), fnv1a(sizeof(T), fnv1a(traits::name))));
  return {traits::name, hash, sizeof(T), alignof(T)};
}

}  // namespace sluice
