#pragma once

// What travels in a channel, and by what two processes know that they mean the same.
//
//   struct quote { int id; double bid, ask; };  // trivially copyable, no pointers: its bytes are all that arrives
//   template <>
//   struct sluice::message_traits<quote> {
//     static constexpr std::string_view name = "acme.quote";  // for builds that spell the type differently
//     static constexpr std::uint64_t version = 2;             // its meaning changed, and its fields did not
//   };
//
// Compile-time constants, the same in every process that takes part. A channel keeps name, version, size, alignment and the
// kinds and offsets of the fields; attaching with another type is errc::wrong_type.

#include "sluice/detail/base/language.hpp"

#include <cstdint>
#include <string_view>

#include "sluice/detail/layout/type_name.hpp"

namespace sluice {

/// Makes bytes of a type whose messages have any length, and the type of bytes. Not defined: a message is its type's own
/// bytes. bytes.hpp says what a specialisation has.
template <class T>
struct serializer;

namespace detail {
/// Messages whose length is not that of their type.
template <class T>
concept any_length = requires {
  sizeof(serializer<T>);
};
}  // namespace detail

/// Specialise to name a message for the world, e.g. `name = "acme.quote"` and `version = 2` when its fields changed
/// while its size did not.
template <class T>
struct message_traits {
  static constexpr std::string_view name = detail::type_name<T>();
  static constexpr std::uint64_t version = 0;
};

}  // namespace sluice
