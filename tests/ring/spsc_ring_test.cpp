// The spsc ring in particular: words set by hand to what a death leaves, and counters at their ends.

#include "sluice/detail/part/spsc/spsc_ring.hpp"

#include <gtest/gtest.h>

#include <random>

#include "conformance/ring_rig.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using spsc_rig = ring_rig<ring_in<spsc_ring, callers_memory>>;

class SpscRing : public ::testing::Test {
 protected:
  [[nodiscard]] static spsc_seat& producer_seat(spsc_rig& rig) { return spsc_seat_of(rig.view, rig.producer_seat); }
  [[nodiscard]] static spsc_seat& consumer_seat(spsc_rig& rig) { return spsc_seat_of(rig.view, rig.consumer_seat); }

  /// As if `sequence` messages had gone through the ring before.
  static void begin_at(spsc_rig& rig, std::uint64_t sequence) {
    producer_seat(rig).sequence = sequence;
    consumer_seat(rig).sequence = sequence;
    consumer_seat(rig).peeked = sequence;
    spsc_control_of(rig.view).head = sequence;
    for (std::uint64_t i = 1; i <= rig.view.capacity(); ++i)
      rig.view.word(sequence - i) = rig.view.word_for(sequence - i, slot_kind::published);
    rig.out.emplace(rig.view, rig.producer_seat);
    rig.in.emplace(rig.view, rig.consumer_seat);
  }
  watchdog dog_;
};

// ---- Which bytes change ----------------------------------------------------------------------------------------------

TEST_F(SpscRing, PublishingWritesTheWordAndThenTheSeatsSequence) {
  spsc_rig rig;
  ASSERT_TRUE(rig.send(7));
  EXPECT_EQ(rig.view.word(0).load(), slot_word(0, slot_kind::published));
  EXPECT_EQ(producer_seat(rig).sequence.load(), 1U);
  EXPECT_EQ(consumer_seat(rig).sequence.load(), 0U);
  for (std::uint64_t i = 1; i < rig.view.capacity(); ++i) EXPECT_EQ(rig.view.word(i).load(), 0U);
}

TEST_F(SpscRing, PeekingNotesWhatWasHandedOutAndReleasingHowFarItIs) {
  spsc_rig rig;
  for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(rig.send(i));
  ASSERT_EQ(rig.peek(2), 2U);
  EXPECT_EQ(consumer_seat(rig).peeked.load(), 2U);
  EXPECT_EQ(consumer_seat(rig).sequence.load(), 0U);
  rig.release(1);
  EXPECT_EQ(consumer_seat(rig).sequence.load(), 1U);
}

TEST_F(SpscRing, TheCopyOfTheProgressIsLazyAndNeverAhead) {
  spsc_rig rig(8, 64);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    ASSERT_TRUE(rig.send(i));
    ASSERT_TRUE(rig.receives(i));
    const auto copy = spsc_control_of(rig.view).head.load(), exact = consumer_seat(rig).sequence.load();
    ASSERT_EQ(exact, i + 1);
    ASSERT_LT(exact - copy, 8U);
  }
}

TEST_F(SpscRing, AFullProducerSeesAReleaseThatWasNotCopiedYet) {
  spsc_rig rig(8, 64);
  for (std::uint64_t i = 0; i < 64; ++i) ASSERT_TRUE(rig.send(i));
  ASSERT_TRUE(rig.receives(0));
  ASSERT_EQ(spsc_control_of(rig.view).head.load(), 0U);
  EXPECT_EQ(rig.out->try_claim(2), 1U);
}

TEST_F(SpscRing, AFullProducerSeesEachReleaseAtOnceHoweverOftenItLooks) {
  spsc_rig rig(8, 1024);
  for (std::uint64_t i = 0; i < 1024; ++i) ASSERT_TRUE(rig.send(i));
  for (std::uint64_t i = 0; i < 100; ++i) {
    ASSERT_FALSE(rig.send(0));
    ASSERT_TRUE(rig.receives(i));
    ASSERT_TRUE(rig.send(1024 + i)) << "one slot was free";
  }
}

// ---- Torn by a death -------------------------------------------------------------------------------------------------

