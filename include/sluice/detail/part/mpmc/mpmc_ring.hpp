#pragma once

// Any number of producers and consumers, up to the seats; claims are served strictly in order. After Vyukov's bounded
// MPMC queue (2010): a word in each slot says whose turn it is, tail and head are advanced by compare-exchange. What is
// added makes death harmless: before it claims, a participant writes into its own seat what it is about to claim (its
// intent), and marks it won when it has it. A seat has two intents, for two claims that are open at once. A consumer that
// finds a position claimed and left alone looks at the seats.
//
// Words of the slot for sequence q, N being the capacity
//   free(q) -> published(q) by the winner of the claim, or -> hole(q) by the winner (abandoned) or a mender (winner dead)
//   published(q) -> free(q + N) by the consumer that won q, or -> taken(q, X) by a process that settles the dead consumer X
//   hole(q) -> free(q + N);  taken(q, X) -> free(q + N) by the process that holds X's seat, or -> taken(q, Y) under X's
//   lock by the living consumer Y, which adopts it
// Invariants
//   1. tail and head only grow, and only by compare-exchange; the winner of [p, p + m) owns those positions.
//   2. A living winner's intent covers what it owns from before the claim until it is published or released.
//   3. So: position p claimed (tail > p, seen first), word still free(p), and no living seat covers p: its winner is dead.
//      A dead seat that is marked won and covers p proves it alone, whatever others intend.
//   4. A mender changes slot words by compare-exchange only; the rest of a dead seat only under its lock.
//   5. A dead consumer's messages are decided by the exchange published(q) -> taken(q, X): two dead seats that intended
//      one position cannot both have it. A position that another seat is marked to have won is not X's.
//   6. A consumer that adopts covers the messages with an intent of its own before their words name it, and clears the dead
//      one's last. So X is free at once, and dies once more with the adopter what is not delivered by then.
// What remains: a winner that dies between its claim and its mark, while another process that intended the same position
// is stopped before it noticed that it lost, stalls the ring until that process goes on or ends.
//
// Edges
//   W: word published or hole (release) -> word load (acquire): the payload is visible.
//   R: word free (release) -> producer's word load (acquire): the last reader's loads are over; the slot may be filled.
//   I: every intent store (release) -> mender's intent load (acquire): a mender that sees the next intent sees what
//      the last claim led to. Also the cleared and the won intent: a later relaxed store would not carry the publish before it.
//   T: tail exchange (release) -> mender's tail load (acquire): tail > p seen, so the intent to claim p is seen.
//   H: head exchange (release) -> mender's head load (acquire): the same for consumers.
//   G: handover count add (release) -> its load (acquire): a look through the seats that finds the count as it was
//      before has missed no message that passed from one to another.
//   X: mender's word exchange (acq_rel) -> word load (acquire): part of the publisher's release sequence.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "sluice/detail/base/bytes.hpp"
#include "sluice/detail/part/mpmc/mpmc_layout.hpp"
#include "sluice/detail/part/mpmc/mpmc_repair.hpp"
#include "sluice/detail/part/mpmc/stream_pace.hpp"
#include "sluice/detail/ring/ring_concept.hpp"

namespace sluice::detail {

class mpmc_ring {
 public:
  static constexpr ring_kind kind = ring_kind::mpmc;
  static constexpr bool mends = true;
  static constexpr bool has_many_seats = true;

  static bool settle(const ring_view& ring, std::uint32_t seat_index, seat_keeper& keeper) noexcept {
    return mpmc_repair::settle(ring, seat_index, keeper);
  }
  static bool holds_something(const ring_view& ring, std::uint32_t seat_index) noexcept {
    const auto& own = mpmc_seat_of(ring, seat_index);
    return own.intent.load(std::memory_order_relaxed) != 0 ||
           own.second_intent.load(std::memory_order_relaxed) != 0;  // own words
  }
  static std::uint64_t resumes_at(const ring_view&, std::uint32_t) noexcept { return 0; }

