#pragma once

#include <cstdint>

namespace sluice::os {

/// clock_gettime(2): CLOCK_MONOTONIC, its coarse form, and CLOCK_REALTIME for what people read.
[[nodiscard]] std::uint64_t monotonic_ns() noexcept;
[[nodiscard]] std::uint64_t monotonic_coarse_ns() noexcept;
[[nodiscard]] std::uint64_t realtime_ns() noexcept;

}  // namespace sluice::os
