// Time for the measuring loops. ticks() waits for earlier loads to finish (rdtscp on x86), so a sample that
// ends with a receive ends after the payload was really read. Two processes never compare their ticks.
#pragma once

#include <time.h>

#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace sluice_bench {

inline std::uint64_t monotonic_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

/// What the calling thread has really run: less than the wall clock when another thread had the core.
inline std::uint64_t own_cpu_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

/// The same for all threads of the calling process.
inline std::uint64_t own_process_cpu_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

inline std::uint64_t ticks() noexcept {
#if defined(__x86_64__)
  unsigned core = 0;
  return __rdtscp(&core);
#else
  return monotonic_ns();
#endif
}

/// Nanoseconds in one tick, measured once against CLOCK_MONOTONIC over 50 ms. Call it before forking.
inline double ns_per_tick() noexcept {
  static const double measured = [] {
    const std::uint64_t first_ns = monotonic_ns();
    const std::uint64_t first = ticks();
    while (monotonic_ns() - first_ns < 50'000'000) {
    }
    const std::uint64_t last = ticks();
    return static_cast<double>(monotonic_ns() - first_ns) / static_cast<double>(last - first);
  }();
  return measured;
}

}  // namespace sluice_bench
