#pragma once

// Topics whose messages have any length: the topics that there are, line for line, with an extent as their message and the
// writer of bytes_ring.hpp over their slots. A message in an arena is not released by its subscribers; its publisher takes its
// bytes back in the order in which it published, once no lossless subscriber keeps it, and says so in its word first: gone.
// A lossy reader looks at that word after it has read, and sees it. docs/decisions/0047-topics-of-any-length.md says why.

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "sluice/detail/base/bytes.hpp"
#include "sluice/detail/part/bytes/bytes_ring.hpp"
#include "sluice/detail/part/topic/topic_ring.hpp"

namespace sluice::detail {

/// As spsc_releases, of a topic: the publisher's grant decides.
template <publishers Publishers>
class topic_releases {
 public:
  struct ticket {
    std::uint64_t sequence = 0;
  };

  topic_releases(const ring_view& ring, std::uint32_t seat_index) noexcept
      : ring_(ring), own_(&topic_seat_of(ring, seat_index)) {}

  [[nodiscard]] ticket claimed(const std::byte*, std::uint64_t i) const noexcept {
    if constexpr (Publishers == publishers::one)
      return {own_->sequence.load(std::memory_order_relaxed) + i};                   // own word
    const auto near = topic_control_of(ring_).tail.load(std::memory_order_relaxed);  // not below its own claim
    return {intent_first(own_->intent.load(std::memory_order_relaxed), near) + i};   // own word
  }

  /// For people.
  [[nodiscard]] static std::uint64_t sequence_of(ticket message) noexcept { return message.sequence; }

  template <class Slots>
  [[nodiscard]] static bool is_released(Slots& slots, ticket message, ticket further) noexcept {
    return slots.take_bytes_of(message.sequence, further.sequence);
  }

  /// What is published and not gone, by any publisher, oldest first. A slot that is claimed meanwhile may show the extent of a
  /// later lap: another seat's then, because the last owner of the caller's own is gone.
  template <class Note>
  void each_unreleased(const Note& note) const {
    const auto tail = published_up_to<Publishers>(ring_);
    for (auto sequence = tail - lesser(tail, ring_.capacity()); sequence != tail; ++sequence) {
      if (ring_.word(sequence).load(std::memory_order_acquire) !=  // topic_ring.hpp W
          ring_.word_for(sequence, slot_kind::published))
        continue;
      note(extent::of(extent_word(ring_.payload(sequence)).load(std::memory_order_relaxed)),  // W made it visible
           ticket{sequence});
    }
  }

 private:
  ring_view ring_;
  const topic_seat* own_;
};

template <publishers Publishers>
class topic_bytes_ring : public topic_ring<Publishers> {
 public:
  static constexpr ring_kind kind =
      Publishers == publishers::one ? ring_kind::topic_bytes : ring_kind::topic_many_bytes;
  static constexpr messages_lie lie = messages_lie::in_arenas;
  using releases = topic_releases<Publishers>;
};

static_assert(bytes_ring<topic_bytes_ring<publishers::one>> && bytes_ring<topic_bytes_ring<publishers::many>>);

}  // namespace sluice::detail
