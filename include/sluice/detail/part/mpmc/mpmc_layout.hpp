#pragma once

// The bytes that an mpmc ring has of its own: docs/format.md, tables 8 and 9. What they mean: mpmc_ring.hpp.

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "sluice/detail/layout/ring_view.hpp"

namespace sluice::detail {

/// Behind ring_control. Producers and consumers exchange words two lines apart, because processors fetch lines in pairs.
struct alignas(2 * cache_line_bytes) mpmc_control {
  std::atomic<std::uint64_t> tail;  // next sequence to claim for filling
  std::atomic<std::uint64_t> reserved1[15];
  std::atomic<std::uint64_t> head;       // next to claim for reading
  std::atomic<std::uint64_t> handovers;  // how often messages passed from a dead consumer's seat to a living one's
  std::atomic<std::uint64_t> reserved2[14];
};

/// In a seat.
struct mpmc_seat {
  std::atomic<std::uint64_t> intent;         // the positions it is about to claim or has claimed
  std::atomic<std::uint64_t> second_intent;  // as intent, for a claim that is open beside the first
  std::atomic<std::uint64_t> messages;       // published or released, over all owners
  std::atomic<std::uint64_t> redelivered;    // consumer: of those, delivered a second time
  std::atomic<std::uint64_t> abandoned;      // producer: claims given back unfilled
  std::atomic<std::uint64_t> reserved[2];
};

static_assert(sizeof(mpmc_control) == 256 && offsetof(mpmc_control, head) == 128 &&
                  sizeof(mpmc_seat) == sizeof(seat::own),
              "docs/format.md");

[[nodiscard]] inline mpmc_control& mpmc_control_of(const ring_view& ring) noexcept {
  return ring.control_of_kind<mpmc_control>();
}
[[nodiscard]] inline mpmc_seat& mpmc_seat_of(const ring_view& ring, std::uint32_t seat_index) noexcept {
  return words_of<mpmc_seat>(ring.seats[seat_index]);
}

// ---- Intent ----------------------------------------------------------------------------------------------------------
// One word: position (48 bits) << 16 | count (15 bits) << 1 | won. Zero: none. Positions are compared modulo 2^48
// around the ring's head or tail, so they may wrap.

inline constexpr std::uint64_t max_claim = (1U << 15) - 1;

[[nodiscard]] constexpr std::uint64_t intent_word(std::uint64_t position, std::uint64_t count, bool won) noexcept {
  return position << 16 | count << 1 | static_cast<std::uint64_t>(won);
}
[[nodiscard]] constexpr std::uint64_t intent_count(std::uint64_t word) noexcept { return word >> 1 & max_claim; }
[[nodiscard]] constexpr bool intent_won(std::uint64_t word) noexcept { return (word & 1) != 0; }
/// Where an intent begins, given a counter near it: its 48 bits of position are read relative to that.
[[nodiscard]] constexpr std::uint64_t intent_first(std::uint64_t word, std::uint64_t near) noexcept {
  constexpr unsigned unused_bits = 16;
  const auto distance =
      static_cast<std::int64_t>((word & ~std::uint64_t{0xffff}) - (near << unused_bits)) >> unused_bits;
  return near + static_cast<std::uint64_t>(distance);
}
/// Whether `word` covers `position`: exact as long as both are within 2^47 of each other.
[[nodiscard]] constexpr bool intent_covers(std::uint64_t word, std::uint64_t position) noexcept {
  return (((position << 16) - (word & ~std::uint64_t{0xffff})) >> 16) < intent_count(word);
}

}  // namespace sluice::detail
