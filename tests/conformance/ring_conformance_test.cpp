// What every ring kind promises, in every memory: one thread, exact bytes, deaths by hand.

#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <vector>

#include "conformance/ring_rig.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

template <class Case>
class RingConformance : public ::testing::Test {
 protected:
  using rig_of = ring_rig<Case>;
  watchdog dog_;
};
TYPED_TEST_SUITE(RingConformance, rings_in_every_memory, ring_case_names);

template <class Memory>
std::vector<std::byte> snapshot(const Memory& memory) {
  return {memory.bytes().begin(), memory.bytes().end()};
}

// ---- Empty and full --------------------------------------------------------------------------------------------------

TYPED_TEST(RingConformance, ZeroedMemoryIsAnEmptyRing) {
  typename TestFixture::rig_of rig;
  EXPECT_EQ(rig.peek(1), 0U);
  EXPECT_TRUE(rig.out->is_drained());
  EXPECT_EQ(rig.out->try_claim(100), rig.view.capacity());
}

TYPED_TEST(RingConformance, PeekingAnEmptyRingChangesNoByte) {  // scenario 14
  typename TestFixture::rig_of rig;
  ASSERT_TRUE(rig.send(1));
  ASSERT_TRUE(rig.receives(1));
  const auto before = snapshot(rig.memory);
  EXPECT_EQ(rig.peek(1), 0U);
  EXPECT_EQ(rig.peek(100), 0U);
  EXPECT_EQ(snapshot(rig.memory), before);
}

TYPED_TEST(RingConformance, AMessageArrivesWithItsExactBytes) {  // scenario 6
  typename TestFixture::rig_of rig;
  ASSERT_EQ(rig.out->try_claim(1), 1U);
  EXPECT_EQ(rig.out->claimed(0), rig.view.payload(0));
  rig.fill_claimed(0, 42);
  rig.out->publish(1);
  EXPECT_EQ(kind_of(rig.view.word(0).load()), slot_kind::published);
  ASSERT_EQ(rig.peek(1), 1U);
  EXPECT_EQ(rig.in->peeked(0), rig.view.payload(0));
  EXPECT_TRUE(rig.peeked_is(0, 42));
  EXPECT_FALSE(rig.in->was_delivered_before(0));
}

TYPED_TEST(RingConformance, AFullRingRefusesAndStaysAsItIs) {  // scenarios 4, 7, 8
  typename TestFixture::rig_of rig;
  for (std::uint64_t i = 0; i < rig.view.capacity(); ++i) ASSERT_TRUE(rig.send(i));
  const auto before = snapshot(rig.memory);
  EXPECT_EQ(rig.out->try_claim(1), 0U);
  EXPECT_EQ(rig.out->try_claim(100), 0U);
  EXPECT_EQ(snapshot(rig.memory), before);
  for (std::uint64_t i = 0; i < rig.view.capacity(); ++i) EXPECT_TRUE(rig.receives(i));
}

TYPED_TEST(RingConformance, OneReleaseMakesRoomForExactlyOne) {
  typename TestFixture::rig_of rig;
  for (std::uint64_t i = 0; i < rig.view.capacity(); ++i) ASSERT_TRUE(rig.send(i));
  ASSERT_TRUE(rig.receives(0));
  EXPECT_TRUE(rig.send(100));
  EXPECT_FALSE(rig.send(101));
}

TYPED_TEST(RingConformance, TwoSlotsCarryManyLaps) {  // scenario 3
  typename TestFixture::rig_of rig(8, 2);
  for (std::uint64_t i = 0; i < 1000; i += 2) {
    ASSERT_TRUE(rig.send(i));
    ASSERT_TRUE(rig.send(i + 1));
    ASSERT_FALSE(rig.send(99));
    ASSERT_TRUE(rig.receives(i));
    ASSERT_TRUE(rig.receives(i + 1));
    ASSERT_EQ(rig.peek(1), 0U);
  }
}

