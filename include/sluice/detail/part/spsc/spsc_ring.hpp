#pragma once

// One producer, one consumer. After Lamport's ring (Specifying Concurrent Program Modules, TOPLAS 1983), but the
// sequence travels in the slot: a slot's word and the beginning of its payload share a line, so a message costs one
// cache miss and not two.
//
// What each side writes
//   producer: the slots and their words; in its own seat, `sequence`: published up to here, and `peeked`: claimed up to
//             here, so that a consumer of a closed channel knows whether to wait for more.
//   consumer: in its own seat, `sequence`: released up to here, exactly, and `peeked`: handed out up to here; and
//             control.head, a copy of `sequence` that is brought up to date only every eighth of the ring, because each
//             time costs the producer a miss.
// Invariants
//   1. consumer.sequence <= producer's tail <= consumer.sequence + capacity.
//   2. word(s) is published(lap of s) if and only if s was published in this lap; all-zero memory is an empty ring.
//   3. control.head <= consumer.sequence. Neither is ever reset, not even by a new owner of the seat.
// A death at any instruction
//   Producer: a claimed slot is simply not published, nothing is owed. A successor finds the tail from seat and slots.
//   Consumer: a successor continues at `sequence`; what lies below `peeked` may have been seen and is marked so.
//
// Edges
//   W: producer's word store (release) -> consumer's word load (acquire): the payload is visible.
//   S: consumer's sequence store (release) -> producer's sequence load (acquire): the slot may be overwritten.
//   C: consumer's head copy store (release) -> producer's head copy load (acquire): the same, by the copy.
//   P: consumer's peeked store (release) -> successor's peeked load (acquire): what may have been seen is marked.
//   T: producer's tail store (release) -> successor's tail load (acquire): it resumes no earlier than published.
//   N: producer's claim store (release) -> consumer's claim load (acquire): a claim that has come down to what was
//      published is seen after the words. That a new one is seen in time is participant.hpp E.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "sluice/detail/base/bytes.hpp"
#include "sluice/detail/base/pause.hpp"
#include "sluice/detail/part/spsc/spsc_layout.hpp"
#include "sluice/detail/ring/ring_concept.hpp"

namespace sluice::detail {

class spsc_ring {
 public:
  static constexpr ring_kind kind = ring_kind::spsc;
  static constexpr bool mends = false;
  static constexpr bool has_many_seats = false;

  /// Nothing to settle: the successor finds everything in the seat and the slots.
  static bool settle(const ring_view&, std::uint32_t, seat_keeper&) noexcept { return true; }
  static bool holds_something(const ring_view&, std::uint32_t) noexcept { return false; }
  static std::uint64_t resumes_at(const ring_view& ring, std::uint32_t seat_index) noexcept {
    return spsc_seat_of(ring, seat_index).sequence.load(std::memory_order_relaxed);  // for people
  }

  static bool is_sane(const ring_view& ring) noexcept {
    const auto& consumed = spsc_seat_of(ring, ring.first_seat(role::consumer)).sequence;
    const auto before = consumed.load(std::memory_order_acquire);                           // S
    const auto published = spsc_seat_of(ring, 0).sequence.load(std::memory_order_acquire);  // T
    if (consumed.load(std::memory_order_relaxed) != before) return true;                    // it moves: not now
    // A producer that died before it noted what it published lags behind, by a batch at most.
    return published - before + ring.capacity() <= 2 * ring.capacity();
  }

  static std::uint64_t size_approx(const ring_view& ring) noexcept {
    const auto released = spsc_seat_of(ring, ring.first_seat(role::consumer)).sequence.load(std::memory_order_relaxed);
    const auto size =
        spsc_seat_of(ring, 0).sequence.load(std::memory_order_relaxed) - released;  // a guess, for the caller
    return size <= ring.capacity() ? size : 0;
  }

  class producer {
   public:
    producer(const ring_view& ring, std::uint32_t seat_index) noexcept
        : ring_(ring),
          own_(&spsc_seat_of(ring, seat_index)),
          peer_(&spsc_seat_of(ring, ring.first_seat(role::consumer))) {
      tail_ = own_->sequence.load(std::memory_order_acquire);  // T
      // A predecessor may have died between publishing and noting it.
      for (std::uint64_t i = 0; i < ring_.capacity() && is_published(tail_); ++i) ++tail_;
      own_->sequence.store(tail_, std::memory_order_release);  // T
      note_claimed(tail_);                                     // a predecessor's claim is void
      limit_ = tail_;
      looked_exactly_at_ = tail_ - ring_.capacity();  // long ago
    }

