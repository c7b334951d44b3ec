#pragma once

// A topic: one or many publishers, and every subscriber sees every message. The slots are those of an spsc or mpmc ring, and
// are overwritten in place: a message stays until its slot is needed a lap later, whether it was read or not. A lossless
// subscriber has a word in its seat, its *keep*: no publisher overwrites what it has not released. A lossy one is
// overtaken instead, and is told how much it lost: lossy_reader.hpp.
//
// Words of the slot for sequence q, N being the capacity
//   any word of the lap before, or zero in the first lap -> free(q) by the winner of the claim, before it fills the slot
//   free(q) -> published(q) by the winner, or -> hole(q) by the winner (abandoned; many publishers only)
//   any word before published(q) -> hole(q) by a mender, when the winner is dead
//   published(q) -> gone(q) by the publisher, before it changes the bytes in its arena (messages of any length only)
//   No subscriber writes to a slot.
// Invariants
//   1. A publisher overwrites only what lies below its grant. Before it asks the keeps for a higher one it announces the
//      floor that it wants; a subscriber that joins announces its keep before it looks at the floors, and starts above them.
//      So one of the two sees the other, and a publisher may use its grant for an eighth of the ring without another look.
//   2. A floor never falls below what it was when the seat was taken, because a predecessor may have used that grant.
//   3. Many publishers: as in an mpmc ring, tail only grows, by exchange, and a living winner's intent covers what it owns from
//      before the claim until it is published. A publisher claims a slot only when its last lap is done with.
//   4. One publisher: what is claimed and not published is lost to no subscriber; a successor finds the tail from seat and slots.
//   5. A subscriber's seat that is free, dead or settled keeps nothing, unless it is named.
//   6. No two seats are kept for one subscription. A seat is named before its owner takes it, and then its keep stands,
//      whatever becomes of its owners, until one of them ends the subscription.
// What remains is as in an mpmc ring: a publisher that dies between its claim and its mark, while another that intended the
// same position is stopped before it noticed that it lost, stalls the topic until that one goes on or ends.
//
// Edges
//   P: publisher's exchange of a keep that stalls it (acq_rel) -> a look at that keep (acquire): it holds up no other either.
//   W: word published or hole (release) -> word load (acquire): the payload is visible.
//   R: word done (release) -> claimant's word load (acquire): the filler of the lap before has finished.
//   S: keep store, and the clearing of its bit (release) -> publisher's loads (acquire): that subscriber's reads are over.
//   J: floor store, fence (seq_cst), keep load -> keep store, fence (seq_cst), floor load: one of the two sees the other.
//   V: word free or gone store, then the fence (release) -> a reader's fence (acquire) after its copy, then its word load:
//      bytes of the next message in the copy are seen in the word.
//   I: intent store (release) -> mender's intent load (acquire): what the claim before led to.
//   T: tail exchange, or the only publisher's counts (release) -> load (acquire): tail > p seen, so the intent to claim p is;
//      and a claim is seen after the words of what was published before.
//   X: mender's word exchange (acq_rel) -> word load (acquire): part of the publisher's release sequence.
//   O: note of a hole (release) -> its load (acquire): a hole that was passed is noted.
//   N: first word of a subscription's name (release) -> its load (acquire): the other words of that name.
//   H: handed out up to here (release) -> a successor's load (acquire): what a process may have seen.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "sluice/detail/base/bytes.hpp"
#include "sluice/detail/part/mpmc/mpmc_layout.hpp"
#include "sluice/detail/part/mpmc/stream_pace.hpp"
#include "sluice/detail/part/topic/topic_grant.hpp"
#include "sluice/detail/part/topic/topic_layout.hpp"
#include "sluice/detail/part/topic/topic_repair.hpp"
#include "sluice/detail/ring/ring_concept.hpp"

