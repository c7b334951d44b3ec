#pragma once

// One row for each kind of ring: everything that cold code asks of a kind. The hot path asks nothing here, because it
// knows its kind by type. No other code compares kinds; `.ci/check_kinds` says so.
//
// A new kind is a folder src/part/<kind>/ with its row, a folder of headers with its ring, a value in ring_kind and a line
// in kinds.cpp: see docs/map.md.

#include <cstdint>
#include <span>
#include <vector>

#include "part/slot_recovery.hpp"
#include "part/snapshot.hpp"
#include "sluice/detail/seat/seat_table.hpp"
#include "sluice/inspect.hpp"
#include "sluice/options.hpp"

namespace sluice::detail {

/// Where the two sides are: the next sequence to publish or claim, and the next to release or claim for reading.
struct part_cursors {
  std::uint64_t tail = 0;
  std::uint64_t head = 0;
};

/// How much of a part is read. A list of a thousand names has no time for their slots.
enum class depth { records, slots };

/// How many participants of a role there are at once.
struct seat_limits {
  std::uint32_t unless_asked;
  std::uint32_t most;
};

struct part_kind {
  ring_kind tag;
  const char* name;           // in the CLI, in errors and in documents
  bool is_topic = false;      // every consumer gets every message
  bool holds_values = false;  // the newest ones, and no messages
  const char* producer_name = "producer";
  const char* consumer_name = "consumer";
  seat_limits producers;
  seat_limits consumers;
  const char* for_more;  // the kind to use for more seats than that; null: there is none

  /// Of the kind's own control, behind that of all kinds: a multiple of alignof(seat).
  std::uint64_t control_bytes;
  /// Fills the bytes of the kind in a descriptor and body_bytes, given message, seats and durability there.
  /// @throws error bad_argument.
  void (*form)(part_descriptor&, const ring_options&);
  /// Whether a creator can have written them. What all kinds have is checked.
  bool (*is_sane)(const part_descriptor&) noexcept;
  /// The options that form() made them from.
  void (*recall)(const part_descriptor&, ring_options&) noexcept;
  /// What a slot holds from its payload on: the message, or what leads to it.
  std::uint64_t (*bytes_in_slot)(const part_descriptor&) noexcept;
  /// The message of a slot whose payload a producer has filled. Its data is null: it is none that a producer writes.
  std::span<const std::byte> (*message_at)(const ring_view&, const part_descriptor&, const std::byte* payload) noexcept;

  /// Of a ring in memory or of a copy of its control and seats.
  part_cursors (*cursors)(const ring_view&) noexcept;
  /// What the seat of `report` has claimed or handed out, and how many messages it moved.
  void (*describe_seat)(const ring_view&, seat_report& report);
  /// The slots that may hold something, oldest first, at most max_slots_looked_at.
  std::vector<std::uint64_t> (*sequences_of_interest)(const ring_view&);
  /// The same with those that were read and are still there. Null: there are none such.
  std::vector<std::uint64_t> (*sequences_still_there)(const ring_view&) = nullptr;
  part_facts (*look)(part_snapshot&, depth);
  /// Reads at most `max_bytes` of the message of a slot that holds one, and its length.
  void (*read_message)(part_snapshot&, const part_descriptor&, slot_report&, std::uint64_t max_bytes);
  const slot_recovery* recovery;  // of what a reset of the machine left of a durable one; null: none is durable
};

/// All of them, in the order of their tags.
[[nodiscard]] std::span<const part_kind* const> part_kinds() noexcept;
/// Null: no kind has this tag, which is input.
[[nodiscard]] const part_kind* find_part_kind(std::uint32_t tag) noexcept;
/// Of one that is known to be in the table.
[[nodiscard]] const part_kind& part_kind_of(ring_kind kind) noexcept;
/// Of a descriptor that was validated.
[[nodiscard]] inline ring_kind kind_in(const part_descriptor& ring) noexcept {
  return static_cast<ring_kind>(ring.kind);
}
[[nodiscard]] inline const part_kind& part_kind_of(const part_descriptor& ring) noexcept {
  return part_kind_of(kind_in(ring));
}

/// Seats as seat_table::report() has them, with what their kind knows of them.
[[nodiscard]] std::vector<seat_report> report_seats(const seat_table& table, const ring_view& ring, ring_kind kind);

}  // namespace sluice::detail
