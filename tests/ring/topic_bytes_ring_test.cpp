// Topics of messages of any length: one thread, exact bytes, deaths by hand.

#include <gtest/gtest.h>

#include <random>

#include "ring/topic_bytes_rig.hpp"
#include "support/expect_error.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

template <class Rig>
class TopicBytesRing : public ::testing::Test {
 protected:
  watchdog dog_;
};
struct names {
  template <class Rig>
  static std::string GetName(int) {
    return Rig::rules::has_many_seats ? "Many" : "One";
  }
};
using rigs = ::testing::Types<topic_bytes_rig<publishers::one>, topic_bytes_rig<publishers::many>>;
TYPED_TEST_SUITE(TopicBytesRing, rigs, names);

constexpr std::uint64_t of_inline = 48, of_arena = 1024;  // as bytes_sizes has them

TYPED_TEST(TopicBytesRing, EverySubscriberGetsAMessageOfEveryLengthWithItsExactBytes) {
  TypeParam rig;
  rig.join(0);
  rig.join(1);
  auto reader = rig.read();
  for (std::uint64_t length = 0; length <= of_arena; ++length) {
    ASSERT_TRUE(rig.send(length, length)) << length;
    ASSERT_TRUE(rig.receives(0, length, length)) << length;
    ASSERT_TRUE(rig.receives(1, length, length)) << length;
    ASSERT_TRUE(rig.reads(reader, length, length)) << length;
  }
  EXPECT_EQ(reader.lost(), 0U);
}

TYPED_TEST(TopicBytesRing, MessageThatCanNeverFitIsRefusedWithBothSizes) {
  TypeParam rig;
  EXPECT_THAT(thrown_by([&] { (void)rig.send(1, of_arena + 1); }),
              ThrewSaying(errc::bad_argument, "1025 bytes: this ring takes at most 1024"));
  EXPECT_TRUE(rig.send(1, of_arena));
}

TYPED_TEST(TopicBytesRing, WithoutALosslessSubscriberThePublisherNeverWaits) {
  TypeParam rig;
  auto reader = rig.read();
  for (std::uint64_t n = 0; n < 1000; ++n) ASSERT_TRUE(rig.send(n, n % 2 == 0 ? of_arena : n % 700)) << n;
  std::vector<std::byte> message;
  std::uint64_t read = 0;
  while (reader.try_receive(message)) ++read;
  EXPECT_EQ(read + reader.lost(), 1000U);
}

TYPED_TEST(TopicBytesRing, ALosslessSubscriberKeepsTheArenaUntilItHasReleased) {
  TypeParam rig;
  rig.join(0);
  rig.join(1);
  ASSERT_TRUE(rig.send(1, 512));
  ASSERT_TRUE(rig.send(2, 512));
  EXPECT_FALSE(rig.send(3, 100));
  EXPECT_TRUE(rig.send(4, of_inline)) << "a short one needs no arena";
  ASSERT_TRUE(rig.receives(0, 1, 512));
  EXPECT_FALSE(rig.send(3, 100)) << "the other one keeps it";
  ASSERT_TRUE(rig.receives(1, 1, 512));
  EXPECT_TRUE(rig.send(3, 100));
  EXPECT_EQ(rig.kind_of_slot(0), gone);
  EXPECT_EQ(rig.kind_of_slot(1), slot_kind::published);
  for (const auto i : {0U, 1U}) {
    EXPECT_TRUE(rig.receives(i, 2, 512));
    EXPECT_TRUE(rig.receives(i, 4, of_inline));
    EXPECT_TRUE(rig.receives(i, 3, 100));
  }
}

TYPED_TEST(TopicBytesRing, ReaderWhoseMessageIsGoneIsToldAndGoesOnWhereTheBytesAreStillThere) {
  TypeParam rig({.capacity_slots = 64, .inline_bytes = 48, .arena_bytes = 1024});
  auto reader = rig.read();
  for (std::uint64_t n = 0; n < 40; ++n) ASSERT_TRUE(rig.send(n, 500));
  // Two of them are there, and the slots of all 40.
  EXPECT_TRUE(rig.reads(reader, 38, 500));
  EXPECT_TRUE(rig.reads(reader, 39, 500));
  EXPECT_EQ(reader.lost(), 38U);
  EXPECT_TRUE(reader.is_loss_exact());
}

