#pragma once

// XXH3, 64 bits (https://xxhash.com, doc/xxhash_spec.md): finds accidents, not malice.

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice::detail {

/// Of a segment's header.
[[nodiscard]] std::uint64_t checksum_of(std::span<const std::byte> bytes) noexcept;

/// What the slot of a durable ring has beside its message: over the message, with the checksum of the segment's creation_id
/// and the message's sequence as seed. So a message that is whole, but of another lap or of another segment, does not pass
/// for this one.
[[nodiscard]] std::uint64_t slot_checksum(std::uint64_t creation_id, std::uint64_t sequence,
                                          std::span<const std::byte> message) noexcept;

}  // namespace sluice::detail
