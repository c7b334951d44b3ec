#pragma once

// The arena of one producer's seat: where its long messages are put together, before anything that others see is claimed.
// Nothing about it is kept in shared memory but the extents of its messages, so a death leaves nothing to mend:
//   before the word is published no slot names the bytes, and they are free;
//   after it the message is delivered, and its bytes stay as they are until its slot was released;
//   a successor finds in the slots which bytes are in use. It keeps no state, so one that dies looking is followed by the next.
// One thread at a time, as the producer that has it. Bytes come back in the order in which they were published, because
// the arena is a circle; a message lies in one piece, so what is left before the end may stay unused.
//
// Invariants
//   1. The message of each slot that is published or taken, and whose extent lies in this arena, is in [oldest_, end_).
//   2. end_ - oldest_ <= the arena's length, so no two of them share a byte.
// Edges: those of the ring, whose words make extents and bytes visible (W) and say that they may be written again (R, S).

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "sluice/detail/part/bytes/bytes_view.hpp"
#include "sluice/detail/part/bytes/releases.hpp"
#include "sluice/detail/ring/ring_concept.hpp"

namespace sluice::detail {

template <class Releases>
class arena_writer {
 public:
  /// Takes the seat's arena over from its last owner. Takes the memory for its queue here, and never again.
  arena_writer(const ring_view& ring, const bytes_view& bytes, std::uint32_t seat_index)
      : releases_(ring, seat_index),
        begin_(bytes.arena_of(seat_index)),
        first_unit_(static_cast<std::uint32_t>(seat_index * bytes.bounds.arena_bytes / arena_unit_bytes)),
        mask_(bytes.bounds.arena_bytes - 1),
        queue_mask_(std::min(ring.capacity(), bytes.bounds.arena_bytes / arena_unit_bytes) - 1),
        queue_(queue_mask_ + 1) {
    take_over(bytes.bounds, seat_index);
  }

  /// Space for a message of up to `bytes`, at most the arena's length. Several may be reserved at once. Null: the oldest
  /// message of this arena must be released first. `slots`: the producer's, which some kinds of ring must ask for that.
  template <class Slots>
  [[nodiscard, gnu::always_inline]] std::byte* reserve(Slots& slots, std::uint64_t bytes) noexcept {
    const auto space = space_of(bytes);
    if (last_ - first_ > queue_mask_ || end_ + pad_before(space) + space - oldest_ > length()) [[unlikely]] {
      if (!make_room(slots, space)) return nullptr;
    }
    const auto begin = end_ + pad_before(space);
    queue_[last_++ & queue_mask_].begin = begin;
    end_ = begin + space;
    return begin_ + (begin & mask_);
  }

  /// The oldest reservation holds a message of `bytes`; the slot of `payload`, the `i`-th that is claimed, will publish it.
  [[gnu::always_inline]] void commit(std::byte* payload, std::uint64_t i, std::uint64_t bytes) noexcept {
    auto& oldest = queue_[committed_++ & queue_mask_];
    oldest.ticket = releases_.claimed(payload, i);
    if (committed_ == last_) end_ = oldest.begin + space_of(bytes);  // the rest of it is free again
    const auto place = first_unit_ + static_cast<std::uint32_t>((oldest.begin & mask_) / arena_unit_bytes);
    extent_word(payload).store(extent{static_cast<std::uint32_t>(bytes), place}.word(),
                               std::memory_order_relaxed);  // the slot's word publishes it
  }

  /// The youngest `count` that are committed will not be published. Nothing is reserved.
  void take_back(std::uint64_t count) noexcept {
    if (count == 0) return;
    last_ = committed_ -= count;
    end_ = queue_[last_ & queue_mask_].begin;
  }

  /// When there is no room: the sequence of the message that must be released first. For people.
  [[nodiscard]] std::uint64_t waits_for() const noexcept {
    return first_ == committed_ ? nothing_to_wait_for() : releases_.sequence_of(queue_[first_ & queue_mask_].ticket);
  }

  /// Gives back what is reserved and not committed. No other process has seen anything of it.
  void drop() noexcept {
    if (committed_ == last_) return;
    end_ = queue_[committed_ & queue_mask_].begin;
    last_ = committed_;
  }

 private:
  struct entry {
    typename Releases::ticket ticket;  // once it is committed
    std::uint64_t begin;               // counted on from lap to lap of the arena
  };

  [[nodiscard]] std::uint64_t length() const noexcept { return mask_ + 1; }
  [[nodiscard]] static constexpr std::uint64_t space_of(std::uint64_t bytes) noexcept {
    return (bytes + arena_unit_bytes - 1) & ~(arena_unit_bytes - 1);
  }
  /// What is left before the arena's end, when a message does not fit there.
  [[nodiscard]] std::uint64_t pad_before(std::uint64_t space) const noexcept {
    const auto left = length() - (end_ & mask_);
    return space > left ? left : 0;
  }

  /// Asks whether the oldest messages were released, until there is room.
  template <class Slots>
  [[nodiscard, gnu::noinline]] bool make_room(Slots& slots, std::uint64_t space) noexcept {
    for (;;) {
      if (first_ == last_) {  // all of it is free: it may begin anywhere
        oldest_ = end_ += pad_before(space);
        return true;
      }
      if (last_ - first_ <= queue_mask_ && end_ + pad_before(space) + space - oldest_ <= length()) return true;
      if (first_ == committed_) return false;
      // What takes a look at other processes is asked for an eighth of the messages, so that it is rare.
      const auto further = queue_[(first_ + (committed_ - first_ - 1) / 8) & queue_mask_].ticket;
      if (!releases_.is_released(slots, queue_[first_ & queue_mask_].ticket, further)) return false;
      ++first_;
      oldest_ = first_ == last_ ? end_ : queue_[first_ & queue_mask_].begin;
    }
  }

  /// The messages of one seat lie in the order of their sequences, so each begins at the first place behind the last one
  /// that has its distance from the arena's beginning.
  void take_over(const bytes_bounds& bounds, std::uint32_t seat_index) noexcept {
    bool is_in_order = true;
    releases_.each_unreleased([&](extent where, const typename Releases::ticket& ticket) {
      if (!bounds.allow(where) || bounds.seat_of(where) != seat_index) return;
      if (last_ - first_ > queue_mask_) {
        is_in_order = false;
        ++first_;
      }
      const auto distance = (where.place - first_unit_) * arena_unit_bytes;
      const auto begin = end_ + ((distance - end_) & mask_);
      if (last_ == 0) oldest_ = begin;
      queue_[last_++ & queue_mask_] = {ticket, begin};
      end_ = begin + space_of(where.length);
      is_in_order = is_in_order && end_ - oldest_ <= length();
    });
    committed_ = last_;
    if (!is_in_order) use_all();
  }

  /// What no producer writes: the whole arena counts as in use until all that was found in it is released.
  void use_all() noexcept {
    for (auto i = first_; i != last_; ++i) queue_[i & queue_mask_].begin = oldest_;
    end_ = oldest_ + length();
  }

  Releases releases_;
  std::byte* begin_;
  std::uint32_t first_unit_;  // of all arenas' units
  std::uint64_t mask_;
  std::uint64_t oldest_ = 0;  // where the oldest message in use begins
  std::uint64_t end_ = 0;     // where the youngest ends
  std::uint64_t queue_mask_;
  std::vector<entry> queue_;  // from the oldest on: what was committed, then what is reserved
  std::uint64_t first_ = 0;
  std::uint64_t committed_ = 0;
  std::uint64_t last_ = 0;
};

}  // namespace sluice::detail