namespace sluice::detail {

/// How much of what was published before it joined a subscriber wants, in sequences.
struct history {
  std::uint64_t count = 0;
  [[nodiscard]] static constexpr history none() noexcept { return {}; }
  [[nodiscard]] static constexpr history last(std::uint64_t count) noexcept { return {count}; }
  [[nodiscard]] static constexpr history all() noexcept { return {~std::uint64_t{0}}; }
};

/// The place in a topic that a subscription has, whichever process subscribes: a seat that is kept for this name. Its first
/// subscriber begins with `if_new`, each later one where the one before released last.
struct named_subscription {
  seat_request seat;
  history if_new = history::none();
};

template <publishers Publishers>
class topic_ring;

/// The only publisher of its topic: it claims nothing that others could want, so there is no exchange and no hole.
class only_publisher {
 public:
  only_publisher(const ring_view& ring, std::uint32_t seat_index) noexcept
      : ring_(ring),
        own_(&topic_seat_of(ring, seat_index)),
        tail_(found_tail(ring, *own_)),
        grant_(ring, *own_, tail_) {
    own_->sequence.store(tail_, std::memory_order_release);  // T
    note_claimed(tail_);                                     // a predecessor's claim is void
  }

  [[gnu::always_inline]] std::uint64_t try_claim(std::uint64_t count) noexcept {
    auto room = grant_.room(tail_);
    if (room < count) [[unlikely]]
      room = grant_.ask(tail_, lesser(count, ring_.capacity()));
    const auto claimed = lesser(room, count);
    if (claimed_ - tail_ < claimed) claim_up_to(tail_ + claimed);
    return claimed;
  }
  [[nodiscard]] static constexpr bool must_pass_on_wake_up() noexcept { return false; }  // there is no other publisher

  [[nodiscard]] std::byte* claimed(std::uint64_t i) const noexcept { return ring_.payload(tail_ + i); }
  [[nodiscard]] sequence_run claimed_run(std::uint64_t count) const noexcept {
    return {tail_, lesser(count, claimed_ - tail_)};
  }

  [[gnu::always_inline]] void publish(std::uint64_t count) noexcept {
    if (claimed_ - tail_ != count) [[unlikely]]
      return publish_a_part(count);
    publish_words(count);
  }

  /// From now on it drops subscribers that hold it up for so long. Takes memory.
  void drop_stalled_after(std::uint64_t ns) { grant_.drop_stalled_after(ns); }

  /// Asks whether the subscribers that keep the slot live. @return whether there is room now.
  bool mend(seat_keeper& keeper) noexcept { return grant_.ask_again(tail_, keeper) != 0; }

  /// Whether the bytes of the message `sequence`, which this publisher published into its arena, may change now: no lossless
  /// subscriber keeps it, or will. Its word says so then, before they do. If the subscribers must be asked, they are asked
  /// up to `further`, another message of the arena.
  [[nodiscard]] bool take_bytes_of(std::uint64_t sequence, std::uint64_t further) noexcept {
    if (!is_before(sequence, tail_)) return false;  // of a batch that is open
    if (!grant_.covers(sequence, earlier_of(further + 1, tail_))) return false;
    // A store, because no other process writes a word, unless this one has claimed the slot a lap later. The word itself
    // is not asked for that: it lies in a line that the subscribers have read.
    if (claimed_ - sequence <= ring_.capacity())
      ring_.word(sequence).store(ring_.word_for(sequence, gone), std::memory_order_relaxed);  // the fence orders it
    std::atomic_thread_fence(std::memory_order_release);                                      // V
    return true;
  }

  [[nodiscard]] bool is_drained() const noexcept { return topic_repair::least_kept(ring_, tail_, nullptr) == tail_; }
  [[nodiscard]] std::uint64_t position() const noexcept { return tail_; }
  [[nodiscard]] std::uint64_t first_unreleased(std::uint64_t from, std::uint64_t end) const noexcept {
    return later_of(from, topic_repair::least_kept(ring_, end, nullptr));
  }
  [[nodiscard]] std::uint64_t waits_for() const noexcept { return tail_ - ring_.capacity(); }
  void leave() noexcept {
    publish(0);
    note_claimed(tail_);
  }

