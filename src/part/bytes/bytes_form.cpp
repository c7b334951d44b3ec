#include "part/bytes/bytes_form.hpp"

#include <algorithm>
#include <bit>
#include <string>

#include "part/slot_form.hpp"
#include "sluice/detail/base/bytes.hpp"
#include "sluice/detail/layout/durability.hpp"
#include "sluice/detail/part/bytes/bytes_ring.hpp"
#include "sluice/error.hpp"

namespace sluice::detail {
namespace {

/// Extent and message lie in two lines that the processor fetches as a pair.
constexpr std::uint64_t default_inline_bytes = 112;

std::string number(std::uint64_t value) { return std::to_string(value); }

std::uint64_t arena_bytes_for(const ring_options& options) {
  if (options.capacity_bytes == 0) return options.sized_for == footprint::throughput ? 1U << 20 : 256U << 10;
  if (options.capacity_bytes < min_arena_bytes || options.capacity_bytes > max_arena_bytes)
    throw error(errc::bad_argument, "a capacity of " + number(options.capacity_bytes) + " bytes: must be " +
                                        number(min_arena_bytes) + " to " + number(max_arena_bytes));
  return std::bit_ceil(options.capacity_bytes);
}

/// The slots take at least as much memory as one arena, if that was asked for.
std::uint64_t capacity_slots_for(const ring_options& options, const arena_form& form, std::uint64_t stride_bytes) {
  if (options.capacity_slots != 0) return options.capacity_slots;
  if (options.capacity_bytes != 0) return std::max<std::uint64_t>(8, std::bit_ceil(form.arena_bytes / stride_bytes));
  const auto wanted_bytes = options.sized_for == footprint::throughput ? 4U << 20 : 64U << 10;
  return std::max<std::uint64_t>(8, std::bit_floor(wanted_bytes / stride_bytes));
}

void require_sane(const part_descriptor& part, const arena_form& form) {
  if (part.message_alignment > bytes_alignment)
    throw error(errc::bad_argument, "messages of any length, aligned to " + number(part.message_alignment) +
                                        ": they begin on multiples of " + number(bytes_alignment) + " and no more");
  if (form.inline_bytes > max_inline_bytes)
    throw error(errc::bad_argument, "messages of more than " + number(max_inline_bytes) +
                                        " bytes in their slots: longer ones lie in an arena");
  if (part.producer_seats * form.arena_bytes > max_all_arenas_bytes)
    throw error(errc::bad_argument, number(part.producer_seats) + " arenas of " + number(form.arena_bytes) +
                                        " bytes: at most " + number(max_all_arenas_bytes) +
                                        " in all; create it with smaller arenas or fewer producer seats");
}

}  // namespace

void throw_too_long(std::uint64_t bytes, std::uint64_t max_bytes) {
  throw error(errc::bad_argument, "a message of " + std::to_string(bytes) + " bytes: this ring takes at most " +
                                      std::to_string(max_bytes) +
                                      "; create it with a larger capacity_bytes, or send the message in parts");
}

void form_bytes(part_descriptor& part, const ring_options& options) {
  const bool is_durable = !durability_of(part).is_none();
  auto& slots = part.slots;
  slots.checksum_offset = is_durable ? sizeof(std::uint64_t) : 0;
  slots.payload_offset = slots.checksum_offset + sizeof(std::uint64_t);
  arena_form form{};
  form.inline_offset = round_up(slots.payload_offset + sizeof(std::uint64_t), bytes_alignment);
  form.inline_bytes =
      round_up(options.inline_bytes != 0 ? std::min(options.inline_bytes, max_inline_bytes + 1) : default_inline_bytes,
               bytes_alignment);
  form.arena_bytes = arena_bytes_for(options);
  require_sane(part, form);
  slots.slot_stride_bytes = form.inline_offset + form.inline_bytes;
  slots.capacity_slots = capacity_slots_for(options, form, slots.slot_stride_bytes);
  require_sane_capacity(slots.capacity_slots);
  form.arena_offset = round_up(slots.capacity_slots * slots.slot_stride_bytes, 2 * cache_line_bytes);
  part.body_bytes = form.arena_offset + part.producer_seats * form.arena_bytes;
  set_arena_form(part, form);
}

std::uint64_t bytes_in_slot(const part_descriptor& part) noexcept {
  const auto form = arena_form_of(part);
  return form.inline_offset + form.inline_bytes - part.slots.payload_offset;
}

bool are_sane_bytes(const part_descriptor& part) noexcept {
  const auto form = arena_form_of(part);
  const auto& slots = part.slots;
  if (form.inline_bytes > max_inline_bytes || form.inline_offset > 2 * page_bytes ||
      slots.payload_offset > form.inline_offset || form.inline_offset - slots.payload_offset < sizeof(std::uint64_t) ||
      form.inline_offset % bytes_alignment != 0 || form.inline_bytes % bytes_alignment != 0 ||
      part.message_alignment > bytes_alignment)
    return false;
  // What is below is a ring whose messages are extents.
  auto ring = part;
  ring.message_bytes = bytes_in_slot(part);
  ring.message_alignment = alignof(std::uint64_t);
  ring.body_bytes = slots.capacity_slots * slots.slot_stride_bytes;  // the factors are checked first
  return are_sane_slots(ring) && slots.slot_stride_bytes % bytes_alignment == 0 &&
         std::has_single_bit(form.arena_bytes) && form.arena_bytes >= min_arena_bytes &&
         form.arena_bytes <= max_arena_bytes && part.producer_seats * form.arena_bytes <= max_all_arenas_bytes &&
         form.arena_offset >= ring.body_bytes && form.arena_offset % arena_unit_bytes == 0 &&
         form.arena_offset <= part.body_bytes &&
         part.body_bytes - form.arena_offset == part.producer_seats * form.arena_bytes;
}

void recall_bytes(const part_descriptor& part, ring_options& options) noexcept {
  const auto form = arena_form_of(part);
  options.capacity_slots = part.slots.capacity_slots;
  options.inline_bytes = form.inline_bytes;
  options.capacity_bytes = form.arena_bytes;
}

}  // namespace sluice::detail
