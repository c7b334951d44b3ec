// The spsc ring as cold code sees it: sluice/part/spsc/spsc_ring.hpp says what its words mean.

#include <algorithm>

#include "part/bytes/bytes_part.hpp"
#include "part/part_kind.hpp"
#include "part/slot_form.hpp"
#include "part/slot_look.hpp"
#include "sluice/detail/part/spsc/spsc_layout.hpp"

namespace sluice::detail {

extern const part_kind spsc_part;
extern const part_kind spsc_bytes_part;

namespace {

// Counts for people, and copies: nothing else is read on the word of these relaxed loads.

part_cursors cursors_of(const ring_view& ring) noexcept {
  return {spsc_seat_of(ring, 0).sequence.load(std::memory_order_relaxed),
          spsc_seat_of(ring, ring.first_seat(role::consumer)).sequence.load(std::memory_order_relaxed)};
}

/// A seat counts by its sequence, which no new owner resets.
void describe_seat(const ring_view& ring, seat_report& report) {
  const auto& seat = spsc_seat_of(ring, report.index);
  const auto done = seat.sequence.load(std::memory_order_relaxed);
  const auto begun = seat.peeked.load(std::memory_order_relaxed);
  report.messages = done;
  report.redelivered = seat.redelivered.load(std::memory_order_relaxed);
  report.abandoned = seat.abandoned.load(std::memory_order_relaxed);
  if (begun > done) report.claims.push_back({done, std::min(begun - done, ring.capacity()), true});
}

std::vector<std::uint64_t> sequences_of_interest(const ring_view& ring) {
  std::vector<std::uint64_t> sequences;
  add_from_head_to_tail(sequences, cursors_of(ring), ring.capacity());
  return sequences;
}

/// A consumer's claims are all published: only a producer waits for a slot.
bool still_waits(part_snapshot& ring, const part_facts& facts, role waiting, std::uint64_t sequence) {
  return waiting == role::producer && facts.tail - sequence == ring.ring().capacity() && facts.head == sequence;
}

/// The one peer, which has not looked at the slot yet.
std::optional<std::uint32_t> the_peer(const part_snapshot& ring, role waiting) {
  for (const auto& seat : ring.seats())
    if (seat.role == peer_of(waiting) && (seat.state == seat_state::taken || seat.state == seat_state::dead))
      return seat.index;
  return std::nullopt;
}

part_facts look(part_snapshot& ring, depth how_deep) { return look_at_slots(ring, {still_waits, the_peer}, how_deep); }

part_facts look_with_arenas(part_snapshot& ring, depth how_deep) {
  const auto waits = [](part_snapshot& one, const part_facts& facts, role waiting, std::uint64_t sequence) {
    return still_waits(one, facts, waiting, sequence) ||
           (facts.head == sequence && waits_for_its_arena(one, waiting, sequence));
  };
  return look_at_slots(ring, {waits, the_peer}, how_deep);
}

/// As a consumer leaves it that had everything in its hands when it died.
void fill_recovered(const ring_view& fresh, std::uint64_t count) noexcept {
  spsc_seat_of(fresh, 0).sequence.store(count, std::memory_order_relaxed);  // no other process yet, here and below
  spsc_seat_of(fresh, fresh.first_seat(role::consumer)).peeked.store(count, std::memory_order_relaxed);
}

std::uint64_t sequence_offset(const part_descriptor& ring, std::uint32_t seat_index) {
  return ring.seats_offset + seat_index * sizeof(seat) + offsetof(seat, own) + offsetof(spsc_seat, sequence);
}

constexpr slot_recovery recovery{
    .consumers_write_words = false,
    .has_later_words = false,
    .tail_offset = [](const part_descriptor& ring) { return sequence_offset(ring, 0); },
    .released_offset = [](const part_descriptor& ring) { return sequence_offset(ring, ring.producer_seats); },
    .fill = fill_recovered,
};

constexpr auto bytes_recovery = of_any_length(recovery);

constexpr part_kind row{
    .tag = ring_kind::spsc,
    .name = "spsc",
    .producers = {1, 1},
    .consumers = {1, 1},
    .for_more = "mpmc",
    .control_bytes = sizeof(spsc_control),
    .form = form_slots,
    .is_sane = are_sane_slots,
    .recall = recall_slots,
    .bytes_in_slot = [](const part_descriptor& part) noexcept { return part.message_bytes; },
    .message_at = message_in_slot,
    .cursors = cursors_of,
    .describe_seat = describe_seat,
    .sequences_of_interest = sequences_of_interest,
    .look = look,
    .read_message = read_message_in_slot,
    .recovery = &recovery,
};

}  // namespace

constinit const part_kind spsc_part = row;
constinit const part_kind spsc_bytes_part =
    of_any_length(row, ring_kind::spsc_bytes, "spsc-bytes", look_with_arenas, bytes_recovery);

}  // namespace sluice::detail
