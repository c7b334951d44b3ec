#pragma once

// Facts without waiting: what time it is, and when a time-out ends. No call here makes a system call where the kernel
// offers its clocks in the process's own memory (vdso(7)).
//
// The types of <chrono> are taken by their shape and not by their name: that header alone is half of what channel.hpp may
// cost a program that includes it (docs/decisions/0045).

#include <cstdint>

namespace sluice::detail {

/// No deadline.
inline constexpr std::uint64_t never = ~std::uint64_t{0};

/// CLOCK_MONOTONIC now: what deadlines count in.
[[nodiscard]] std::uint64_t monotonic_now_ns() noexcept;
/// CLOCK_MONOTONIC to within some milliseconds, for a few nanoseconds.
[[nodiscard]] std::uint64_t monotonic_coarse_ns() noexcept;
/// By how much it goes on at a time. clock_getres(2).
[[nodiscard]] std::uint64_t monotonic_coarse_step_ns() noexcept;
/// CLOCK_REALTIME now: for what people read.
[[nodiscard]] std::uint64_t realtime_now_ns() noexcept;
/// CLOCK_BOOTTIME now: counts from the start of the machine, less or more in another time namespace.
[[nodiscard]] std::uint64_t boottime_now_ns() noexcept;

/// Now plus a timeout, without running over.
[[nodiscard]] std::uint64_t deadline_after_ns(std::uint64_t timeout_ns) noexcept;

/// std::chrono::duration.
template <class D>
concept duration = requires(const D& length) {
  length.count();
  D::period::num;
  D::period::den;
};

/// std::chrono::time_point of a clock that is never set.
template <class P>
concept steady_time_point = requires(const P& when) {
  when.time_since_epoch();
  requires P::clock::is_steady;
  { when - P::clock::now() } -> duration;
};

__extension__ using wide = __int128;

/// How long a call may wait: any std::chrono::duration, such as `100ms`. What is negative is over at once, what takes
/// centuries is never over.
class timeout {
 public:
  template <duration D>
  constexpr timeout(const D& length) noexcept : ns_(nanoseconds(length)) {}
  [[nodiscard]] static constexpr timeout zero() noexcept { return timeout(std::uint64_t{0}); }
  [[nodiscard]] constexpr std::uint64_t ns() const noexcept { return ns_; }

 private:
  explicit constexpr timeout(std::uint64_t ns) noexcept : ns_(ns) {}
  template <class D>
  static constexpr std::uint64_t nanoseconds(const D& length) noexcept {
    constexpr double too_long = 9.2e18;  // 292 years
    constexpr auto num = D::period::num, den = D::period::den;
    const double about = static_cast<double>(length.count()) * num / den * 1e9;
    if (!(about > 0)) return 0;
    if (about >= too_long) return never;
    if constexpr (static_cast<decltype(length.count())>(0.5) != 0)
      return static_cast<std::uint64_t>(about);  // floating
    return static_cast<std::uint64_t>(static_cast<wide>(length.count()) * num * 1'000'000'000 / den);
  }
  std::uint64_t ns_;
};

/// Until when a call may wait: any time point of std::chrono::steady_clock, or of another clock that is never set.
class time_limit {
 public:
  template <steady_time_point P>
  time_limit(const P& when) noexcept {
    const auto now = P::clock::now();
    ns_ = when > now ? deadline_after_ns(timeout(when - now).ns()) : 0;
  }
  [[nodiscard]] std::uint64_t ns() const noexcept { return ns_; }

 private:
  std::uint64_t ns_;  // on CLOCK_MONOTONIC
};

/// The same as the wait strategies count.
[[nodiscard]] inline std::uint64_t deadline_after(timeout length) noexcept { return deadline_after_ns(length.ns()); }
[[nodiscard]] inline std::uint64_t deadline_at(time_limit when) noexcept { return when.ns(); }

}  // namespace sluice::detail
