#include "layout/checksum.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "support/header_bytes.hpp"

namespace sluice::detail {
namespace {

TEST(Checksum, IsXxh3) {
  EXPECT_EQ(checksum_of({}), 0x2d06800538d394c2U) << "of no bytes, as XXH3's authors have it";
  EXPECT_EQ(checksum_of(std::as_bytes(std::span("123456789", 9))), test::xxh3_of("123456789"));
}

TEST(SlotChecksum, IsSeededByCreationAndSequenceAndOverTheMessageOfAnyLengthAnywhere) {
  std::mt19937_64 random(3);
  for (std::size_t length = 0; length < 600; ++length) {
    const std::uint64_t creation_id = random(), sequence = random();
    std::vector<std::byte> message(length + 1);
    for (auto& byte : message) byte = static_cast<std::byte>(random());
    const auto elsewhere = std::span(message).subspan(1);  // not aligned
    EXPECT_EQ(slot_checksum(creation_id, sequence, elsewhere), test::slot_sum(creation_id, sequence, elsewhere))
        << length;
    EXPECT_NE(slot_checksum(creation_id, sequence + 1, elsewhere), slot_checksum(creation_id, sequence, elsewhere));
    EXPECT_NE(slot_checksum(creation_id + 1, sequence, elsewhere), slot_checksum(creation_id, sequence, elsewhere));
  }
}

TEST(SlotChecksum, ChangesWithEveryBitOfTheMessage) {
  std::vector<std::byte> message(80);
  const auto whole = slot_checksum(1, 2, message);
  for (std::size_t bit = 0; bit < 8 * message.size(); ++bit) {
    message[bit / 8] ^= std::byte{1} << bit % 8;
    EXPECT_NE(slot_checksum(1, 2, message), whole) << bit;
    message[bit / 8] ^= std::byte{1} << bit % 8;
  }
}

}  // namespace
}  // namespace sluice::detail
