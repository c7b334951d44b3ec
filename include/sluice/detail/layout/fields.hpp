#pragma once

// Which fields a message has, so that two layouts of one name and size do not meet. An aggregate is taken apart by a
// structured binding; how many names that needs is how many empty initialisers the type takes. What cannot be taken apart
// for certain is not tried, because a wrong number of names does not compile: its layout is not known, and not compared.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

#include "sluice/detail/base/bytes.hpp"
#include "sluice/detail/layout/type_name.hpp"

namespace sluice::detail {

inline constexpr std::size_t max_fields = 32;

/// Whether T takes `Count` initialisers: each `{}` is one field, be it an array, a class or a number.
template <class T, std::size_t Count>
constexpr bool takes_empty() noexcept {
  // One line for each count.
  // clang-format off
  if constexpr (Count == 1) return requires { T{{}}; };
  else if constexpr (Count == 2) return requires { T{{}, {}}; };
  else if constexpr (Count == 3) return requires { T{{}, {}, {}}; };
  else if constexpr (Count == 4) return requires { T{{}, {}, {}, {}}; };
  else if constexpr (Count == 5) return requires { T{{}, {}, {}, {}, {}}; };
  else if constexpr (Count == 6) return requires { T{{}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 7) return requires { T{{}, {}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 8) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 9) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 10) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 11) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 12) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 13) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 14) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 15) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 16) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 17) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 18) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 19) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 20) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 21) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 22) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 23) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 24) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 25) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 26) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 27) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 28) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 29) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 30) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 31) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 32) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; };
  else if constexpr (Count == 33) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; };
  else return false;
  // clang-format on
}

/// Stands for a field whose type satisfies a condition.
template <class T>
struct any_base_of {
  template <class Field>
  requires(std::is_base_of_v<Field, T> && !std::is_same_v<Field, T>) constexpr operator Field() const noexcept;
};
struct any_union_or_unnamed {
  template <class Field>
  requires(std::is_union_v<Field> || is_unnamed<Field>()) constexpr operator Field() const noexcept;
};
struct anything {
  template <class Field>
  constexpr operator Field() const noexcept;
};

/// Whether T takes `Value` after `Before` empty initialisers.
template <class T, class Value, std::size_t Before>
constexpr bool takes_after() noexcept {
  // One line for each count.
  // clang-format off
  if constexpr (Before == 0) return requires { T{Value{}}; };
  else if constexpr (Before == 1) return requires { T{{}, Value{}}; };
  else if constexpr (Before == 2) return requires { T{{}, {}, Value{}}; };
  else if constexpr (Before == 3) return requires { T{{}, {}, {}, Value{}}; };
  else if constexpr (Before == 4) return requires { T{{}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 5) return requires { T{{}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 6) return requires { T{{}, {}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 7) return requires { T{{}, {}, {}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 8) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 9) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 10) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 11) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 12) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 13) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 14) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 15) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 16) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 17) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 18) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 19) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 20) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 21) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 22) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 23) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 24) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 25) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 26) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 27) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 28) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 29) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 30) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 31) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Value{}}; };
  else if constexpr (Before == 32) return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Value{}}; };
  else return false;
  // clang-format on
}

template <class T, std::size_t Count = max_fields + 1>
constexpr std::size_t count_fields() noexcept {
  if constexpr (Count == 0 || takes_empty<T, Count>())
    return Count;
  else
    return count_fields<T, Count - 1>();
}

/// Anonymous unions and structs are fields of which a structured binding has no name.
template <class T, std::size_t Count>
constexpr bool has_nameless_fields() noexcept {
  if constexpr (Count == 0)
    return false;
  else
    return takes_after<T, any_union_or_unnamed, Count - 1>() || has_nameless_fields<T, Count - 1>();
}

/// Such a type is bound by what get() returns, not by its fields.
template <class T>
concept bound_by_get = requires {
  std::tuple_size<T>::value;
};

template <class T>
inline constexpr bool is_std_array = false;
template <class T, std::size_t Length>
requires(Length != 0) inline constexpr bool is_std_array<std::array<T, Length>> = true;

template <class T>
constexpr bool can_be_taken_apart() noexcept {
  if constexpr (!std::is_class_v<T> || !std::is_aggregate_v<T> || std::is_empty_v<T> || bound_by_get<T>) {
    return false;
  } else {
    constexpr auto count = count_fields<T>();
    // Too many; a base, which is no field; a field that takes no `{}` and would be one more.
    if constexpr (count == 0 || count > max_fields || takes_after<T, any_base_of<T>, 0>() ||
                  takes_after<T, anything, count>())
      return false;
    else
      return !has_nameless_fields<T, count>();
  }
}

template <class... Fields>
struct field_list {};

