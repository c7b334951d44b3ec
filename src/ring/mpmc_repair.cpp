#include "sluice/ring/mpmc_repair.hpp"

#include <algorithm>
#include <array>

namespace sluice::mpmc_repair {
namespace {

// The positions of an intent. Its 48 bits are read relative to a counter near them; whatever lies outside the last lap
// before that counter was not written by a correct participant, or was not won, and is stepped over.
struct intent_range {
  std::uint64_t first;
  std::uint64_t count;
  bool won;
};

intent_range range_of(std::uint64_t intent, std::uint64_t near, std::uint64_t capacity) noexcept {
  constexpr unsigned unused_bits = 16;
  const auto distance =
      static_cast<std::int64_t>((intent & ~std::uint64_t{0xffff}) - (near << unused_bits)) >> unused_bits;
  return {near + static_cast<std::uint64_t>(distance), std::min(intent_count(intent), capacity), intent_won(intent)};
}

/// Both intents of a seat. Each covers a claim of its own, so a mender that looks for what a seat covers looks at both.
std::array<std::uint64_t, 2> intents_of(const seat& record) noexcept {
  return {record.intent.load(std::memory_order_acquire),          // mpmc_ring.hpp I
          record.second_intent.load(std::memory_order_acquire)};  // mpmc_ring.hpp I
}

bool covers(const seat& record, std::uint64_t q) noexcept {
  const auto intents = intents_of(record);
  return intent_covers(intents[0], q) || intent_covers(intents[1], q);
}

bool covers_and_won(const seat& record, std::uint64_t q) noexcept {
  const auto intents = intents_of(record);
  return (intent_won(intents[0]) && intent_covers(intents[0], q)) ||
         (intent_won(intents[1]) && intent_covers(intents[1], q));
}

/// Whether `counter` has passed q, by no more than a lap: q was claimed by somebody.
bool was_claimed(std::uint64_t counter, std::uint64_t q, std::uint64_t capacity) noexcept {
  return counter - q - 1 < capacity;
}

bool is_vacant(std::uint64_t state_word) noexcept { return state_of(state_word) != seat_state::taken; }

/// Whether somebody living, other than `except`, may own q. The caller has seen the counter pass q before.
bool has_living_cover(const ring_view& ring, role whose, std::uint64_t q, std::uint32_t except,
                      seat_keeper& keeper) noexcept {
  const auto first = ring.first_seat(whose);
  for (auto s = first; s < first + ring.seat_count(whose); ++s) {
    if (s == except) continue;
    const auto state = ring.seats[s].state.load(std::memory_order_acquire);  // seat_table.hpp A, D
    if (is_vacant(state)) continue;
    if (!covers(ring.seats[s], q)) continue;
    if (!keeper.is_dead(s, state)) return true;
  }
  return false;
}

/// The dead producer that is marked as the winner of q; none() when there is no such.
std::uint32_t dead_winner(const ring_view& ring, std::uint64_t q, seat_keeper& keeper) noexcept {
  for (std::uint32_t s = 0; s < ring.producer_seats; ++s) {
    const auto state = ring.seats[s].state.load(std::memory_order_acquire);  // seat_table.hpp A, D
    if (!covers_and_won(ring.seats[s], q)) continue;
    if (state_of(state) == seat_state::dead || (state_of(state) == seat_state::taken && keeper.is_dead(s, state)))
      return s;
  }
  return none();
}

bool make_hole(const ring_view& ring, std::uint64_t q) noexcept {
  auto expected = ring.word_for(q, slot_kind::free);
  return ring.word(q).compare_exchange_strong(expected, ring.word_for(q, slot_kind::hole), std::memory_order_acq_rel,
                                              std::memory_order_relaxed);  // mpmc_ring.hpp X
}

/// Whether a seat's intent covers anything that is neither free nor another's: asked before its owner's life is.
bool may_hold_messages(const ring_view& ring, std::uint32_t s) noexcept {
  const auto head = ring.control->head.load(std::memory_order_acquire);  // mpmc_ring.hpp H
  for (const auto intent : intents_of(ring.seats[s])) {
    const auto range = range_of(intent, head, ring.capacity());
    for (std::uint64_t i = 0; i < range.count; ++i) {
      const auto q = range.first + i;
      if (!was_claimed(head, q, ring.capacity())) continue;
      const auto word = ring.word(q).load(std::memory_order_acquire);  // mpmc_ring.hpp W, X
      if (word == ring.word_for(q, slot_kind::published) || word == ring.word_for(q, slot_kind::hole) ||
          word == ring.word_for(q, slot_kind::taken, s))
        return true;
    }
  }
  return false;
}

/// A dead producer's claim becomes holes, as far as it is its own. @return false: later.
bool settle_claim(const ring_view& ring, std::uint32_t dead_seat, std::uint64_t intent, seat_keeper& keeper) noexcept {
  const auto range =
      range_of(intent, ring.control->tail.load(std::memory_order_acquire), ring.capacity());  // mpmc_ring.hpp T
  for (std::uint64_t i = 0; i < range.count; ++i) {
    const auto q = range.first + i;
    if (!was_claimed(ring.control->tail.load(std::memory_order_acquire), q, ring.capacity()))
      continue;  // mpmc_ring.hpp T: before the seats
    if (ring.word(q).load(std::memory_order_acquire) != ring.word_for(q, slot_kind::free))
      continue;  // mpmc_ring.hpp W, X
    if (!range.won && has_living_cover(ring, role::producer, q, dead_seat, keeper)) return false;
    if (make_hole(ring, q)) keeper.record(repair_kind::hole, dead_seat, q);
  }
  return true;
}

/// What a dead consumer's intent claimed becomes taken by its seat, as far as it is its own. @return false: later.
bool arbitrate_claim(const ring_view& ring, std::uint32_t dead_seat, std::uint64_t intent, seat_keeper& keeper,
                     std::uint64_t& freed) noexcept {
  const auto range =
      range_of(intent, ring.control->head.load(std::memory_order_acquire), ring.capacity());  // mpmc_ring.hpp H
  for (std::uint64_t i = 0; i < range.count; ++i) {
    const auto q = range.first + i;
    if (!was_claimed(ring.control->head.load(std::memory_order_acquire), q, ring.capacity()))
      continue;                                                // mpmc_ring.hpp H: before word and seats
    auto word = ring.word(q).load(std::memory_order_acquire);  // mpmc_ring.hpp W, X
    const bool is_hole = word == ring.word_for(q, slot_kind::hole);
    if (!is_hole && word != ring.word_for(q, slot_kind::published)) continue;  // released, or another dead seat's
    if (!range.won && has_living_cover(ring, role::consumer, q, dead_seat, keeper)) return false;
    const auto after =
        is_hole ? ring.word_for(q + ring.capacity(), slot_kind::free) : ring.word_for(q, slot_kind::taken, dead_seat);
    if (!ring.word(q).compare_exchange_strong(word, after, std::memory_order_acq_rel, std::memory_order_relaxed))
      continue;  // mpmc_ring.hpp X
    if (is_hole)
      ++freed;
    else
      keeper.record(repair_kind::redelivery, dead_seat, q);
  }
  return true;
}

/// What stays of a dead consumer's intent is exactly what the newcomer must deliver: no wider cover, or it would hold up
/// others for nothing.
void narrow(const ring_view& ring, std::uint32_t dead_seat, std::atomic<std::uint64_t>& intent) noexcept {
  const auto head = ring.control->head.load(std::memory_order_acquire);                        // mpmc_ring.hpp H
  const auto range = range_of(intent.load(std::memory_order_acquire), head, ring.capacity());  // mpmc_ring.hpp I
  const auto is_left = [&](std::uint64_t i) {
    return was_claimed(head, range.first + i, ring.capacity()) && is_orphan(ring, dead_seat, range.first + i);
  };
  std::uint64_t from = 0, to = range.count;
  while (from != to && !is_left(from)) ++from;
  while (to != from && !is_left(to - 1)) --to;
  intent.store(from == to ? 0 : intent_word(range.first + from, to - from, true),
               std::memory_order_release);  // mpmc_ring.hpp I
}

}  // namespace

std::uint64_t mend_holes(const ring_view& ring, seat_keeper& keeper) noexcept {
  std::uint64_t holes = 0;
  const auto head = ring.control->head.load(std::memory_order_acquire);  // mpmc_ring.hpp H
  for (auto q = head; q - head < ring.capacity(); ++q) {
    if (!was_claimed(ring.control->tail.load(std::memory_order_acquire), q, ring.capacity()))
      break;  // mpmc_ring.hpp T: before the seats
    if (ring.word(q).load(std::memory_order_acquire) != ring.word_for(q, slot_kind::free))
      continue;  // mpmc_ring.hpp W, X
    const auto winner = dead_winner(ring, q, keeper);
    if (winner == none() && has_living_cover(ring, role::producer, q, none(), keeper)) break;
    if (!make_hole(ring, q)) continue;
    keeper.record(repair_kind::hole, winner == none() ? unknown_seat() : winner, q);
    ++holes;
  }
  return holes;
}

bool is_anything_held(const ring_view& ring, std::uint32_t except) noexcept {
  const auto first = ring.first_seat(role::consumer);
  for (auto s = first; s < first + ring.consumer_seats; ++s)
    if (s != except && may_hold_messages(ring, s)) return true;
  return false;
}

bool is_orphan(const ring_view& ring, std::uint32_t dead_seat, std::uint64_t sequence) noexcept {
  return ring.word(sequence).load(std::memory_order_acquire) ==
         ring.word_for(sequence, slot_kind::taken, dead_seat);  // mpmc_ring.hpp W, X
}

bool first_orphan(const ring_view& ring, std::uint32_t dead_seat, std::uint64_t& sequence) noexcept {
  const auto intents = intents_of(ring.seats[dead_seat]);
  const auto head = ring.control->head.load(std::memory_order_acquire);  // mpmc_ring.hpp H
  bool is_found = false;
  for (const auto intent : intents) {
    const auto range = range_of(intent, head, ring.capacity());
    for (std::uint64_t i = 0; i < range.count; ++i) {
      const auto q = range.first + i;
      if (!was_claimed(head, q, ring.capacity()) || !is_orphan(ring, dead_seat, q)) continue;
      if (!is_found || head - q > head - sequence) sequence = q;  // the older one; sequences wrap
      is_found = true;
      break;
    }
  }
  return is_found;
}

bool arbitrate(const ring_view& ring, std::uint32_t dead_seat, seat_keeper& keeper, std::uint64_t& freed) noexcept {
  for (const auto intent : intents_of(ring.seats[dead_seat]))
    if (!arbitrate_claim(ring, dead_seat, intent, keeper, freed)) return false;
  return true;
}

std::uint32_t adopt(const ring_view& ring, std::uint32_t own_seat, seat_keeper& keeper, std::uint64_t& freed) noexcept {
  const auto first = ring.first_seat(role::consumer);
  for (auto s = first; s < first + ring.consumer_seats; ++s) {
    if (s == own_seat) continue;
    auto& dead = ring.seats[s];
    const auto state = dead.state.load(std::memory_order_acquire);  // seat_table.hpp A, D
    if (state_of(state) == seat_state::free || state_of(state) == seat_state::settled || !may_hold_messages(ring, s))
      continue;
    if (state_of(state) == seat_state::taken && !keeper.is_dead(s, state)) continue;
    if (!keeper.try_lock(s)) continue;
    std::uint64_t sequence = 0;
    const bool is_still_dead =
        state_of(dead.state.load(std::memory_order_acquire)) == seat_state::dead;  // seat_table.hpp D
    if (!is_still_dead || !arbitrate(ring, s, keeper, freed)) {
      keeper.unlock(s);
    } else if (first_orphan(ring, s, sequence)) {
      return s;
    } else {
      finish(ring, s, keeper);
    }
  }
  return none();
}

void finish(const ring_view& ring, std::uint32_t dead_seat, seat_keeper& keeper) noexcept {
  auto& dead = ring.seats[dead_seat];
  dead.intent.store(0, std::memory_order_release);               // mpmc_ring.hpp I: only now, and only under the lock
  dead.second_intent.store(0, std::memory_order_release);        // mpmc_ring.hpp I
  const auto word = dead.state.load(std::memory_order_relaxed);  // the lock is ours
  const auto after = left_in_order(dead, word) ? seat_state::free : seat_state::settled;
  dead.state.store(seat_word(after, generation_of(word)), std::memory_order_release);  // seat_table.hpp A
  if (after == seat_state::settled) keeper.record(repair_kind::settled_seat, dead_seat, 0);
  keeper.unlock(dead_seat);
}

bool settle(const ring_view& ring, std::uint32_t dead_seat, seat_keeper& keeper) noexcept {
  auto& dead = ring.seats[dead_seat];
  if (dead_seat < ring.producer_seats) {
    for (const auto intent : intents_of(dead))
      if (!settle_claim(ring, dead_seat, intent, keeper)) return false;
    dead.intent.store(0, std::memory_order_release);         // mpmc_ring.hpp I
    dead.second_intent.store(0, std::memory_order_release);  // mpmc_ring.hpp I
    return true;
  }

  std::uint64_t freed = 0;
  if (!arbitrate(ring, dead_seat, keeper, freed)) return false;
  narrow(ring, dead_seat, dead.intent);
  narrow(ring, dead_seat, dead.second_intent);
  return true;
}

}  // namespace sluice::mpmc_repair