  // One claim or one batch at a time.
  [[nodiscard]] static constexpr bool has_room_for_another() noexcept { return false; }
  [[nodiscard]] static constexpr std::byte* claim_another() noexcept { return nullptr; }
  template <class Seal>
  std::uint64_t settle_one(std::byte* message, bool publishes, Seal&& seal) noexcept {
    if (publishes) seal(message, tail_);
    publish(publishes ? 1 : 0);
    return publishes ? 1 : 0;
  }
  [[nodiscard]] bool is_open() const noexcept { return claimed_ != tail_; }
  [[nodiscard]] static constexpr bool is_plain() noexcept { return true; }

 private:
  static std::uint64_t found_tail(const ring_view& ring, const topic_seat& own) noexcept {
    auto tail = own.sequence.load(std::memory_order_acquire);  // T
    // A predecessor may have died between publishing and noting it. Its words: no message is read on their strength. None of
    // these is gone, because what it took the bytes of it had noted.
    const auto is_published = [&](std::uint64_t q) {
      return ring.word(q).load(std::memory_order_relaxed) == ring.word_for(q, slot_kind::published);
    };
    for (std::uint64_t i = 0; i < ring.capacity() && is_published(tail); ++i) ++tail;
    return tail;
  }

  /// From here on what the slots held is gone: their words say so before a byte of it changes.
  [[gnu::always_inline]] void claim_up_to(std::uint64_t end) noexcept {
    for (auto q = claimed_; q != end; ++q)
      ring_.word(q).store(ring_.word_for(q, slot_kind::free), std::memory_order_relaxed);  // the fence orders it
    std::atomic_thread_fence(std::memory_order_release);                                   // V
    note_claimed(end);
  }

  [[gnu::always_inline]] void publish_words(std::uint64_t count) noexcept {
    auto tail = tail_;  // a copy: a store into the ring could be one into this object, for all the compiler knows
    for (const auto end = tail + count; tail != end; ++tail)
      ring_.word(tail).store(ring_.word_for(tail, slot_kind::published), std::memory_order_release);  // W
    tail_ = tail;
    own_->sequence.store(tail, std::memory_order_release);  // T
  }

  /// The rest is abandoned: the next claim gets it again.
  [[gnu::noinline]] void publish_a_part(std::uint64_t count) noexcept {
    const auto open = claimed_ - tail_;
    count = lesser(count, open);
    own_->abandoned.store(own_->abandoned.load(std::memory_order_relaxed) + open - count,
                          std::memory_order_relaxed);  // own counter
    publish_words(count);
    note_claimed(tail_);
  }

  void note_claimed(std::uint64_t sequence) noexcept {
    claimed_ = sequence;
    own_->intent.store(sequence, std::memory_order_release);  // T
  }

  ring_view ring_;
  topic_seat* own_;
  std::uint64_t tail_;         // next sequence to publish
  std::uint64_t claimed_ = 0;  // what is claimed ends here
  topic_grant grant_;
};

/// One of many publishers. Claims as an mpmc producer does, and besides only what its grant covers.
class one_of_many_publishers {
 public:
  one_of_many_publishers(const ring_view& ring, std::uint32_t seat_index) noexcept
      : ring_(ring),
        own_(&topic_seat_of(ring, seat_index)),
        grant_(ring, *own_, topic_control_of(ring).tail.load(std::memory_order_acquire)) {}  // T

  [[gnu::always_inline]] std::uint64_t try_claim(std::uint64_t count) noexcept {
    if (count_ != 0) [[unlikely]]
      return lesser(count_, count);                                               // what is open
    const auto p = topic_control_of(ring_).tail.load(std::memory_order_relaxed);  // a guess; word and exchange decide
    if (count == 1 && grant_.room(p) != 0 && is_claimable(p) && claim(p, 1)) [[likely]]
      return 1;
    return claim_run(count);
  }
  [[nodiscard]] bool must_pass_on_wake_up() const noexcept {
    if (ring_.control->parked[static_cast<std::uint32_t>(role::producer)].load(std::memory_order_relaxed) == 0)
      return false;
    const auto p = topic_control_of(ring_).tail.load(std::memory_order_relaxed);  // a guess, as the answer is
    return grant_.room(p) != 0 && is_claimable(p);
  }