// ---- Claim, publish --------------------------------------------------------------------------------------------------

TYPED_TEST(RingConformance, WhatIsClaimedAndNotPublishedIsNotSeen) {  // scenario 16
  typename TestFixture::rig_of rig;
  ASSERT_EQ(rig.out->try_claim(3), 3U);
  for (std::uint64_t i = 0; i < 3; ++i) rig.fill_claimed(i, i);
  EXPECT_EQ(rig.peek(8), 0U);
  rig.out->publish(3);
  EXPECT_EQ(rig.peek(8), 3U);
}

TYPED_TEST(RingConformance, ClaimingAgainBeforePublishingGivesTheSameSlot) {
  typename TestFixture::rig_of rig;
  ASSERT_EQ(rig.out->try_claim(1), 1U);
  auto* const first = rig.out->claimed(0);
  ASSERT_EQ(rig.out->try_claim(1), 1U);
  EXPECT_EQ(rig.out->claimed(0), first);
  rig.fill_claimed(0, 5);
  rig.out->publish(1);
  EXPECT_TRUE(rig.receives(5));
  EXPECT_EQ(rig.peek(1), 0U);
}

TYPED_TEST(RingConformance, AnAbandonedClaimLeavesNoTraceForTheConsumer) {
  typename TestFixture::rig_of rig;
  for (std::uint64_t i = 0; i < 5 * rig.view.capacity(); ++i) {
    ASSERT_EQ(rig.out->try_claim(2), 2U);
    rig.fill_claimed(0, 666);
    rig.out->publish(0);
    ASSERT_TRUE(rig.send(i));
    ASSERT_TRUE(rig.receives(i));
    ASSERT_EQ(rig.peek(1), 0U);
  }
  EXPECT_TRUE(rig.out->is_drained());
}

TYPED_TEST(RingConformance, PublishingFewerAbandonsTheRest) {
  typename TestFixture::rig_of rig;
  ASSERT_EQ(rig.out->try_claim(4), 4U);
  for (std::uint64_t i = 0; i < 4; ++i) rig.fill_claimed(i, i);
  rig.out->publish(2);
  ASSERT_TRUE(rig.send(10));
  EXPECT_TRUE(rig.receives(0));
  EXPECT_TRUE(rig.receives(1));
  EXPECT_TRUE(rig.receives(10));
  EXPECT_EQ(rig.peek(1), 0U);
}

// ---- Batches ---------------------------------------------------------------------------------------------------------

TYPED_TEST(RingConformance, AClaimGetsNoMoreThanThereIsRoomFor) {  // scenario 30: burst
  typename TestFixture::rig_of rig;
  for (std::uint64_t i = 0; i < rig.view.capacity() - 3; ++i) ASSERT_TRUE(rig.send(i));
  EXPECT_EQ(rig.out->try_claim(5), 3U);
}

TYPED_TEST(RingConformance, ABatchThatWrapsIsSeenWholeAndInPlace) {  // scenario 32
  typename TestFixture::rig_of rig;
  for (std::uint64_t i = 0; i < 6; ++i) {
    ASSERT_TRUE(rig.send(i));
    ASSERT_TRUE(rig.receives(i));
  }
  ASSERT_EQ(rig.out->try_claim(5), 5U);
  for (std::uint64_t i = 0; i < 5; ++i) {
    EXPECT_EQ(rig.out->claimed(i), rig.view.payload(6 + i));
    rig.fill_claimed(i, 100 + i);
  }
  rig.out->publish(5);
  ASSERT_EQ(rig.peek(8), 5U);
  for (std::uint64_t i = 0; i < 5; ++i) {
    EXPECT_EQ(rig.in->peeked(i), rig.view.payload(6 + i));
    EXPECT_TRUE(rig.peeked_is(i, 100 + i));
  }
}