TYPED_TEST(TopicBytesRing, ReaderThatIsOvertakenInAMessageAcceptsNothingOfIt) {
  TypeParam rig;
  auto reader = rig.read();
  ASSERT_TRUE(rig.send(1, 600));
  ASSERT_TRUE(reader.try_peek());
  const auto message = rig.bytes.message(reader.peeked());
  ASSERT_EQ(message.size(), 600U);
  EXPECT_TRUE(reader.is_intact());
  ASSERT_TRUE(rig.send(2, 600)) << "where the first one was";
  EXPECT_FALSE(reader.is_intact());
  std::vector<std::byte> copy(600);
  EXPECT_FALSE(reader.copy(copy.data(), message));
  EXPECT_TRUE(rig.reads(reader, 2, 600));
  EXPECT_EQ(reader.lost(), 1U);
}

TYPED_TEST(TopicBytesRing, HistoryBeginsWhereNoBytesAreGone) {
  TypeParam rig({.capacity_slots = 64, .inline_bytes = 48, .arena_bytes = 1024});
  for (std::uint64_t n = 0; n < 40; ++n) ASSERT_TRUE(rig.send(n, 200));
  auto reader = rig.read(history::all());
  const auto& in = rig.join(0, history::all());
  EXPECT_EQ(in.next_sequence(), reader.next_sequence());
  EXPECT_GE(40 - in.next_sequence(), 2U) << "four of them fit";
  for (auto n = in.next_sequence(); n < 40; ++n) {
    EXPECT_TRUE(rig.receives(0, n, 200));
    EXPECT_TRUE(rig.reads(reader, n, 200));
  }
  EXPECT_EQ(reader.lost(), 0U);
}

TYPED_TEST(TopicBytesRing, NewestMessageIsFoundBehindThoseThatAreGone) {
  TypeParam rig({.capacity_slots = 64, .inline_bytes = 48, .arena_bytes = 1024});
  auto reader = rig.read();
  for (std::uint64_t n = 0; n < 40; ++n) ASSERT_TRUE(rig.send(n, 500));
  reader.skip_to_newest();
  EXPECT_TRUE(rig.reads(reader, 39, 500));
  EXPECT_EQ(reader.lost(), 39U);
}

TYPED_TEST(TopicBytesRing, AWholeRingOfMessagesThatAreGoneIsOverwrittenInTheNextLap) {
  TypeParam rig;
  rig.join(0);
  for (std::uint64_t n = 0; n < 100; ++n) {
    ASSERT_TRUE(rig.send(n, 1000)) << n;
    ASSERT_TRUE(rig.receives(0, n, 1000)) << n;
  }
}

TYPED_TEST(TopicBytesRing, NoByteOfAMessageChangesWhileASubscriberKeepsIt) {
  TypeParam rig;
  rig.join(0);
  rig.join(1);
  auto reader = rig.read();
  std::mt19937_64 random(7);
  std::deque<std::pair<std::uint64_t, std::uint64_t>> to_come[2];  // number, length
  std::vector<std::byte> message;
  std::uint64_t read = 0, sent = 0;
  for (std::uint64_t number = 0; number < 20'000;) {
    const auto length = random() % 4 == 0 ? random() % (of_arena / 2) : random() % 150;
    if (random() % 2 == 0 && rig.send(number, length)) {
      for (auto& one : to_come) one.emplace_back(number, length);
      ++number, ++sent;
    }
    if (random() % 8 == 0) rig.publisher_dies_and_successor_comes();
    for (std::uint32_t i = 0; i < 2; ++i) {
      if (random() % 3 != 0 || rig.ins[i]->try_peek(1) == 0) continue;
      ASSERT_FALSE(to_come[i].empty());
      ASSERT_TRUE(rig.receives(i, to_come[i].front().first, to_come[i].front().second));
      to_come[i].pop_front();
    }
    if (random() % 64 == 0) {
      rig.leave(1);
      const auto from = rig.join(1, random() % 2 == 0 ? history::all() : history::last(2)).next_sequence();
      to_come[1].clear();
      // What the other one has not released is there; of older ones what is there is right.
      for (auto q = from; q + to_come[0].size() < sent; ++q) {
        ASSERT_EQ(rig.ins[1]->try_peek(1), 1U);
        ASSERT_NE(rig.bytes.message(rig.ins[1]->peeked(0)).data(), nullptr);
        rig.ins[1]->release(1);
      }
      const auto next = rig.ins[1]->next_sequence();
      for (auto q = next; q < sent; ++q) to_come[1].push_back(to_come[0][q + to_come[0].size() - sent]);
    }
    if (random() % 5 == 0 && reader.try_receive(message)) ++read;
  }
  while (reader.try_receive(message)) ++read;
  EXPECT_EQ(read + reader.lost(), sent);
}

