#pragma once

#include <type_traits>

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

}  // namespace sluice::detail
