#include "os/clock.hpp"

#include <ctime>

namespace sluice::os {
namespace {

std::uint64_t now(clockid_t clock) noexcept {
  timespec t{};
  ::clock_gettime(clock, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(t.tv_nsec);
}

}  // namespace

std::uint64_t monotonic_ns() noexcept { return now(CLOCK_MONOTONIC); }
std::uint64_t monotonic_coarse_ns() noexcept { return now(CLOCK_MONOTONIC_COARSE); }
std::uint64_t realtime_ns() noexcept { return now(CLOCK_REALTIME); }
std::uint64_t boottime_ns() noexcept { return now(CLOCK_BOOTTIME); }

}  // namespace sluice::os
