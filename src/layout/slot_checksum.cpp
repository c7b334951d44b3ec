#include "sluice/layout/slot_checksum.hpp"

#include <array>
#include <bit>
#include <cstring>

namespace sluice {
namespace {

// CRC-32 by eight bytes at a time, with eight tables (Kounavis and Berry, A Systematic Approach to Building High Performance
// Software-Based CRC Generators, 2005). By one byte at a time it was most of what a durable message cost: 0023.
constexpr std::uint32_t reflected_polynomial = 0xedb88320;
using crc_tables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr crc_tables tables = [] {
  crc_tables made{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    auto crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? reflected_polynomial : 0);
    made[0][byte] = crc;
  }
  for (std::uint32_t byte = 0; byte < 256; ++byte)
    for (std::size_t t = 1; t < made.size(); ++t)
      made[t][byte] = (made[t - 1][byte] >> 8) ^ made[0][made[t - 1][byte] & 0xff];
  return made;
}();

std::uint32_t continued(std::uint32_t crc, std::span<const std::byte> bytes) noexcept {
  for (; bytes.size() >= sizeof(std::uint64_t); bytes = bytes.subspan(sizeof(std::uint64_t))) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof word);
    if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
    word ^= crc;
    crc = tables[7][word & 0xff] ^ tables[6][word >> 8 & 0xff] ^ tables[5][word >> 16 & 0xff] ^
          tables[4][word >> 24 & 0xff] ^ tables[3][word >> 32 & 0xff] ^ tables[2][word >> 40 & 0xff] ^
          tables[1][word >> 48 & 0xff] ^ tables[0][word >> 56];
  }
  for (const auto byte : bytes) crc = (crc >> 8) ^ tables[0][(crc ^ std::to_integer<std::uint32_t>(byte)) & 0xff];
  return crc;
}

}  // namespace

std::uint64_t slot_checksum(std::uint64_t creation_id, std::uint64_t sequence,
                            std::span<const std::byte> message) noexcept {
  auto crc = continued(~std::uint32_t{0}, std::as_bytes(std::span(&creation_id, 1)));
  crc = continued(crc, std::as_bytes(std::span(&sequence, 1)));
  return static_cast<std::uint32_t>(~continued(crc, message));
}

}  // namespace sluice
