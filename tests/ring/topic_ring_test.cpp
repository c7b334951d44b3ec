// A topic: every subscriber sees every message, lossless ones hold publishers up and lossy ones do not.

#include <gtest/gtest.h>

#include "ring/topic_rig.hpp"

namespace sluice::detail::test {
namespace {

struct one {
  static constexpr auto how_many = publishers::one;
};
struct many {
  static constexpr auto how_many = publishers::many;
};
struct names {
  template <class Kind>
  static std::string GetName(int) {
    return Kind::how_many == publishers::one ? "One" : "Many";
  }
};

template <class Kind>
class Topic : public ::testing::Test {
 protected:
  using rig_of_kind = topic_rig<Kind::how_many>;
  rig_of_kind rig_;
};
using kinds_of_topic = ::testing::Types<one, many>;
TYPED_TEST_SUITE(Topic, kinds_of_topic, names);

// ---- Lossless ----------------------------------------------------------------------------------------------------------

TYPED_TEST(Topic, EverySubscriberGetsEveryMessageInOrder) {
  auto& rig = this->rig_;
  for (std::uint32_t i = 0; i < 3; ++i) rig.join(i);
  for (std::uint64_t n = 0; n < 30; ++n) {
    ASSERT_TRUE(rig.send(n));
    for (std::uint32_t i = 0; i < 3; ++i) ASSERT_TRUE(rig.receives(i, n));
  }
  for (std::uint32_t i = 0; i < 3; ++i) EXPECT_EQ(rig.ins[i]->try_peek(1), 0U);
}

TYPED_TEST(Topic, PublishingNeedsNoSubscriber) {
  auto& rig = this->rig_;
  rig.send_all(0, 100);
  EXPECT_EQ(rig.outs[0]->position(), 100U);
  EXPECT_TRUE(rig.outs[0]->is_drained());
}

TYPED_TEST(Topic, TheSlowestSubscriberThatKeepsMessagesHoldsThePublisherUp) {
  auto& rig = this->rig_;
  rig.join(0);
  rig.join(1);
  for (std::uint64_t n = 0; n < 8; ++n) {
    ASSERT_TRUE(rig.send(n));
    ASSERT_TRUE(rig.receives(0, n));
  }
  EXPECT_FALSE(rig.send(8)) << "the second one has not released message 0";
  EXPECT_FALSE(rig.outs[0]->is_drained());
  EXPECT_EQ(rig.outs[0]->waits_for(), 0U);
  ASSERT_TRUE(rig.receives(1, 0));
  EXPECT_TRUE(rig.send(8));
  EXPECT_FALSE(rig.send(9));
  EXPECT_EQ(rig.size_approx(), 8U);
  EXPECT_TRUE(rig.is_sane());
  for (std::uint64_t n = 1; n < 9; ++n) ASSERT_TRUE(rig.receives(1, n));
}

TYPED_TEST(Topic, OneThatLeavesHoldsThePublisherUpNoMore) {
  auto& rig = this->rig_;
  rig.join(0);
  rig.send_all(0, 8);
  ASSERT_FALSE(rig.send(8));
  rig.leave(0);
  rig.send_all(8, 20);
}

TYPED_TEST(Topic, ADeadSubscriberHoldsThePublisherUpUntilItsTick) {
  auto& rig = this->rig_;
  rig.join(0);
  rig.send_all(0, 8);
  ASSERT_FALSE(rig.outs[0]->mend(rig.keeper)) << "slow is not dead";
  rig.keeper.die(rig.seat_of(0));
  ASSERT_FALSE(rig.send(8)) << "no process has asked yet";
  EXPECT_TRUE(rig.outs[0]->mend(rig.keeper));
  rig.send_all(8, 20);
  // The next owner of its seat keeps what it has not released, and nothing of its predecessor.
  ASSERT_TRUE(rig.settle(rig.seat_of(0)));
  EXPECT_EQ(topic_seat_of(rig.view, rig.seat_of(0)).keep.load(), 0U);
  EXPECT_EQ(topic_control_of(rig.view).keeping.load(), 0U);
  rig.join(0);
  rig.send_all(28, 8);
  EXPECT_FALSE(rig.send(36));
  EXPECT_TRUE(rig.receives(0, 28));
}

TYPED_TEST(Topic, ALateJoinerGetsWhatItAskedForOfTheHistory) {
  auto& rig = this->rig_;
  rig.send_all(0, 5);
  rig.join(0);
  rig.join(1, history::last(2));
  rig.join(2, history::all());
  EXPECT_EQ(rig.ins[0]->try_peek(1), 0U);
  EXPECT_TRUE(rig.receives(1, 3));
  for (std::uint64_t n = 0; n < 5; ++n) EXPECT_TRUE(rig.receives(2, n));
  ASSERT_TRUE(rig.send(5));
  EXPECT_TRUE(rig.receives(0, 5));
}

TYPED_TEST(Topic, HistoryGoesBackAsFarAsNoPublisherMayHaveOverwritten) {
  auto& rig = this->rig_;
  rig.send_all(0, 21);
  const auto& in = rig.join(0, history::all());
  // What a publisher was granted beforehand is an eighth of the ring, here one slot.
  ASSERT_GE(in.next_sequence(), 21U - 8);
  ASSERT_LE(in.next_sequence(), 21U - 8 + 1);
  for (auto n = in.next_sequence(); n < 21; ++n) EXPECT_TRUE(rig.receives(0, n));
  EXPECT_EQ(in.next_sequence(), 21U);
}

TYPED_TEST(Topic, ABatchIsPublishedUpToWhatFitsAndTheRestAbandoned) {
  auto& rig = this->rig_;
  rig.join(0);
  rig.send_all(0, 6);
  ASSERT_EQ(rig.outs[0]->try_claim(5), 2U);
  EXPECT_TRUE(rig.outs[0]->is_open());
  EXPECT_EQ(rig.outs[0]->claimed_run(5).first, 6U);
  EXPECT_EQ(rig.outs[0]->claimed_run(5).count, 2U);
  fill(rig.outs[0]->claimed(0), 24, 6);
  rig.outs[0]->publish(1);
  EXPECT_FALSE(rig.outs[0]->is_open());
  ASSERT_EQ(rig.ins[0]->try_peek(20), 7U);
  for (std::uint64_t i = 0; i < 7; ++i) EXPECT_TRUE(rig.is(rig.ins[0]->peeked(i), i));
  rig.ins[0]->release(3);
  rig.ins[0]->release(20);
  EXPECT_EQ(rig.ins[0]->try_peek(1), 0U);
  rig.send_all(7, 7);
  EXPECT_TRUE(rig.receives(0, 7));
}

TYPED_TEST(Topic, AWholeRingIsClaimedAtOnceWhereNoSubscriberKeepsIt) {
  auto& rig = this->rig_;
  rig.send_all(0, 3);
  ASSERT_EQ(rig.outs[0]->try_claim(100), 8U);
  for (std::uint64_t i = 0; i < 8; ++i) fill(rig.outs[0]->claimed(i), 24, 3 + i);
  rig.outs[0]->publish(8);
  auto& in = rig.join(0, history::all());
  EXPECT_GE(in.next_sequence(), 3U);
  for (auto n = in.next_sequence(); n < 11; ++n) EXPECT_TRUE(rig.receives(0, n));
}

TYPED_TEST(Topic, TwoMessagesCanBeInTheHandsOfASubscriber) {
  auto& rig = this->rig_;
  auto& in = rig.join(0);
  rig.send_all(0, 4);
  ASSERT_EQ(in.try_peek(1), 1U);
  const auto* const first = in.peeked(0);
  const auto* const second = in.peek_another();
  ASSERT_NE(second, nullptr);
  EXPECT_TRUE(rig.is(second, 1));
  in.release_one(second);
  const auto* const third = in.peek_another();
  ASSERT_NE(third, nullptr);
  EXPECT_TRUE(rig.is(third, 2));
  in.release_one(first);
  EXPECT_EQ(in.next_sequence(), 2U);
  EXPECT_TRUE(rig.is(in.peeked(0), 2));
  in.release_one(third);
  EXPECT_TRUE(in.is_plain());
  EXPECT_FALSE(in.is_open());
  EXPECT_TRUE(rig.receives(0, 3));
}

TYPED_TEST(Topic, AKeepThatNoSubscriberWritesIsNotSane) {
  auto& rig = this->rig_;
  rig.join(0);
  rig.send_all(0, 3);
  EXPECT_TRUE(rig.is_sane());
  auto& keep = topic_seat_of(rig.view, rig.seat_of(0)).keep;
  keep = keep_word(100);
  EXPECT_FALSE(rig.is_sane());
  keep = keep_word(3 - 9);
  EXPECT_FALSE(rig.is_sane());
  keep = keep_word(3 - 9, true);
  EXPECT_TRUE(rig.is_sane()) << "one that joins may be stopped for long";
}

TYPED_TEST(Topic, FloorsThatNoPublisherWritesDoNotLetASubscriberBeginAheadOfThePublishers) {
  auto& rig = this->rig_;
  rig.send_all(0, 3);
  topic_seat_of(rig.view, 0).floor = 1'000'000;
  auto& in = rig.join(0);
  EXPECT_EQ(in.next_sequence(), 3U);
}

TYPED_TEST(Topic, AJoinerMissesNothingFromWhereItBegan) {
  auto& rig = this->rig_;
  for (std::uint64_t turn = 0; turn < 24; ++turn) {
    const auto next = rig.outs[0]->position();
    const auto first = rig.join(0, history::all()).next_sequence();
    std::uint64_t fitted = 0;
    while (fitted <= 8 && rig.send(next + fitted)) ++fitted;
    ASSERT_EQ(next + fitted, first + 8) << "room up to where it began, and no further";
    for (auto n = first; n != next + fitted; ++n) ASSERT_TRUE(rig.receives(0, n));
    rig.leave(0);
    rig.send_all(next + fitted, 1 + turn % 3);
  }
}

TYPED_TEST(Topic, SubscribersThatShareABitEachHoldThePublisherUp) {
  typename TestFixture::rig_of_kind rig(8, 200);
  rig.join(3);
  rig.join(3 + 64);
  rig.join(3 + 128);
  rig.send_all(0, 8);
  for (std::uint64_t n = 0; n < 8; ++n) {
    ASSERT_TRUE(rig.receives(3, n));
    ASSERT_TRUE(rig.receives(3 + 128, n));
  }
  EXPECT_FALSE(rig.send(8));
  rig.leave(3);
  EXPECT_FALSE(rig.send(8)) << "its bit is another's as well";
  ASSERT_TRUE(rig.receives(3 + 64, 0));
  EXPECT_TRUE(rig.send(8));
  rig.leave(3 + 64);
  EXPECT_TRUE(rig.receives(3 + 128, 8));
  rig.send_all(9, 8);
  EXPECT_FALSE(rig.send(17));
}

// ---- Lossy -------------------------------------------------------------------------------------------------------------

TYPED_TEST(Topic, ALossyReaderHoldsNoPublisherUpAndIsToldExactlyWhatItLost) {
  auto& rig = this->rig_;
  typename TestFixture::rig_of_kind::reader in(rig.view);
  rig.send_all(0, 3);
  EXPECT_TRUE(rig.reads(in, 0));
  rig.send_all(3, 30);
  // Of 8 slots the oldest is overwritten next: it goes on at the one behind it.
  EXPECT_TRUE(rig.reads(in, 33 - 8 + 1));
  EXPECT_EQ(in.lost(), 33U - 8 + 1 - 1);
  EXPECT_TRUE(in.is_loss_exact());
  for (auto n = in.next_sequence(); n < 33; ++n) EXPECT_TRUE(rig.reads(in, n));
  EXPECT_TRUE(rig.reads_nothing(in));
}

TYPED_TEST(Topic, ALossyReaderMayGoOnAtTheNewest) {
  auto& rig = this->rig_;
  typename TestFixture::rig_of_kind::reader in(rig.view, history::none(), resumes::at_newest);
  rig.send_all(0, 20);
  EXPECT_TRUE(rig.reads_nothing(in));
  EXPECT_EQ(in.lost(), 20U);
  rig.send_all(20, 1);
  EXPECT_TRUE(rig.reads(in, 20));
}

TYPED_TEST(Topic, TheLastValueAloneIsReadAndTheRestCounted) {
  auto& rig = this->rig_;
  typename TestFixture::rig_of_kind::reader in(rig.view);
  rig.send_all(0, 5);
  in.skip_to_newest();
  EXPECT_TRUE(rig.reads(in, 4));
  EXPECT_EQ(in.lost(), 4U);
  in.skip_to_newest();
  EXPECT_TRUE(rig.reads_nothing(in));
  rig.send_all(5, 20);
  in.skip_to_newest();
  EXPECT_TRUE(rig.reads(in, 24));
  EXPECT_EQ(in.lost(), 4U + 19);
}

TYPED_TEST(Topic, ALossyReaderBeginsWithTheHistoryThatIsThere) {
  auto& rig = this->rig_;
  rig.send_all(0, 5);
  typename TestFixture::rig_of_kind::reader all(rig.view, history::all()), two(rig.view, history::last(2));
  EXPECT_TRUE(rig.reads(all, 0));
  EXPECT_TRUE(rig.reads(two, 3));
  rig.send_all(5, 20);
  typename TestFixture::rig_of_kind::reader later(rig.view, history::all());
  EXPECT_TRUE(rig.reads(later, 25 - 8 + 1));
  EXPECT_EQ(later.lost(), 0U);
}

TYPED_TEST(Topic, WhatIsReadInPlaceIsIntactUntilItsSlotIsClaimed) {
  auto& rig = this->rig_;
  typename TestFixture::rig_of_kind::reader in(rig.view);
  rig.send_all(0, 8);
  ASSERT_TRUE(in.try_peek());
  EXPECT_TRUE(rig.is(in.peeked(), 0));
  EXPECT_TRUE(in.is_intact());
  ASSERT_EQ(rig.outs[0]->try_claim(1), 1U);
  EXPECT_FALSE(in.is_intact()) << "before a byte of it changes";
  fill(rig.outs[0]->claimed(0), 24, 8);
  rig.outs[0]->publish(1);
  EXPECT_FALSE(in.is_intact());
  ASSERT_TRUE(in.try_peek());
  EXPECT_EQ(in.lost(), 2U) << "the next one would be overwritten at once";
  EXPECT_TRUE(rig.is(in.peeked(), 2));
  EXPECT_TRUE(in.is_intact());
}

TYPED_TEST(Topic, ALossySubscriberNotesInItsSeatWhereItIsAndWhatItLost) {
  auto& rig = this->rig_;
  const auto seat_index = rig.keeper.sit(role::consumer, 1);
  lossy_subscriber<TypeParam::how_many> in(rig.view, seat_index);
  const auto& noted = topic_seat_of(rig.view, seat_index);
  rig.send_all(0, 2);
  EXPECT_TRUE(rig.reads(in, 0));
  EXPECT_EQ(noted.sequence.load(), 1U);
  rig.send_all(2, 20);
  EXPECT_TRUE(rig.reads(in, 22 - 8 + 1));
  EXPECT_EQ(noted.lost.load(), 22U - 8 + 1 - 1);
  EXPECT_EQ(noted.messages.load(), 2U);
  EXPECT_EQ(noted.keep.load(), 0U);
}

// ---- Deaths of publishers ----------------------------------------------------------------------------------------------

TEST(TopicOfOne, ASuccessorGoesOnWhereThePublisherDied) {
  topic_rig<publishers::one> rig;
  rig.join(0);
  rig.send_all(0, 3);
  ASSERT_EQ(rig.outs[0]->try_claim(2), 2U);  // dies with them
  rig.keeper.die(0);
  rig.publish_from(0);
  ASSERT_TRUE(rig.send(3));
  for (std::uint64_t n = 0; n < 4; ++n) EXPECT_TRUE(rig.receives(0, n));
}

TEST(TopicOfOne, ASuccessorFindsWhatWasPublishedAndNotNoted) {
  topic_rig<publishers::one> rig;
  rig.join(0);
  rig.send_all(0, 4);
  topic_seat_of(rig.view, 0).sequence = 2;  // as if it had died between the words and its note
  rig.publish_from(0);
  EXPECT_EQ(rig.outs[0]->position(), 4U);
}

// The predecessor had overwritten further than its successor asks for, and a subscriber that is stopped while it joins grants
// the successor nothing: were its floor lower now, another subscriber would begin at what is gone.
TEST(TopicOfOne, ASuccessorKeepsTheFloorOfThePublisherThatDied) {
  topic_rig<publishers::one> rig;
  rig.send_all(0, 16);
  ASSERT_EQ(rig.outs[0]->try_claim(4), 4U);  // the slots of 8 to 11
  const auto stopped = rig.keeper.sit(role::consumer, 0);
  topic_control_of(rig.view).keeping = keeping_bit(rig.view, stopped);
  topic_seat_of(rig.view, stopped).keep = keep_word(8, true);
  rig.publish_from(0);
  EXPECT_FALSE(rig.send(16));
  auto& in = rig.join(1, history::all());
  ASSERT_GE(in.next_sequence(), 12U);
  EXPECT_TRUE(rig.receives(1, in.next_sequence()));
}

TEST(TopicOfMany, AnAbandonedClaimIsSteppedOver) {
  topic_rig<publishers::many> rig;
  rig.join(0);
  rig.abandon(2);
  ASSERT_TRUE(rig.send(1));
  EXPECT_TRUE(rig.receives(0, 1));
  EXPECT_EQ(rig.ins[0]->owed().producers, 2U);
  for (int lap = 0; lap < 5; ++lap) {
    rig.abandon(8);
    EXPECT_EQ(rig.ins[0]->try_peek(1), 0U);
  }
}

TEST(TopicOfMany, PublishersShareOneOrder) {
  topic_rig<publishers::many> rig;
  rig.publish_from(1);
  rig.join(0);
  rig.join(1);
  for (std::uint64_t n = 0; n < 40; n += 2) {
    ASSERT_TRUE(rig.send(n, 0));
    ASSERT_TRUE(rig.send(n + 1, 1));
    for (std::uint32_t i = 0; i < 2; ++i) {
      ASSERT_TRUE(rig.receives(i, n));
      ASSERT_TRUE(rig.receives(i, n + 1));
    }
  }
}

TEST(TopicOfMany, ASubscriberMendsTheClaimOfADeadPublisherAndNotOfALivingOne) {
  topic_rig<publishers::many> rig;
  rig.publish_from(1);
  auto& in = rig.join(0);
  ASSERT_EQ(rig.outs[0]->try_claim(2), 2U);
  ASSERT_TRUE(rig.send(7, 1));
  EXPECT_EQ(in.try_peek(1), 0U);
  EXPECT_EQ(in.waits_for(), 0U);
  EXPECT_FALSE(in.mend(rig.keeper));
  rig.keeper.die(0);
  EXPECT_TRUE(in.mend(rig.keeper));
  EXPECT_EQ(rig.keeper.holes, 2U);
  EXPECT_TRUE(rig.receives(0, 7));
}

TEST(TopicOfMany, APublisherMendsWhatADeadOneLeftWhereNoSubscriberIs) {
  topic_rig<publishers::many> rig;
  rig.publish_from(1);
  ASSERT_EQ(rig.outs[0]->try_claim(1), 1U);
  for (std::uint64_t n = 1; n < 8; ++n) ASSERT_TRUE(rig.send(n, 1));
  ASSERT_FALSE(rig.send(8, 1)) << "the slot of a claim that is open";
  EXPECT_FALSE(rig.outs[1]->mend(rig.keeper)) << "slow is not dead";
  rig.keeper.die(0);
  EXPECT_TRUE(rig.outs[1]->mend(rig.keeper));
  EXPECT_EQ(rig.outs[1]->owed_holes(), 1U);
  for (std::uint64_t n = 8; n < 20; ++n) ASSERT_TRUE(rig.send(n, 1));
}

TEST(TopicOfMany, AReaderThatOnlyReadsStepsOverTheClaimOfADeadPublisherByItself) {
  topic_rig<publishers::many> rig;
  rig.publish_from(1);
  lossy_reader<publishers::many> in(rig.view);
  ASSERT_EQ(rig.outs[0]->try_claim(2), 2U);
  ASSERT_TRUE(rig.send(7, 1));
  const std::vector<std::byte> before(rig.memory.bytes().begin(), rig.memory.bytes().end());
  EXPECT_TRUE(rig.reads_nothing(in));
  EXPECT_FALSE(in.step_over_the_dead([](std::uint32_t, std::uint64_t) { return false; })) << "slow is not dead";
  const auto is_dead = [](std::uint32_t seat_index, std::uint64_t) { return seat_index == 0; };
  EXPECT_TRUE(in.step_over_the_dead(is_dead));
  EXPECT_TRUE(in.step_over_the_dead(is_dead));
  EXPECT_FALSE(in.step_over_the_dead(is_dead)) << "a message is there";
  EXPECT_TRUE(rig.reads(in, 7));
  EXPECT_FALSE(in.step_over_the_dead(is_dead)) << "nothing was claimed";
  EXPECT_EQ(in.lost(), 0U);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), rig.memory.bytes().begin())) << "it writes nothing";
}

