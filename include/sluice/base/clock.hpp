#pragma once

// Facts without waiting: what time it is, and when a time-out ends. No call here makes a system call where the kernel
// offers its clocks in the process's own memory (vdso(7)).

#include <chrono>
#include <cstdint>

namespace sluice {

/// No deadline.
inline constexpr std::uint64_t never = ~std::uint64_t{0};

/// CLOCK_MONOTONIC now: what deadlines count in.
[[nodiscard]] std::uint64_t monotonic_now_ns() noexcept;
/// CLOCK_MONOTONIC to within some milliseconds, for a few nanoseconds.
[[nodiscard]] std::uint64_t monotonic_coarse_ns() noexcept;
/// CLOCK_REALTIME now: for what people read.
[[nodiscard]] std::uint64_t realtime_now_ns() noexcept;
/// CLOCK_BOOTTIME now: counts from the start of the machine, less or more in another time namespace.
[[nodiscard]] std::uint64_t boottime_now_ns() noexcept;

/// Now plus a timeout, without running over.
[[nodiscard]] std::uint64_t deadline_after_ns(std::uint64_t timeout_ns) noexcept;

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
