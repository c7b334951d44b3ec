#pragma once

// Reads a topic and never holds up a publisher: it is overtaken instead, and counts what it lost. It writes nothing to shared
// memory, so a mapping through which the kernel lets it only read is enough; it needs no seat and no lock.
//
// A message may be overwritten while it is read. The slot's word tells: it changes before the first byte does (topic_ring.hpp
// V). So bytes are acted upon only after a second look at the word: read_to() copies and looks, is_intact() looks after
// something was read in place. Until then every byte is input. docs/decisions/0046-broadcast.md says what C++ says of it.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "sluice/detail/base/bytes.hpp"
#include "sluice/detail/part/copy_if_intact.hpp"
#include "sluice/detail/part/topic/topic_ring.hpp"

namespace sluice::detail {

/// Where a reader goes on that was overtaken.
enum class resumes { at_oldest, at_newest };

template <publishers Publishers>
class lossy_reader {
 public:
  explicit lossy_reader(const ring_view& ring, history wanted = history::none(), resumes where = resumes::at_oldest,
                        messages_lie lie = messages_lie::in_slots) noexcept
      : ring_(ring), where_(where), lie_(lie) {
    // In this order: holes that are noted later may be ahead of it.
    if constexpr (Publishers == publishers::many)
      if (wanted.count == 0) notes_ = topic_control_of(ring).holes.load(std::memory_order_acquire);  // topic_ring.hpp O
    const auto tail = published_up_to<Publishers>(ring);
    const auto count = lesser(lesser(wanted.count, tail), ring.capacity());
    const auto oldest = oldest_below(claimed_up_to<Publishers>(ring));
    at_ = is_before(tail, ring.capacity()) ? tail - count : later_of(tail - count, earlier_of(oldest, tail));
    at_ = not_gone_from(at_, tail);
  }

  /// Before the first look: goes on there instead.
  void begin_at(std::uint64_t sequence) noexcept { at_ = sequence; }

  /// Finds the next message, and counts what was overwritten before it. False: there is none yet.
  [[nodiscard, gnu::always_inline]] bool try_peek() noexcept {
    word_ = ring_.word(at_).load(std::memory_order_acquire);  // topic_ring.hpp W, X
    if (word_ == ring_.word_for(at_, slot_kind::published)) [[likely]]
      return true;
    return try_peek_further();
  }
  /// The message that try_peek() found, in place: it may be overwritten at any moment.
  [[nodiscard]] const std::byte* peeked() const noexcept { return ring_.payload(at_); }
  /// Copies bytes of it. False: they were not all its own, and the next look tells.
  [[nodiscard]] bool copy(std::byte* into, std::span<const std::byte> from) const noexcept {
    return copy_if_intact(into, from.data(), from.size(), ring_.word(at_), word_);
  }
  /// Whether what was read of it so far was the message. False: none of that may be acted upon.
  [[nodiscard, gnu::always_inline]] bool is_intact() const noexcept {
    std::atomic_thread_fence(std::memory_order_acquire);  // topic_ring.hpp V
    return ring_.word(at_).load(std::memory_order_relaxed) == word_;
  }
  /// Done with it.
  [[gnu::always_inline]] void release() noexcept { ++at_; }

  /// Copies the next message, whole and released. False: there is none yet.
  [[nodiscard]] bool try_receive(std::byte* into) noexcept {
    while (try_peek()) {
      if (!copy(into, {peeked(), ring_.message_bytes})) continue;
      release();
      return true;
    }
    return false;
  }

  /// Goes on at the newest message, if a newer one than the next is there: what is between counts as lost. For those that
  /// want the last value alone.
  void skip_to_newest() noexcept {
    const auto tail = published_up_to<Publishers>(ring_);
    if (!is_before(at_ + 1, tail)) return;
    const auto end = later_of(at_, tail - lesser(tail - at_, ring_.capacity()));
    for (auto q = tail - 1; is_before(end, q); --q) {  // where many publish, the youngest may not be filled yet
      const auto word = ring_.word(q).load(std::memory_order_acquire);  // topic_ring.hpp W, X
      if (read_word(ring_, word, q) != topic_word::published) continue;
      lose_up_to(q);
      return;
    }
  }

  /// At ticks, while there is nothing: steps over the claim of a publisher that is proven dead, which another process may
  /// never mend where all only read. As topic_repair::is_never_published(). @return whether it did.
  bool step_over_the_dead(const std::function<bool(std::uint32_t, std::uint64_t)>& is_dead) {
    if constexpr (Publishers == publishers::one) return false;
    if (!topic_repair::is_never_published(ring_, at_, is_dead)) return false;
    ++at_;
    return true;
  }

