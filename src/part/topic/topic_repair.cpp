#include "sluice/detail/part/topic/topic_repair.hpp"

#include <algorithm>
#include <array>

#include "part/topic/each_keep.hpp"
#include "sluice/detail/part/mpmc/mpmc_layout.hpp"

namespace sluice::detail::topic_repair {
namespace {

/// What one call looks at, at the most, so that a wait keeps its deadline whatever the words say. The next tick goes on.
constexpr std::uint64_t looks_a_call = std::uint64_t{1} << 16;

bool is_vacant(std::uint64_t state_word) noexcept { return state_of(state_word) != seat_state::taken; }

std::uint64_t intent_of(const ring_view& ring, std::uint32_t s) noexcept {
  return topic_seat_of(ring, s).intent.load(std::memory_order_acquire);  // topic_ring.hpp I
}

/// Whether the tail has passed q, by no more than a lap: q was claimed.
bool was_claimed(std::uint64_t tail, std::uint64_t q, std::uint64_t capacity) noexcept {
  return tail - q - 1 < capacity;
}

/// Whether a living publisher, other than `except`, may own q. The caller has seen the tail pass q before.
bool has_living_cover(const ring_view& ring, std::uint64_t q, std::uint32_t except, seat_keeper& keeper) noexcept {
  for (std::uint32_t s = 0; s < ring.producer_seats; ++s) {
    if (s == except) continue;
    const auto state = ring.seats[s].state.load(std::memory_order_acquire);  // seat_table.hpp A, D
    if (!is_vacant(state) && intent_covers(intent_of(ring, s), q) && !keeper.is_dead(s, state)) return true;
  }
  return false;
}

/// The dead publisher that is marked as the winner of q; unknown_seat() when there is no such.
std::uint32_t dead_winner(const ring_view& ring, std::uint64_t q, seat_keeper& keeper) noexcept {
  for (std::uint32_t s = 0; s < ring.producer_seats; ++s) {
    const auto state = ring.seats[s].state.load(std::memory_order_acquire);  // seat_table.hpp A, D
    const auto intent = intent_of(ring, s);
    if (!intent_won(intent) || !intent_covers(intent, q)) continue;
    if (state_of(state) == seat_state::dead || (!is_vacant(state) && keeper.is_dead(s, state))) return s;
  }
  return unknown_seat();
}

/// No living publisher owns q, whose word was `word` before that was known. What is noted as a hole must become one, so the
/// word is read again first: a publisher that has let go of q in the meantime had published it before.
bool make_hole(const ring_view& ring, std::uint64_t q, std::uint64_t word) noexcept {
  if (ring.word(q).load(std::memory_order_acquire) != word) return false;  // topic_ring.hpp W, X
  note_hole(ring, q);
  return ring.word(q).compare_exchange_strong(word, ring.word_for(q, slot_kind::hole), std::memory_order_acq_rel,
                                              std::memory_order_relaxed);  // topic_ring.hpp X
}

}  // namespace

std::uint64_t least_kept(const ring_view& ring, std::uint64_t want, seat_keeper* keeper) noexcept {
  auto least = want;
  each_keep(ring, [&](std::uint32_t s, std::uint64_t state, std::uint64_t keep) {
    const auto from = kept_near(keep, want);
    if (!is_before(from, least)) return;
    // A named seat keeps for whichever process comes next.
    if (keeper == nullptr || is_named(topic_seat_of(ring, s)) || !keeper->is_dead(s, state)) least = from;
  });
  return least;
}

std::uint64_t highest_floor(const ring_view& ring, std::uint64_t near) noexcept {
  auto highest = near;
  for (std::uint32_t s = 0; s < ring.producer_seats; ++s)  // of the dead and of those that have left as well
    highest = later_of(highest, topic_seat_of(ring, s).floor.load(std::memory_order_relaxed));  // J's fences order it
  return highest;
}

void keep_nothing(const ring_view& ring, std::uint32_t seat_index) noexcept {
  topic_seat_of(ring, seat_index).keep.store(0, std::memory_order_release);  // topic_ring.hpp S
  // A bit of several seats stays: its price is one look at them.
  if (ring.consumer_seats <= keeping_bits)
    topic_control_of(ring).keeping.fetch_and(~keeping_bit(ring, seat_index),
                                             std::memory_order_release);  // topic_ring.hpp S
}

void end_subscription(const ring_view& ring, std::uint32_t seat_index) noexcept {
  set_subscription(topic_seat_of(ring, seat_index),
                   {});  // first: killed here, a dead subscriber without a name is left
  keep_nothing(ring, seat_index);
}

bool is_never_published(const ring_view& ring, std::uint64_t sequence,
                        const std::function<bool(std::uint32_t, std::uint64_t)>& is_dead) {
  const auto tail = topic_control_of(ring).tail.load(std::memory_order_acquire);  // topic_ring.hpp T: before the seats
  if (!was_claimed(tail, sequence, ring.capacity())) return false;
  const auto word = ring.word(sequence).load(std::memory_order_acquire);  // topic_ring.hpp W, X
  if (read_word(ring, word, sequence) != topic_word::pending) return false;
  bool may_live = false;
  for (std::uint32_t s = 0; s < ring.producer_seats; ++s) {
    const auto state = ring.seats[s].state.load(std::memory_order_acquire);  // seat_table.hpp A, D
    const auto intent = intent_of(ring, s);
    if (!intent_covers(intent, sequence)) continue;
    const bool is_gone = state_of(state) == seat_state::dead || (!is_vacant(state) && is_dead(s, state));
    if (is_gone && intent_won(intent)) return true;
    may_live |= !is_vacant(state) && !is_gone;
  }
  // A publisher that has let go of it in the meantime had published it before.
  return !may_live && ring.word(sequence).load(std::memory_order_acquire) == word;  // topic_ring.hpp W, X
}

void note_hole(const ring_view& ring, std::uint64_t sequence) noexcept {
  auto& control = topic_control_of(ring);
  const auto number = control.holes.fetch_add(1, std::memory_order_release);                  // topic_ring.hpp O
  control.hole_at[number % remembered_holes].store(sequence + 1, std::memory_order_release);  // topic_ring.hpp O
}

std::uint64_t holes_between(const ring_view& ring, std::uint64_t from, std::uint64_t end, std::uint64_t notes_before,
                            bool& are_all) noexcept {
  auto& control = topic_control_of(ring);
  std::array<std::uint64_t, remembered_holes> noted{};
  for (std::size_t i = 0; i < noted.size(); ++i)
    noted[i] = control.hole_at[i].load(std::memory_order_acquire) - 1;                         // topic_ring.hpp O
  are_all = control.holes.load(std::memory_order_acquire) - notes_before <= remembered_holes;  // topic_ring.hpp O
  std::sort(noted.begin(), noted.end());
  const auto last = std::unique(noted.begin(), noted.end());  // two processes may have mended one position
  return static_cast<std::uint64_t>(
      std::count_if(noted.begin(), last, [&](std::uint64_t q) { return q - from < end - from; }));
}

std::uint64_t mend_holes(const ring_view& ring, std::uint64_t from, seat_keeper& keeper) noexcept {
  std::uint64_t made = 0;
  auto looks_left = looks_a_call;
  for (auto q = from; q - from < ring.capacity() && looks_left != 0; ++q) {
    const auto tail =
        topic_control_of(ring).tail.load(std::memory_order_acquire);  // topic_ring.hpp T: before the seats
    if (!is_before(q, tail)) break;
    if (!was_claimed(tail, q, ring.capacity())) continue;
    --looks_left;
    const auto word = ring.word(q).load(std::memory_order_acquire);  // topic_ring.hpp W, X
    if (read_word(ring, word, q) != topic_word::pending) continue;
    looks_left -= std::min<std::uint64_t>(looks_left, 2 * std::uint64_t{ring.producer_seats});
    const auto winner = dead_winner(ring, q, keeper);
    if (winner == unknown_seat() && has_living_cover(ring, q, unknown_seat(), keeper)) break;
    if (!make_hole(ring, q, word)) continue;
    keeper.record(repair_kind::hole, winner, q);
    ++made;
  }
  return made;
}

template <publishers Publishers>
bool settle(const ring_view& ring, std::uint32_t dead_seat, seat_keeper& keeper) noexcept {
  if (dead_seat >= ring.producer_seats) {
    if (!is_named(topic_seat_of(ring, dead_seat))) keep_nothing(ring, dead_seat);
    return true;
  }
  if constexpr (Publishers == publishers::many) {
    auto& own = topic_seat_of(ring, dead_seat);
    const auto intent = intent_of(ring, dead_seat);
    const auto tail = topic_control_of(ring).tail.load(std::memory_order_acquire);  // topic_ring.hpp T
    const auto first = intent_first(intent, tail);
    for (std::uint64_t i = 0; i < std::min(intent_count(intent), ring.capacity()); ++i) {
      const auto q = first + i;
      if (!was_claimed(topic_control_of(ring).tail.load(std::memory_order_acquire), q, ring.capacity()))
        continue;                                                      // topic_ring.hpp T: before the seats
      const auto word = ring.word(q).load(std::memory_order_acquire);  // topic_ring.hpp W, X
      if (read_word(ring, word, q) != topic_word::pending) continue;
      if (!intent_won(intent) && has_living_cover(ring, q, dead_seat, keeper)) return false;
      if (make_hole(ring, q, word)) keeper.record(repair_kind::hole, dead_seat, q);
    }
    own.intent.store(0, std::memory_order_release);  // topic_ring.hpp I
  }
  return true;
}
template bool settle<publishers::one>(const ring_view&, std::uint32_t, seat_keeper&) noexcept;
template bool settle<publishers::many>(const ring_view&, std::uint32_t, seat_keeper&) noexcept;

template <publishers Publishers>
bool is_sane(const ring_view& ring) noexcept {
  const auto first = ring.first_seat(role::consumer);
  for (auto s = first; s < first + ring.consumer_seats; ++s) {
    if (is_vacant(ring.seats[s].state.load(std::memory_order_acquire)) &&  // seat_table.hpp A, D
        !is_named(topic_seat_of(ring, s)))
      continue;
    const auto keep = topic_seat_of(ring, s).keep.load(std::memory_order_acquire);  // topic_ring.hpp S
    if (!keeps_anything(keep) || is_joining(keep)) continue;  // one that joins may be stopped for longer than a lap
    const auto tail = claimed_up_to<Publishers>(ring);
    if (topic_seat_of(ring, s).keep.load(std::memory_order_relaxed) != keep) continue;  // it moves: not now
    // A publisher that died claims less than it did, by a batch at most.
    if (tail - kept_near(keep, tail) + ring.capacity() > 2 * ring.capacity()) return false;
  }
  return true;
}
template bool is_sane<publishers::one>(const ring_view&) noexcept;
template bool is_sane<publishers::many>(const ring_view&) noexcept;

}  // namespace sluice::detail::topic_repair
