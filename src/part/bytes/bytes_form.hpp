#pragma once

// How a ring of messages of any length lies in its part: slots with an extent each, and behind them an arena for each
// producer seat.

#include <cstdint>

#include "sluice/detail/layout/segment_header.hpp"
#include "sluice/options.hpp"

namespace sluice::detail {

/// As form_slots(), for such a ring; and its arena_form. @throws error bad_argument.
void form_bytes(part_descriptor& part, const ring_options& options);

/// Whether a creator can have written them.
[[nodiscard]] bool are_sane_bytes(const part_descriptor& part) noexcept;

/// What a slot holds behind its word and its checksum: an extent, and a message if it is short.
[[nodiscard]] std::uint64_t bytes_in_slot(const part_descriptor& part) noexcept;

/// The options that form_bytes() made the part from.
void recall_bytes(const part_descriptor& part, ring_options& options) noexcept;

}  // namespace sluice::detail
