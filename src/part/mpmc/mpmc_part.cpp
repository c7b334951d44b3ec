// The mpmc ring as cold code sees it: sluice/part/mpmc/mpmc_ring.hpp says what its words mean.

#include <algorithm>

#include "part/bytes/bytes_part.hpp"
#include "part/part_kind.hpp"
#include "part/service/service_part.hpp"
#include "part/slot_form.hpp"
#include "part/slot_look.hpp"
#include "sluice/detail/part/mpmc/mpmc_layout.hpp"

namespace sluice::detail {

extern const part_kind mpmc_part;
extern const part_kind mpmc_bytes_part;
extern const part_kind service_part;
extern const part_kind service_bytes_part;

namespace {

// Counts for people, and copies: nothing else is read on the word of these relaxed loads.

part_cursors cursors_of(const ring_view& ring) noexcept {
  const auto& control = mpmc_control_of(ring);
  return {control.tail.load(std::memory_order_relaxed), control.head.load(std::memory_order_relaxed)};
}

void describe_seat(const ring_view& ring, seat_report& report) {
  const auto& seat = mpmc_seat_of(ring, report.index);
  const auto cursors = cursors_of(ring);
  report.messages = seat.messages.load(std::memory_order_relaxed);
  report.redelivered = seat.redelivered.load(std::memory_order_relaxed);
  report.abandoned = seat.abandoned.load(std::memory_order_relaxed);
  for (const auto* const word : {&seat.intent, &seat.second_intent}) {
    const auto intent = word->load(std::memory_order_relaxed);
    if (intent_count(intent) == 0) continue;
    const auto near = report.role == role::producer ? cursors.tail : cursors.head;
    report.claims.push_back({intent_first(intent, near), intent_count(intent), intent_won(intent)});
  }
}

/// Those from head to tail and, of what consumers claimed before head, what their seats still cover. No more than
/// max_slots_looked_at, whatever the shared words say.
std::vector<std::uint64_t> sequences_of_interest(const ring_view& ring) {
  const auto cursors = cursors_of(ring);
  const auto head = cursors.head;
  std::vector<std::uint64_t> sequences;
  for (auto i = ring.first_seat(role::consumer); i < ring.producer_seats + ring.consumer_seats; ++i) {
    const auto state = state_of(ring.seats[i].state.load(std::memory_order_relaxed));
    if (state != seat_state::taken && state != seat_state::dead) continue;
    const auto& seat = mpmc_seat_of(ring, i);
    for (const auto* const word : {&seat.intent, &seat.second_intent}) {
      const auto intent = word->load(std::memory_order_relaxed);
      const auto distance = head - intent_first(intent, head);
      if (distance > ring.capacity() || distance > head) continue;  // not of the last lap: no correct participant's
      for (auto q = head - distance; q < head && q - (head - distance) < intent_count(intent); ++q) {
        if (sequences.size() == max_slots_looked_at) break;
        sequences.push_back(q);
      }
    }
  }
  std::sort(sequences.begin(), sequences.end());
  sequences.erase(std::unique(sequences.begin(), sequences.end()), sequences.end());
  add_from_head_to_tail(sequences, cursors, ring.capacity());
  return sequences;
}

bool still_waits(part_snapshot& ring, const part_facts& facts, role waiting, std::uint64_t sequence) {
  if (waiting == role::producer) return facts.tail - sequence == ring.ring().capacity();
  return facts.head == sequence && facts.tail > sequence && ring.slot(sequence).kind == slot_kind::free;
}

std::optional<std::uint32_t> no_other(const part_snapshot&, role) { return std::nullopt; }

part_facts look(part_snapshot& ring, depth how_deep) { return look_at_slots(ring, {still_waits, no_other}, how_deep); }

part_facts look_with_arenas(part_snapshot& ring, depth how_deep) {
  const auto waits = [](part_snapshot& one, const part_facts& facts, role waiting, std::uint64_t sequence) {
    return still_waits(one, facts, waiting, sequence) || waits_for_its_arena(one, waiting, sequence);
  };
  return look_at_slots(ring, {waits, no_other}, how_deep);
}

constexpr slot_recovery recovery{
    .consumers_write_words = true,
    .has_later_words = true,
    .tail_offset =
        [](const part_descriptor& ring) {
          return ring.control_offset + sizeof(ring_control) + offsetof(mpmc_control, tail);
        },
    .released_offset = nullptr,  // a slot's own word says it
    .fill =
        [](const ring_view& fresh, std::uint64_t count) noexcept {
          mpmc_control_of(fresh).tail.store(count, std::memory_order_relaxed);  // no other process yet
        },
};

constexpr auto bytes_recovery = of_any_length(recovery);

constexpr part_kind row{
    .tag = ring_kind::mpmc,
    .name = "mpmc",
    .producers = {64, 4096},
    .consumers = {64, 4096},
    .for_more = nullptr,
    .control_bytes = sizeof(mpmc_control),
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

constexpr auto bytes_row = of_any_length(row, ring_kind::mpmc_bytes, "mpmc-bytes", look_with_arenas, bytes_recovery);

}  // namespace

constinit const part_kind mpmc_part = row;
constinit const part_kind mpmc_bytes_part = bytes_row;
constinit const part_kind service_part = with_replies(row);
constinit const part_kind service_bytes_part = with_replies(bytes_row);

}  // namespace sluice::detail