TYPED_TEST(RingConformance, PeekedAndNotReleasedMessagesComeAgain) {  // scenario 33
  typename TestFixture::rig_of rig;
  for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(rig.send(i));
  for (int again = 0; again < 3; ++again) {
    ASSERT_EQ(rig.peek(2), 2U);
    EXPECT_TRUE(rig.peeked_is(0, 0));
    EXPECT_TRUE(rig.peeked_is(1, 1));
    EXPECT_FALSE(rig.in->was_delivered_before(0)) << "no consumer died";
  }
}

TYPED_TEST(RingConformance, ReleasingFewerKeepsTheRest) {  // scenarios 15, 33
  typename TestFixture::rig_of rig;
  for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(rig.send(i));
  ASSERT_EQ(rig.peek(3), 3U);
  rig.release(1);
  EXPECT_TRUE(rig.receives(1));
  EXPECT_TRUE(rig.receives(2));
  EXPECT_EQ(rig.peek(1), 0U);
}

TYPED_TEST(RingConformance, PeekingOneOfTwoLeavesTheOther) {  // scenario 15
  typename TestFixture::rig_of rig;
  ASSERT_TRUE(rig.send(1));
  ASSERT_TRUE(rig.send(2));
  EXPECT_EQ(rig.peek(1), 1U);
  EXPECT_TRUE(rig.peeked_is(0, 1));
  rig.release(1);
  EXPECT_TRUE(rig.receives(2));
}

TYPED_TEST(RingConformance, ItIsDrainedOnlyWhenTheLastMessageWasReleased) {
  typename TestFixture::rig_of rig;
  ASSERT_TRUE(rig.send(1));
  ASSERT_TRUE(rig.send(2));
  EXPECT_FALSE(rig.out->is_drained());
  ASSERT_TRUE(rig.receives(1));
  ASSERT_EQ(rig.peek(1), 1U);
  EXPECT_FALSE(rig.out->is_drained());
  rig.release(1);
  EXPECT_TRUE(rig.out->is_drained());
}

TYPED_TEST(RingConformance, FillingAndDrainingInRandomBatchesKeepsEveryByte) {  // scenario 31
  typename TestFixture::rig_of rig(40, 64);
  std::mt19937_64 random(31);
  std::uint64_t sent = 0, received = 0;
  for (int round = 0; round < 8; ++round) {
    while (const auto count = rig.out->try_claim(1 + random() % 20)) {
      for (std::uint64_t i = 0; i < count; ++i) rig.fill_claimed(i, sent++);
      rig.out->publish(count);
    }
    EXPECT_EQ(sent - received, rig.view.capacity());
    while (const auto count = rig.peek(1 + random() % 20)) {
      for (std::uint64_t i = 0; i < count; ++i) ASSERT_TRUE(rig.peeked_is(i, received++));
      rig.release(count);
    }
    EXPECT_EQ(sent, received);
  }
}

TYPED_TEST(RingConformance, RandomOperationsAgreeWithAQueue) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    typename TestFixture::rig_of rig(17, std::uint64_t{2} << seed % 5);
    std::mt19937_64 random(seed);
    std::deque<std::uint64_t> model;
    std::uint64_t next = 0;
    for (int step = 0; step < 2000; ++step) {
      if (random() % 2 == 0) {
        const auto asked = 1 + random() % (rig.view.capacity() + 2);
        const auto claimed = rig.out->try_claim(asked);
        ASSERT_EQ(claimed, std::min<std::uint64_t>(asked, rig.view.capacity() - model.size())) << "seed " << seed;
        if (claimed == 0) continue;
        // Holes take room in rings that have them until they are stepped over, so a rest is abandoned elsewhere.
        for (std::uint64_t i = 0; i < claimed; ++i) {
          rig.fill_claimed(i, next);
          model.push_back(next++);
        }
        rig.out->publish(claimed);
      } else {
        const auto asked = 1 + random() % (rig.view.capacity() + 2);
        const auto peeked = rig.peek(asked);
        ASSERT_EQ(peeked, std::min<std::uint64_t>(asked, model.size())) << "seed " << seed;
        for (std::uint64_t i = 0; i < peeked; ++i) ASSERT_TRUE(rig.peeked_is(i, model[i])) << "seed " << seed;
        if (peeked == 0) continue;
        // A rest that is kept is offered again, possibly alone: rings that claim for reading hand out their claim first.
        rig.release(peeked);
        model.erase(model.begin(), model.begin() + static_cast<std::ptrdiff_t>(peeked));
      }
    }
  }
}

