#include "sluice/layout/slot_checksum.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "support/header_bytes.hpp"

namespace sluice {
namespace {

TEST(SlotChecksum, IsCrc32OverCreationSequenceAndMessageOfAnyLengthAnywhere) {
  std::mt19937_64 random(3);
  for (std::size_t length = 0; length < 300; ++length) {
    std::vector<std::byte> bytes(16 + length);
    for (auto& byte : bytes) byte = static_cast<std::byte>(random());
    std::uint64_t creation_id = 0, sequence = 0;
    std::memcpy(&creation_id, bytes.data(), 8);
    std::memcpy(&sequence, bytes.data() + 8, 8);
    std::vector<std::byte> elsewhere(length + 1);  // not aligned
    std::memcpy(elsewhere.data() + 1, bytes.data() + 16, length);
    EXPECT_EQ(slot_checksum(creation_id, sequence, std::span(elsewhere).subspan(1)), test::crc32_of(bytes)) << length;
  }
}

}  // namespace
}  // namespace sluice
