#include "part/slot_look.hpp"

#include <algorithm>

namespace sluice::detail {
namespace {

bool is_occupied(const seat_report& seat) noexcept {
  return seat.state == seat_state::taken || seat.state == seat_state::dead;
}

/// Whether a process sits there or died there, or may come: then a seat has its hand on what its claims say.
bool holds_claims(const seat_report& seat) noexcept { return is_occupied(seat) || !seat.subscription.empty(); }

/// The participant that holds a slot. One that is known to have won it comes before one that only announced it.
const seat_report* holder_of(const std::vector<seat_report>& seats, const slot_report& slot) {
  const seat_report* found = nullptr;
  for (const auto& seat : seats) {
    if (!holds_claims(seat)) continue;
    if (slot.kind == slot_kind::taken && seat.index == slot.taken_seat) return &seat;
    if (slot.kind != (seat.role == role::producer ? slot_kind::free : slot_kind::published)) continue;
    for (const auto& claim : seat.claims) {
      if (slot.sequence - claim.first >= claim.count) continue;
      if (claim.is_won) return &seat;
      found = &seat;
    }
  }
  return found;
}

/// Adds a slot to the last run, or begins one.
void add_hold(std::vector<hold_report>& holds, const seat_report& holder, std::uint64_t sequence) {
  if (!holds.empty() && holds.back().seat_index == holder.index &&
      holds.back().sequence + holds.back().count == sequence)
    ++holds.back().count;
  else
    holds.push_back({holder.index, sequence, 1, 0});
}

void look_at_slot(part_snapshot& ring, const part_kind& kind, std::uint64_t sequence, part_facts& facts) {
  auto slot = ring.slot(sequence);
  if (slot.kind == slot_kind::free && sequence < facts.head) return;  // released, or never filled
  if (const auto* holder = holder_of(ring.seats(), slot)) add_hold(facts.holds, *holder, sequence);
  switch (slot.kind) {
    case slot_kind::published: ++facts.published_slots; break;
    case slot_kind::hole: ++facts.hole_slots; break;
    case slot_kind::taken: ++facts.taken_slots; break;
    case slot_kind::free: ++facts.claimed_slots; break;
  }
  if (slot.kind != slot_kind::published && slot.kind != slot_kind::taken) return;
  kind.read_message(ring, ring.part(), slot, 0);
  facts.published_bytes += slot.message_bytes;
}

/// The seat on the other side that keeps `waiting` from going on.
std::optional<std::uint32_t> holder_of(const part_snapshot& ring, const slot_look& rules, const part_facts& facts,
                                       role waiting, std::uint64_t sequence) {
  for (const auto& hold : facts.holds)
    if (sequence - hold.sequence < hold.count) return hold.seat_index;
  return rules.holder_otherwise(ring, waiting);
}

/// The notes that still hold: the slot is still the one that the side waits for.
std::vector<stall_report> stalls_of(part_snapshot& ring, const slot_look& rules, const part_facts& facts) {
  std::vector<stall_report> stalls;
  const auto& control = *ring.ring().control;
  for (const auto waiting : {role::producer, role::consumer}) {
    const auto side = static_cast<std::uint32_t>(waiting);
    const auto noted = control.stalled_at[side].load(std::memory_order_relaxed);  // of a copy, here and below
    if (noted == 0 || !rules.still_waits(ring, facts, waiting, noted - 1)) continue;
    stall_report stall;
    stall.waiting = waiting;
    stall.sequence = noted - 1;
    stall.since_realtime_ns = control.stalled_since_realtime_ns[side].load(std::memory_order_relaxed);
    stall.holder = holder_of(ring, rules, facts, waiting, stall.sequence);
    stalls.push_back(stall);
  }
  return stalls;
}

}  // namespace

part_facts look_at_slots(part_snapshot& ring, const slot_look& rules, depth how_deep) {
  part_facts facts;
  const auto& kind = part_kind_of(ring.part());
  const auto cursors = kind.cursors(ring.ring());
  facts.tail = cursors.tail;
  facts.head = cursors.head;
  facts.fill_slots = std::min(facts.tail - std::min(facts.head, facts.tail), ring.ring().capacity());
  if (how_deep == depth::slots)
    for (const auto sequence : kind.sequences_of_interest(ring.ring())) look_at_slot(ring, kind, sequence, facts);
  facts.stalls = stalls_of(ring, rules, facts);
  for (auto& hold : facts.holds)
    for (const auto& stall : facts.stalls)
      if (stall.sequence - hold.sequence < hold.count) hold.waited_for_since_realtime_ns = stall.since_realtime_ns;
  return facts;
}

void read_message_in_slot(part_snapshot& ring, const part_descriptor& part, slot_report& slot,
                          std::uint64_t max_bytes) {
  slot.message_bytes = part.message_bytes;
  if (max_bytes == 0) return;
  slot.message.resize(std::min(part.message_bytes, max_bytes));
  slot.message.resize(ring.read(ring.payload_offset(slot.sequence), slot.message));
}

void add_from_head_to_tail(std::vector<std::uint64_t>& sequences, const part_cursors& cursors, std::uint64_t capacity) {
  const auto fill = std::min(cursors.tail - std::min(cursors.head, cursors.tail), capacity);
  for (std::uint64_t i = 0; i < fill && sequences.size() < max_slots_looked_at; ++i)
    sequences.push_back(cursors.head + i);
}

}  // namespace sluice::detail