// ---- Deaths and successors -------------------------------------------------------------------------------------------

TYPED_TEST(TopicBytesRing, SuccessorLeavesWhatIsKeptAsItIs) {
  TypeParam rig;
  rig.join(0);
  for (const auto length : {400U, 128U, 20U, 256U}) ASSERT_TRUE(rig.send(length, length));
  ASSERT_TRUE(rig.receives(0, 400, 400));
  rig.publisher_dies_and_successor_comes();
  EXPECT_TRUE(rig.send(1, 192)) << "behind the last one";
  EXPECT_TRUE(rig.send(2, 384)) << "where the first one was";
  EXPECT_FALSE(rig.send(3, 200));
  for (const auto length : {128U, 20U, 256U}) EXPECT_TRUE(rig.receives(0, length, length));
  EXPECT_TRUE(rig.receives(0, 1, 192));
  EXPECT_TRUE(rig.receives(0, 2, 384));
}

TYPED_TEST(TopicBytesRing, SuccessorCountsWhatIsGoneAsFree) {
  TypeParam rig;
  for (std::uint64_t n = 0; n < 4; ++n) ASSERT_TRUE(rig.send(n, 500));
  rig.publisher_dies_and_successor_comes();
  rig.join(0);
  auto reader = rig.read(history::all());
  EXPECT_TRUE(rig.send(4, 500));
  EXPECT_TRUE(rig.reads(reader, 3, 500));
  EXPECT_TRUE(rig.reads(reader, 4, 500));
  EXPECT_TRUE(rig.receives(0, 4, 500));
}

TYPED_TEST(TopicBytesRing, SuccessorLeavesTheFloorWhereAPredecessorsArenaHadPutIt) {
  TypeParam rig({.capacity_slots = 64, .inline_bytes = 48, .arena_bytes = 1024});
  for (std::uint64_t n = 0; n < 40; ++n) ASSERT_TRUE(rig.send(n, 500));
  rig.publisher_dies_and_successor_comes();
  ASSERT_TRUE(rig.send(40, 10));
  const auto& in = rig.join(0, history::all());
  for (auto q = in.next_sequence(); q < 41; ++q) EXPECT_EQ(rig.kind_of_slot(q), slot_kind::published) << q;
  for (auto q = in.next_sequence(); q < 41; ++q) EXPECT_TRUE(rig.receives(0, q, q == 40 ? 10 : 500));
}

TYPED_TEST(TopicBytesRing, ADeadSubscriberKeepsTheArenaUntilAPublisherThatWaitsForItMends) {
  TypeParam rig({.capacity_slots = 64, .inline_bytes = 48, .arena_bytes = 1024});
  rig.join(0);
  ASSERT_TRUE(rig.send(1, 1000));
  rig.keeper.die(rig.seat_of(0));
  rig.ins[0].reset();
  EXPECT_FALSE(rig.send(2, 1000));
  (void)rig.outs[0]->slots.mend(rig.keeper);
  EXPECT_TRUE(rig.send(2, 1000)) << "the slots had room, so only the arena asks whether it lives";
}

