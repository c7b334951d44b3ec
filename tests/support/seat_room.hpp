#pragma once

// A segment with seats and nothing else of a channel: what tests of seats begin with.

#include <cstdint>
#include <string>

#include "sluice/detail/plan/segment_plan.hpp"
#include "sluice/detail/seat/seat_table.hpp"
#include "sluice/registry.hpp"
#include "sluice/segment.hpp"
#include "support/temp_registry.hpp"

namespace sluice::detail::test {

/// A ring of 8 slots of 8 bytes with `seats` seats a side (one: spsc, more: mpmc).
inline segment_plan plan_with_seats(std::uint32_t seats) {
  ring_request request{{"u64", 1, 8, 8}, {}};
  request.options.kind = seats == 1 ? ring_kind::spsc : ring_kind::mpmc;
  request.options.capacity_slots = 8;
  request.options.producer_seats = seats;
  request.options.consumer_seats = seats;
  return plan_segment(request);
}

/// What a dead owner left needs no settling here; see tests/ring for what rings do.
inline constexpr seat_rules settled{
    .settle = [](const ring_view&, std::uint32_t, seat_keeper&) noexcept { return true; },
    .holds_something =
        [](const ring_view& ring, std::uint32_t seat_index) noexcept {
          return ring.seats[seat_index].own[0].load(std::memory_order_relaxed) != 0;  // own word
        },
    .resumes_at = [](const ring_view&, std::uint32_t) noexcept { return std::uint64_t{7}; },
    .has_many_seats = true,
    .kind = ring_kind::mpmc,
};

/// The same, with another way to settle.
[[nodiscard]] constexpr seat_rules settled_by(decltype(seat_rules::settle) settle) {
  auto rules = settled;
  rules.settle = settle;
  return rules;
}

/// Whether the owner of a seat can be told dead by a kernel lock on the segment's file, or by pid and start time.
enum class judged_by { kernel_lock, process };

struct seat_room {
  explicit seat_room(judged_by how, std::uint32_t seats = 1)
      : memory(how == judged_by::kernel_lock
                   ? names->create(segment_name("room"), plan_with_seats(seats))
                   : format_unnamed(anonymous_segment::create(plan_with_seats(seats).mapped_bytes),
                                    plan_with_seats(seats))),
        ring(view_ring(memory.memory().bytes(), memory.memory().header().parts[0])) {}

  /// A table of the calling process's own: its identity is that of its maker.
  [[nodiscard]] seat_table table() const { return {memory.memory(), ring, 0}; }
  [[nodiscard]] held_seat take(role own) const { return table().take(own, settled, "test"); }

  temp_registry names;
  attached_segment memory;
  ring_view ring;
};

}  // namespace sluice::detail::test