    std::uint64_t try_claim(std::uint64_t count) noexcept {
      if (limit_ - tail_ < count) [[unlikely]]
        look_at_progress(count);
      const auto claimed = lesser(limit_ - tail_, count);
      if (claimed_ - tail_ < claimed) note_claimed(tail_ + claimed);
      return claimed;
    }

    [[nodiscard]] static constexpr bool must_pass_on_wake_up() noexcept { return false; }  // there is no other producer

    [[nodiscard]] std::byte* claimed(std::uint64_t i) const noexcept { return ring_.payload(tail_ + i); }
    [[nodiscard]] sequence_run claimed_run(std::uint64_t count) const noexcept {
      return {tail_, lesser(count, claimed_ - tail_)};
    }

    [[gnu::always_inline]] void publish(std::uint64_t count) noexcept {
      if (claimed_ - tail_ != count) [[unlikely]]
        return publish_a_part(count);
      publish_words(count);
    }

    [[nodiscard]] bool is_drained() const noexcept {
      return peer_->sequence.load(std::memory_order_acquire) == tail_;
    }  // S

    [[nodiscard]] std::uint64_t position() const noexcept { return tail_; }
    [[nodiscard]] std::uint64_t first_unreleased(std::uint64_t from, std::uint64_t end) const noexcept {
      const auto released = peer_->sequence.load(std::memory_order_acquire);  // S
      return static_cast<std::int64_t>(released - from) <= 0 ? from : from + lesser(released - from, end - from);
    }

    [[nodiscard]] std::uint64_t waits_for() const noexcept { return tail_ - ring_.capacity(); }
    void leave() noexcept { note_claimed(tail_); }

    // ---- A second claim beside a single one. The first has the slot at tail_, the second one behind it; what was
    // ---- published of later claims lies between them. It becomes visible with the first, or is copied down when that is
    // ---- abandoned: this ring has no holes.

    [[nodiscard]] bool has_room_for_another() const noexcept { return !second_is_open_ || !first_is_open_; }

    [[nodiscard, gnu::noinline]] std::byte* claim_another() noexcept {
      first_is_open_ = true;
      if (second_is_open_) return ring_.payload(tail_);
      const auto count = 2 + filled_behind_;
      if (try_claim(count) != count) return nullptr;
      second_is_open_ = true;
      return second();
    }

    template <class Seal>
    std::uint64_t settle_one(const std::byte* message, bool publishes, Seal&& seal) noexcept {
      const auto published = settle_two(message, publishes, seal);
      if (!publishes) count_abandoned(1);
      note_claimed(tail_ + filled_behind_ + (second_is_open_ ? 2 : first_is_open_ ? 1 : 0));
      return published;
    }

    /// Whether anything is claimed and not published.
    [[nodiscard]] bool is_open() const noexcept { return claimed_ != tail_; }
    /// Whether what is open, if anything, is a single claim such as try_claim(1) makes.
    [[nodiscard]] bool is_plain() const noexcept { return !second_is_open_ && filled_behind_ == 0; }

   private:
    [[gnu::always_inline]] void publish_words(std::uint64_t count) noexcept {
      auto tail = tail_;  // a copy: a store into the ring could be one into this object, for all the compiler knows
      for (const auto end = tail + count; tail != end; ++tail)
        ring_.word(tail).store(ring_.word_for(tail, slot_kind::published), std::memory_order_release);  // W
      tail_ = tail;
      own_->sequence.store(tail, std::memory_order_release);  // T
    }

    /// The rest is abandoned.
    [[gnu::noinline]] void publish_a_part(std::uint64_t count) noexcept {
      count_abandoned(claimed_ - tail_ - lesser(count, claimed_ - tail_));
      publish_words(lesser(count, claimed_ - tail_));
      note_claimed(tail_);
    }

    template <class Seal>
    std::uint64_t settle_two(const std::byte* message, bool publishes, Seal& seal) noexcept {
      const auto publish_next = [&] {
        seal(ring_.payload(tail_), tail_);
        publish_words(1);
      };
      if (second_is_open_ && message == second()) {
        second_is_open_ = false;
        filled_behind_ += publishes;
        return publishes && !first_is_open_ ? publish_copied_down(publish_next) : 0;
      }
      first_is_open_ = false;
      if (!publishes) return publish_copied_down(publish_next);
      const auto count = 1 + std::exchange(filled_behind_, 0);
      for (std::uint64_t i = 0; i < count; ++i) publish_next();
      first_is_open_ = std::exchange(second_is_open_, false);  // it stands at tail_ now
      return count;
    }