// ---- Batches ---------------------------------------------------------------------------------------------------------

TYPED_TEST(TopicBytesRing, BatchEndsWhereTheArenaIsFullOfItsOwn) {
  TypeParam rig;
  rig.join(0);
  auto& [slots, writer] = *rig.outs[0];
  for (std::uint64_t lap = 0; lap < 20; ++lap) {
    ASSERT_EQ(writer.try_claim_batch(slots, 3), 3U);
    std::span<std::byte> rooms[2];
    for (std::uint64_t i = 0; i < 2; ++i) {
      rooms[i] = writer.claim_room(slots, i, 512);
      ASSERT_EQ(rooms[i].size(), 512U);
      fill(rooms[i].data(), 512, i);
      writer.finish_room(slots, i, rooms[i], 512);
    }
    EXPECT_EQ(writer.claim_room(slots, 2, 100).data(), nullptr);
    writer.publish_batch(slots, 2, 2);
    for (std::uint64_t i = 0; i < 2; ++i) ASSERT_TRUE(rig.receives(0, i, 512));
  }
}

// ---- Extents are input -----------------------------------------------------------------------------------------------

TYPED_TEST(TopicBytesRing, ExtentThatLeadsOutOfSlotOrArenaIsNoMessage) {
  TypeParam rig;
  auto reader = rig.read();
  ASSERT_TRUE(rig.send(1, 100));
  for (const auto& wrong : {extent{of_inline + 1, extent::in_slot}, extent{of_arena + 1, 0}, extent{~0U, 0}}) {
    extent_word(rig.view.payload(0)).store(wrong.word());
    ASSERT_TRUE(reader.try_peek());
    EXPECT_EQ(rig.bytes.message(reader.peeked()).data(), nullptr);
  }
}

// ---- Several publishers ------------------------------------------------------------------------------------------------

TEST(TopicOfManyBytesRing, PublisherThatFillsItsArenaLeavesThoseOfOthersFree) {
  topic_bytes_rig<publishers::many> rig;
  rig.publish_from(1);
  rig.join(0);
  ASSERT_TRUE(rig.send(1, of_arena));
  EXPECT_FALSE(rig.send(2, 100));
  EXPECT_TRUE(rig.send(3, of_arena, 1));
  EXPECT_TRUE(rig.receives(0, 1, of_arena));
  EXPECT_TRUE(rig.receives(0, 3, of_arena));
}

TEST(TopicOfManyBytesRing, BytesOfAMessageWhoseSlotAnotherPublisherHasOverwrittenAreFree) {
  topic_bytes_rig<publishers::many> rig;
  rig.publish_from(1);
  ASSERT_TRUE(rig.send(1, of_arena));
  for (std::uint64_t n = 0; n < 20; ++n) ASSERT_TRUE(rig.send(n, 10, 1));
  const auto word = rig.view.word(0).load();
  EXPECT_TRUE(rig.send(2, of_arena));
  EXPECT_EQ(rig.view.word(0).load(), word) << "what another has published there stays";
}

TEST(TopicOfManyBytesRing, LongMessageThatIsBeingFilledHoldsUpNoOtherPublisher) {
  topic_bytes_rig<publishers::many> rig;
  rig.publish_from(1);
  rig.join(0);
  auto& [slots, writer] = *rig.outs[0];
  const auto room = writer.try_claim(slots, 500);
  ASSERT_EQ(room.size(), 500U);
  for (std::uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(rig.send(i, 64, 1));
  fill(room.data(), 500, 77);
  EXPECT_FALSE(writer.publish(slots, 500)) << "full, and the message stays claimed";
  EXPECT_TRUE(rig.receives(0, 0, 64));
  EXPECT_TRUE(writer.publish(slots, 500));
  for (std::uint64_t i = 1; i < 8; ++i) EXPECT_TRUE(rig.receives(0, i, 64));
  EXPECT_TRUE(rig.receives(0, 77, 500));
}

}  // namespace
}  // namespace sluice::detail::test
