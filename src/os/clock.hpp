#pragma once

#include <cstdint>

namespace sluice::os {

/// clock_gettime(2): CLOCK_MONOTONIC, its coarse form, and CLOCK_REALTIME for what people read.
[[nodiscard]] std::uint64_t monotonic_ns() noexcept;
[[nodiscard]] std::uint64_t monotonic_coarse_ns() noexcept;
[[nodiscard]] std::uint64_t realtime_ns() noexcept;
/// CLOCK_BOOTTIME, which counts from the start of the machine, less or more in another time namespace.
[[nodiscard]] std::uint64_t boottime_ns() noexcept;

}  // namespace sluice::os
