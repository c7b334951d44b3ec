#pragma once

// How two processes know that they mean the same message. The compiler's spelling of T is the name; size and alignment
// join it in a hash. A second hash is of the fields, where the type can be taken apart (fields.hpp). Builds that spell a
// type differently, or that want to tell two layouts apart of a type that cannot, specialise message_traits.

#include <cstdint>
#include <string_view>

#include "sluice/detail/base/bytes.hpp"
#include "sluice/detail/layout/fields.hpp"
#include "sluice/message.hpp"

namespace sluice::detail {

/// A message type as both sides of a channel compare it.
struct type_identity {
  std::string_view name;
  std::uint64_t hash = 0;
  std::uint64_t message_bytes = 0;
  std::uint32_t message_alignment = 1;
  std::uint64_t layout_hash = 0;  ///< of kind, size and offset of each field; 0: not known, and fits any
};

/// Of messages whose size is known at run time only, or that another language defines.
[[nodiscard]] constexpr type_identity identity_named(std::string_view name, std::uint64_t version,
                                                     std::uint64_t message_bytes, std::uint32_t alignment) noexcept {
  return {name, fnv1a(version, fnv1a(alignment, fnv1a(message_bytes, fnv1a(name)))), message_bytes, alignment};
}

template <class T>
[[nodiscard]] constexpr type_identity identity_of() noexcept {
  using traits = message_traits<T>;
  if constexpr (any_length<T>) {
    return identity_named(traits::name, traits::version, 1, 1);
  } else {
    auto identity = identity_named(traits::name, traits::version, sizeof(T), alignof(T));
    identity.layout_hash = layout_hash_of<T>();
    return identity;
  }
}

}  // namespace sluice::detail