    /// What was published behind a first that is not open; a second that is open stays one slot behind tail_.
    template <class PublishNext>
    std::uint64_t publish_copied_down(const PublishNext& publish_next) noexcept {
      const auto count = std::exchange(filled_behind_, 0);
      for (std::uint64_t i = 0; i < count; ++i) {
        std::memcpy(ring_.payload(tail_), ring_.payload(tail_ + 1), ring_.message_bytes);
        publish_next();
      }
      return count;
    }

    [[nodiscard]] std::byte* second() const noexcept { return ring_.payload(tail_ + 1 + filled_behind_); }

    void count_abandoned(std::uint64_t count) noexcept {
      own_->abandoned.store(own_->abandoned.load(std::memory_order_relaxed) + count,
                            std::memory_order_relaxed);  // own counter
    }

    void note_claimed(std::uint64_t sequence) noexcept {
      claimed_ = sequence;
      own_->peeked.store(sequence, std::memory_order_release);  // N
    }

    [[nodiscard]] bool is_published(std::uint64_t sequence) const noexcept {
      return ring_.word(sequence).load(std::memory_order_relaxed) ==
             ring_.word_for(sequence, slot_kind::published);  // own or a dead predecessor's store
    }

    /// The exact word lies in a line that the consumer writes with every message: each look at it costs both sides a
    /// miss. A producer that waits for room would look for every slot or two that come free. So one that is back before
    /// an eighth of the ring was published gives the consumer some turns first. What it answers is exact all the same.
    [[gnu::noinline]] void look_at_progress(std::uint64_t count) noexcept {
      believe(spsc_control_of(ring_).head.load(std::memory_order_acquire));  // C
      if (limit_ - tail_ >= count) return;
      if (tail_ - looked_exactly_at_ < ring_.capacity() / 8)
        for (int i = 0; i < turns_given; ++i) cpu_pause();
      looked_exactly_at_ = tail_;
      believe(peer_->sequence.load(std::memory_order_acquire));  // S
    }

    /// Progress is input: a value that no consumer can have written changes nothing.
    void believe(std::uint64_t progress) noexcept {
      if (tail_ - progress > ring_.capacity()) return;
      const auto limit = progress + ring_.capacity();
      if (limit - tail_ > limit_ - tail_) limit_ = limit;  // distances, for sequences wrap
    }

    static constexpr int turns_given = 8;

    ring_view ring_;
    spsc_seat* own_;
    const spsc_seat* peer_;
    std::uint64_t tail_ = 0;               // next sequence to publish
    std::uint64_t claimed_ = 0;            // what own_->peeked says
    std::uint64_t limit_ = 0;              // first sequence that may still be in use
    std::uint64_t looked_exactly_at_ = 0;  // tail_ when the consumer's own word was last read
    bool first_is_open_ = false;           // of two claims; said of no single one
    bool second_is_open_ = false;
    std::uint64_t filled_behind_ = 0;  // published, and visible with the first
  };

  class consumer {
   public:
    consumer(const ring_view& ring, std::uint32_t seat_index) noexcept
        : ring_(ring),
          own_(&spsc_seat_of(ring, seat_index)),
          copy_every_(ring.capacity() < 8 ? 1 : ring.capacity() / 8) {
      head_ = own_->sequence.load(std::memory_order_acquire);          // S
      marked_ = own_->peeked.load(std::memory_order_acquire) - head_;  // P
      if (marked_ > ring_.capacity()) marked_ = 0;                     // nothing that a correct consumer wrote
      handed_out_ = head_;
      copied_ = spsc_control_of(ring_).head.load(std::memory_order_relaxed);  // only this side writes it
    }

    std::uint64_t try_peek(std::uint64_t count) noexcept {
      const auto head = head_;
      std::uint64_t ready = 0;
      while (ready < count && is_published(head + ready)) ++ready;
      if (ready > handed_out_ - head) {
        handed_out_ = head + ready;
        if (ready > marked_) [[likely]]
          own_->peeked.store(head + ready, std::memory_order_release);  // P: before it is handed out
      }
      return ready;
    }

    [[nodiscard]] const std::byte* peeked(std::uint64_t i) const noexcept { return ring_.payload(head_ + i); }
    [[nodiscard]] bool was_delivered_before(std::uint64_t i) const noexcept { return i < marked_; }

