#include "part/bytes/bytes_messages.hpp"

#include <algorithm>
#include <cstring>

#include "sluice/detail/part/bytes/bytes_view.hpp"

namespace sluice::detail {
namespace {

/// Where in the segment the message begins. Nothing: no producer writes such an extent.
std::optional<std::uint64_t> place_of(const part_descriptor& part, extent where, std::uint64_t payload_offset) {
  const auto form = arena_form_of(part);
  if (!bytes_bounds::of(form, part.producer_seats).allow(where)) return std::nullopt;
  if (where.place == extent::in_slot) return payload_offset + form.inline_offset - part.slots.payload_offset;
  return part.body_offset + form.arena_offset + where.place * arena_unit_bytes;
}

extent extent_in(std::span<const std::byte> payload) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, payload.data(), sizeof word);
  return extent::of(word);
}

}  // namespace

std::span<const std::byte> message_of_extent(const ring_view& ring, const part_descriptor& part,
                                             const std::byte* payload) noexcept {
  return bytes_view(ring, part).message(payload);
}

void read_message_of_any_length(part_snapshot& ring, const part_descriptor& part, slot_report& slot,
                                std::uint64_t max_bytes) {
  std::uint64_t word = 0;
  const auto payload = ring.payload_offset(slot.sequence);
  if (ring.read(payload, std::as_writable_bytes(std::span(&word, 1))) != sizeof word) return;
  const auto where = extent::of(word);
  const auto place = place_of(part, where, payload);
  if (!place) return;
  slot.message_bytes = where.length;
  if (max_bytes == 0) return;
  slot.message.resize(std::min(slot.message_bytes, max_bytes));
  slot.message.resize(ring.read(*place, slot.message));
}

bool waits_for_its_arena(part_snapshot& ring, role waiting, std::uint64_t sequence) {
  const auto kind = ring.slot(sequence).kind;
  return waiting == role::producer && (kind == slot_kind::published || kind == slot_kind::taken) &&
         std::any_of(ring.seats().begin(), ring.seats().end(),
                     [](const seat_report& seat) { return seat.role == role::producer && seat.is_parked; });
}

std::optional<std::span<const std::byte>> message_by_extent(const old_slots& from, std::span<const std::byte> payload,
                                                            std::vector<std::byte>& room) {
  const auto where = extent_in(payload);
  const auto place = place_of(from.ring, where, 0);
  if (!place) return std::nullopt;
  if (where.place == extent::in_slot) return payload.subspan(*place, where.length);
  room.assign(where.length, std::byte{0});  // for what is missing of a file that is cut short meanwhile
  (void)from.read(*place, room);
  return room;
}

void put_by_extent(const new_slots& into, std::byte* payload, std::span<const std::byte> old_payload,
                   std::span<const std::byte> message) {
  const auto where = extent_in(old_payload);
  const bytes_view view(into.view, into.ring);
  auto* const place = where.place == extent::in_slot ? view.room_in_slot(payload, message.size()).data()
                                                     : view.arenas + where.place * arena_unit_bytes;
  std::copy(message.begin(), message.end(), place);
  extent_word(payload).store(where.word(), std::memory_order_relaxed);  // no other process yet
}

}  // namespace sluice::detail