TEST(TopicOfMany, TwoDeadNeighboursAreMended) {
  topic_rig<publishers::many> rig;
  rig.publish_from(1);
  rig.publish_from(2);
  rig.join(0);
  ASSERT_EQ(rig.outs[0]->try_claim(1), 1U);
  ASSERT_EQ(rig.outs[1]->try_claim(2), 2U);
  ASSERT_TRUE(rig.send(9, 2));
  rig.keeper.die(0);
  rig.keeper.die(1);
  EXPECT_TRUE(rig.ins[0]->mend(rig.keeper));
  EXPECT_TRUE(rig.receives(0, 9));
}

TEST(TopicOfMany, SettlingADeadPublishersSeatMakesHolesOfItsClaim) {
  topic_rig<publishers::many> rig;
  rig.join(0);
  rig.publish_from(1);
  ASSERT_EQ(rig.outs[0]->try_claim(3), 3U);
  rig.keeper.die(0);
  ASSERT_TRUE(rig.keeper.is_dead(0, rig.view.seats[0].state.load()));
  ASSERT_TRUE(rig.settle(0));
  EXPECT_EQ(rig.keeper.holes, 3U);
  ASSERT_TRUE(rig.send(1, 1));
  EXPECT_TRUE(rig.receives(0, 1));
}

