#pragma once

#include <type_traits>

#include "sluice/message.hpp"

namespace sluice::detail {

/// Stops the compiler with a sentence when T cannot travel between processes.
template <class T>
struct require_message {
  static_assert(std::is_trivially_copyable_v<T>,
                "sluice: a message must be trivially copyable: its bytes are all that the other process gets. "
                "Use fixed-size members instead of std::string, std::vector or anything else that owns memory.");
  static_assert(!std::is_pointer_v<T>,
                "sluice: a message cannot be a pointer: addresses mean nothing in another process.");
  static_assert(!std::is_reference_v<T> && !std::is_const_v<T>,
                "sluice: a message type is plain T, neither const nor a reference.");
  static constexpr bool value = true;
};
template <any_length T>
struct require_message<T> {
  static constexpr bool value = true;
};

/// Which ring the messages of a channel<T, Ring> lie in.
template <class T, class Ring>
struct ring_for {
  using type = Ring;
};

}  // namespace sluice::detail
