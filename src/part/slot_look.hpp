#pragma once

// What a look at any ring of slots does, given the kind's row and the answers that nothing else asks for.

#include <cstdint>
#include <optional>
#include <vector>

#include "part/part_kind.hpp"
#include "part/snapshot.hpp"
#include "sluice/inspect.hpp"

namespace sluice::detail {

struct slot_look {
  /// Whether the side `waiting`, which once noted that it waits for `sequence`, still has to.
  bool (*still_waits)(part_snapshot&, const part_facts&, role waiting, std::uint64_t sequence);
  /// The seat of the other side that keeps `waiting` from going on when none says that it holds the slot.
  std::optional<std::uint32_t> (*holder_otherwise)(const part_snapshot&, role waiting);
};

[[nodiscard]] part_facts look_at_slots(part_snapshot& ring, const slot_look& rules, depth how_deep);

/// As part_kind::read_message(), of a message that lies in its slot.
void read_message_in_slot(part_snapshot& ring, const part_descriptor& part, slot_report& slot, std::uint64_t max_bytes);

/// Adds the sequences from head to tail, as far as max_slots_looked_at lets it.
void add_from_head_to_tail(std::vector<std::uint64_t>& sequences, const part_cursors& cursors, std::uint64_t capacity);

}  // namespace sluice::detail