  static bool is_sane(const ring_view& ring) noexcept {
    const auto before = mpmc_control_of(ring).head.load(std::memory_order_acquire);  // H
    const auto tail = mpmc_control_of(ring).tail.load(std::memory_order_acquire);    // T
    return tail - before <= ring.capacity() ||
           mpmc_control_of(ring).head.load(std::memory_order_relaxed) != before;  // it moves
  }

  static std::uint64_t size_approx(const ring_view& ring) noexcept {
    const auto head = mpmc_control_of(ring).head.load(std::memory_order_relaxed);
    const auto size = mpmc_control_of(ring).tail.load(std::memory_order_relaxed) - head;  // a guess, for the caller
    return size <= ring.capacity() ? size : 0;
  }

  class producer {
   public:
    producer(const ring_view& ring, std::uint32_t seat_index) noexcept
        : ring_(ring), own_(&mpmc_seat_of(ring, seat_index)), pace_(ring, messages()) {}

    [[gnu::always_inline]] std::uint64_t try_claim(std::uint64_t count) noexcept {
      if (slot_ != nullptr) [[unlikely]]
        return lesser(1 + more_, count);  // what is open; a further one is claim_another()'s
      // One slot, free or not, and no other producer quicker: kept short, because the exchange lets nothing overlap.
      const auto p = mpmc_control_of(ring_).tail.load(std::memory_order_relaxed);  // a guess; word and exchange decide
      auto* const slot = ring_.slot(p);
      const auto word = ring_view::word_of(slot).load(std::memory_order_acquire);  // R
      const auto free = ring_.word_for(p, slot_kind::free);
      if (count == 1 && word == free && claim(p, 1, own_->intent)) [[likely]] {
        slot_ = slot;
        free_ = free;
        return 1;
      }
      if (word == ring_.word_for(p - ring_.capacity(), slot_kind::published))  // so no producer has passed p: full
        return pace_.has_caught_up(messages()) ? claim_after_lead(p, count) : 0;
      return claim_run(count);
    }

    [[nodiscard, gnu::always_inline]] bool must_pass_on_wake_up() const noexcept {
      return ring_.control->parked[static_cast<std::uint32_t>(role::producer)].load(std::memory_order_relaxed) != 0 &&
             is_free(mpmc_control_of(ring_).tail.load(std::memory_order_relaxed));  // a guess; is_free() decides
    }

    [[nodiscard]] std::byte* claimed(std::uint64_t i) const noexcept {
      return i == 0 ? slot_ + ring_.payload_offset : ring_.payload(first_ + i);
    }
    [[nodiscard]] sequence_run claimed_run(std::uint64_t count) const noexcept {
      if (slot_ == nullptr) return {};
      return {ring_.sequence_of(slot_, free_), lesser(count, 1 + more_)};
    }

    [[gnu::always_inline]] void publish(std::uint64_t count) noexcept {
      if (count != 1 || more_ != 0 || slot_ == nullptr) [[unlikely]]
        return publish_run(count);
      ring_view::word_of(slot_).store(free_ + slot_word(0, slot_kind::published), std::memory_order_release);  // W
      slot_ = nullptr;
      own_->messages.store(messages() + 1, std::memory_order_relaxed);  // own counter
    }

    [[nodiscard]] bool is_drained() const noexcept {
      const auto tail = mpmc_control_of(ring_).tail.load(std::memory_order_acquire);          // T
      if (mpmc_control_of(ring_).head.load(std::memory_order_acquire) != tail) return false;  // H
      return !mpmc_repair::is_anything_held(ring_, mpmc_repair::none());
    }

    [[nodiscard]] std::uint64_t position() const noexcept {
      return mpmc_control_of(ring_).tail.load(std::memory_order_relaxed);  // this producer's own claims lie below it
    }
    [[nodiscard]] std::uint64_t first_unreleased(std::uint64_t from, std::uint64_t end) const noexcept {
      const auto is_released = [this](std::uint64_t q) {
        const auto word = ring_.word(q).load(std::memory_order_acquire);  // R
        return static_cast<std::int64_t>(word - ring_.word_for(q, slot_kind::free)) >=
               static_cast<std::int64_t>(slot_word(1, slot_kind::free));  // in a later lap
      };
      while (from != end && is_released(from)) ++from;
      return from;
    }

