#pragma once

// How a producer learns that a message which it published was released, for each kind of ring below: all that an arena asks
// of its ring. A ticket is taken for a slot that is claimed, before it is published. No process is asked, no word written. The
// kinds whose subscribers must be asked have theirs in topic_bytes_ring.hpp.

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "sluice/detail/part/bytes/bytes_layout.hpp"
#include "sluice/detail/part/mpmc/mpmc_layout.hpp"
#include "sluice/detail/part/spsc/spsc_layout.hpp"

namespace sluice::detail {

/// The consumer counts what it released in its seat.
class spsc_releases {
 public:
  struct ticket {
    std::uint64_t sequence = 0;
  };

  spsc_releases(const ring_view& ring, std::uint32_t seat_index) noexcept
      : ring_(ring),
        own_(&spsc_seat_of(ring, seat_index)),
        peer_(&spsc_seat_of(ring, ring.first_seat(role::consumer))) {}

  /// Of the `i`-th claimed slot.
  [[nodiscard]] ticket claimed(const std::byte*, std::uint64_t i) const noexcept {
    return {own_->sequence.load(std::memory_order_relaxed) + i};  // own word
  }

  /// For people.
  [[nodiscard]] std::uint64_t sequence_of(ticket message) const noexcept { return message.sequence; }

  template <class Slots>
  [[nodiscard]] bool is_released(Slots&, ticket message, ticket) noexcept {
    if (precedes(message.sequence, released_)) return true;
    believe(spsc_control_of(ring_).head.load(std::memory_order_acquire));  // spsc_ring.hpp C
    if (precedes(message.sequence, released_)) return true;
    believe(peer_->sequence.load(std::memory_order_acquire));  // spsc_ring.hpp S
    return precedes(message.sequence, released_);
  }

  /// What is published and not released, oldest first: note(extent, ticket). A released slot keeps its word, so the
  /// consumer's count decides.
  template <class Note>
  void each_unreleased(const Note& note) const {
    auto sequence = peer_->sequence.load(std::memory_order_acquire);  // spsc_ring.hpp S
    for (std::uint64_t i = 0; i < ring_.capacity(); ++i, ++sequence) {
      if (ring_.word(sequence).load(std::memory_order_acquire) !=  // spsc_ring.hpp W
          ring_.word_for(sequence, slot_kind::published))
        return;
      note(extent::of(extent_word(ring_.payload(sequence)).load(std::memory_order_relaxed)),  // W made it visible
           ticket{sequence});
    }
  }

 private:
  [[nodiscard]] static bool precedes(std::uint64_t sequence, std::uint64_t other) noexcept {
    return static_cast<std::int64_t>(other - sequence) > 0;
  }
  /// Progress is input: a value that no consumer can have written changes nothing.
  void believe(std::uint64_t progress) noexcept {
    const auto published = own_->sequence.load(std::memory_order_relaxed);  // own word
    if (published - progress <= ring_.capacity() && precedes(released_, progress)) released_ = progress;
  }

  ring_view ring_;
  const spsc_seat* own_;
  const spsc_seat* peer_;
  std::uint64_t released_ = 0;  // everything below it was
};

/// A consumer hands a slot back by a word of the next lap.
class mpmc_releases {
 public:
  struct ticket {
    const std::atomic<std::uint64_t>* word = nullptr;
    std::uint64_t free = 0;  // what it said while the slot was claimed
  };

  mpmc_releases(const ring_view& ring, std::uint32_t) noexcept : ring_(ring) {}

  [[nodiscard]] ticket claimed(std::byte* payload, std::uint64_t) const noexcept {
    const auto& word = ring_view::word_of(payload - ring_.payload_offset);
    return {&word, word.load(std::memory_order_relaxed)};  // this producer's slot until it is published
  }

  /// For people: divides.
  [[nodiscard]] std::uint64_t sequence_of(ticket message) const noexcept {
    return ring_.sequence_of(reinterpret_cast<const std::byte*>(message.word), message.free);
  }

  template <class Slots>
  [[nodiscard]] static bool is_released(Slots&, ticket message, ticket) noexcept {
    const auto word = message.word->load(std::memory_order_acquire);  // mpmc_ring.hpp R
    return static_cast<std::int64_t>(word - message.free) >=
           static_cast<std::int64_t>(slot_word(1, slot_kind::free));  // in a later lap
  }

  /// What is published and not released, by any producer, oldest first; what a dead consumer had in its hands too. A slot
  /// that is released meanwhile may show the extent of a later lap: another seat's then, because the last owner of the
  /// caller's own is gone. Looks only at slots that were claimed once, because a read takes memory for one that was not.
  template <class Note>
  void each_unreleased(const Note& note) const {
    const auto tail = mpmc_control_of(ring_).tail.load(std::memory_order_acquire);  // mpmc_ring.hpp T
    for (auto sequence = tail - std::min(tail, ring_.capacity()); sequence != tail; ++sequence) {
      const auto& word = ring_.word(sequence);
      if (!holds_message(word.load(std::memory_order_acquire), sequence)) continue;           // mpmc_ring.hpp W, X
      note(extent::of(extent_word(ring_.payload(sequence)).load(std::memory_order_relaxed)),  // W made it visible
           ticket{&word, ring_.word_for(sequence, slot_kind::free)});
    }
  }

 private:
  [[nodiscard]] bool holds_message(std::uint64_t word, std::uint64_t sequence) const noexcept {
    return lap_of(word) == lap_of(ring_.word_for(sequence, slot_kind::free)) &&
           (kind_of(word) == slot_kind::published || kind_of(word) == slot_kind::taken);
  }

  ring_view ring_;
};

}  // namespace sluice::detail