TEST_F(SpscRing, AProducerDeadBetweenPublishingAndNotingItIsContinuedBehindTheMessage) {
  spsc_rig rig;
  for (std::uint64_t i = 0; i < 11; ++i) {
    ASSERT_TRUE(rig.send(i));
    ASSERT_TRUE(rig.receives(i));
  }
  // It wrote the words of a batch of three and died.
  ASSERT_EQ(rig.out->try_claim(3), 3U);
  for (std::uint64_t i = 0; i < 3; ++i) {
    rig.fill_claimed(i, 11 + i);
    rig.view.word(11 + i) = rig.view.word_for(11 + i, slot_kind::published);
  }
  rig.producer_dies_and_successor_comes();
  ASSERT_TRUE(rig.send(14));
  for (std::uint64_t i = 11; i <= 14; ++i) EXPECT_TRUE(rig.receives(i));
  EXPECT_EQ(rig.peek(1), 0U);
}

TEST_F(SpscRing, AProducerDeadWithAFullUnnotedBatchIsContinuedWhenThereIsRoom) {
  spsc_rig rig;
  for (std::uint64_t i = 0; i < 8; ++i) rig.view.word(i) = rig.view.word_for(i, slot_kind::published);
  rig.producer_dies_and_successor_comes();
  EXPECT_FALSE(rig.send(100)) << "all eight wait to be read";
  ASSERT_EQ(rig.peek(8), 8U);
  rig.release(8);
  ASSERT_TRUE(rig.send(100));
  EXPECT_TRUE(rig.receives(100));
}

TEST_F(SpscRing, AnUnnotedMessageThatWasReadAlreadyIsNotOverwrittenNorRepeated) {
  spsc_rig rig;
  rig.fill_claimed(0, 1);
  rig.view.word(0) = rig.view.word_for(0, slot_kind::published);
  ASSERT_TRUE(rig.receives(1));
  rig.producer_dies_and_successor_comes();
  ASSERT_TRUE(rig.send(2));
  EXPECT_TRUE(rig.receives(2));
  EXPECT_EQ(rig.peek(1), 0U);
}

TEST_F(SpscRing, AConsumerDeadBetweenProgressAndCopyIsContinuedAtTheProgress) {
  spsc_rig rig;
  for (std::uint64_t i = 0; i < 4; ++i) ASSERT_TRUE(rig.send(i));
  ASSERT_EQ(rig.peek(2), 2U);
  consumer_seat(rig).sequence = 2;  // released both, and died before the copy
  rig.consumer_dies_and_successor_comes();
  ASSERT_EQ(rig.peek(1), 1U);
  EXPECT_FALSE(rig.in->was_delivered_before(0));
  EXPECT_TRUE(rig.receives(2));
  EXPECT_TRUE(rig.receives(3));
  EXPECT_EQ(rig.peek(1), 0U);
}

TEST_F(SpscRing, AConsumerDeadBetweenNotingAndHandingOutLeavesAMarkedMessage) {
  spsc_rig rig;
  ASSERT_TRUE(rig.send(0));
  ASSERT_TRUE(rig.send(1));
  consumer_seat(rig).peeked = 1;
  rig.consumer_dies_and_successor_comes();
  ASSERT_EQ(rig.peek(2), 2U);
  EXPECT_TRUE(rig.in->was_delivered_before(0));
  EXPECT_FALSE(rig.in->was_delivered_before(1));
}

TEST_F(SpscRing, RedeliveriesAreCountedOnceEach) {
  spsc_rig rig;
  for (std::uint64_t i = 0; i < 6; ++i) ASSERT_TRUE(rig.send(i));
  ASSERT_EQ(rig.peek(4), 4U);
  rig.consumer_dies_and_successor_comes();
  ASSERT_EQ(rig.peek(6), 6U);
  rig.release(3);
  EXPECT_EQ(consumer_seat(rig).redelivered.load(), 3U);
  rig.release(3);
  EXPECT_EQ(consumer_seat(rig).redelivered.load(), 4U);
}

// ---- The ends of the counters ----------------------------------------------------------------------------------------

struct beginning {
  const char* name;
  std::uint64_t sequence;
  std::uint64_t capacity;
};

class SpscRingNear : public SpscRing, public ::testing::WithParamInterface<beginning> {};

INSTANTIATE_TEST_SUITE_P(Limits, SpscRingNear,
                         ::testing::Values(beginning{"Two48", (std::uint64_t{1} << 48) - 3, 8},
                                           beginning{"Two63", (std::uint64_t{1} << 63) - 3, 8},
                                           beginning{"Two64", std::uint64_t{0} - 3, 8},
                                           beginning{"Two64TwoSlots", std::uint64_t{0} - 3, 2},
                                           beginning{"Two64ManySlots", std::uint64_t{0} - 3, 1U << 18},
                                           beginning{"LapTwo48", (std::uint64_t{1} << 51) - 3, 8}),
                         [](const auto& at) { return at.param.name; });

