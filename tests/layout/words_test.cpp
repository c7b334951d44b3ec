#include <gtest/gtest.h>

#include "sluice/detail/layout/ring_header.hpp"
#include "sluice/detail/layout/seat.hpp"
#include "sluice/detail/part/mpmc/mpmc_layout.hpp"

namespace sluice::detail {
namespace {

constexpr std::uint64_t laps = std::uint64_t{1} << 48;

TEST(SlotWord, GivesBackItsLapAndKind) {
  for (const auto kind : {slot_kind::free, slot_kind::published, slot_kind::hole, slot_kind::taken}) {
    const auto word = slot_word(123456789, kind, 8191);
    EXPECT_EQ(lap_of(word), 123456789U);
    EXPECT_EQ(kind_of(word), kind);
    EXPECT_EQ((word & 0xffff) >> 2, 8191U) << "the seat";
  }
}

TEST(SlotWord, OfLapZeroFreeIsZeroSoThatZeroedMemoryIsAnEmptyRing) { EXPECT_EQ(slot_word(0, slot_kind::free), 0U); }

TEST(SlotWord, TheHighestSeatDoesNotReachTheLap) {
  EXPECT_EQ(lap_of(slot_word(5, slot_kind::taken, max_seats - 1)), 5U);
}

TEST(SlotWord, LapsWrapAfterTwoToThe48) {  // scenario 24
  EXPECT_EQ(slot_word(laps, slot_kind::published), slot_word(0, slot_kind::published));
  EXPECT_EQ(slot_word(laps + 7, slot_kind::hole, 3), slot_word(7, slot_kind::hole, 3));
  EXPECT_NE(slot_word(laps - 1, slot_kind::published), slot_word(laps, slot_kind::published));
  EXPECT_EQ(lap_of(slot_word(laps - 1, slot_kind::free)), laps - 1);
}

TEST(IntentWord, ZeroCoversNothing) {
  for (const std::uint64_t position : {std::uint64_t{0}, std::uint64_t{1}, laps - 1, laps})
    EXPECT_FALSE(intent_covers(0, position)) << position;
}

TEST(IntentWord, CoversExactlyItsRange) {
  const auto word = intent_word(1000, 3, false);
  EXPECT_FALSE(intent_covers(word, 999));
  EXPECT_TRUE(intent_covers(word, 1000));
  EXPECT_TRUE(intent_covers(word, 1002));
  EXPECT_FALSE(intent_covers(word, 1003));
}

TEST(IntentWord, WonDoesNotChangeWhatItCovers) {
  const auto word = intent_word(1000, 3, true);
  EXPECT_TRUE(intent_won(word));
  EXPECT_FALSE(intent_won(intent_word(1000, 3, false)));
  EXPECT_EQ(intent_count(word), 3U);
  EXPECT_TRUE(intent_covers(word, 1002));
  EXPECT_FALSE(intent_covers(word, 1003));
}

TEST(IntentWord, HoldsTheLargestClaim) {
  const auto word = intent_word(5, max_claim, true);
  EXPECT_EQ(intent_count(word), max_claim);
  EXPECT_TRUE(intent_covers(word, 5 + max_claim - 1));
  EXPECT_FALSE(intent_covers(word, 5 + max_claim));
}

TEST(IntentWord, CoversAcrossTheWrapOfPositionsAtTwoToThe48) {  // scenario 24
  const auto word = intent_word(laps - 2, 4, false);
  EXPECT_FALSE(intent_covers(word, laps - 3));
  EXPECT_TRUE(intent_covers(word, laps - 1));
  EXPECT_TRUE(intent_covers(word, laps));
  EXPECT_TRUE(intent_covers(word, laps + 1));
  EXPECT_FALSE(intent_covers(word, laps + 2));
}

TEST(SeatWord, GivesBackStateAndGeneration) {
  for (const auto state : {seat_state::free, seat_state::taken, seat_state::dead, seat_state::settled}) {
    const auto word = seat_word(state, 77);
    EXPECT_EQ(state_of(word), state);
    EXPECT_EQ(generation_of(word), 77U);
  }
  EXPECT_EQ(seat_word(seat_state::free, 0), 0U) << "zeroed memory is a free seat that never had an owner";
}

}  // namespace
}  // namespace sluice::detail
