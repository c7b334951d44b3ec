#pragma once

// What a publisher may overwrite, and how it asks the subscribers that keep messages for more: invariants 1 and 2 of
// topic_ring.hpp, where the edges are.

#include <atomic>
#include <cstdint>

#include "sluice/detail/base/bytes.hpp"
#include "sluice/detail/base/pause.hpp"
#include "sluice/detail/part/topic/stalled_subscribers.hpp"
#include "sluice/detail/part/topic/topic_layout.hpp"
#include "sluice/detail/part/topic/topic_repair.hpp"

namespace sluice::detail {

/// Of how many slots a look at the subscribers is good for; and how far behind the oldest one a reader goes on that was
/// overtaken, because the oldest is overwritten next.
[[nodiscard]] inline std::uint64_t eighth_of(const ring_view& ring) noexcept { return ring.capacity() / 8; }

/// What both kinds of publisher do when they need a slot: they ask the subscribers that keep messages.
class topic_grant {
 public:
  topic_grant(const ring_view& ring, topic_seat& own, std::uint64_t tail) noexcept
      : ring_(ring),
        own_(&own),
        base_(own.floor.load(std::memory_order_relaxed)),  // a predecessor's, ordered by its seat
        granted_(tail - ring.capacity()),
        wanted_(tail - ring.capacity()),
        needed_(tail - ring.capacity()),
        asked_at_(tail - ring.capacity()) {}

  /// How many slots from `at` on may be overwritten. None as well when other publishers have claimed far beyond its grant.
  [[nodiscard, gnu::always_inline]] std::uint64_t room(std::uint64_t at) const noexcept {
    const auto end = granted_ + ring_.capacity();
    return is_before(at, end) ? end - at : 0;
  }

  /// Asks for room for `count` slots from `at` on, and for an eighth of the ring more; how much there is.
  [[gnu::noinline]] std::uint64_t ask(std::uint64_t at, std::uint64_t count) noexcept {
    if (at - asked_at_ < eighth_of(ring_) && room(at) == 0) give_lead(at);
    asked_at_ = at;
    needed_ = at + 1 - ring_.capacity();
    look(end_for(at, count), nullptr);
    return room(at);
  }

  /// Whether what the slot of `sequence` leads to may be overwritten before the slot is. Asks up to `end` where it must, which
  /// is behind it and not above what is published.
  [[nodiscard, gnu::always_inline]] bool covers(std::uint64_t sequence, std::uint64_t end) noexcept {
    if (!is_before(sequence, granted_)) {
      needed_ = sequence + 1;
      look(end, nullptr);
    }
    return is_before(sequence, granted_);
  }

  /// At ticks: asks again what it asked for in vain, and whether the subscribers that are in the way live. How many slots.
  std::uint64_t ask_again(std::uint64_t at, seat_keeper& keeper) noexcept {
    needed_ = later_of(needed_, at + 1 - ring_.capacity());
    look(later_of(end_for(at, 1), wanted_), &keeper);
    return room(at);
  }

  /// At ticks, as soon as one holds this publisher up for so long.
  void drop_stalled_after(std::uint64_t ns) { stalls_ = stalled_subscribers(ring_, ns); }

 private:
  /// Never more than there is: a subscriber that joins would begin there.
  [[nodiscard]] std::uint64_t end_for(std::uint64_t at, std::uint64_t count) const noexcept {
    return earlier_of(at + count + eighth_of(ring_) - ring_.capacity(), at);
  }

  [[gnu::noinline]] void look(std::uint64_t want, seat_keeper* keeper) noexcept {
    wanted_ = want;
    if (!is_before(granted_, want)) return;
    own_->floor.store(later_of(base_, want), std::memory_order_relaxed);  // announced
    std::atomic_thread_fence(std::memory_order_seq_cst);                  // topic_ring.hpp J
    granted_ = later_of(granted_, topic_repair::least_kept(ring_, want, keeper));
    if (keeper != nullptr && is_before(granted_, needed_) && stalls_.drop(ring_, needed_))
      granted_ = later_of(granted_, topic_repair::least_kept(ring_, want, keeper));
    own_->floor.store(later_of(base_, granted_), std::memory_order_relaxed);  // no more than it got
  }

  /// A publisher that is back so soon waits for the slowest subscriber, which has a whole ring to read. Were each slot filled
  /// the moment it is free, they would take each other's lines with every message; and each look takes one too.
  [[gnu::noinline]] void give_lead(std::uint64_t at) const noexcept {
    const auto far = at + eighth_of(ring_) - ring_.capacity();
    for (int turn = 0; turn < max_turns; ++turn) {
      for (int i = 0; i < pauses_a_turn; ++i) cpu_pause();
      if (topic_repair::least_kept(ring_, far, nullptr) == far) return;  // a guess; the look that follows decides
    }
  }
  static constexpr int max_turns = 16;  // some microseconds in all
  static constexpr int pauses_a_turn = 8;

  ring_view ring_;
  topic_seat* own_;
  std::uint64_t base_;      // what a predecessor may have destroyed
  std::uint64_t granted_;   // everything below it may be overwritten
  std::uint64_t wanted_;    // how far it was asked for last,
  std::uint64_t needed_;    // and how far it must go at the least
  std::uint64_t asked_at_;  // when slots were
  stalled_subscribers stalls_;
};

}  // namespace sluice::detail