  [[nodiscard]] std::byte* claimed(std::uint64_t i) const noexcept { return ring_.payload(first_ + i); }
  [[nodiscard]] sequence_run claimed_run(std::uint64_t count) const noexcept { return {first_, lesser(count, count_)}; }

  [[gnu::always_inline]] void publish(std::uint64_t count) noexcept {
    if (count != count_) [[unlikely]]
      count = abandon_after(count);
    for (std::uint64_t i = 0; i < count; ++i)
      ring_.word(first_ + i)
          .store(ring_.word_for(first_ + i, slot_kind::published), std::memory_order_release);  // W, R
    count_ = 0;
    own_->messages.store(own_->messages.load(std::memory_order_relaxed) + count,
                         std::memory_order_relaxed);  // own counter
  }

  /// As only_publisher's.
  void drop_stalled_after(std::uint64_t ns) { grant_.drop_stalled_after(ns); }

  /// At ticks, while it finds no room: claims of dead publishers become holes, and dead subscribers keep nothing any more.
  /// @return whether there may be room now.
  bool mend(seat_keeper& keeper) noexcept {
    const auto p = topic_control_of(ring_).tail.load(std::memory_order_acquire);  // T
    holes_ += topic_repair::mend_holes(ring_, p - lesser(p, ring_.capacity()), keeper);
    return grant_.ask_again(p, keeper) != 0 && is_claimable(p);
  }
  /// As only_publisher::take_bytes_of().
  [[nodiscard]] bool take_bytes_of(std::uint64_t sequence, std::uint64_t further) noexcept {
    if (sequence - first_ < count_) return false;  // of a batch that is open
    const auto end = count_ != 0 ? earlier_of(further + 1, first_) : further + 1;
    if (!grant_.covers(sequence, end)) return false;
    // Where the exchange fails, the slot was claimed a lap later: its word says more than gone, and was seen to.
    auto word = ring_.word_for(sequence, slot_kind::published);
    ring_.word(sequence).compare_exchange_strong(word, ring_.word_for(sequence, gone), std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);  // V
    return true;
  }

  /// How many holes it made since this was asked: the subscribers that wait are to be woken for them.
  [[nodiscard]] std::uint64_t owed_holes() noexcept { return std::exchange(holes_, 0); }

  [[nodiscard]] bool is_drained() const noexcept {
    const auto tail = topic_control_of(ring_).tail.load(std::memory_order_acquire);  // T
    return topic_repair::least_kept(ring_, tail, nullptr) == tail;
  }
  [[nodiscard]] std::uint64_t position() const noexcept {
    return topic_control_of(ring_).tail.load(std::memory_order_relaxed);  // this publisher's own claims lie below it
  }
  [[nodiscard]] std::uint64_t first_unreleased(std::uint64_t from, std::uint64_t end) const noexcept {
    return later_of(from, topic_repair::least_kept(ring_, end, nullptr));
  }
  [[nodiscard]] std::uint64_t waits_for() const noexcept {
    return topic_control_of(ring_).tail.load(std::memory_order_relaxed) - ring_.capacity();  // for people
  }
  void leave() noexcept {
    publish(0);
    own_->intent.store(0, std::memory_order_release);  // I
  }

  // One claim or one batch at a time.
  [[nodiscard]] static constexpr bool has_room_for_another() noexcept { return false; }
  [[nodiscard]] static constexpr std::byte* claim_another() noexcept { return nullptr; }
  template <class Seal>
  std::uint64_t settle_one(std::byte* message, bool publishes, Seal&& seal) noexcept {
    if (publishes) seal(message, first_);
    publish(publishes ? 1 : 0);
    return publishes ? 1 : 0;
  }
  [[nodiscard]] bool is_open() const noexcept { return count_ != 0; }
  [[nodiscard]] static constexpr bool is_plain() noexcept { return true; }

