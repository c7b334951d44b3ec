#pragma once

#include <cstddef>

namespace sluice::detail {

/// Bytes that move between cores together. A constant of the format, not of the machine that compiles: two processes
/// must agree on it (std::hardware_destructive_interference_size may differ between two builds of the same type).
inline constexpr std::size_t cache_line_bytes = 64;

/// Every size that is mapped is a multiple of this; larger kernel pages (arm64: 16 or 64 KiB) round further up.
inline constexpr std::size_t page_bytes = 4096;

}  // namespace sluice::detail