  /// After `closed`: whether nothing can come of what was begun. `is_dead` proves deaths, for a seat and its state.
  template <class IsDead>
  [[nodiscard]] bool is_exhausted(const IsDead& is_dead) const {
    if (!is_before(at_, claimed_up_to<Publishers>(ring_))) return true;
    if constexpr (Publishers == publishers::many) return false;               // a dead one's claim is stepped over
    const auto state = ring_.seats[0].state.load(std::memory_order_acquire);  // seat_table.hpp A, D
    return state_of(state) != seat_state::taken || is_dead(std::uint32_t{0}, state);  // a dead one's claim is void
  }

  /// The sequence that it reads next.
  [[nodiscard]] std::uint64_t next_sequence() const noexcept { return at_; }
  /// How many messages it was overtaken by; `is_loss_exact()`: not more than that, as it may be when more than eight claims
  /// were given up since this reader had caught up last.
  [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }
  [[nodiscard]] bool is_loss_exact() const noexcept { return is_exact_; }

 private:
  /// Given what was claimed: the oldest message that is not overwritten next.
  [[nodiscard]] std::uint64_t oldest_below(std::uint64_t claimed) const noexcept {
    const auto lead = eighth_of(ring_);
    return claimed - ring_.capacity() + lead + (lead == 0);
  }

  /// The first from `from` on, at most `end`, that no publisher is allowed to take away: its bytes may be gone while its slot is
  /// not overwritten for long.
  [[nodiscard]] std::uint64_t not_gone_from(std::uint64_t from, std::uint64_t end) const noexcept {
    if (lie_ == messages_lie::in_slots || !is_before(from, end)) return from;
    return earlier_of(topic_repair::highest_floor(ring_, from), end);
  }

  [[nodiscard, gnu::noinline]] bool try_peek_further() noexcept {
    for (int steps_left = 64; steps_left != 0; --steps_left) {  // a caller's deadline; the next look goes on
      switch (read_word(ring_, word_, at_)) {
        case topic_word::published: return true;
        case topic_word::pending: note_caught_up(); return false;
        case topic_word::hole: ++at_; break;
        case topic_word::passed: go_on(); break;
      }
      word_ = ring_.word(at_).load(std::memory_order_acquire);  // topic_ring.hpp W, X
    }
    return false;
  }

  void go_on() noexcept {
    const auto claimed = claimed_up_to<Publishers>(ring_);
    const auto to = where_ == resumes::at_newest ? published_up_to<Publishers>(ring_) : oldest_below(claimed);
    lose_up_to(not_gone_from(later_of(at_ + 1, to), published_up_to<Publishers>(ring_)));
  }

  void lose_up_to(std::uint64_t to) noexcept {
    lost_ += to - at_;
    if constexpr (Publishers == publishers::many) {
      bool are_all = false;
      lost_ -= topic_repair::holes_between(ring_, at_, to, notes_, are_all);
      is_exact_ &= are_all;
    }
    at_ = to;
  }

  /// Holes ahead of it are noted from now on.
  void note_caught_up() noexcept {
    if constexpr (Publishers == publishers::many) {
      const auto notes = topic_control_of(ring_).holes.load(std::memory_order_acquire);  // topic_ring.hpp O: first
      if (notes != notes_ && claimed_up_to<Publishers>(ring_) == at_) notes_ = notes;
    }
  }

  ring_view ring_;
  resumes where_;
  messages_lie lie_;
  std::uint64_t at_ = 0;    // next sequence to read
  std::uint64_t word_ = 0;  // what its slot said
  std::uint64_t lost_ = 0;
  std::uint64_t notes_ = 0;  // of holes, when none was ahead of it
  bool is_exact_ = true;
};

/// What a lossy subscriber with a seat does about publishers.
enum class holding {
  nothing,        ///< it never holds one up
  until_dropped,  ///< it keeps messages as a lossless one does, until a publisher takes its keep away
};

/// A lossy subscriber with a seat: the same, and others see where it is and what it lost.
template <publishers Publishers>
class lossy_subscriber {
 public:
  lossy_subscriber(const ring_view& ring, std::uint32_t seat_index, history wanted = history::none(),
                   resumes where = resumes::at_oldest, messages_lie lie = messages_lie::in_slots,
                   holding what = holding::nothing) noexcept
      : ring_(ring), own_(&topic_seat_of(ring, seat_index)), own_index_(seat_index), reader_(ring, wanted, where, lie) {
    if (what == holding::until_dropped) {
      reader_.begin_at(join_topic<Publishers>(ring, seat_index, wanted));
      keep_ = keep_word(reader_.next_sequence());
    }
    at_ = reader_.next_sequence();
    own_->sequence.store(at_, std::memory_order_relaxed);  // for people, here and below
  }