 private:
  [[nodiscard]] bool is_claimable(std::uint64_t p) const noexcept {
    return is_done_before(ring_, ring_.word(p).load(std::memory_order_acquire), p);  // R, X
  }

  [[gnu::noinline]] std::uint64_t claim_run(std::uint64_t count) noexcept {
    count = lesser(lesser(count, max_claim), ring_.capacity());
    for (;;) {
      const auto p =
          topic_control_of(ring_).tail.load(std::memory_order_relaxed);  // a guess; words and exchange decide
      std::uint64_t m = 0;
      while (m < count && is_claimable(p + m)) ++m;
      if (m != 0) {
        auto room = grant_.room(p);
        if (room < m) room = grant_.ask(p, m);
        m = lesser(m, room);
      }
      if (m == 0) {
        if (topic_control_of(ring_).tail.load(std::memory_order_relaxed) != p)
          continue;  // another was quicker: not full
        return 0;
      }
      if (claim(p, m)) return m;
    }
  }

  [[gnu::always_inline]] bool claim(std::uint64_t p, std::uint64_t m) noexcept {
    auto expected = p;
    own_->intent.store(intent_word(p, m, false), std::memory_order_release);  // I
    if (!topic_control_of(ring_).tail.compare_exchange_strong(expected, p + m, std::memory_order_release,
                                                              std::memory_order_relaxed)) [[unlikely]] {  // T
      own_->intent.store(0, std::memory_order_release);                                                   // I
      return false;
    }
    own_->intent.store(intent_word(p, m, true), std::memory_order_release);  // I
    for (std::uint64_t i = 0; i < m; ++i)
      ring_.word(p + i).store(ring_.word_for(p + i, slot_kind::free),
                              std::memory_order_relaxed);  // the fence orders it
    std::atomic_thread_fence(std::memory_order_release);   // V
    first_ = p;
    count_ = m;
    return true;
  }

  /// Of what is claimed, the slots behind the first `count` become holes. How many are left to be published.
  [[gnu::noinline]] std::uint64_t abandon_after(std::uint64_t count) noexcept {
    count = lesser(count, count_);
    own_->abandoned.store(own_->abandoned.load(std::memory_order_relaxed) + count_ - count,
                          std::memory_order_relaxed);  // own counter
    for (auto i = count; i < count_; ++i) {
      topic_repair::note_hole(ring_, first_ + i);
      ring_.word(first_ + i).store(ring_.word_for(first_ + i, slot_kind::hole), std::memory_order_release);  // W, R
    }
    return count;
  }

