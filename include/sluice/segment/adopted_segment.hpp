#pragma once

#include <cstdint>

#include "sluice/segment/memory_options.hpp"
#include "sluice/segment/segment.hpp"

namespace sluice {

/// Memory of any descriptor that can be mapped: a region of a larger file, a device, a memfd of another program.
/// Where it is a regular file (a memfd is one), the dead are told by locks, each region with bytes of its own; else by
/// pid, as in anonymous memory.
struct adopted_segment {
  static constexpr segment_kind kind = segment_kind::adopted;

  /// Maps `bytes` from `offset_bytes` on, a multiple of the page size. A duplicate of `descriptor` is kept.
  /// The length of a file is the caller's affair: it must reach that far.
  /// @throws error bad_argument (not open; offset; no bytes); truncated; not_a_segment (cannot be mapped); no_permission.
  static segment map(int descriptor, std::uint64_t bytes, std::uint64_t offset_bytes = 0,
                     const memory_options& how = {});
};

}  // namespace sluice