    [[nodiscard]] std::uint64_t waits_for() const noexcept {
      return mpmc_control_of(ring_).tail.load(std::memory_order_relaxed) - ring_.capacity();  // for people
    }

    /// In order: gives back what is claimed.
    void leave() noexcept {
      if (second_slot_ != nullptr) (void)settle_one(second_slot_ + ring_.payload_offset, false, [](auto&&...) {});
      publish(0);
      own_->intent.store(0, std::memory_order_release);         // I
      own_->second_intent.store(0, std::memory_order_release);  // I
    }

    // ---- A second claim beside a single one, with the other intent: their positions need not be neighbours ------------

    [[nodiscard]] bool has_room_for_another() const noexcept { return second_slot_ == nullptr; }

    [[nodiscard, gnu::noinline]] std::byte* claim_another() noexcept {
      const auto won = win(1, first_has_second_intent_ ? own_->intent : own_->second_intent);
      if (won.count == 0) return nullptr;
      second_slot_ = ring_.slot(won.first);
      second_free_ = ring_.word_for(won.first, slot_kind::free);
      return second_slot_ + ring_.payload_offset;
    }

    template <class Seal>
    std::uint64_t settle_one(const std::byte* message, bool publishes, Seal&& seal) noexcept {
      const bool is_first = slot_ != nullptr && message == slot_ + ring_.payload_offset;
      auto* const slot = is_first ? slot_ : second_slot_;
      const auto free = is_first ? free_ : second_free_;
      if (slot == nullptr) return 0;
      if (publishes) seal(slot + ring_.payload_offset, ring_.sequence_of(slot, free));
      ring_view::word_of(slot).store(free + slot_word(0, publishes ? slot_kind::published : slot_kind::hole),
                                     std::memory_order_release);  // W
      if (publishes)
        own_->messages.store(messages() + 1, std::memory_order_relaxed);  // own counter
      else
        count_abandoned(1);
      // The second intent is zero while it covers nothing: no later claim of the usual kind would replace it.
      if (is_first == first_has_second_intent_) own_->second_intent.store(0, std::memory_order_release);  // I
      if (is_first) {
        slot_ = second_slot_;
        free_ = second_free_;
        first_has_second_intent_ = slot_ != nullptr && !first_has_second_intent_;
      }
      second_slot_ = nullptr;
      return publishes ? 1 : 0;
    }

    /// Whether anything is claimed and not published.
    [[nodiscard]] bool is_open() const noexcept { return slot_ != nullptr; }
    /// Whether what is open, if anything, is a single claim such as try_claim(1) makes.
    [[nodiscard]] bool is_plain() const noexcept { return second_slot_ == nullptr && !first_has_second_intent_; }

   private:
    [[gnu::noinline]] std::uint64_t claim_after_lead(std::uint64_t p, std::uint64_t count) noexcept {
      const auto lap_before = p - ring_.capacity();
      pace_.give_lead([&](std::uint64_t distance) {
        return ring_.word(p + distance).load(std::memory_order_relaxed) !=  // a guess; claim_run() looks
               ring_.word_for(lap_before + distance, slot_kind::published);
      });
      return claim_run(count);
    }

    [[gnu::noinline]] std::uint64_t claim_run(std::uint64_t count) noexcept {
      const auto won = win(count, own_->intent);
      if (won.count == 0) return 0;
      slot_ = ring_.slot(won.first);
      free_ = ring_.word_for(won.first, slot_kind::free);
      first_ = won.first;
      more_ = won.count - 1;
      return won.count;
    }

    /// Claims as many of `count` slots as are free, with this intent; none when the ring is full.
    [[gnu::always_inline]] sequence_run win(std::uint64_t count, std::atomic<std::uint64_t>& intent) noexcept {
      count = lesser(lesser(count, max_claim), ring_.capacity());
      for (;;) {
        const auto p =
            mpmc_control_of(ring_).tail.load(std::memory_order_relaxed);  // a guess; words and exchange decide
        std::uint64_t m = 0;
        while (m < count && is_free(p + m)) ++m;
        if (m == 0) {
          if (mpmc_control_of(ring_).tail.load(std::memory_order_relaxed) != p)
            continue;  // another was quicker: not full
          return {};
        }
        if (claim(p, m, intent)) return {p, m};
      }
    }