// ---- Sizes -----------------------------------------------------------------------------------------------------------

template <class Rig>
void carries_laps(Rig& rig, std::uint64_t laps) {
  std::uint64_t sent = 0, received = 0;
  for (std::uint64_t lap = 0; lap < laps; ++lap) {
    while (rig.send(sent)) ++sent;
    while (received < sent) ASSERT_TRUE(rig.receives(received++));
  }
  EXPECT_EQ(sent, laps * rig.view.capacity());
}

TYPED_TEST(RingConformance, MessagesOfEverySizeKeepToTheirSlots) {
  for (const std::uint64_t bytes : {1U, 8U, 56U, 64U, 100U, 4096U}) {
    SCOPED_TRACE(bytes);
    typename TestFixture::rig_of rig(bytes, 4);
    carries_laps(rig, 5);
  }
}

TYPED_TEST(RingConformance, MessagesOfAMebibyteArriveWhole) {
  typename TestFixture::rig_of rig(1U << 20, 2);
  carries_laps(rig, 2);
}

TYPED_TEST(RingConformance, EverySlotIsAlignedAsItsMessageAsks) {
  for (const std::uint32_t alignment : {1U, 8U, 64U, 4096U}) {
    SCOPED_TRACE(alignment);
    typename TestFixture::rig_of rig(2 * std::uint64_t{alignment}, 4, alignment);
    for (std::uint64_t i = 0; i < 4; ++i)
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(rig.view.payload(i)) % alignment, 0U);
    carries_laps(rig, 3);
  }
}

// ---- Deaths ----------------------------------------------------------------------------------------------------------

TYPED_TEST(RingConformance, ADeadProducersClaimIsNeverSeenAndItsSuccessorGoesOn) {
  typename TestFixture::rig_of rig;
  for (std::uint64_t i = 0; i < 5 * rig.view.capacity(); ++i) {
    ASSERT_NE(rig.out->try_claim(3), 0U);
    rig.fill_claimed(0, 666);
    rig.producer_dies_and_successor_comes();
    EXPECT_EQ(rig.peek(1), 0U);
    ASSERT_TRUE(rig.send(i));
    ASSERT_TRUE(rig.receives(i));
  }
}

TYPED_TEST(RingConformance, WhatADeadProducerPublishedIsDelivered) {
  typename TestFixture::rig_of rig;
  ASSERT_TRUE(rig.send(1));
  ASSERT_TRUE(rig.send(2));
  rig.producer_dies_and_successor_comes();
  ASSERT_TRUE(rig.send(3));
  for (std::uint64_t i = 1; i <= 3; ++i) EXPECT_TRUE(rig.receives(i));
}

TYPED_TEST(RingConformance, CapacityIsWholeAgainAfterManyDeadProducers) {
  typename TestFixture::rig_of rig;
  for (std::uint64_t i = 0; i < 3 * rig.view.capacity(); ++i) {
    ASSERT_NE(rig.out->try_claim(1 + i % 3), 0U);
    rig.producer_dies_and_successor_comes();
    EXPECT_EQ(rig.peek(1), 0U);
  }
  for (std::uint64_t i = 0; i < rig.view.capacity(); ++i) EXPECT_TRUE(rig.send(i));
  for (std::uint64_t i = 0; i < rig.view.capacity(); ++i) EXPECT_TRUE(rig.receives(i));
}

