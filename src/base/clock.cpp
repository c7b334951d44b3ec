#include "sluice/detail/base/clock.hpp"

#include <ctime>

namespace sluice::detail {
namespace {

std::uint64_t nanoseconds(const timespec& t) noexcept {
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(t.tv_nsec);
}

std::uint64_t now(clockid_t clock) noexcept {
  timespec t{};
  ::clock_gettime(clock, &t);
  return nanoseconds(t);
}

}  // namespace

std::uint64_t monotonic_now_ns() noexcept { return now(CLOCK_MONOTONIC); }
std::uint64_t monotonic_coarse_ns() noexcept { return now(CLOCK_MONOTONIC_COARSE); }
std::uint64_t monotonic_coarse_step_ns() noexcept {
  timespec step{};
  ::clock_getres(CLOCK_MONOTONIC_COARSE, &step);
  return nanoseconds(step);
}
std::uint64_t realtime_now_ns() noexcept { return now(CLOCK_REALTIME); }
std::uint64_t boottime_now_ns() noexcept { return now(CLOCK_BOOTTIME); }

std::uint64_t deadline_after_ns(std::uint64_t timeout_ns) noexcept {
  const auto now = monotonic_now_ns();
  return timeout_ns > never - now ? never : now + timeout_ns;
}

}  // namespace sluice::detail