    [[gnu::always_inline]] bool claim(std::uint64_t p, std::uint64_t m, std::atomic<std::uint64_t>& intent) noexcept {
      auto expected = p;
      intent.store(intent_word(p, m, false), std::memory_order_release);  // I
      if (!mpmc_control_of(ring_).tail.compare_exchange_strong(expected, p + m, std::memory_order_release,
                                                               std::memory_order_relaxed)) [[unlikely]] {  // T
        intent.store(0, std::memory_order_release);                                                        // I
        return false;
      }
      intent.store(intent_word(p, m, true), std::memory_order_release);  // I
      return true;
    }

    [[gnu::noinline]] void publish_run(std::uint64_t count) noexcept {
      if (slot_ == nullptr) return;
      const auto claimed = 1 + more_;
      const auto kind_at = [count](std::uint64_t i) { return i < count ? slot_kind::published : slot_kind::hole; };
      ring_view::word_of(slot_).store(free_ + slot_word(0, kind_at(0)), std::memory_order_release);  // W
      for (std::uint64_t i = 1; i < claimed; ++i)
        ring_.word(first_ + i).store(ring_.word_for(first_ + i, kind_at(i)), std::memory_order_release);  // W
      own_->messages.store(messages() + lesser(count, claimed), std::memory_order_relaxed);               // own counter
      if (count < claimed) [[unlikely]]
        count_abandoned(claimed - count);
      slot_ = nullptr;
      more_ = 0;
    }

    [[nodiscard]] std::uint64_t messages() const noexcept { return own_->messages.load(std::memory_order_relaxed); }

    [[nodiscard]] bool is_free(std::uint64_t q) const noexcept {
      return ring_.word(q).load(std::memory_order_acquire) == ring_.word_for(q, slot_kind::free);  // R
    }
    void count_abandoned(std::uint64_t count) noexcept {
      own_->abandoned.store(own_->abandoned.load(std::memory_order_relaxed) + count,
                            std::memory_order_relaxed);  // own counter
    }

    ring_view ring_;
    mpmc_seat* own_;
    // The open claim. Of a single slot no more is written than must be: the next exchange waits for each store.
    std::byte* slot_ = nullptr;  // where its first slot lies; null: none is open
    std::uint64_t free_ = 0;     // what the word there said
    std::uint64_t more_ = 0;     // how many slots after that one it has,
    std::uint64_t first_ = 0;    // and if any, its first position
    stream_pace pace_;
    // A second claim, of one slot; null: none is open.
    std::byte* second_slot_ = nullptr;
    std::uint64_t second_free_ = 0;
    bool first_has_second_intent_ = false;  // it was the second once
  };

  class consumer {
   public:
    consumer(const ring_view& ring, std::uint32_t seat_index) noexcept
        : ring_(ring),
          own_(&mpmc_seat_of(ring, seat_index)),
          own_index_(seat_index),
          pace_(ring, messages()),
          recovered_(
              ring.control->recovered.load(std::memory_order_relaxed)) {  // written before a process could attach
      // The seat's last owner died with messages in its hands: they are ours, and come first.
      if (own_->intent.load(std::memory_order_relaxed) != 0 || own_->second_intent.load(std::memory_order_relaxed) != 0)
        has_orphans_ = true;  // settled under the lock we held
    }

    [[gnu::always_inline]] std::uint64_t try_peek(std::uint64_t count) noexcept {
      if (slot_ != nullptr || has_orphans_) [[unlikely]]
        return peek_what_is_open(count);
      // One message or none, and no other consumer quicker: kept short, because the exchange lets nothing overlap.
      const auto h = mpmc_control_of(ring_).head.load(std::memory_order_relaxed);  // a guess; word and exchange decide
      auto* const slot = ring_.slot(h);
      const auto word = ring_view::word_of(slot).load(std::memory_order_acquire);  // W, X
      const auto free = ring_.word_for(h, slot_kind::free);
      if (word == free)  // so no consumer has passed h: empty
        return pace_.has_caught_up(messages()) ? peek_after_lead(h, count) : 0;
      if (count == 1 && word == free + slot_word(0, slot_kind::published) && claim(h, 1, own_->intent)) [[likely]] {
        slot_ = slot;
        free_ = free;
        pass_on_wake_up(h + 1);
        return 1;
      }
      return peek_run(count);
    }