TYPED_TEST(RingConformance, AConsumerDeadBeforePeekingLeavesMessagesUnmarked) {
  typename TestFixture::rig_of rig;
  ASSERT_TRUE(rig.send(1));
  rig.consumer_dies_and_successor_comes();
  ASSERT_EQ(rig.peek(1), 1U);
  EXPECT_TRUE(rig.peeked_is(0, 1));
  EXPECT_FALSE(rig.in->was_delivered_before(0));
}

TYPED_TEST(RingConformance, WhatADeadConsumerPeekedIsDeliveredAgainMarked) {  // scenario 59
  typename TestFixture::rig_of rig;
  for (std::uint64_t i = 0; i < 4; ++i) ASSERT_TRUE(rig.send(i));
  ASSERT_EQ(rig.peek(3), 3U);
  rig.consumer_dies_and_successor_comes();
  for (std::uint64_t i = 0; i < 3; ++i) {
    ASSERT_EQ(rig.peek(1), 1U);
    EXPECT_TRUE(rig.peeked_is(0, i));
    EXPECT_TRUE(rig.in->was_delivered_before(0));
    rig.release(1);
  }
  ASSERT_EQ(rig.peek(1), 1U);
  EXPECT_TRUE(rig.peeked_is(0, 3));
  EXPECT_FALSE(rig.in->was_delivered_before(0));
}

TYPED_TEST(RingConformance, WhatADeadConsumerReleasedIsNotDeliveredAgain) {
  typename TestFixture::rig_of rig;
  for (std::uint64_t i = 0; i < 4; ++i) ASSERT_TRUE(rig.send(i));
  ASSERT_EQ(rig.peek(4), 4U);
  rig.release(2);
  rig.consumer_dies_and_successor_comes();
  EXPECT_TRUE(rig.receives(2));
  EXPECT_TRUE(rig.receives(3));
  EXPECT_EQ(rig.peek(1), 0U);
}

TYPED_TEST(RingConformance, CapacityIsWholeAgainAfterManyDeadConsumers) {  // scenario 59
  typename TestFixture::rig_of rig;
  std::uint64_t sent = 0, received = 0;
  for (std::uint64_t i = 0; i < 5 * rig.view.capacity(); ++i) {
    while (rig.send(sent)) ++sent;
    ASSERT_NE(rig.peek(1 + i % 4), 0U);
    rig.release(1);
    ++received;
    rig.consumer_dies_and_successor_comes();
  }
  while (received < sent) ASSERT_TRUE(rig.receives(received++));
  EXPECT_EQ(rig.peek(1), 0U);
  EXPECT_TRUE(rig.out->is_drained());
  for (std::uint64_t i = 0; i < rig.view.capacity(); ++i) EXPECT_TRUE(rig.send(i));
}

TYPED_TEST(RingConformance, ASuccessorThatDiesTooLeavesTheMessageToTheNext) {
  typename TestFixture::rig_of rig;
  ASSERT_TRUE(rig.send(1));
  ASSERT_EQ(rig.peek(1), 1U);
  for (int i = 0; i < 5; ++i) {
    rig.consumer_dies_and_successor_comes();
    ASSERT_EQ(rig.peek(1), 1U);
    EXPECT_TRUE(rig.peeked_is(0, 1));
    EXPECT_TRUE(rig.in->was_delivered_before(0));
  }
  rig.release(1);
  rig.consumer_dies_and_successor_comes();
  EXPECT_EQ(rig.peek(1), 0U);
}

TYPED_TEST(RingConformance, AConsumerThatLeavesWithAPeekedMessageLeavesItToTheNext) {
  typename TestFixture::rig_of rig;
  ASSERT_TRUE(rig.send(1));
  ASSERT_TRUE(rig.send(2));
  ASSERT_EQ(rig.peek(1), 1U);
  rig.consumer_leaves_and_successor_comes();
  EXPECT_TRUE(rig.receives(1));
  EXPECT_TRUE(rig.receives(2));
}

