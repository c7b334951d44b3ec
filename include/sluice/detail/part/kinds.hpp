#pragma once

#include <span>

#include "sluice/detail/layout/segment_header.hpp"

namespace sluice::detail {

/// Every kind of ring that this build knows; to_string() has their names.
[[nodiscard]] std::span<const ring_kind> ring_kinds() noexcept;

}  // namespace sluice::detail
