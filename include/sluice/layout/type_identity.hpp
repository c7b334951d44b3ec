#pragma once

// How two processes know that they mean the same message. The compiler's spelling of T is the name; size and alignment
// join it in a hash. A second hash is of the fields, where the type can be taken apart (fields.hpp). Builds that spell a
// type differently, or that want to tell two layouts apart of a type that cannot, specialise message_traits.

#include <cstdint>
#include <string_view>

#include "sluice/base/bytes.hpp"
#include "sluice/layout/fields.hpp"
#include "sluice/layout/type_name.hpp"

namespace sluice {

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
  std::uint64_t layout_hash = 0;  ///< of kind, size and offset of each field; 0: not known, and fits any
};

template <class T>
[[nodiscard]] constexpr type_identity identity_of() noexcept {
  using traits = message_traits<T>;
  const auto hash = fnv1a(traits::version, fnv1a(alignof(T), fnv1a(sizeof(T), fnv1a(traits::name))));
  return {traits::name, hash, sizeof(T), alignof(T), detail::layout_hash_of<T>()};
}

}  // namespace sluice