TYPED_TEST(RingConformance, BothSidesDeadAtOnceLoseNothing) {  // scenario 49
  typename TestFixture::rig_of rig;
  std::uint64_t sent = 0, received = 0;
  std::mt19937_64 random(49);
  for (int round = 0; round < 200; ++round) {
    for (std::uint64_t i = random() % 4; i > 0; --i)
      if (rig.send(sent)) ++sent;
    (void)rig.out->try_claim(random() % 3);
    const auto peeked = rig.peek(1 + random() % 4);
    for (std::uint64_t i = 0; i < peeked; ++i) ASSERT_TRUE(rig.peeked_is(i, received + i));
    if (peeked != 0) {
      const auto released = random() % (peeked + 1);
      if (released != 0) rig.release(released);
      received += released;
    }
    rig.producer_dies_and_successor_comes();
    rig.consumer_dies_and_successor_comes();
  }
  while (received < sent) ASSERT_TRUE(rig.receives(received++));
  EXPECT_EQ(rig.peek(1), 0U);
}

// ---- Bytes that no correct process writes ----------------------------------------------------------------------------

TYPED_TEST(RingConformance, GarbageInEverySharedWordIsNeitherFollowedNorEndless) {  // scenario 62
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    typename TestFixture::rig_of rig(24, 4);
    const auto& view = rig.view;
    std::mt19937_64 random(seed);
    const auto spoil = [&](std::atomic<std::uint64_t>& word) {
      switch (random() % 4) {
        case 0: word.store(random()); break;
        case 1: word.store(random() % 64); break;
        case 2: word.store(~std::uint64_t{0} - random() % 64); break;
        default: break;
      }
    };
    const auto spoil_all = [&] {
      auto* const control = reinterpret_cast<std::atomic<std::uint64_t>*>(view.control);
      for (std::size_t i = 0; i < sizeof(ring_control) / 8; ++i) spoil(control[i]);
      auto* const seats = reinterpret_cast<std::atomic<std::uint64_t>*>(view.seats);
      for (std::size_t i = 0; i < sizeof(seat) / 8 * (view.producer_seats + view.consumer_seats); ++i) spoil(seats[i]);
      for (std::uint64_t i = 0; i < view.capacity(); ++i) spoil(view.word(i));
    };
    const auto is_a_payload = [&](const std::byte* at) {
      for (std::uint64_t i = 0; i < view.capacity(); ++i)
        if (at == view.payload(i)) return true;
      return false;
    };
    for (std::uint32_t s = 0; s < view.producer_seats + view.consumer_seats; s += 2) rig.keeper.die(s);
    spoil_all();
    rig.out.emplace(view, rig.producer_seat);
    rig.in.emplace(view, rig.consumer_seat);
    for (int step = 0; step < 20; ++step) {
      const auto claimed = rig.out->try_claim(random() % 8);
      ASSERT_LE(claimed, view.capacity());
      for (std::uint64_t i = 0; i < claimed; ++i) {
        ASSERT_TRUE(is_a_payload(rig.out->claimed(i)));
        rig.fill_claimed(i, i);
      }
      rig.out->publish(random() % (claimed + 1));
      const auto peeked = rig.peek(1 + random() % 8);
      ASSERT_LE(peeked, view.capacity());
      for (std::uint64_t i = 0; i < peeked; ++i) ASSERT_TRUE(is_a_payload(rig.in->peeked(i)));
      if (peeked != 0) rig.release(random() % (peeked + 1));
      (void)rig.out->is_drained();
      rig.mend();
      const auto some_seat = static_cast<std::uint32_t>(random() % (view.producer_seats + view.consumer_seats));
      (void)TestFixture::rig_of::ring::settle(view, some_seat, rig.keeper);
      if (step % 5 == 0) spoil_all();
    }
  }
}

}  // namespace
}  // namespace sluice::detail::test
