#pragma once

// Segment headers built by hand: valid ones, and ones that only a hostile creator writes.

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "sluice/layout/segment_plan.hpp"

namespace sluice::test {

/// CRC-32 (IEEE 802.3), bit by bit: not the library's code, so it cannot repeat its mistakes.
inline std::uint32_t crc32_of(std::span<const std::byte> bytes) {
  std::uint32_t crc = ~0U;
  for (const auto byte : bytes) {
    crc ^= static_cast<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320U : 0);
  }
  return ~crc;
}

/// The bytes of a whole, freshly formatted segment.
inline std::vector<std::byte> formatted(const segment_plan& plan, const segment_origin& origin = {}) {
  std::vector<std::byte> bytes(plan.mapped_bytes);
  format_segment(bytes, plan, origin);
  return bytes;
}

inline segment_header header_in(std::span<const std::byte> bytes) {
  segment_header header;
  std::memcpy(static_cast<void*>(&header), bytes.data(), sizeof header);
  return header;
}

/// Puts `header` back with a checksum that fits it.
inline void seal(std::span<std::byte> bytes, segment_header header) {
  std::memcpy(bytes.data(), &header, sizeof header);
  header.checksum = crc32_of(bytes.first(offsetof(segment_header, checksum)));
  std::memcpy(bytes.data(), &header, sizeof header);
}

/// Changes the header as a hostile creator would: with a checksum that fits.
template <class Change>
void forge(std::span<std::byte> bytes, Change change) {
  auto header = header_in(bytes);
  change(header);
  seal(bytes, header);
}

}  // namespace sluice::test
