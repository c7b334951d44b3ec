#pragma once

// Messages of any length as a look and a recovery read them: from a file that is not mapped, by an extent that is input.

#include "part/part_kind.hpp"
#include "part/slot_recovery.hpp"

namespace sluice::detail {

/// As part_kind::message_at().
[[nodiscard]] std::span<const std::byte> message_of_extent(const ring_view& ring, const part_descriptor& part,
                                                           const std::byte* payload) noexcept;

/// As part_kind::read_message().
void read_message_of_any_length(part_snapshot& ring, const part_descriptor& part, slot_report& slot,
                                std::uint64_t max_bytes);

/// Whether a producer that noted `sequence` may still wait for its release, because its arena is full: the message is
/// there, and a producer sleeps.
[[nodiscard]] bool waits_for_its_arena(part_snapshot& ring, role waiting, std::uint64_t sequence);

/// The message that an old slot's extent leads to.
std::optional<std::span<const std::byte>> message_by_extent(const old_slots& from, std::span<const std::byte> payload,
                                                            std::vector<std::byte>& room);
/// Puts it where it lay in the old segment. What is whole overlaps nothing else that is, and a producer that takes the
/// arena over finds the messages of its seat in the order in which they were published.
void put_by_extent(const new_slots& into, std::byte* payload, std::span<const std::byte> old_payload,
                   std::span<const std::byte> message);

}  // namespace sluice::detail
