#pragma once

// What a look at any ring of slots does, given the few answers in which the kinds differ.

#include <cstdint>
#include <optional>
#include <vector>

#include "part/part_kind.hpp"
#include "part/snapshot.hpp"
#include "sluice/part/facts.hpp"

namespace sluice {

struct slot_look {
  part_cursors (*cursors)(const ring_view&) noexcept;
  std::vector<std::uint64_t> (*sequences_of_interest)(const ring_view&);
  /// Whether the side `waiting`, which once noted that it waits for `sequence`, still has to.
  bool (*still_waits)(part_snapshot&, const part_facts&, role waiting, std::uint64_t sequence);
  /// The seat of the other side that keeps `waiting` from going on when none says that it holds the slot.
  std::optional<std::uint32_t> (*holder_otherwise)(const part_snapshot&, role waiting);
};

[[nodiscard]] part_facts look_at_slots(part_snapshot& ring, const slot_look& rules, depth how_deep);

/// Adds the sequences from head to tail, as far as max_slots_looked_at lets it.
void add_from_head_to_tail(std::vector<std::uint64_t>& sequences, const part_cursors& cursors, std::uint64_t capacity);

}  // namespace sluice
