#include "sluice/detail/part/mpmc/mpmc_repair.hpp"

#include <algorithm>
#include <array>

#include "sluice/detail/part/mpmc/mpmc_layout.hpp"

namespace sluice::detail::mpmc_repair {
namespace {

/// What one call looks at, at the most, so that a wait keeps its deadline whatever the words say. The next tick goes on.
constexpr std::uint64_t looks_a_call = std::uint64_t{1} << 16;

// The positions of an intent. Its 48 bits are read relative to a counter near them; whatever lies outside the last lap
// before that counter was not written by a correct participant, or was not won, and is stepped over.
struct intent_range {
  std::uint64_t first;
  std::uint64_t count;
  bool won;
};

intent_range range_of(std::uint64_t intent, std::uint64_t near, std::uint64_t capacity) noexcept {
  return {intent_first(intent, near), std::min(intent_count(intent), capacity), intent_won(intent)};
}

/// Both intents of a seat. Each covers a claim of its own, so a mender that looks for what a seat covers looks at both.
std::array<std::uint64_t, 2> intents_of(const seat& record) noexcept {
  const auto& words = words_of<mpmc_seat>(record);
  return {words.intent.load(std::memory_order_acquire),          // mpmc_ring.hpp I
          words.second_intent.load(std::memory_order_acquire)};  // mpmc_ring.hpp I
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

/// Whether `counter` has passed q, by no more than a lap: q was claimed.
bool was_claimed(std::uint64_t counter, std::uint64_t q, std::uint64_t capacity) noexcept {
  return counter - q - 1 < capacity;
}

bool is_vacant(std::uint64_t state_word) noexcept { return state_of(state_word) != seat_state::taken; }

/// Whether a living participant, other than `except`, may own q. The caller has seen the counter pass q before.
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

/// How many positions from q on, at most `count`, no living producer may own. The caller has seen the tail pass them all.
std::uint64_t uncovered_run(const ring_view& ring, std::uint64_t q, std::uint64_t count, seat_keeper& keeper) noexcept {
  for (std::uint32_t s = 0; s < ring.producer_seats; ++s) {
    const auto state = ring.seats[s].state.load(std::memory_order_acquire);  // seat_table.hpp A, D
    if (is_vacant(state)) continue;
    for (const auto intent : intents_of(ring.seats[s])) {
      if (intent_covers(intent, q)) {
        if (!keeper.is_dead(s, state)) return 0;
        break;
      }
      const auto range = range_of(intent, q, ring.capacity());
      if (range.count != 0) count = std::min(count, range.first - q);  // where it begins: far away when before q
    }
  }
  return count;
}

/// How many positions from q on the winner of q, of that seat, won with it.
std::uint64_t won_run(const ring_view& ring, std::uint32_t s, std::uint64_t q) noexcept {
  for (const auto intent : intents_of(ring.seats[s])) {
    if (!intent_won(intent) || !intent_covers(intent, q)) continue;
    const auto range = range_of(intent, q, ring.capacity());
    return range.first + range.count - q;
  }
  return 1;
}

enum class other_claim { none, living, winner };

/// Which seat, other than that of the dead consumer `except`, claims q: a seat that is marked as its winner, then `except` never had it;
/// or a living one that may be. The caller has seen the head pass q before, and that q is not released.
other_claim claim_beside(const ring_view& ring, std::uint64_t q, std::uint32_t except, seat_keeper& keeper) noexcept {
  auto found = other_claim::none;
  const auto first = ring.first_seat(role::consumer);
  for (auto s = first; s < first + ring.consumer_seats; ++s) {
    if (s == except) continue;
    const auto state = ring.seats[s].state.load(std::memory_order_acquire);  // seat_table.hpp A, D
    if (covers_and_won(ring.seats[s], q)) return other_claim::winner;
    if (is_vacant(state) || found == other_claim::living || !covers(ring.seats[s], q)) continue;
    if (!keeper.is_dead(s, state)) found = other_claim::living;
  }
  return found;
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

/// Whether a consumer's intent covers anything that was claimed and not released, by that consumer or another.
bool covers_unreleased(const ring_view& ring, std::uint64_t intent) noexcept {
  const auto head = mpmc_control_of(ring).head.load(std::memory_order_acquire);  // mpmc_ring.hpp H
  const auto range = range_of(intent, head, ring.capacity());
  for (std::uint64_t i = 0; i < range.count; ++i) {
    const auto q = range.first + i;
    if (!was_claimed(head, q, ring.capacity())) continue;
    const auto word = ring.word(q).load(std::memory_order_acquire);  // mpmc_ring.hpp W, X
    if (kind_of(word) != slot_kind::free && lap_of(word) == lap_of(ring.word_for(q, slot_kind::free))) return true;
  }
  return false;
}

/// Asked before the life of the seat's owner is.
bool may_hold_messages(const ring_view& ring, std::uint32_t s) noexcept {
  const auto intents = intents_of(ring.seats[s]);
  return covers_unreleased(ring, intents[0]) || covers_unreleased(ring, intents[1]);
}

/// A dead producer's claim becomes holes, as far as it is its own. @return false: later.
bool settle_claim(const ring_view& ring, std::uint32_t dead_seat, std::uint64_t intent, seat_keeper& keeper) noexcept {
  const auto range =
      range_of(intent, mpmc_control_of(ring).tail.load(std::memory_order_acquire), ring.capacity());  // mpmc_ring.hpp T
  for (std::uint64_t i = 0; i < range.count; ++i) {
    const auto q = range.first + i;
    if (!was_claimed(mpmc_control_of(ring).tail.load(std::memory_order_acquire), q, ring.capacity()))
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
      range_of(intent, mpmc_control_of(ring).head.load(std::memory_order_acquire), ring.capacity());  // mpmc_ring.hpp H
  auto looks_left = looks_a_call;
  std::uint64_t redelivered = 0, oldest = 0;
  bool is_settled = true;
  for (std::uint64_t i = 0; i < range.count && is_settled; ++i) {
    const auto q = range.first + i;
    if (!was_claimed(mpmc_control_of(ring).head.load(std::memory_order_acquire), q, ring.capacity()))
      continue;                                                // mpmc_ring.hpp H: before word and seats
    auto word = ring.word(q).load(std::memory_order_acquire);  // mpmc_ring.hpp W, X
    const bool is_hole = word == ring.word_for(q, slot_kind::hole);
    if (!is_hole && word != ring.word_for(q, slot_kind::published)) continue;  // released, or another dead seat's
    if (!range.won) {
      const bool may_look = looks_left >= ring.consumer_seats;
      const auto beside = may_look ? claim_beside(ring, q, dead_seat, keeper) : other_claim::living;
      looks_left -= may_look ? ring.consumer_seats : 0;
      is_settled = beside != other_claim::living;
      if (beside != other_claim::none) continue;
    }
    const auto after =
        is_hole ? ring.word_for(q + ring.capacity(), slot_kind::free) : ring.word_for(q, slot_kind::taken, dead_seat);
    if (!ring.word(q).compare_exchange_strong(word, after, std::memory_order_acq_rel, std::memory_order_relaxed))
      continue;  // mpmc_ring.hpp X
    if (is_hole)
      ++freed;
    else if (++redelivered == 1)
      oldest = q;
  }
  if (redelivered != 0) keeper.record(repair_kind::redelivery, dead_seat, oldest, redelivered);
  return is_settled;
}

/// From the first to the last message of an intent that waits to be delivered again.
std::uint64_t narrowed(const ring_view& ring, std::uint32_t dead_seat, std::uint64_t intent) noexcept {
  const auto head = mpmc_control_of(ring).head.load(std::memory_order_acquire);  // mpmc_ring.hpp H
  const auto range = range_of(intent, head, ring.capacity());
  const auto is_left = [&](std::uint64_t i) {
    return was_claimed(head, range.first + i, ring.capacity()) && is_orphan(ring, dead_seat, range.first + i);
  };
  std::uint64_t from = 0, to = range.count;
  while (from != to && !is_left(from)) ++from;
  while (to != from && !is_left(to - 1)) --to;
  return from == to ? 0 : intent_word(range.first + from, to - from, range.won);
}

/// Passes what a dead consumer's intent still covers on to a living one, of seat `own_seat`, whose intent `to` covers
/// nothing. The new cover comes first, and the old one goes last: a message is always covered.
void hand_over(const ring_view& ring, std::uint32_t dead_seat, std::atomic<std::uint64_t>& from, std::uint32_t own_seat,
               std::atomic<std::uint64_t>& to) noexcept {
  const auto intent = narrowed(ring, dead_seat, from.load(std::memory_order_acquire));  // mpmc_ring.hpp I
  if (intent != 0) {
    to.store(intent, std::memory_order_release);                                   // mpmc_ring.hpp I
    const auto head = mpmc_control_of(ring).head.load(std::memory_order_acquire);  // mpmc_ring.hpp H
    const auto range = range_of(intent, head, ring.capacity());
    for (std::uint64_t i = 0; i < range.count; ++i) {
      const auto q = range.first + i;
      auto word = ring.word_for(q, slot_kind::taken, dead_seat);
      ring.word(q).compare_exchange_strong(word, ring.word_for(q, slot_kind::taken, own_seat),
                                           std::memory_order_acq_rel, std::memory_order_relaxed);  // mpmc_ring.hpp X
    }
    mpmc_control_of(ring).handovers.fetch_add(1, std::memory_order_release);  // mpmc_ring.hpp G
  }
  from.store(0, std::memory_order_release);  // mpmc_ring.hpp I: only now, and only under the lock
}

void clear_intents(const ring_view& ring, std::uint32_t dead_seat) noexcept {
  auto& words = mpmc_seat_of(ring, dead_seat);
  words.intent.store(0, std::memory_order_release);         // mpmc_ring.hpp I
  words.second_intent.store(0, std::memory_order_release);  // mpmc_ring.hpp I
}

/// Gives a dead seat that covers nothing any more back, and drops its lock.
void finish(const ring_view& ring, std::uint32_t dead_seat, seat_keeper& keeper) noexcept {
  auto& dead = ring.seats[dead_seat];
  clear_intents(ring, dead_seat);
  const auto word = dead.state.load(std::memory_order_relaxed);  // the lock is ours
  const auto after = left_in_order(dead, word) ? seat_state::free : seat_state::settled;
  dead.state.store(seat_word(after, generation_of(word)), std::memory_order_release);  // seat_table.hpp A
  if (after == seat_state::settled) keeper.record(repair_kind::settled_seat, dead_seat, 0);
  keeper.unlock(dead_seat);
}

}  // namespace

std::uint64_t mend_holes(const ring_view& ring, seat_keeper& keeper) noexcept {
  std::uint64_t holes = 0;
  const auto head = mpmc_control_of(ring).head.load(std::memory_order_acquire);  // mpmc_ring.hpp H
  auto looks_left = looks_a_call;
  for (auto q = head; q - head < ring.capacity() && looks_left != 0;) {
    const auto tail = mpmc_control_of(ring).tail.load(std::memory_order_acquire);  // mpmc_ring.hpp T: before the seats
    if (!was_claimed(tail, q, ring.capacity())) break;
    --looks_left;
    if (ring.word(q).load(std::memory_order_acquire) != ring.word_for(q, slot_kind::free)) {  // mpmc_ring.hpp W, X
      ++q;
      continue;
    }
    const auto winner = dead_winner(ring, q, keeper);
    const auto dead = winner != none() ? won_run(ring, winner, q) : uncovered_run(ring, q, tail - q, keeper);
    if (dead == 0) break;
    const auto end = q + std::min({dead, tail - q, looks_left + 1});
    looks_left -= std::min<std::uint64_t>(looks_left, end - q + 2 * std::uint64_t{ring.producer_seats});
    std::uint64_t made = 0;
    const auto first = q;
    for (; q != end; ++q) made += make_hole(ring, q) ? 1 : 0;
    if (made != 0) keeper.record(repair_kind::hole, winner == none() ? unknown_seat() : winner, first, made);
    holes += made;
  }
  return holes;
}

bool is_anything_held(const ring_view& ring, std::uint32_t except) noexcept {
  const auto handovers = mpmc_control_of(ring).handovers.load(std::memory_order_acquire);  // mpmc_ring.hpp G
  const auto first = ring.first_seat(role::consumer);
  for (auto s = first; s < first + ring.consumer_seats; ++s)
    if (s != except && may_hold_messages(ring, s)) return true;
  // Messages that passed from a seat not yet looked at to one that was: perhaps.
  return mpmc_control_of(ring).handovers.load(std::memory_order_acquire) != handovers;  // mpmc_ring.hpp G
}

bool is_orphan(const ring_view& ring, std::uint32_t dead_seat, std::uint64_t sequence) noexcept {
  return ring.word(sequence).load(std::memory_order_acquire) ==
         ring.word_for(sequence, slot_kind::taken, dead_seat);  // mpmc_ring.hpp W, X
}

bool first_orphan(const ring_view& ring, std::uint32_t dead_seat, std::uint64_t& sequence,
                  std::optional<std::uint64_t> but) noexcept {
  const auto intents = intents_of(ring.seats[dead_seat]);
  const auto head = mpmc_control_of(ring).head.load(std::memory_order_acquire);  // mpmc_ring.hpp H
  bool is_found = false;
  for (const auto intent : intents) {
    const auto range = range_of(intent, head, ring.capacity());
    for (std::uint64_t i = 0; i < range.count; ++i) {
      const auto q = range.first + i;
      if (q == but || !was_claimed(head, q, ring.capacity()) || !is_orphan(ring, dead_seat, q)) continue;
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

void narrow(const ring_view& ring, std::uint32_t seat_index, std::atomic<std::uint64_t>& intent) noexcept {
  intent.store(narrowed(ring, seat_index, intent.load(std::memory_order_acquire)),  // mpmc_ring.hpp I
               std::memory_order_release);                                          // mpmc_ring.hpp I
}

bool adopt(const ring_view& ring, std::uint32_t own_seat, seat_keeper& keeper, std::uint64_t& freed) noexcept {
  auto& own = mpmc_seat_of(ring, own_seat);
  const auto first = ring.first_seat(role::consumer);
  for (auto s = first; s < first + ring.consumer_seats; ++s) {
    if (s == own_seat) continue;
    auto& dead = ring.seats[s];
    const auto state = dead.state.load(std::memory_order_acquire);  // seat_table.hpp A, D
    if (state_of(state) == seat_state::free || state_of(state) == seat_state::settled || !may_hold_messages(ring, s))
      continue;
    if (state_of(state) == seat_state::taken && !keeper.is_dead(s, state)) continue;
    if (!keeper.try_lock(s)) continue;
    const bool is_still_dead =
        state_of(dead.state.load(std::memory_order_acquire)) == seat_state::dead;  // seat_table.hpp D
    if (!is_still_dead || !arbitrate(ring, s, keeper, freed)) {
      keeper.unlock(s);
      continue;
    }
    // Each intent of the dead needs one of ours that covers nothing; what finds none waits for another consumer, or a tick.
    bool is_any_left = false;
    auto& left = mpmc_seat_of(ring, s);
    for (auto* from : {&left.intent, &left.second_intent}) {
      const auto intents = intents_of(ring.seats[own_seat]);
      if (!covers_unreleased(ring, intents[0]))
        hand_over(ring, s, *from, own_seat, own.intent);
      else if (!covers_unreleased(ring, intents[1]))
        hand_over(ring, s, *from, own_seat, own.second_intent);
      else
        is_any_left |= narrowed(ring, s, from->load(std::memory_order_acquire)) != 0;  // mpmc_ring.hpp I
    }
    if (is_any_left)
      keeper.unlock(s);
    else
      finish(ring, s, keeper);
    std::uint64_t sequence = 0;
    if (first_orphan(ring, own_seat, sequence)) return true;
  }
  return false;
}

bool settle(const ring_view& ring, std::uint32_t dead_seat, seat_keeper& keeper) noexcept {
  if (dead_seat < ring.producer_seats) {
    for (const auto intent : intents_of(ring.seats[dead_seat]))
      if (!settle_claim(ring, dead_seat, intent, keeper)) return false;
    clear_intents(ring, dead_seat);
    return true;
  }

  std::uint64_t freed = 0;
  if (!arbitrate(ring, dead_seat, keeper, freed)) return false;
  // What stays is exactly what the newcomer must deliver: no wider cover, or it would hold up others for nothing.
  auto& words = mpmc_seat_of(ring, dead_seat);
  narrow(ring, dead_seat, words.intent);
  narrow(ring, dead_seat, words.second_intent);
  return true;
}

}  // namespace sluice::detail::mpmc_repair