  ring_view ring_;
  topic_seat* own_;
  topic_grant grant_;
  std::uint64_t first_ = 0;  // what is claimed,
  std::uint64_t count_ = 0;  // and how much
  std::uint64_t holes_ = 0;
};

/// A subscriber of a seat announces its keep. @return the first sequence that it misses nothing from, unless a publisher
/// has dropped it already.
template <publishers Publishers>
[[nodiscard]] std::uint64_t join_topic(const ring_view& ring, std::uint32_t seat_index, history wanted) noexcept {
  auto& keep = topic_seat_of(ring, seat_index).keep;
  const auto tail = published_up_to<Publishers>(ring);
  const auto from = tail - lesser(lesser(wanted.count, tail), ring.capacity());
  // It keeps too much for a moment: what lies below the floors is gone or going.
  topic_control_of(ring).keeping.fetch_or(keeping_bit(ring, seat_index), std::memory_order_relaxed);  // J orders it
  auto announced = keep_word(from, true);
  keep.store(announced, std::memory_order_relaxed);     // announced
  std::atomic_thread_fence(std::memory_order_seq_cst);  // J
  const auto floor = topic_repair::highest_floor(ring, from);
  // No floor is higher than what was claimed; they are input.
  const auto at = earlier_of(floor, later_of(from, claimed_up_to<Publishers>(ring)));
  keep.compare_exchange_strong(announced, keep_word(at), std::memory_order_release, std::memory_order_relaxed);  // S
  return at;
}

/// A lossless subscriber: publishers overwrite nothing that it has not released.
template <publishers Publishers>
class topic_subscriber {
 public:
  /// Joins. From first_sequence() on it misses nothing.
  topic_subscriber(const ring_view& ring, std::uint32_t seat_index, history wanted = history::none()) noexcept
      : ring_(ring), own_(&topic_seat_of(ring, seat_index)), own_index_(seat_index), pace_(ring, messages()) {
    at_ = handed_out_ = seen_ = join_topic<Publishers>(ring, seat_index, wanted);
  }
  /// In a seat that is kept for the subscription. Goes on where the last owner released last, if one had joined.
  topic_subscriber(const ring_view& ring, std::uint32_t seat_index, const named_subscription& subscription) noexcept
      : ring_(ring),
        own_(&topic_seat_of(ring, seat_index)),
        own_index_(seat_index),
        pace_(ring, messages()),
        is_named_(true) {
    const auto keep = own_->keep.load(std::memory_order_acquire);  // S
    if (!keeps_anything(keep) || is_joining(keep)) {
      own_->sequence.store(0, std::memory_order_release);  // H: what an owner of another name left there
      at_ = handed_out_ = seen_ = join_topic<Publishers>(ring, seat_index, subscription.if_new);
      return;
    }
    const auto tail = claimed_up_to<Publishers>(ring);
    at_ = handed_out_ = kept_near(keep, tail);
    const auto seen = own_->sequence.load(std::memory_order_acquire);  // H
    seen_ = seen - at_ <= ring.capacity() ? seen : at_;                // input; 0: nothing was
  }

  /// Where it joined, and so how much of the history that it wanted was still there.
  [[nodiscard]] std::uint64_t next_sequence() const noexcept { return at_; }

  [[gnu::always_inline]] std::uint64_t try_peek(std::uint64_t count) noexcept {
    std::uint64_t ready = 0;
    while (ready < count && is_published(at_ + ready)) ++ready;
    if (ready > handed_out_ - at_) hand_out_up_to(at_ + ready);
    if (ready != 0) return ready;
    if constexpr (Publishers == publishers::many)
      if (word_at(at_) == topic_word::hole) [[unlikely]]
        return peek_behind_holes(count);
    return pace_.has_caught_up(messages()) ? peek_after_lead(count) : 0;
  }

  [[nodiscard]] const std::byte* peeked(std::uint64_t i) const noexcept { return ring_.payload(at_ + i); }
  /// Whether a subscriber of the same subscription, before this one, may have seen it.
  [[nodiscard]] bool was_delivered_before(std::uint64_t i) const noexcept { return is_before(at_ + i, seen_); }

  [[gnu::always_inline]] void release(std::uint64_t count) noexcept {
    count = lesser(count, handed_out_ - at_);
    advance(count);
    own_->messages.store(messages() + count, std::memory_order_relaxed);  // own counter
  }

  [[nodiscard]] std::uint64_t waits_for() const noexcept {
    if constexpr (Publishers == publishers::one) return nothing_to_wait_for();
    return is_before(at_, claimed_up_to<Publishers>(ring_)) ? at_ : nothing_to_wait_for();
  }
  [[nodiscard]] bool is_exhausted(seat_keeper& keeper, bool = false) const noexcept {
    if (!is_before(handed_out_, claimed_up_to<Publishers>(ring_))) return true;
    if constexpr (Publishers == publishers::many) return false;               // a dead one's claim becomes a hole
    const auto state = ring_.seats[0].state.load(std::memory_order_acquire);  // seat_table.hpp A, D
    return state_of(state) != seat_state::taken || keeper.is_dead(0, state);  // a dead one's claim is void
  }
  /// Something stalls: claims of dead publishers become holes.
  bool mend(seat_keeper& keeper) noexcept {
    if constexpr (Publishers == publishers::one) return false;
    const auto holes = topic_repair::mend_holes(ring_, at_, keeper);
    debt_.consumers += holes;
    return holes != 0;
  }
  [[nodiscard]] bool owes() const noexcept { return debt_.producers != 0 || debt_.consumers != 0; }
  ring_debt owed() noexcept { return std::exchange(debt_, {}); }