TEST_P(SpscRingNear, TenLapsAcrossTheLimitInOrder) {  // scenario 24
  spsc_rig rig(8, GetParam().capacity);
  begin_at(rig, GetParam().sequence);
  ASSERT_EQ(rig.peek(1), 0U);
  std::uint64_t sent = 0, received = 0;
  for (int lap = 0; lap < 10; ++lap) {
    while (rig.send(sent)) ++sent;
    ASSERT_EQ(sent - received, rig.view.capacity());
    ASSERT_FALSE(rig.out->is_drained());
    while (received < sent) ASSERT_TRUE(rig.receives(received++));
    ASSERT_EQ(rig.peek(1), 0U);
    ASSERT_TRUE(rig.out->is_drained());
  }
}

TEST_P(SpscRingNear, OneAtATimeAcrossTheLimit) {  // scenario 24
  spsc_rig rig(8, GetParam().capacity);
  begin_at(rig, GetParam().sequence);
  for (std::uint64_t i = 0; i < 100; ++i) {
    ASSERT_TRUE(rig.send(i));
    ASSERT_TRUE(rig.receives(i));
    ASSERT_EQ(rig.peek(1), 0U);
  }
}

TEST_P(SpscRingNear, ARedeliveryAcrossTheLimitIsMarkedAndCounted) {  // scenario 24
  spsc_rig rig(8, std::max<std::uint64_t>(8, GetParam().capacity));
  begin_at(rig, GetParam().sequence);
  for (std::uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(rig.send(i));
  ASSERT_EQ(rig.peek(2), 2U);  // noted in two steps, one before and one across the limit
  ASSERT_EQ(rig.peek(6), 6U);
  rig.consumer_dies_and_successor_comes();
  ASSERT_EQ(rig.peek(8), 8U);
  for (std::uint64_t i = 0; i < 8; ++i) {
    EXPECT_TRUE(rig.peeked_is(i, i));
    EXPECT_EQ(rig.in->was_delivered_before(i), i < 6) << i;
  }
  rig.release(8);
  EXPECT_EQ(consumer_seat(rig).redelivered.load(), 6U);
}

TEST_P(SpscRingNear, SuccessorsOfBothSidesGoOnAcrossTheLimit) {  // scenario 24
  spsc_rig rig(8, GetParam().capacity);
  begin_at(rig, GetParam().sequence);
  for (std::uint64_t i = 0; i < 100; ++i) {
    ASSERT_TRUE(rig.send(i));
    rig.producer_dies_and_successor_comes();
    rig.consumer_dies_and_successor_comes();
    ASSERT_TRUE(rig.receives(i));
  }
}

// ---- Words of a stranger ---------------------------------------------------------------------------------------------

TEST_F(SpscRing, AProgressThatNoConsumerWroteGivesNoRoom) {
  spsc_rig rig;
  for (std::uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(rig.send(i));
  for (const auto progress : {std::uint64_t{9}, std::uint64_t{1} << 40, ~std::uint64_t{0}, std::uint64_t{0} - 8}) {
    consumer_seat(rig).sequence = progress;
    spsc_control_of(rig.view).head = progress;
    EXPECT_EQ(rig.out->try_claim(8), 0U) << progress;
  }
}

TEST_F(SpscRing, APeekedMarkThatNoConsumerWroteMarksNothing) {
  spsc_rig rig;
  ASSERT_TRUE(rig.send(0));
  consumer_seat(rig).peeked = 1'000'000;
  rig.consumer_dies_and_successor_comes();
  ASSERT_EQ(rig.peek(1), 1U);
  EXPECT_FALSE(rig.in->was_delivered_before(0));
}

TEST_F(SpscRing, WordsOfOtherLapsAreNotMessages) {
  spsc_rig rig;
  for (const std::uint64_t lap : {std::uint64_t{1}, std::uint64_t{2}, (std::uint64_t{1} << 48) - 1})
    for (const auto kind : {slot_kind::free, slot_kind::published, slot_kind::hole, slot_kind::taken}) {
      rig.view.word(0) = slot_word(lap, kind);
      EXPECT_EQ(rig.peek(1), 0U) << lap;
    }
}

}  // namespace
}  // namespace sluice::detail::test