    [[nodiscard]] const std::byte* peeked(std::uint64_t i) const noexcept {
      return i == 0 ? slot_ + ring_.payload_offset : ring_.payload(first_ + i);
    }
    [[nodiscard]] bool was_delivered_before(std::uint64_t i) const noexcept {
      return first_is_orphan_ || (recovered_ != 0 && ring_.sequence_of(slot_, free_) + i < recovered_);
    }

    [[gnu::always_inline]] void release(std::uint64_t count) noexcept {
      if (count != 1 || more_ != 0 || slot_ == nullptr || has_orphans_) [[unlikely]]
        return release_run(count);
      ring_view::word_of(slot_).store(free_ + slot_word(1, slot_kind::free), std::memory_order_release);  // R
      slot_ = nullptr;
      own_->messages.store(messages() + 1, std::memory_order_relaxed);  // own counter
    }

    [[nodiscard]] std::uint64_t waits_for() const noexcept {
      return is_empty() ? nothing_to_wait_for()
                        : mpmc_control_of(ring_).head.load(std::memory_order_relaxed);  // for people
    }
    [[nodiscard]] bool is_exhausted(seat_keeper&, bool whatever_others_hold = false) const noexcept {
      return is_empty() && (whatever_others_hold || !mpmc_repair::is_anything_held(ring_, own_index_));
    }

    /// Something stalls: claims of dead producers become holes, messages of dead consumers ours to deliver.
    bool mend(seat_keeper& keeper) noexcept {
      const auto holes = mpmc_repair::mend_holes(ring_, keeper);
      if (mpmc_repair::adopt(ring_, own_index_, keeper, debt_.producers)) has_orphans_ = true;
      if (holes > 1) debt_.consumers += holes - 1;
      owes_ = debt_.producers != 0 || debt_.consumers != 0;
      return holes != 0 || has_orphans_;
    }

    [[nodiscard]] bool owes() const noexcept { return owes_; }
    /// Tells which sleepers to wake.
    ring_debt owed() noexcept {
      const auto debt = debt_;
      debt_ = {};
      owes_ = false;
      return debt;
    }

    /// In order: what is peeked and not released stays covered by the intent, for others to adopt.
    void leave() noexcept {
      if (has_orphans_) return;  // both intents may cover what was inherited
      const bool holds_first = slot_ != nullptr && !first_is_orphan_;
      const bool holds_second = second_slot_ != nullptr && !second_is_orphan_;
      if (!(first_has_second_intent_ ? holds_second : holds_first))
        own_->intent.store(0, std::memory_order_release);  // I
      if (!(first_has_second_intent_ ? holds_first : holds_second))
        own_->second_intent.store(0, std::memory_order_release);  // I
    }

    // ---- A second message beside a single one, with the other intent: their positions need not be neighbours ----------

    // ---- Of several that are peeked, the next: their intent covers all of them.

    [[nodiscard, gnu::noinline]] const std::byte* peek_another() noexcept {
      if (more_ > released_behind_) {
        second_is_in_run_ = true;
        return ring_.payload(first_ + 1 + released_behind_);
      }
      if (has_orphans_) {
        std::uint64_t orphan = 0;
        const auto open = first_is_orphan_ ? std::optional(ring_.sequence_of(slot_, free_)) : std::nullopt;
        if (mpmc_repair::first_orphan(ring_, own_index_, orphan, open)) return open_second(orphan, true);
        if (!first_is_orphan_) has_done_with_orphans();
      }
      // The cover of an orphan must stand.
      const bool first_is_in_second = first_is_orphan_
                                          ? !intent_covers(own_->intent.load(std::memory_order_relaxed),  // own
                                                           ring_.sequence_of(slot_, free_))
                                          : first_has_second_intent_;
      const auto won = win(1, first_is_in_second ? own_->intent : own_->second_intent);
      if (won.count == 0) return nullptr;
      first_has_second_intent_ = first_is_in_second;
      pass_on_wake_up(won.first + 1);
      return open_second(won.first, false);
    }

