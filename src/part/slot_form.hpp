#pragma once

// How large slots are, how many there are, and where a message lies in its slot: for every kind that has slots.

#include <cstddef>
#include <cstdint>
#include <span>

#include "sluice/detail/layout/ring_view.hpp"
#include "sluice/detail/layout/segment_header.hpp"
#include "sluice/options.hpp"

namespace sluice::detail {

inline constexpr std::uint64_t max_message_bytes = 1ULL << 30;

/// @throws error bad_argument: not a power of two, too few or too many.
void require_sane_capacity(std::uint64_t capacity_slots);

/// Fills part.slots and part.body_bytes, given the message and the durability there. @throws error bad_argument.
void form_slots(part_descriptor& part, const ring_options& options);

/// The options that form_slots() made the part from.
void recall_slots(const part_descriptor& part, ring_options& options) noexcept;

/// Whether a creator can have written part.slots and part.body_bytes, given that the message there is sane.
[[nodiscard]] bool are_sane_slots(const part_descriptor& part) noexcept;

/// Of a ring whose messages lie in their slots and have one size.
[[nodiscard]] std::span<const std::byte> message_in_slot(const ring_view& ring, const part_descriptor& part,
                                                         const std::byte* payload) noexcept;

}  // namespace sluice::detail
