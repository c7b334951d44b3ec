#pragma once

#include <chrono>
#include <cstdint>
#include <type_traits>

#include "sluice/wait/parking.hpp"

namespace sluice {

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

/// A timeout as a deadline; negative ones are over at once, and those of centuries never.
template <class Rep, class Period>
[[nodiscard]] std::uint64_t deadline_after(std::chrono::duration<Rep, Period> timeout) noexcept {
  // The cast below would overflow where this one does not.
  if (std::chrono::duration<double>(timeout) >= std::chrono::nanoseconds::max()) return never;
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(timeout).count();
  return deadline_after_ns(ns > 0 ? static_cast<std::uint64_t>(ns) : 0);
}

/// A time point as a deadline. The steady clock counts as CLOCK_MONOTONIC does, from zero.
[[nodiscard]] inline std::uint64_t deadline_at(std::chrono::steady_clock::time_point when) noexcept {
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(when.time_since_epoch()).count();
  if (when == std::chrono::steady_clock::time_point::max()) return never;
  return ns > 0 ? static_cast<std::uint64_t>(ns) : 0;
}

}  // namespace sluice