  /// Its seat is a seat like any other from now on.
  void end_subscription() noexcept {
    if (is_named_) topic_repair::end_subscription(ring_, own_index_);
    is_named_ = false;
  }
  /// Keeps nothing from now on, unless its seat is named. All publishers that wait are to be woken.
  void leave() noexcept {
    if (!is_named_) topic_repair::keep_nothing(ring_, own_index_);
  }

  // ---- A second message beside a single one; of several that are peeked, the next. Released before the first it is only
  // ---- noted, and handed back with it.

  [[nodiscard, gnu::noinline]] const std::byte* peek_another() noexcept {
    std::uint64_t holes = 0;
    while (word_at(second() + holes) == topic_word::hole) ++holes;
    if (!is_published(second() + holes)) return nullptr;
    done_behind_ += holes;  // only now: without a second message, release() ends the first alone
    hand_out_up_to(later_of(handed_out_, second() + 1));
    second_is_open_ = true;
    return ring_.payload(second());
  }
  [[nodiscard]] bool was_delivered_before_one(const std::byte* message) const noexcept {
    return is_before(message == ring_.payload(at_) ? at_ : second(), seen_);
  }
  void release_one(const std::byte* message) noexcept {
    if (message == ring_.payload(at_))
      advance(1 + std::exchange(done_behind_, 0));
    else
      ++done_behind_;
    second_is_open_ = false;
    own_->messages.store(messages() + 1, std::memory_order_relaxed);  // own counter
  }
  [[nodiscard]] bool finds_something(bool beside_what_is_peeked) const noexcept {
    return word_at(beside_what_is_peeked ? second() + second_is_open_ : at_) != topic_word::pending;
  }

  [[nodiscard]] bool is_open() const noexcept { return handed_out_ != at_; }
  [[nodiscard]] bool is_single() const noexcept { return handed_out_ - at_ == 1; }
  [[nodiscard]] bool is_plain() const noexcept { return !second_is_open_ && done_behind_ == 0; }

 private:
  [[nodiscard]] bool is_published(std::uint64_t q) const noexcept {
    return ring_.word(q).load(std::memory_order_acquire) == ring_.word_for(q, slot_kind::published);  // W, X
  }
  [[nodiscard]] topic_word word_at(std::uint64_t q) const noexcept {
    return read_word(ring_, ring_.word(q).load(std::memory_order_acquire), q);  // W, X
  }
  [[nodiscard]] std::uint64_t second() const noexcept { return at_ + 1 + done_behind_; }

  [[gnu::always_inline]] void hand_out_up_to(std::uint64_t end) noexcept {
    handed_out_ = end;
    if (is_named_) [[unlikely]]
      note_handed_out();
  }
  /// Before its caller sees them. Never less than what was seen before it.
  [[gnu::noinline]] void note_handed_out() noexcept {
    if (is_before(seen_, handed_out_)) own_->sequence.store(handed_out_, std::memory_order_release);  // H
  }

  void advance(std::uint64_t count) noexcept {
    at_ += count;
    handed_out_ = later_of(handed_out_, at_);
    own_->keep.store(keep_word(at_), std::memory_order_release);  // S
  }

  [[nodiscard]] std::uint64_t messages() const noexcept { return own_->messages.load(std::memory_order_relaxed); }

  [[gnu::noinline]] std::uint64_t peek_after_lead(std::uint64_t count) noexcept {
    pace_.give_lead([&](std::uint64_t distance) {
      return ring_.word(at_ + distance).load(std::memory_order_relaxed) ==  // a guess; the next look decides
             ring_.word_for(at_ + distance, slot_kind::published);
    });
    return try_peek(count);
  }

