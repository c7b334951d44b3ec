#include "layout/checksum.hpp"

#define XXH_INLINE_ALL  // nothing to link, and no symbol of it in ours
#include <xxhash.h>

namespace sluice::detail {

std::uint64_t checksum_of(std::span<const std::byte> bytes) noexcept { return XXH3_64bits(bytes.data(), bytes.size()); }

std::uint64_t slot_checksum(std::uint64_t creation_id, std::uint64_t sequence,
                            std::span<const std::byte> message) noexcept {
  const std::uint64_t which[] = {creation_id, sequence};
  return XXH3_64bits_withSeed(message.data(), message.size(), checksum_of(std::as_bytes(std::span(which))));
}

}  // namespace sluice::detail
