#pragma once

#include <cstdint>

#include "sluice/segment/memory_options.hpp"
#include "sluice/segment/segment.hpp"

namespace sluice {

/// The same as anonymous_segment by the older way: /dev/zero is opened, mapped MAP_SHARED and closed again.
struct zero_segment {
  static constexpr segment_kind kind = segment_kind::zero;

  /// @throws error no_space; not_found or no_permission when there is no /dev/zero (a bare chroot). Source: zero(4).
  static segment create(std::uint64_t bytes, const memory_options& how = {});
};

}  // namespace sluice