  [[nodiscard, gnu::always_inline]] bool try_peek() noexcept {
    const bool is_there = reader_.try_peek();
    if (reader_.next_sequence() != at_) [[unlikely]]
      note_jump(reader_.next_sequence());
    return is_there;
  }
  [[nodiscard]] const std::byte* peeked() const noexcept { return reader_.peeked(); }
  [[nodiscard]] bool is_intact() const noexcept { return reader_.is_intact(); }
  [[nodiscard]] bool copy(std::byte* into, std::span<const std::byte> from) const noexcept {
    return reader_.copy(into, from);
  }
  [[gnu::always_inline]] void release() noexcept {
    reader_.release();
    note_progress();
  }
  [[nodiscard]] bool try_receive(std::byte* into) noexcept {
    const bool is_there = reader_.try_receive(into);
    if (reader_.next_sequence() - is_there != at_) [[unlikely]]
      note_jump(reader_.next_sequence() - is_there);
    if (is_there) note_progress();
    return is_there;
  }
  void skip_to_newest() noexcept {
    reader_.skip_to_newest();
    if (reader_.next_sequence() != at_) note_jump(reader_.next_sequence());
  }

  /// Something stalls: claims of dead publishers become holes. @return how many; the other subscribers are to be woken.
  std::uint64_t mend(seat_keeper& keeper) noexcept {
    if constexpr (Publishers == publishers::one) return 0;
    return topic_repair::mend_holes(ring_, reader_.next_sequence(), keeper);
  }

  /// After `closed`: whether nothing can come of what was begun. Proves deaths where it must.
  [[nodiscard]] bool is_exhausted(seat_keeper& keeper) const noexcept {
    return reader_.is_exhausted([&](std::uint32_t seat, std::uint64_t state) { return keeper.is_dead(seat, state); });
  }
  [[nodiscard]] std::uint64_t next_sequence() const noexcept { return reader_.next_sequence(); }
  [[nodiscard]] std::uint64_t lost() const noexcept { return reader_.lost(); }
  [[nodiscard]] bool is_loss_exact() const noexcept { return reader_.is_loss_exact(); }
  /// What it reads may be overwritten, whatever it keeps.
  [[nodiscard]] static constexpr bool is_open() noexcept { return false; }

  /// Whether it may hold up a publisher: after each release those that wait are to be woken.
  [[nodiscard]] bool keeps_messages() const noexcept { return keep_ != 0; }
  /// Whether a publisher took its keep away, as far as it has noticed. It notices when it releases a message.
  [[nodiscard]] bool was_dropped() const noexcept { return was_dropped_; }
  /// Keeps nothing from now on. All publishers that wait are to be woken.
  void leave() noexcept {
    if (keep_ != 0) topic_repair::keep_nothing(ring_, own_index_);
    keep_ = 0;
  }

 private:
  void note_progress() noexcept {
    at_ = reader_.next_sequence();
    own_->sequence.store(at_, std::memory_order_relaxed);
    own_->messages.store(own_->messages.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    if (keep_ != 0) [[unlikely]]
      move_keep();
  }
  /// It was overtaken, or stepped over holes, and is at `to` by that.
  [[gnu::noinline]] void note_jump(std::uint64_t to) noexcept {
    at_ = to;
    own_->sequence.store(to, std::memory_order_relaxed);
    own_->lost.store(own_->lost.load(std::memory_order_relaxed) + reader_.lost() - noted_lost_,
                     std::memory_order_relaxed);
    noted_lost_ = reader_.lost();
    if (keep_ != 0) move_keep();
  }
  void move_keep() noexcept {
    const auto next = keep_word(at_);
    if (own_->keep.compare_exchange_strong(keep_, next, std::memory_order_release,
                                           std::memory_order_relaxed)) {  // topic_ring.hpp S
      keep_ = next;
      return;
    }
    keep_ = 0;
    was_dropped_ = true;
  }

  ring_view ring_;
  topic_seat* own_;
  std::uint32_t own_index_;
  lossy_reader<Publishers> reader_;
  std::uint64_t at_ = 0;  // where it is noted to be
  std::uint64_t noted_lost_ = 0;
  std::uint64_t keep_ = 0;  // what its keep says; 0: nothing, or not any more
  bool was_dropped_ = false;
};

}  // namespace sluice::detail