    [[nodiscard]] bool was_delivered_before_one(const std::byte* message) const noexcept {
      if (is_first(message)) return was_delivered_before(0);
      if (second_is_in_run_) return was_delivered_before(1 + released_behind_);
      return second_is_orphan_ || (recovered_ != 0 && ring_.sequence_of(second_slot_, second_free_) < recovered_);
    }

    void release_one(const std::byte* message) noexcept {
      const bool first = is_first(message);
      if (second_is_in_run_ || (first && more_ != 0)) return release_in_run(first);
      auto* const slot = first ? slot_ : second_slot_;
      if (slot == nullptr) return;
      const bool was_orphan = first ? first_is_orphan_ : second_is_orphan_;
      ring_view::word_of(slot).store((first ? free_ : second_free_) + slot_word(1, slot_kind::free),
                                     std::memory_order_release);        // R
      own_->messages.store(messages() + 1, std::memory_order_relaxed);  // own counter
      // The second intent is zero while it covers nothing: no later claim of the usual kind would replace it.
      if (!was_orphan && first == first_has_second_intent_)
        own_->second_intent.store(0, std::memory_order_release);  // I
      if (first)
        second_becomes_first();
      else
        second_slot_ = nullptr;
      if (was_orphan) after_orphan();
    }

    [[nodiscard]] bool finds_something(bool beside_what_is_peeked) const noexcept {
      if ((slot_ != nullptr && !beside_what_is_peeked) || has_orphans_) return true;
      const auto h = mpmc_control_of(ring_).head.load(std::memory_order_relaxed);  // a guess, as the answer is
      return ring_.word(h).load(std::memory_order_relaxed) != ring_.word_for(h, slot_kind::free);
    }

    /// Whether anything is peeked and not released.
    [[nodiscard]] bool is_open() const noexcept { return slot_ != nullptr; }
    [[nodiscard]] bool is_single() const noexcept { return slot_ != nullptr && more_ == 0; }
    /// Whether what is peeked, if anything, is what try_peek() finds.
    [[nodiscard]] bool is_plain() const noexcept {
      return second_slot_ == nullptr && !first_has_second_intent_ && !second_is_in_run_ && released_behind_ == 0;
    }

   private:
    /// Whether everything that was claimed for filling was claimed for reading.
    [[nodiscard]] bool is_empty() const noexcept {
      const auto head = mpmc_control_of(ring_).head.load(std::memory_order_acquire);  // H
      return mpmc_control_of(ring_).tail.load(std::memory_order_acquire) == head;     // T
    }

    [[nodiscard]] bool is_first(const std::byte* message) const noexcept {
      return slot_ != nullptr && message == slot_ + ring_.payload_offset;
    }

    /// A word is free as soon as its message is released; the run goes on behind what is released from its beginning on.
    void release_in_run(bool first) noexcept {
      if (!first) {
        free(first_ + 1 + released_behind_++);
        own_->messages.store(messages() + 1, std::memory_order_relaxed);  // own counter
        second_is_in_run_ = false;
        return;
      }
      const auto behind = std::exchange(released_behind_, 0);
      second_is_in_run_ = false;
      release_run(1);
      if (behind > more_) {
        more_ = 0;
        return second_becomes_first();
      }
      first_ += behind;
      slot_ = ring_.slot(first_);
      free_ = ring_.word_for(first_, slot_kind::free);
      more_ -= behind;
    }

    void second_becomes_first() noexcept {
      slot_ = second_slot_;
      free_ = second_free_;
      first_has_second_intent_ = slot_ != nullptr && !second_is_orphan_ && !first_has_second_intent_;
      first_is_orphan_ = slot_ != nullptr && second_is_orphan_;
      second_slot_ = nullptr;
    }

    const std::byte* open_second(std::uint64_t sequence, bool is_orphan) noexcept {
      second_slot_ = ring_.slot(sequence);
      second_free_ = ring_.word_for(sequence, slot_kind::free);
      second_is_orphan_ = is_orphan;
      return second_slot_ + ring_.payload_offset;
    }

