#pragma once

// Segment headers built by hand: valid ones, and ones that only a hostile creator writes.

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "sluice/detail/plan/segment_plan.hpp"

namespace sluice::detail::test {

/// XXH3, by the library of that name: what checksums are made of, but not how.
inline std::uint64_t xxh3_of(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }
inline std::uint64_t xxh3_of(std::string_view text) { return XXH3_64bits(text.data(), text.size()); }

inline std::uint64_t slot_sum(std::uint64_t creation_id, std::uint64_t sequence, std::span<const std::byte> message) {
  const std::uint64_t which[] = {creation_id, sequence};
  return XXH3_64bits_withSeed(message.data(), message.size(), xxh3_of(std::as_bytes(std::span(which))));
}

/// The bytes of a whole, freshly formatted segment.
inline std::vector<std::byte> formatted(const segment_plan& plan, const segment_origin& origin = {}) {
  std::vector<std::byte> bytes(plan.mapped_bytes);
  format_segment(bytes, plan, origin);
  return bytes;
}

inline segment_header header_in(std::span<const std::byte> bytes) {
  segment_header header{};
  std::memcpy(static_cast<void*>(&header), bytes.data(), std::min(bytes.size(), sizeof header));
  return header;
}

/// Puts `header` back with checksums that fit it.
inline void seal(std::span<std::byte> bytes, segment_header header) {
  const auto own = bytes_of(header);
  const auto parts = std::min<std::size_t>(header.part_count, max_parts);
  header.directory_checksum = xxh3_of(own.subspan(offsetof(segment_header, parts), parts * sizeof(part_descriptor)));
  header.checksum = xxh3_of(own.first(offsetof(segment_header, checksum)));
  std::memcpy(bytes.data(), &header, std::min(bytes.size(), header_bytes(parts)));
}

/// Changes the header as a hostile creator would: with a checksum that fits.
template <class Change>
void forge(std::span<std::byte> bytes, Change change) {
  auto header = header_in(bytes);
  change(header);
  seal(bytes, header);
}

}  // namespace sluice::detail::test