    [[gnu::always_inline]] void release(std::uint64_t count) noexcept {
      if (handed_out_ - head_ < count) [[unlikely]]  // a branch, because the next head would wait for a minimum
        return release_all();
      release_exactly(count);
    }

    [[nodiscard]] static constexpr std::uint64_t waits_for() noexcept { return nothing_to_wait_for(); }
    [[nodiscard]] bool is_exhausted(seat_keeper& keeper, bool = false) const noexcept {
      const auto claimed = spsc_seat_of(ring_, 0).peeked.load(std::memory_order_acquire);  // N
      if (static_cast<std::int64_t>(claimed - handed_out_) <= 0) return true;   // what was claimed was handed out
      const auto state = ring_.seats[0].state.load(std::memory_order_acquire);  // seat_table.hpp A, D
      return state_of(state) != seat_state::taken || keeper.is_dead(0, state);  // a dead one's claim is void
    }
    bool mend(seat_keeper&) noexcept { return false; }
    [[nodiscard]] static constexpr bool owes() noexcept { return false; }
    [[nodiscard]] static constexpr ring_debt owed() noexcept { return {}; }
    void leave() noexcept {}

    // ---- A second message beside a single one. Released before the first it is only noted, and handed back with it: a
    // ---- consumer that dies before that has it delivered again, marked.

    [[nodiscard, gnu::noinline]] const std::byte* peek_another() noexcept {
      const auto second = head_ + 1 + released_behind_;
      if (!is_published(second)) return nullptr;
      if (second - head_ >= handed_out_ - head_) {
        handed_out_ = second + 1;
        if (second - head_ >= marked_)
          own_->peeked.store(second + 1, std::memory_order_release);  // P: before it is lent
      }
      second_is_open_ = true;
      return ring_.payload(second);
    }

    [[nodiscard]] bool was_delivered_before_one(const std::byte* message) const noexcept {
      return was_delivered_before(message == ring_.payload(head_) ? 0 : 1 + released_behind_);
    }

    void release_one(const std::byte* message) noexcept {
      if (message == ring_.payload(head_))
        release(1 + std::exchange(released_behind_, 0));
      else
        ++released_behind_;
      second_is_open_ = false;
    }

    [[nodiscard]] bool finds_something(bool beside_what_is_peeked) const noexcept {
      return is_published(head_ + (beside_what_is_peeked ? 1 + released_behind_ + second_is_open_ : 0));
    }

    /// Whether anything is peeked and not released.
    [[nodiscard]] bool is_open() const noexcept { return handed_out_ != head_; }
    [[nodiscard]] bool is_single() const noexcept { return handed_out_ - head_ == 1; }
    /// Whether what is peeked, if anything, is what try_peek() finds.
    [[nodiscard]] bool is_plain() const noexcept { return !second_is_open_ && released_behind_ == 0; }

   private:
    [[nodiscard]] bool is_published(std::uint64_t sequence) const noexcept {
      return ring_.word(sequence).load(std::memory_order_acquire) ==
             ring_.word_for(sequence, slot_kind::published);  // W
    }

    [[gnu::always_inline]] void release_exactly(std::uint64_t count) noexcept {
      if (marked_ != 0) [[unlikely]]
        count_redelivered(lesser(count, marked_));
      const auto head = head_ + count;
      head_ = head;
      const bool must_copy = head - copied_ >= copy_every_;
      own_->sequence.store(head,
                           std::memory_order_release);  // S: before the copy, or a successor would begin too early
      if (must_copy) {
        spsc_control_of(ring_).head.store(head, std::memory_order_release);  // C
        copied_ = head;
      }
    }
    [[gnu::noinline]] void release_all() noexcept { release_exactly(handed_out_ - head_); }

    void count_redelivered(std::uint64_t count) noexcept {
      marked_ -= count;
      own_->redelivered.store(own_->redelivered.load(std::memory_order_relaxed) + count,
                              std::memory_order_relaxed);  // own line
    }

    ring_view ring_;
    spsc_seat* own_;
    std::uint64_t head_ = 0;  // next sequence to release
    std::uint64_t handed_out_ =
        0;  // by this handle, up to here; own_->peeked says this or head_ + marked_, if that is more
    std::uint64_t marked_ = 0;  // how many from head_ on a dead predecessor may have seen
    std::uint64_t copied_ = 0;  // what control.head says
    std::uint64_t copy_every_;
    bool second_is_open_ = false;
    std::uint64_t released_behind_ = 0;  // messages after the first that were released before it
  };
};

static_assert(ring<spsc_ring>);

}  // namespace sluice::detail