template <std::size_t Count, class T>
constexpr auto fields_of(const T& message) noexcept {
  // One line for each count.
  // clang-format off
  if constexpr (Count == 1) { const auto& [m1] = message; return field_list<decltype(m1)>(); }
  else if constexpr (Count == 2) { const auto& [m1, m2] = message; return field_list<decltype(m1), decltype(m2)>(); }
  else if constexpr (Count == 3) { const auto& [m1, m2, m3] = message; return field_list<decltype(m1), decltype(m2), decltype(m3)>(); }
  else if constexpr (Count == 4) { const auto& [m1, m2, m3, m4] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4)>(); }
  else if constexpr (Count == 5) { const auto& [m1, m2, m3, m4, m5] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5)>(); }
  else if constexpr (Count == 6) { const auto& [m1, m2, m3, m4, m5, m6] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6)>(); }
  else if constexpr (Count == 7) { const auto& [m1, m2, m3, m4, m5, m6, m7] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6), decltype(m7)>(); }
  else if constexpr (Count == 8) { const auto& [m1, m2, m3, m4, m5, m6, m7, m8] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6), decltype(m7), decltype(m8)>(); }
  else if constexpr (Count == 9) { const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9)>(); }
  else if constexpr (Count == 10) { const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10)>(); }
  else if constexpr (Count == 11) { const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11)>(); }
  else if constexpr (Count == 12) { const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12)>(); }
  else if constexpr (Count == 13) { const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12), decltype(m13)>(); }
  else if constexpr (Count == 14) { const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14)>(); }
  else if constexpr (Count == 15) { const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14), decltype(m15)>(); }
  else if constexpr (Count == 16) { const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16)>(); }
  else if constexpr (Count == 17) { const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17)>(); }
  else if constexpr (Count == 18) { const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18)>(); }
  else if constexpr (Count == 19) { const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19)>(); }
  else if constexpr (Count == 20) { const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19), decltype(m20)>(); }
  else if constexpr (Count == 21) { const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19), decltype(m20), decltype(m21)>(); }
  else if constexpr (Count == 22) { const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19), decltype(m20), decltype(m21), decltype(m22)>(); }
  else if constexpr (Count == 23) { const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19), decltype(m20), decltype(m21), decltype(m22), decltype(m23)>(); }
  else if constexpr (Count == 24) { const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23, m24] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19), decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24)>(); }
  else if constexpr (Count == 25) { const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23, m24, m25] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19), decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24), decltype(m25)>(); }
  else if constexpr (Count == 26) { const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23, m24, m25, m26] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19), decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24), decltype(m25), decltype(m26)>(); }
  else if constexpr (Count == 27) { const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23, m24, m25, m26, m27] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19), decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24), decltype(m25), decltype(m26), decltype(m27)>(); }
  else if constexpr (Count == 28) { const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23, m24, m25, m26, m27, m28] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19), decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24), decltype(m25), decltype(m26), decltype(m27), decltype(m28)>(); }
  else if constexpr (Count == 29) { const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23, m24, m25, m26, m27, m28, m29] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19), decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24), decltype(m25), decltype(m26), decltype(m27), decltype(m28), decltype(m29)>(); }
  else if constexpr (Count == 30) { const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19), decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24), decltype(m25), decltype(m26), decltype(m27), decltype(m28), decltype(m29), decltype(m30)>(); }
  else if constexpr (Count == 31) { const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30, m31] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19), decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24), decltype(m25), decltype(m26), decltype(m27), decltype(m28), decltype(m29), decltype(m30), decltype(m31)>(); }
  else if constexpr (Count == 32) { const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30, m31, m32] = message; return field_list<decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14), decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19), decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24), decltype(m25), decltype(m26), decltype(m27), decltype(m28), decltype(m29), decltype(m30), decltype(m31), decltype(m32)>(); }
  // clang-format on
}

/// A hash and where it has come to in the message.
struct layout_walk {
  std::uint64_t hash = fnv1a("layout");
  std::uint64_t offset = 0;
  bool is_known = true;
};

template <class T>
constexpr layout_walk walk_over(layout_walk walk) noexcept;

template <class... Fields>
constexpr layout_walk walk_fields(layout_walk walk, field_list<Fields...>) noexcept {
  ((walk = walk_over<std::remove_cv_t<Fields>>(walk)), ...);
  return walk;
}

/// Adds a T to the hash, at the next offset that suits it: scalars by kind, size and offset, arrays by length and element,
/// classes by their fields, and a class that cannot be taken apart by its size.
template <class T>
constexpr layout_walk walk_over(layout_walk walk) noexcept {
  walk.offset = round_up(walk.offset, alignof(T));
  const auto begin = walk.offset;
  if constexpr (std::is_array_v<T>) {
    walk.hash = fnv1a(std::extent_v<T>, fnv1a("array", walk.hash));
    walk = walk_over<std::remove_cv_t<std::remove_extent_t<T>>>(walk);
  } else if constexpr (is_std_array<T>) {
    return walk_over<typename T::value_type[std::tuple_size_v<T>]>(walk);
  } else if constexpr (can_be_taken_apart<T>()) {
    walk = walk_fields(walk, decltype(fields_of<count_fields<T>()>(std::declval<const T&>()))());
    // Packed, or with an alignment of its own: the fields are not where they seem to be.
    walk.is_known &= round_up(walk.offset, alignof(T)) == begin + sizeof(T);
  } else if constexpr (std::is_enum_v<T>) {
    return walk_over<std::underlying_type_t<T>>(walk);
  } else {
    constexpr std::string_view kind = std::is_arithmetic_v<T> || std::is_same_v<T, std::byte> ? type_name<T>()
                                      : std::is_pointer_v<T>                                  ? "pointer"
                                                                                              : "opaque";
    walk.hash = fnv1a(sizeof(T), fnv1a(begin, fnv1a(kind, walk.hash)));
  }
  walk.offset = begin + sizeof(T);
  return walk;
}

/// Zero: not known.
template <class T>
constexpr std::uint64_t layout_hash_of() noexcept {
  if constexpr (!can_be_taken_apart<T>()) {
    return 0;
  } else {
    constexpr auto walk = walk_over<T>({});
    return walk.is_known ? walk.hash : 0;
  }
}

}  // namespace sluice::detail