  [[gnu::noinline]] std::uint64_t peek_behind_holes(std::uint64_t count) noexcept {
    std::uint64_t holes = 0;
    while (holes < ring_.capacity() && word_at(at_ + holes) == topic_word::hole) ++holes;
    debt_.producers += holes;  // they may wait for these slots
    advance(holes);
    std::uint64_t ready = 0;
    while (ready < count && is_published(at_ + ready)) ++ready;
    hand_out_up_to(later_of(handed_out_, at_ + ready));
    return ready;
  }

  ring_view ring_;
  topic_seat* own_;
  std::uint32_t own_index_;
  stream_pace pace_;
  std::uint64_t at_ = 0;          // next sequence to release
  std::uint64_t handed_out_ = 0;  // up to here
  std::uint64_t seen_ = 0;        // what lies below it, a subscriber before this one may have seen
  bool is_named_ = false;
  ring_debt debt_;
  bool second_is_open_ = false;
  std::uint64_t done_behind_ = 0;  // sequences after the first that were released before it, or are holes
};

template <publishers Publishers>
class topic_ring {
 public:
  static constexpr ring_kind kind = Publishers == publishers::one ? ring_kind::topic : ring_kind::topic_many;
  static constexpr publishers how_many = Publishers;
  static constexpr messages_lie lie = messages_lie::in_slots;
  static constexpr bool mends = true;
  static constexpr bool has_many_seats = Publishers == publishers::many;

  [[nodiscard]] static std::atomic<std::uint32_t>& bell(const ring_view& ring) noexcept {
    return topic_control_of(ring).bell;
  }
  /// How long a lossless subscriber may hold up a publisher before it loses its keep; 0: as long as it lives.
  [[nodiscard]] static std::uint64_t drop_stalled_after_ns(const part_descriptor& part) noexcept {
    return topic_form_of(part).drop_stalled_after_ns;
  }
  [[nodiscard]] static bool wakes_watchers(const part_descriptor& part) noexcept {
    return topic_form_of(part).wakes_watchers != 0;
  }

  static bool settle(const ring_view& ring, std::uint32_t seat_index, seat_keeper& keeper) noexcept {
    return topic_repair::settle<Publishers>(ring, seat_index, keeper);
  }
  static bool holds_something(const ring_view&, std::uint32_t) noexcept { return false; }
  static std::uint64_t resumes_at(const ring_view& ring, std::uint32_t seat_index) noexcept {
    const auto& own = topic_seat_of(ring, seat_index);
    const auto sequence = own.sequence.load(std::memory_order_relaxed);  // for people, here and below
    return seat_index >= ring.producer_seats && is_named(own)
               ? kept_near(own.keep.load(std::memory_order_relaxed), sequence)
               : sequence;
  }
  static constexpr subscription_rules subscriptions{
      .of = [](const ring_view& ring,
               std::uint32_t seat) noexcept { return subscription_of(topic_seat_of(ring, seat)); },
      .keep_for = [](const ring_view& ring, std::uint32_t seat,
                     const subscription_name& name) noexcept { set_subscription(topic_seat_of(ring, seat), name); },
      .naming = [](const ring_view& ring) noexcept -> std::atomic<std::uint64_t>& {
        return topic_control_of(ring).naming;
      },
  };
  static bool is_sane(const ring_view& ring) noexcept { return topic_repair::is_sane<Publishers>(ring); }

  /// How far behind the slowest lossless subscriber is.
  static std::uint64_t size_approx(const ring_view& ring) noexcept {
    const auto tail = published_up_to<Publishers>(ring);
    return lesser(tail - topic_repair::least_kept(ring, tail, nullptr), ring.capacity());
  }

  using producer = std::conditional_t<Publishers == publishers::one, only_publisher, one_of_many_publishers>;
  using consumer = topic_subscriber<Publishers>;
};

static_assert(ring<topic_ring<publishers::one>> && ring<topic_ring<publishers::many>>);

}  // namespace sluice::detail
