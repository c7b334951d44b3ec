#pragma once

// What a look at one ring finds, whatever its kind: positions, what its slots hold, which participant holds which of
// them, and what a side waits for. The kinds fill it: see src/part/part_kind.hpp.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "sluice/layout/ring_header.hpp"
#include "sluice/layout/seat.hpp"

namespace sluice {

/// One slot that holds something.
struct slot_report {
  std::uint64_t sequence = 0;
  slot_kind kind = slot_kind::free;
  std::uint32_t taken_seat = 0;    // of the dead consumer, when kind is taken
  std::vector<std::byte> message;  // as it was when looked at: may be torn if it changed meanwhile
};

/// A participant waits for one slot, and the one that holds it takes its time.
struct stall_report {
  role waiting = role::producer;        // which side waits
  std::uint64_t sequence = 0;           // for this slot
  std::uint64_t since_realtime_ns = 0;  // noticed at the tick of one that waits
  std::optional<std::uint32_t> holder;  // the seat that holds it, when one says so
};

/// A participant has its hand on slots: claimed and not published, or peeked at and not released. One run of them.
struct hold_report {
  std::uint32_t seat_index = 0;
  std::uint64_t sequence = 0;  // of the first
  std::uint64_t count = 0;
  std::uint64_t waited_for_since_realtime_ns = 0;  // a participant waits for one of them; 0: none said so
};

struct part_facts {
  std::uint64_t tail = 0;        // next sequence to publish (mpmc: to claim)
  std::uint64_t head = 0;        // next sequence to release (mpmc: to claim for reading)
  std::uint64_t fill_slots = 0;  // tail - head, never above the capacity
  std::uint64_t published_slots = 0, hole_slots = 0, taken_slots = 0, claimed_slots = 0;  // of the oldest 16,384
  std::vector<hold_report> holds;    // of the same slots; an spsc producer's claims leave no trace
  std::vector<stall_report> stalls;  // what is being waited for now
};

}  // namespace sluice