TEST(TopicOfMany, HolesAreNotCountedAsLost) {
  topic_rig<publishers::many> rig;
  rig.publish_from(1);
  lossy_reader<publishers::many> in(rig.view);
  ASSERT_TRUE(rig.send(0));
  rig.abandon(3);
  ASSERT_EQ(rig.outs[1]->try_claim(1), 1U);  // becomes a hole by mending
  rig.keeper.die(1);
  ASSERT_EQ(topic_repair::mend_holes(rig.view, 0, rig.keeper), 1U);
  rig.send_all(1, 20);
  EXPECT_TRUE(rig.reads(in, 20 - 8 + 2));
  EXPECT_EQ(in.lost(), 20U - 8 + 2);
  EXPECT_TRUE(in.is_loss_exact());
}

TEST(TopicOfMany, ALossWithMoreHolesThanAreRememberedIsSaidToBeAtMost) {
  topic_rig<publishers::many> rig;
  lossy_reader<publishers::many> in(rig.view);
  for (int i = 0; i < 9; ++i) rig.abandon(1);
  rig.send_all(0, 20);
  EXPECT_TRUE(rig.reads(in, 20 - 8 + 1));
  EXPECT_FALSE(in.is_loss_exact());
  EXPECT_EQ(in.lost(), 20U - 8 + 1 + 1) << "eight of nine are remembered";
}

TEST(TopicOfMany, AReaderThatCaughtUpCountsHolesAnew) {
  topic_rig<publishers::many> rig;
  lossy_reader<publishers::many> in(rig.view);
  for (int i = 0; i < 6; ++i) rig.abandon(1);
  EXPECT_TRUE(rig.reads_nothing(in));
  for (int i = 0; i < 6; ++i) rig.abandon(1);
  rig.send_all(0, 20);
  EXPECT_TRUE(rig.reads(in, 20 - 8 + 1));
  EXPECT_TRUE(in.is_loss_exact());
  EXPECT_EQ(in.lost(), 20U - 8 + 1);
}

}  // namespace
}  // namespace sluice::detail::test
