#pragma once

#include <cstdint>

#include "sluice/segment/memory_options.hpp"
#include "sluice/segment/segment.hpp"

namespace sluice {

/// MAP_SHARED | MAP_ANONYMOUS: zeroed memory without a name, shared with the children that are forked afterwards and
/// gone with the last of them. An exec leaves it behind.
struct anonymous_segment {
  static constexpr segment_kind kind = segment_kind::anonymous;

  /// @throws error no_space: not that much memory. Source: mmap(2).
  static segment create(std::uint64_t bytes, const memory_options& how = {});
};

}  // namespace sluice
