// Messages of any length in both rings: one thread, exact bytes, deaths by hand.

#include <gtest/gtest.h>

#include <deque>
#include <random>

#include "ring/bytes_rig.hpp"
#include "support/expect_error.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

template <class Ring>
class BytesRing : public ::testing::Test {
 protected:
  using rig_of = bytes_rig<Ring>;
  watchdog dog_;
};
struct names {
  template <class Ring>
  static std::string GetName(int) {
    return Ring::has_many_seats ? "Mpmc" : "Spsc";
  }
};
using rings = ::testing::Types<spsc_bytes_ring, mpmc_bytes_ring>;
TYPED_TEST_SUITE(BytesRing, rings, names);

constexpr std::uint64_t of_inline = 48, of_arena = 1024;  // as bytes_sizes has them

TYPED_TEST(BytesRing, MessageOfEveryLengthArrivesWithItsExactBytes) {  // scenario 6
  typename TestFixture::rig_of rig;
  for (std::uint64_t length = 0; length <= of_arena; ++length) {
    ASSERT_TRUE(rig.send(length, length)) << length;
    ASSERT_TRUE(rig.receives(length, length)) << length;
  }
}

TYPED_TEST(BytesRing, ShortMessageLiesInItsSlotAndALongOneInTheArenaBothAligned) {
  typename TestFixture::rig_of rig;
  auto room = rig.claim(of_inline);
  EXPECT_EQ(room.size(), of_inline);
  EXPECT_EQ(room.data(), rig.view.payload(0) + 8);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(room.data()) % bytes_alignment, 0U);
  rig.out->writer.abandon(rig.out->slots);
  room = rig.claim(of_inline + 1);
  EXPECT_EQ(room.data(), rig.bytes.arena_of(0));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(room.data()) % arena_unit_bytes, 0U);
}

TYPED_TEST(BytesRing, MessageIsCutToWhatIsPublishedAndTheRestOfItsSpaceIsFreeAgain) {
  typename TestFixture::rig_of rig;
  for (int i = 0; i < 8; ++i) {
    const auto room = rig.claim(of_arena - 512);
    ASSERT_NE(room.data(), nullptr) << i;
    fill(room.data(), 60, static_cast<std::uint64_t>(i));
    ASSERT_TRUE(rig.publish(60));
  }
  for (std::uint64_t i = 0; i < 8; ++i) EXPECT_TRUE(rig.receives(i, 60));
}

TYPED_TEST(BytesRing, MessageThatCanNeverFitIsRefusedWithBothSizes) {
  typename TestFixture::rig_of rig;
  EXPECT_THAT(thrown_by([&] { (void)rig.claim(of_arena + 1); }), ThrewSaying(errc::bad_argument, "1025 bytes"));
  EXPECT_THAT(thrown_by([&] { (void)rig.claim(~0ULL); }), ThrewSaying(errc::bad_argument, "at most 1024"));
  EXPECT_TRUE(rig.send(1, of_arena)) << "nothing has happened";
  EXPECT_TRUE(rig.receives(1, of_arena));
}

TYPED_TEST(BytesRing, AFullArenaRefusesUntilItsOldestMessageIsReleased) {
  typename TestFixture::rig_of rig;
  ASSERT_TRUE(rig.send(1, 512));
  ASSERT_TRUE(rig.send(2, 512));
  EXPECT_FALSE(rig.send(3, 100));
  EXPECT_TRUE(rig.send(4, of_inline)) << "a short one needs no arena";
  EXPECT_TRUE(rig.receives(1, 512));
  EXPECT_TRUE(rig.send(5, 100));
  EXPECT_TRUE(rig.receives(2, 512));
  EXPECT_TRUE(rig.receives(4, of_inline));
  EXPECT_TRUE(rig.receives(5, 100));
}

