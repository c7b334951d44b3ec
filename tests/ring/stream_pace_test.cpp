// When one side of a stream gives the other a lead, and when it must not: it would be a delay for nothing.

#include "sluice/detail/part/mpmc/stream_pace.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

namespace sluice::detail::test {
namespace {

ring_view view_of(std::uint64_t capacity_slots, std::uint64_t stride_bytes) {
  ring_view view;
  view.mask = capacity_slots - 1;
  view.stride_bytes = stride_bytes;
  return view;
}

class StreamPace : public ::testing::Test {
 protected:
  /// `messages` right after each other, then a look in vain; whether that calls for a lead.
  bool catches_up_after(std::uint64_t messages) { return pace_.has_caught_up(passed_ += messages); }
  void poll_in_vain(int times) {
    for (int i = 0; i < times; ++i) ASSERT_FALSE(pace_.has_caught_up(passed_)) << "asked twice for one catching up";
  }

  std::uint64_t passed_ = 1000;  // by earlier owners of the seat
  stream_pace pace_{view_of(4096, 72), passed_};
};

TEST_F(StreamPace, AWaitForSingleMessagesIsNotDelayed) {
  for (int i = 0; i < 10'000; ++i) {
    EXPECT_FALSE(catches_up_after(1));
    poll_in_vain(i % 100);
  }
}

TEST_F(StreamPace, ASideThatCatchesUpWithAStreamGivesALeadOnceEachTime) {
  EXPECT_TRUE(catches_up_after(100));
  poll_in_vain(5);
  EXPECT_TRUE(catches_up_after(2));
  poll_in_vain(5);
}

TEST_F(StreamPace, ShortRunsCloseTogetherAreAStreamToo) {
  int runs = 0;
  while (!catches_up_after(5) && runs < 100) {
    poll_in_vain(20);
    ++runs;
  }
  EXPECT_GT(runs, 10);
  EXPECT_LT(runs, 20);
}

TEST_F(StreamPace, AStreamEndsWhenNothingComesForLong) {
  ASSERT_TRUE(catches_up_after(100));
  poll_in_vain(1000);
  EXPECT_FALSE(catches_up_after(10)) << "ten messages after a pause";
}

TEST_F(StreamPace, WhatPassedBeforeTheSeatWasTakenIsNoStream) { EXPECT_FALSE(catches_up_after(2)); }

TEST_F(StreamPace, ALeadEndsAsSoonAsTheOtherIsFarAhead) {
  int asked = 0;
  std::uint64_t farthest = 0;
  ASSERT_TRUE(catches_up_after(100));
  pace_.give_lead([&](std::uint64_t distance) {
    farthest = std::max(farthest, distance);
    return ++asked > 3;
  });
  EXPECT_LT(asked, 8);
  EXPECT_EQ(farthest, 8192U / 72) << "128 lines";
  EXPECT_TRUE(catches_up_after(2)) << "it was used: the stream goes on";
}

TEST_F(StreamPace, ALeadThatIsNotUsedIsShortAndTheLastOne) {
  int asked = 0;
  ASSERT_TRUE(catches_up_after(100));
  pace_.give_lead([&](std::uint64_t) { return ++asked, false; });
  EXPECT_LT(asked, 40) << "not the whole time that a stream would get";
  EXPECT_FALSE(catches_up_after(2));
}

TEST_F(StreamPace, InAShortRingOrOneOfLargeSlotsThereIsNone) {
  stream_pace shorter(view_of(32, 72), 0);
  EXPECT_FALSE(shorter.has_caught_up(100));
  stream_pace larger(view_of(4096, 4160), 0);
  EXPECT_FALSE(larger.has_caught_up(100));
}

}  // namespace
}  // namespace sluice::detail::test