    /// No orphan is left.
    void has_done_with_orphans() noexcept {
      has_orphans_ = false;
      // What it covered was inherited; the next claim replaces the first intent.
      if (!first_has_second_intent_) own_->second_intent.store(0, std::memory_order_release);  // I
    }

    [[gnu::noinline]] std::uint64_t peek_what_is_open(std::uint64_t count) noexcept {
      if (slot_ != nullptr || count == 0) return lesser(1 + more_, count);  // a further one is peek_another()'s
      if (next_orphan()) return 1;
      return peek_run(count);
    }

    [[gnu::noinline]] std::uint64_t peek_after_lead(std::uint64_t h, std::uint64_t count) noexcept {
      pace_.give_lead([&](std::uint64_t distance) {
        return ring_.word(h + distance).load(std::memory_order_relaxed) !=  // a guess; peek_run() looks
               ring_.word_for(h + distance, slot_kind::free);
      });
      return peek_run(count);
    }

    [[gnu::noinline]] std::uint64_t peek_run(std::uint64_t count) noexcept {
      const auto won = win(count, own_->intent);
      if (won.count == 0) [[unlikely]]
        return 0;
      slot_ = ring_.slot(won.first);
      free_ = ring_.word_for(won.first, slot_kind::free);
      first_ = won.first;
      more_ = won.count - 1;
      pass_on_wake_up(won.first + won.count);
      return won.count;
    }

    /// Claims as many of `count` messages as there are in a row, with this intent, and frees the holes before them; none
    /// when the ring is empty.
    [[gnu::always_inline]] sequence_run win(std::uint64_t count, std::atomic<std::uint64_t>& intent) noexcept {
      auto steps_left = 64;
      count = lesser(lesser(count, max_claim), ring_.capacity());
      for (;;) {
        const auto h =
            mpmc_control_of(ring_).head.load(std::memory_order_relaxed);  // a guess; words and exchange decide
        const auto m = run(h, count, slot_kind::published);
        if (m == 0) [[unlikely]] {
          if (const auto holes = run(h, holes_a_step, slot_kind::hole); holes != 0) {
            if (claim(h, holes, intent)) free_holes(h, holes);
            if (--steps_left == 0) return {};  // a caller's deadline; the next look goes on
            continue;
          }
          if (mpmc_control_of(ring_).head.load(std::memory_order_relaxed) != h)
            continue;  // another was quicker: not empty
          return {};
        }
        if (claim(h, m, intent)) return {h, m};
      }
    }

    /// A wake-up may have gone to a consumer that found nothing in order yet: a consumer that takes a message passes one
    /// on. Beside a hole too, because the consumer that is woken steps over it and looks further.
    [[gnu::always_inline]] void pass_on_wake_up(std::uint64_t next) noexcept {
      if (ring_.control->parked[static_cast<std::uint32_t>(role::consumer)].load(std::memory_order_relaxed) != 0 &&
          (run(next, 1, slot_kind::published) != 0 || run(next, 1, slot_kind::hole) != 0)) [[unlikely]] {
        debt_.consumers = 1;
        owes_ = true;
      }
    }

    [[gnu::noinline]] void release_run(std::uint64_t count) noexcept {
      if (count == 0 || slot_ == nullptr) return;
      count = lesser(count, 1 + more_);
      ring_view::word_of(slot_).store(free_ + slot_word(1, slot_kind::free), std::memory_order_release);  // R
      for (std::uint64_t i = 1; i < count; ++i) free(first_ + i);
      if (count <= more_) {
        first_ += count;
        slot_ = ring_.slot(first_);
        free_ = ring_.word_for(first_, slot_kind::free);
        more_ -= count;
      } else {
        slot_ = nullptr;
        more_ = 0;
      }
      own_->messages.store(messages() + count, std::memory_order_relaxed);  // own counter
      if (std::exchange(first_is_orphan_, false)) [[unlikely]]
        after_orphan();
    }

    [[nodiscard]] std::uint64_t messages() const noexcept { return own_->messages.load(std::memory_order_relaxed); }

