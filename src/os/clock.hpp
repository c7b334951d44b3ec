#pragma once

#include <cstdint>

namespace sluice::os {

/// clock_gettime(2): CLOCK_MONOTONIC, and CLOCK_REALTIME for what people read.
[[nodiscard]] std::uint64_t monotonic_ns() noexcept;
[[nodiscard]] std::uint64_t realtime_ns() noexcept;

}  // namespace sluice::os
