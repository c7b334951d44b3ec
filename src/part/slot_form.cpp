#include "part/slot_form.hpp"

#include <algorithm>
#include <bit>
#include <string>

#include "sluice/detail/base/bytes.hpp"
#include "sluice/detail/layout/durability.hpp"
#include "sluice/error.hpp"

namespace sluice::detail {
namespace {

constexpr std::uint64_t max_capacity_slots = 1ULL << 32;

/// From this size on the message begins on a line of its own, so that copies run at full width.
constexpr std::uint64_t own_line_from_bytes = 256;

/// A consumer that reads a message to its end has up to twenty lines behind it fetched as well, by the prefetcher; were
/// those the next slot's, its producer would have to ask for them back. From this size on a gap is worth its memory.
constexpr std::uint64_t gap_from_bytes = 4096;
constexpr std::uint64_t gap_bytes = 960;  // 4 KiB, gap and the word's line: 5 KiB

/// From this size on a ring for latency is made larger than a first-level cache.
constexpr std::uint64_t large_from_bytes = 1024;

/// A durable ring's slot has its checksum right after its word.
constexpr std::uint64_t durable_checksum_offset = sizeof(std::uint64_t);

std::uint64_t payload_offset_for(const part_descriptor& part, bool is_durable) {
  const auto before = (is_durable ? durable_checksum_offset : 0) + sizeof(std::uint64_t);
  if (part.message_bytes >= own_line_from_bytes)
    return std::max<std::uint64_t>(cache_line_bytes, part.message_alignment);
  return round_up(before, std::max<std::uint64_t>(sizeof(std::uint64_t), part.message_alignment));
}

std::uint64_t stride_for(const part_descriptor& part, bool is_durable) {
  const bool has_gap = part.message_bytes >= gap_from_bytes && part.message_alignment <= cache_line_bytes;
  const auto needed = payload_offset_for(part, is_durable) + part.message_bytes + (has_gap ? gap_bytes : 0);
  const auto step = std::max<std::uint64_t>(
      part.message_bytes >= own_line_from_bytes ? cache_line_bytes : sizeof(std::uint64_t), part.message_alignment);
  return round_up(needed, step);
}

std::uint64_t default_capacity(const part_descriptor& part, footprint sized_for, bool is_durable) {
  const auto slots = [&](std::uint64_t bytes, std::uint64_t at_least) {
    return std::max<std::uint64_t>(at_least, std::bit_floor(bytes / stride_for(part, is_durable)));
  };
  if (sized_for == footprint::throughput) return slots(4U << 20, 8);
  // Lines that another core changed come sooner from its second cache than from its first, which it must search: a
  // message of many lines is better off in a ring that the first cache cannot hold.
  return part.message_bytes < large_from_bytes ? slots(64U << 10, 8) : slots(1U << 20, 2);
}

/// Neither, or a rhythm that exists and room for a checksum between word and message. The payload's offset is checked.
bool is_sane_durability(const part_descriptor& part) noexcept {
  const auto checksum_offset = part.slots.checksum_offset;
  switch (static_cast<flush_when>(part.flush_when)) {
    case flush_when::kernel_decides: return part.flush_messages == 0 && checksum_offset == 0;
    case flush_when::on_close:
    case flush_when::every:
      return (part.flush_messages != 0) == (part.flush_when == static_cast<std::uint32_t>(flush_when::every)) &&
             checksum_offset >= sizeof(std::uint64_t) && checksum_offset % sizeof(std::uint64_t) == 0 &&
             checksum_offset <= part.slots.payload_offset - sizeof(std::uint64_t);
  }
  return false;
}

}  // namespace

void require_sane_capacity(std::uint64_t capacity) {
  if (!std::has_single_bit(capacity) || capacity < 2 || capacity > max_capacity_slots)
    throw error(
        errc::bad_argument,
        "capacity " + std::to_string(capacity) + " slots: must be a power of two from 2 to " +
            std::to_string(max_capacity_slots) +
            (capacity < max_capacity_slots
                 ? " (the next one is " + std::to_string(std::bit_ceil(std::max<std::uint64_t>(2, capacity))) + ")"
                 : ""));
}

void form_slots(part_descriptor& part, const ring_options& options) {
  if (options.capacity_bytes != 0 || options.inline_bytes != 0)
    throw error(errc::bad_argument,
                "capacity_bytes or inline_bytes for messages of one size: they are for messages of any length; give "
                "capacity_slots");
  const bool is_durable = !durability_of(part).is_none();
  const auto capacity =
      options.capacity_slots != 0 ? options.capacity_slots : default_capacity(part, options.sized_for, is_durable);
  require_sane_capacity(capacity);
  part.slots.capacity_slots = capacity;
  part.slots.slot_stride_bytes = stride_for(part, is_durable);
  part.slots.payload_offset = payload_offset_for(part, is_durable);
  if (is_durable) part.slots.checksum_offset = durable_checksum_offset;
  part.body_bytes = capacity * part.slots.slot_stride_bytes;
}

void recall_slots(const part_descriptor& part, ring_options& options) noexcept {
  options.capacity_slots = part.slots.capacity_slots;
}

std::span<const std::byte> message_in_slot(const ring_view&, const part_descriptor& part,
                                           const std::byte* payload) noexcept {
  return {payload, part.message_bytes};
}

bool are_sane_slots(const part_descriptor& part) noexcept {
  const auto& slots = part.slots;
  return std::has_single_bit(slots.capacity_slots) && slots.capacity_slots >= 2 &&
         slots.capacity_slots <= max_capacity_slots && slots.payload_offset >= sizeof(std::uint64_t) &&
         slots.payload_offset <= 2 * page_bytes && slots.payload_offset % part.message_alignment == 0 &&
         is_sane_durability(part) && slots.slot_stride_bytes >= slots.payload_offset + part.message_bytes &&
         slots.slot_stride_bytes <= 2 * max_message_bytes && slots.slot_stride_bytes % sizeof(std::uint64_t) == 0 &&
         slots.slot_stride_bytes % part.message_alignment == 0 &&
         part.body_bytes == slots.capacity_slots * slots.slot_stride_bytes;
}

}  // namespace sluice::detail
