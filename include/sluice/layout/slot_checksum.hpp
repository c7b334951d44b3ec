#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice {

/// What the slot of a durable ring has beside its message: CRC-32 over the segment's creation_id, the message's sequence
/// and the message. So a message that is whole, but of another lap or of another segment, does not pass for this one.
[[nodiscard]] std::uint64_t slot_checksum(std::uint64_t creation_id, std::uint64_t sequence,
                                          std::span<const std::byte> message) noexcept;

}  // namespace sluice