TYPED_TEST(BytesRing, AFullRingRefusesAMessageForWhichTheArenaHasRoom) {
  typename TestFixture::rig_of rig;
  for (std::uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(rig.send(i, 100));
  EXPECT_FALSE(rig.send(9, 100));
  EXPECT_FALSE(rig.send(9, 10));
  ASSERT_TRUE(rig.receives(0, 100));
  EXPECT_TRUE(rig.send(9, 100)) << "what was refused has given its space back";
  for (std::uint64_t i = 1; i < 8; ++i) EXPECT_TRUE(rig.receives(i, 100));
  EXPECT_TRUE(rig.receives(9, 100));
}

TYPED_TEST(BytesRing, MessageBeginsAnewWhereItDoesNotFitBeforeTheArenasEnd) {
  typename TestFixture::rig_of rig;
  ASSERT_TRUE(rig.send(1, 640));
  ASSERT_TRUE(rig.receives(1, 640));
  const auto room = rig.claim(400);  // 384 are left before the end
  EXPECT_EQ(room.data(), rig.bytes.arena_of(0));
}

TYPED_TEST(BytesRing, MessageThatFitsJustBeforeTheArenasEndLiesThereAndTheNextAtTheBeginning) {  // scenario 9
  typename TestFixture::rig_of rig;
  ASSERT_TRUE(rig.send(1, 640));
  ASSERT_TRUE(rig.receives(1, 640));
  EXPECT_EQ(rig.claim(384).data(), rig.bytes.arena_of(0) + 640);
  fill(rig.claim(384).data(), 384, 2);
  ASSERT_TRUE(rig.publish(384));
  EXPECT_EQ(rig.claim(64).data(), rig.bytes.arena_of(0));
  ASSERT_TRUE(rig.send(3, 640)) << "an empty circle but for what lies at its end";
  EXPECT_FALSE(rig.send(4, 64)) << "what lies at the beginning of the next round is not released";
  EXPECT_TRUE(rig.receives(2, 384));
  EXPECT_TRUE(rig.receives(3, 640));
}

TYPED_TEST(BytesRing, NoByteOfAMessageChangesUntilItIsReleased) {
  typename TestFixture::rig_of rig;
  std::mt19937_64 random(7);
  std::deque<std::pair<std::uint64_t, std::uint64_t>> under_way;  // number, length
  for (std::uint64_t number = 0; number < 20'000;) {
    const auto length = random() % 4 == 0 ? random() % (of_arena / 2) : random() % 150;
    if (random() % 2 == 0 && rig.send(number, length)) under_way.emplace_back(number++, length);
    if (random() % 5 == 0 && !rig.claim(length).empty()) rig.out->writer.abandon(rig.out->slots);
    if (random() % 8 == 0) rig.producer_dies_and_successor_comes();
    if (random() % 3 == 0 && rig.in->try_peek(1) != 0) {
      ASSERT_FALSE(under_way.empty());
      ASSERT_TRUE(rig.receives(under_way.front().first, under_way.front().second));
      under_way.pop_front();
    }
  }
}

// ---- Deaths and successors -------------------------------------------------------------------------------------------

TYPED_TEST(BytesRing, SuccessorLeavesWhatIsNotReleasedAsItIs) {
  for (const bool dies : {true, false}) {
    typename TestFixture::rig_of rig;
    for (const auto length : {400U, 128U, 20U, 256U}) ASSERT_TRUE(rig.send(length, length));
    ASSERT_TRUE(rig.receives(400, 400));
    dies ? rig.producer_dies_and_successor_comes() : rig.producer_leaves_and_successor_comes();
    EXPECT_TRUE(rig.send(1, 192)) << "behind the last one";
    EXPECT_TRUE(rig.send(2, 384)) << "where the first one was";
    EXPECT_FALSE(rig.send(3, 200));
    for (const auto length : {128U, 20U, 256U}) EXPECT_TRUE(rig.receives(length, length));
    EXPECT_TRUE(rig.receives(1, 192));
    EXPECT_TRUE(rig.receives(2, 384));
    EXPECT_TRUE(rig.send(4, of_arena));
    EXPECT_TRUE(rig.receives(4, of_arena));
  }
}

TYPED_TEST(BytesRing, SuccessorFindsMessagesThatGoAcrossTheArenasEnd) {
  typename TestFixture::rig_of rig;
  ASSERT_TRUE(rig.send(0, 512));
  ASSERT_TRUE(rig.send(1, 320));
  ASSERT_TRUE(rig.receives(0, 512));
  ASSERT_TRUE(rig.send(2, 400)) << "at the beginning again";
  rig.producer_dies_and_successor_comes();
  rig.producer_dies_and_successor_comes();
  EXPECT_FALSE(rig.send(3, 100)) << "64 bytes are left between the second and the first";
  EXPECT_TRUE(rig.send(3, 64));
  EXPECT_TRUE(rig.receives(1, 320));
  EXPECT_TRUE(rig.send(4, 320));
  EXPECT_TRUE(rig.receives(2, 400));
  EXPECT_TRUE(rig.receives(3, 64));
  EXPECT_TRUE(rig.receives(4, 320));
}

TYPED_TEST(BytesRing, MessageOfADeadConsumerKeepsItsBytes) {
  typename TestFixture::rig_of rig;
  ASSERT_TRUE(rig.send(1, 1000));
  ASSERT_EQ(rig.in->try_peek(1), 1U);
  rig.consumer_dies_and_successor_comes();
  EXPECT_FALSE(rig.send(2, 100));
  rig.producer_dies_and_successor_comes();
  EXPECT_FALSE(rig.send(2, 100)) << "the successor sees it too";
  ASSERT_EQ(rig.in->try_peek(1), 1U);
  EXPECT_TRUE(rig.in->was_delivered_before(0));
  EXPECT_TRUE(rig.holds(rig.peeked(), 1, 1000));
  rig.in->release(1);
  EXPECT_TRUE(rig.send(2, 100));
}

TYPED_TEST(BytesRing, ClaimOfADeadProducerHasTakenNothing) {
  typename TestFixture::rig_of rig;
  ASSERT_NE(rig.claim(of_arena).data(), nullptr);
  rig.producer_dies_and_successor_comes();
  EXPECT_TRUE(rig.send(1, of_arena));
  EXPECT_TRUE(rig.receives(1, of_arena));
}

TYPED_TEST(BytesRing, ArenaWhoseExtentsNoProducerWritesIsUsedAgainOnceAllIsReleased) {
  typename TestFixture::rig_of rig;
  for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(rig.send(i, 128));
  extent_word(rig.view.payload(2)).store(extent{1000, 0}.word());  // over both of the others
  rig.producer_dies_and_successor_comes();
  for (std::uint64_t i = 0; i < 3; ++i) {
    EXPECT_FALSE(rig.send(9, 64));
    ASSERT_EQ(rig.in->try_peek(1), 1U);
    rig.in->release(1);
  }
  EXPECT_TRUE(rig.send(9, of_arena));
  EXPECT_TRUE(rig.receives(9, of_arena));
}

// ---- Extents are input -----------------------------------------------------------------------------------------------

TYPED_TEST(BytesRing, ExtentThatLeadsOutOfSlotOrArenaIsNoMessage) {
  typename TestFixture::rig_of rig;
  const auto units = static_cast<std::uint32_t>(rig.bytes.bounds.all_arenas_bytes / arena_unit_bytes);
  ASSERT_TRUE(rig.send(1, 100));
  ASSERT_EQ(rig.in->try_peek(1), 1U);
  for (const auto& wrong : {extent{of_inline + 1, extent::in_slot}, extent{of_arena + 1, 0}, extent{0, units},
                            extent{1, units + 1}, extent{65, units - 1}, extent{~0U, 0}, extent{1, 0xfffffffe}}) {
    extent_word(rig.view.payload(0)).store(wrong.word());
    EXPECT_EQ(rig.peeked().data(), nullptr) << wrong.length << " at " << wrong.place;
  }
  for (const auto& right : {extent{of_inline, extent::in_slot}, extent{of_arena, 0}, extent{64, units - 1}}) {
    extent_word(rig.view.payload(0)).store(right.word());
    ASSERT_NE(rig.peeked().data(), nullptr) << right.length << " at " << right.place;
    EXPECT_GE(rig.peeked().data(), rig.memory.bytes().data());
    EXPECT_LE(rig.peeked().data() + rig.peeked().size(), rig.memory.bytes().data() + rig.memory.bytes().size());
  }
}

// ---- Batches ---------------------------------------------------------------------------------------------------------

TYPED_TEST(BytesRing, BatchOfLongAndShortMessagesIsPublishedAsOne) {
  typename TestFixture::rig_of rig;
  auto& [slots, writer] = *rig.out;
  const std::uint64_t lengths[] = {200, 10, 100, 48};
  for (std::uint64_t lap = 0; lap < 50; ++lap) {
    ASSERT_EQ(writer.try_claim_batch(slots, 4), 4U);
    for (std::uint64_t i = 0; i < 4; ++i) {
      const auto room = writer.claim_room(slots, i, lengths[i] + 20);
      ASSERT_NE(room.data(), nullptr);
      fill(room.data(), lengths[i], lap + i);
      writer.finish_room(slots, i, room, lengths[i]);
    }
    EXPECT_EQ(rig.in->try_peek(1), 0U);
    writer.publish_batch(slots, 4, 4);
    for (std::uint64_t i = 0; i < 4; ++i) ASSERT_TRUE(rig.receives(lap + i, lengths[i])) << lap << " " << i;
  }
}

TYPED_TEST(BytesRing, BatchEndsWhereTheArenaIsFull) {
  typename TestFixture::rig_of rig;
  auto& [slots, writer] = *rig.out;
  for (std::uint64_t lap = 0; lap < 20; ++lap) {
    ASSERT_EQ(writer.try_claim_batch(slots, 3), 3U);
    std::span<std::byte> rooms[2];
    for (std::uint64_t i = 0; i < 2; ++i) {
      rooms[i] = writer.claim_room(slots, i, 512);
      ASSERT_EQ(rooms[i].size(), 512U);
      fill(rooms[i].data(), 512, i);
    }
    EXPECT_EQ(writer.claim_room(slots, 2, 100).data(), nullptr);
    for (std::uint64_t i = 0; i < 2; ++i) writer.finish_room(slots, i, rooms[i], 512);
    writer.publish_batch(slots, 2, 2);
    for (std::uint64_t i = 0; i < 2; ++i) ASSERT_TRUE(rig.receives(i, 512));
    ASSERT_EQ(rig.in->try_peek(1), 0U);
  }
}

TYPED_TEST(BytesRing, WhatOfABatchIsNotPublishedLeavesTheArenaAtOnce) {
  typename TestFixture::rig_of rig;
  auto& [slots, writer] = *rig.out;
  for (std::uint64_t lap = 0; lap < 20; ++lap) {
    ASSERT_EQ(writer.try_claim_batch(slots, 3), 3U);
    for (std::uint64_t i = 0; i < 3; ++i) {
      const auto room = writer.claim_room(slots, i, 300);
      ASSERT_NE(room.data(), nullptr) << lap;
      fill(room.data(), 300, i);
      writer.finish_room(slots, i, room, 300);
    }
    writer.publish_batch(slots, lap % 3, 3);
    ASSERT_TRUE(rig.send(7, 300)) << lap;
    for (std::uint64_t i = 0; i < lap % 3; ++i) ASSERT_TRUE(rig.receives(i, 300));
    ASSERT_TRUE(rig.receives(7, 300));
  }
}

// ---- Several producers and consumers -----------------------------------------------------------------------------------

TEST(MpmcBytesRing, ProducerThatFillsItsArenaLeavesThoseOfOthersFree) {
  bytes_rig<mpmc_bytes_ring> rig;
  const auto other_seat = rig.keeper.sit(role::producer, 1);
  mpmc_bytes_ring::producer slots(rig.view, other_seat);
  bytes_writer<mpmc_bytes_ring> other(rig.view, rig.bytes, other_seat);
  ASSERT_TRUE(rig.send(1, of_arena));
  EXPECT_FALSE(rig.send(2, 100));
  EXPECT_TRUE(other.try_send(slots, message_of(3, of_arena)));
  EXPECT_TRUE(rig.receives(1, of_arena));
  EXPECT_TRUE(rig.receives(3, of_arena));
}

TEST(MpmcBytesRing, LongMessageThatIsBeingFilledHoldsUpNoOtherProducer) {
  bytes_rig<mpmc_bytes_ring> rig;
  const auto other_seat = rig.keeper.sit(role::producer, 1);
  mpmc_bytes_ring::producer slots(rig.view, other_seat);
  bytes_writer<mpmc_bytes_ring> other(rig.view, rig.bytes, other_seat);
  const auto room = rig.claim(500);
  ASSERT_EQ(room.size(), 500U);
  for (std::uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(other.try_send(slots, message_of(i, 64)));
  fill(room.data(), 500, 77);
  EXPECT_FALSE(rig.publish(500)) << "full, and the message stays claimed";
  EXPECT_TRUE(rig.receives(0, 64));
  EXPECT_TRUE(rig.publish(500));
  for (std::uint64_t i = 1; i < 8; ++i) EXPECT_TRUE(rig.receives(i, 64));
  EXPECT_TRUE(rig.receives(77, 500));
}

TEST(MpmcBytesRing, BytesComeBackInTheOrderOfPublishingWhateverIsReleasedFirst) {
  bytes_rig<mpmc_bytes_ring> rig;
  const auto other_seat = rig.keeper.sit(role::consumer, 1);
  mpmc_bytes_ring::consumer slow(rig.view, other_seat);
  ASSERT_TRUE(rig.send(1, 256));
  ASSERT_TRUE(rig.send(2, 512));
  ASSERT_EQ(slow.try_peek(1), 1U);
  ASSERT_TRUE(rig.receives(2, 512));
  EXPECT_FALSE(rig.send(3, 300)) << "the older one is held; behind the younger there are 256 bytes";
  rig.producer_dies_and_successor_comes();
  EXPECT_TRUE(rig.send(4, 768)) << "a successor sees that the younger one is gone";
  EXPECT_TRUE(rig.holds(rig.bytes.message(slow.peeked(0)), 1, 256));
  slow.release(1);
  EXPECT_TRUE(rig.receives(4, 768));
}

}  // namespace
}  // namespace sluice::detail::test
