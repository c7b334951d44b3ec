#pragma once

// What becomes of a kind of ring when its messages are extents: the same, but for how its slots lie and are read.

#include "part/bytes/bytes_form.hpp"
#include "part/bytes/bytes_messages.hpp"
#include "part/part_kind.hpp"
#include "part/slot_recovery.hpp"

namespace sluice::detail {

/// How such a ring is recovered.
[[nodiscard]] constexpr slot_recovery of_any_length(slot_recovery ring) noexcept {
  ring.message = message_by_extent;
  ring.put = put_by_extent;
  return ring;
}

/// Its row in the table of kinds. `recovery` stays as long as the row.
[[nodiscard]] constexpr part_kind of_any_length(part_kind ring, ring_kind tag, const char* name,
                                                decltype(part_kind::look) look,
                                                const slot_recovery& recovery) noexcept {
  ring.tag = tag;
  ring.name = name;
  ring.look = look;
  ring.form = form_bytes;
  ring.is_sane = are_sane_bytes;
  ring.recall = recall_bytes;
  ring.bytes_in_slot = bytes_in_slot;
  ring.message_at = message_of_extent;
  ring.read_message = read_message_of_any_length;
  ring.recovery = &recovery;
  return ring;
}

}  // namespace sluice::detail
