#pragma once

// The bytes that an spsc ring has of its own: docs/format.md, tables 6 and 7. What they mean: spsc_ring.hpp.

#include <atomic>
#include <cstdint>

#include "sluice/detail/layout/ring_view.hpp"

namespace sluice::detail {

/// Behind ring_control.
struct alignas(2 * cache_line_bytes) spsc_control {
  std::atomic<std::uint64_t> head;  // copy of the consumer's progress, up to an eighth of the ring behind
  std::atomic<std::uint64_t> reserved[15];
};

/// In a seat.
struct spsc_seat {
  std::atomic<std::uint64_t> sequence;     // published or released up to here, exactly. Never reset.
  std::atomic<std::uint64_t> peeked;       // handed out up to here (consumer), claimed up to here (producer)
  std::atomic<std::uint64_t> redelivered;  // consumer: of the released messages, delivered a second time
  std::atomic<std::uint64_t> abandoned;    // producer: claims given back unfilled
  std::atomic<std::uint64_t> reserved[3];
};

static_assert(sizeof(spsc_control) == 128 && sizeof(spsc_seat) == sizeof(seat::own), "docs/format.md");

[[nodiscard]] inline spsc_control& spsc_control_of(const ring_view& ring) noexcept {
  return ring.control_of_kind<spsc_control>();
}
[[nodiscard]] inline spsc_seat& spsc_seat_of(const ring_view& ring, std::uint32_t seat_index) noexcept {
  return words_of<spsc_seat>(ring.seats[seat_index]);
}

}  // namespace sluice::detail