    /// How many words from `h` on are of `wanted`, at most `count`.
    [[nodiscard]] std::uint64_t run(std::uint64_t h, std::uint64_t count, slot_kind wanted) const noexcept {
      std::uint64_t m = 0;
      while (m < count && ring_.word(h + m).load(std::memory_order_acquire) == ring_.word_for(h + m, wanted))
        ++m;  // W, X
      return m;
    }

    [[gnu::always_inline]] bool claim(std::uint64_t h, std::uint64_t m, std::atomic<std::uint64_t>& intent) noexcept {
      auto expected = h;
      intent.store(intent_word(h, m, false), std::memory_order_release);  // I
      if (!mpmc_control_of(ring_).head.compare_exchange_strong(expected, h + m, std::memory_order_release,
                                                               std::memory_order_relaxed)) [[unlikely]] {  // H
        intent.store(0, std::memory_order_release);                                                        // I
        return false;
      }
      intent.store(intent_word(h, m, true), std::memory_order_release);  // I
      return true;
    }

    void free(std::uint64_t q) noexcept {
      ring_.word(q).store(ring_.word_for(q + ring_.capacity(), slot_kind::free), std::memory_order_release);  // R
    }

    void free_holes(std::uint64_t h, std::uint64_t m) noexcept {
      for (std::uint64_t i = 0; i < m; ++i) free(h + i);
      debt_.producers += m;
      owes_ = true;
    }

    bool next_orphan() noexcept {
      if (!mpmc_repair::first_orphan(ring_, own_index_, first_)) {
        has_done_with_orphans();
        return false;
      }
      slot_ = ring_.slot(first_);
      free_ = ring_.word_for(first_, slot_kind::free);
      first_is_orphan_ = true;
      return true;
    }

    void after_orphan() noexcept {
      own_->redelivered.store(own_->redelivered.load(std::memory_order_relaxed) + 1,
                              std::memory_order_relaxed);  // own counter
      // So that the next one is found at once. An intent that covers a claim which is open beside the orphans stays.
      if (!covers_own_claim(own_->intent)) mpmc_repair::narrow(ring_, own_index_, own_->intent);
      if (!covers_own_claim(own_->second_intent)) mpmc_repair::narrow(ring_, own_index_, own_->second_intent);
      std::uint64_t more = 0;
      if (!mpmc_repair::first_orphan(ring_, own_index_, more)) has_orphans_ = false;
    }

    [[nodiscard]] bool covers_own_claim(const std::atomic<std::uint64_t>& intent) const noexcept {
      const auto word = intent.load(std::memory_order_relaxed);  // own
      return (slot_ != nullptr && !first_is_orphan_ && intent_covers(word, ring_.sequence_of(slot_, free_))) ||
             (second_slot_ != nullptr && !second_is_orphan_ &&
              intent_covers(word, ring_.sequence_of(second_slot_, second_free_)));
    }

    ring_view ring_;
    mpmc_seat* own_;
    static constexpr std::uint64_t holes_a_step = 1024;

    std::uint32_t own_index_;
    bool has_orphans_ = false;  // messages of a dead consumer that this seat delivers again
    // The open claim, or the orphan; as the producer's.
    std::byte* slot_ = nullptr;
    std::uint64_t free_ = 0;  // what the word there said before it was published
    std::uint64_t more_ = 0;
    std::uint64_t first_ = 0;
    stream_pace pace_;
    ring_debt debt_;
    bool owes_ = false;             // whether debt_ says anything
    bool first_is_orphan_ = false;  // what is open was a dead consumer's
    // A second message; null: none is open.
    std::byte* second_slot_ = nullptr;
    std::uint64_t second_free_ = 0;
    bool second_is_orphan_ = false;
    bool first_has_second_intent_ = false;  // it was the second once
    bool second_is_in_run_ = false;         // or it is of the first one's run,
    std::uint64_t released_behind_ = 0;     // behind these of it, which were released before the first
    std::uint64_t recovered_;               // sequences below this come from before a reset of the machine
  };
};

static_assert(ring<mpmc_ring>);

}  // namespace sluice::detail
