// The mpmc ring in particular: several on each side, claims of the dead beside claims of the slow, counters at their ends.

#include "sluice/detail/part/mpmc/mpmc_ring.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <random>
#include <thread>
#include <vector>

#include "conformance/ring_rig.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using mpmc_rig = ring_rig<ring_in<mpmc_ring, callers_memory>>;

class MpmcRing : public ::testing::Test {
 protected:
  static void put(mpmc_ring::producer& out, const ring_view& view, std::uint64_t number) {
    ASSERT_EQ(out.try_claim(1), 1U);
    fill(out.claimed(0), view.message_bytes, number);
    out.publish(1);
  }
  /// As if `sequence` messages had gone through the ring before.
  static void begin_at(mpmc_rig& rig, std::uint64_t sequence) {
    mpmc_control_of(rig.view).head = sequence;
    mpmc_control_of(rig.view).tail = sequence;
    for (std::uint64_t i = 0; i < rig.view.capacity(); ++i)
      rig.view.word(sequence + i) = rig.view.word_for(sequence + i, slot_kind::free);
  }
  watchdog dog_{std::chrono::seconds(200)};
};

TEST_F(MpmcRing, ClaimsOfTwoProducersAreServedInTheOrderOfTheClaims) {  // scenario 17
  mpmc_rig rig;
  mpmc_ring::producer second(rig.view, rig.keeper.sit(role::producer, 1));
  ASSERT_EQ(rig.out->try_claim(2), 2U);
  put(second, rig.view, 10);
  EXPECT_EQ(rig.peek(8), 0U) << "the first claim is still open";
  rig.fill_claimed(0, 1);
  rig.fill_claimed(1, 2);
  rig.out->publish(2);
  EXPECT_TRUE(rig.receives(1));
  EXPECT_TRUE(rig.receives(2));
  EXPECT_TRUE(rig.receives(10));
}

TEST_F(MpmcRing, TwoConsumersShareTheMessages) {
  mpmc_rig rig;
  mpmc_ring::consumer second(rig.view, rig.keeper.sit(role::consumer, 1));
  for (std::uint64_t i = 0; i < 4; ++i) ASSERT_TRUE(rig.send(i));
  ASSERT_EQ(rig.peek(1), 1U);
  ASSERT_EQ(second.try_peek(2), 2U);
  EXPECT_TRUE(rig.peeked_is(0, 0));
  EXPECT_TRUE(is_message(second.peeked(0), rig.view.message_bytes, 1));
  EXPECT_TRUE(is_message(second.peeked(1), rig.view.message_bytes, 2));
}

TEST_F(MpmcRing, ADeadClaimIsMendedAndALivingOneBesideItIsNot) {  // scenarios 49, 52
  mpmc_rig rig;
  const auto slow_seat = rig.keeper.sit(role::producer, 1);
  mpmc_ring::producer slow(rig.view, slow_seat), third(rig.view, rig.keeper.sit(role::producer, 2));
  ASSERT_EQ(rig.out->try_claim(1), 1U);  // will die
  ASSERT_EQ(slow.try_claim(1), 1U);      // lives, and takes its time
  put(third, rig.view, 3);
  rig.keeper.die(rig.producer_seat);
  for (int i = 0; i < 5; ++i) {
    rig.mend();
    EXPECT_EQ(rig.peek(1), 0U) << "the living claim must not be skipped";
  }
  EXPECT_EQ(rig.keeper.holes, 1U);
  fill(slow.claimed(0), rig.view.message_bytes, 2);
  slow.publish(1);
  EXPECT_TRUE(rig.receives(2));
  EXPECT_TRUE(rig.receives(3));
}

TEST_F(MpmcRing, ADeadClaimAsTheVeryLastIsMendedToo) {  // scenario 50
  mpmc_rig rig;
  ASSERT_EQ(rig.out->try_claim(3), 3U);
  rig.keeper.die(rig.producer_seat);
  rig.mend();
  EXPECT_EQ(rig.keeper.holes, 3U);
  EXPECT_EQ(rig.peek(1), 0U);
  mpmc_ring::producer second(rig.view, rig.keeper.sit(role::producer, 1));
  EXPECT_EQ(second.try_claim(100), rig.view.capacity()) << "the holes are stepped over and free again";
}

TEST_F(MpmcRing, TwoAdjacentDeadClaimsAreBothMended) {  // scenario 49
  mpmc_rig rig;
  const auto second_seat = rig.keeper.sit(role::producer, 1);
  mpmc_ring::producer second(rig.view, second_seat), third(rig.view, rig.keeper.sit(role::producer, 2));
  ASSERT_EQ(rig.out->try_claim(2), 2U);
  ASSERT_EQ(second.try_claim(2), 2U);
  put(third, rig.view, 9);
  rig.keeper.die(rig.producer_seat);
  rig.keeper.die(second_seat);
  rig.mend();
  EXPECT_EQ(rig.keeper.holes, 4U);
  EXPECT_TRUE(rig.receives(9));
}

TEST_F(MpmcRing, ABatchOfADeadProducerKeepsWhatItPublished) {
  mpmc_rig rig;
  ASSERT_EQ(rig.out->try_claim(3), 3U);
  rig.fill_claimed(0, 5);
  rig.view.word(0) = rig.view.word_for(0, slot_kind::published);  // it died after the first of three
  rig.keeper.die(rig.producer_seat);
  EXPECT_TRUE(rig.receives(5));
  rig.mend();
  EXPECT_EQ(rig.keeper.holes, 2U);
}

TEST_F(MpmcRing, AnotherConsumerDeliversWhatADeadOneHeldMarkedAndOnce) {  // scenario 59
  mpmc_rig rig;
  for (std::uint64_t i = 0; i < 5; ++i) ASSERT_TRUE(rig.send(i));
  ASSERT_EQ(rig.peek(3), 3U);
  rig.release(1);
  rig.keeper.die(rig.consumer_seat);
  rig.in.reset();
  rig.in.emplace(rig.view, rig.keeper.sit(role::consumer, 1));
  std::vector<std::uint64_t> marked, fresh;
  for (int i = 0; i < 20; ++i) {
    if (rig.peek(1) == 0) {
      rig.mend();
      continue;
    }
    for (std::uint64_t number = 0; number < 5; ++number)
      if (rig.peeked_is(0, number)) (rig.in->was_delivered_before(0) ? marked : fresh).push_back(number);
    rig.release(1);
  }
  EXPECT_EQ(marked, (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(fresh, (std::vector<std::uint64_t>{3, 4}));
  EXPECT_FALSE(rig.keeper.holds_locks());
  EXPECT_EQ(state_of(rig.view.seats[rig.consumer_seat].state.load()), seat_state::settled);
  mpmc_ring::producer second(rig.view, rig.keeper.sit(role::producer, 1));
  EXPECT_EQ(second.try_claim(100), rig.view.capacity());
}

TEST_F(MpmcRing, TheSeatOfOneThatLeftWithAMessageInHandIsFreeOnceAnotherDeliveredIt) {
  mpmc_rig rig;
  ASSERT_TRUE(rig.send(1));
  ASSERT_EQ(rig.peek(1), 1U);
  rig.in->leave();
  rig.keeper.leave<mpmc_ring>(rig.consumer_seat);
  auto& seat = rig.view.seats[rig.consumer_seat];
  ASSERT_TRUE(left_in_order(seat, seat.state.load()));
  rig.in.reset();
  rig.in.emplace(rig.view, rig.keeper.sit(role::consumer, 1));
  ASSERT_EQ(rig.peek(1), 0U);
  rig.mend();
  ASSERT_EQ(rig.peek(1), 1U);
  EXPECT_TRUE(rig.in->was_delivered_before(0));
  EXPECT_TRUE(rig.receives(1));
  EXPECT_EQ(state_of(seat.state.load()), seat_state::free);
  EXPECT_EQ(rig.keeper.settled, 0U) << "no seat of the dead";
  EXPECT_FALSE(rig.keeper.holds_locks());

  // Its next owner dies: that is a death again.
  ASSERT_TRUE(rig.send(2));
  mpmc_ring::consumer next(rig.view, rig.keeper.sit(role::consumer, 0));
  ASSERT_EQ(next.try_peek(1), 1U);
  rig.keeper.die(rig.consumer_seat);
  rig.mend();
  EXPECT_TRUE(rig.receives(2));
  EXPECT_EQ(state_of(seat.state.load()), seat_state::settled);
  EXPECT_FALSE(left_in_order(seat, seat.state.load()));
  EXPECT_EQ(rig.keeper.settled, 1U);
}

TEST_F(MpmcRing, TheSeatOfADeadConsumerIsFreeAtOnceWhileAnotherWorksOnWhatItHeld) {
  mpmc_rig rig;
  for (std::uint64_t i = 0; i < 4; ++i) ASSERT_TRUE(rig.send(i));
  const auto adopting_seat = rig.keeper.sit(role::consumer, 1);
  mpmc_ring::consumer adopting(rig.view, adopting_seat);
  ASSERT_EQ(rig.peek(3), 3U);
  rig.keeper.die(rig.consumer_seat);
  ASSERT_TRUE(adopting.mend(rig.keeper));
  ASSERT_EQ(adopting.try_peek(1), 1U);
  EXPECT_TRUE(adopting.was_delivered_before(0));
  EXPECT_FALSE(rig.keeper.holds_locks());
  EXPECT_EQ(state_of(rig.view.seats[rig.consumer_seat].state.load()), seat_state::settled);
  EXPECT_FALSE(rig.out->is_drained());

  rig.in.reset();
  rig.in.emplace(rig.view, rig.keeper.sit(role::consumer, 0));
  EXPECT_TRUE(rig.receives(3));
  EXPECT_FALSE(rig.in->is_exhausted(rig.keeper)) << "the adopter may die";
  adopting.release(1);
  rig.keeper.die(adopting_seat);
  rig.mend();
  for (std::uint64_t i = 1; i < 3; ++i) {
    ASSERT_EQ(rig.peek(1), 1U);
    EXPECT_TRUE(rig.in->was_delivered_before(0));
    EXPECT_TRUE(rig.receives(i));
  }
  EXPECT_EQ(rig.peek(1), 0U);
  EXPECT_TRUE(rig.out->is_drained());
  EXPECT_TRUE(rig.in->is_exhausted(rig.keeper));
}

TEST_F(MpmcRing, TheSeatOfADeadLoserIsSettledWhileTheLivingWinnerWorks) {
  mpmc_rig rig;
  ASSERT_TRUE(rig.send(0));
  ASSERT_EQ(rig.peek(1), 1U);
  const auto loser = rig.keeper.sit(role::consumer, 1);
  mpmc_seat_of(rig.view, loser).intent =
      intent_word(0, 1, false);  // announced the same message, and died before its exchange
  rig.keeper.die(loser);
  ASSERT_TRUE(rig.keeper.is_dead(loser, rig.view.seats[loser].state.load()));
  EXPECT_TRUE(mpmc_ring::settle(rig.view, loser, rig.keeper));
  EXPECT_EQ(rig.keeper.redeliveries, 0U);
  EXPECT_TRUE(rig.receives(0)) << "still the winner's";
}

TEST_F(MpmcRing, RedeliveryLooksAtEachMessageOnce) {
  mpmc_rig rig(8, 64);
  for (std::uint64_t i = 0; i < 50; ++i) ASSERT_TRUE(rig.send(i));
  ASSERT_EQ(rig.peek(50), 50U);
  rig.keeper.die(rig.consumer_seat);
  rig.in.reset();
  const auto seat = rig.keeper.sit(role::consumer, 1);
  rig.in.emplace(rig.view, seat);
  rig.mend();
  for (std::uint64_t left = 50; left != 0; --left) {
    EXPECT_EQ(intent_count(mpmc_seat_of(rig.view, seat).intent.load()), left) << "the range begins at the next one";
    ASSERT_TRUE(rig.receives(50 - left));
  }
}

TEST_F(MpmcRing, ABatchOfADeadProducerIsMendedInOneCallHoweverLongItIs) {
  mpmc_rig rig(8, 1 << 15);
  ASSERT_EQ(rig.out->try_claim(max_claim), max_claim);
  rig.keeper.die(rig.producer_seat);
  rig.mend();
  EXPECT_EQ(rig.keeper.holes, max_claim);
}

TEST_F(MpmcRing, WhatOneCallMendsAndStepsOverIsBoundedWhateverTheCountersSay) {
  mpmc_rig rig(8, 1 << 20);
  mpmc_control_of(rig.view).tail = rig.view.capacity();  // no producer wrote this
  rig.mend();
  const auto holes = rig.keeper.holes;
  EXPECT_GT(holes, 0U);
  EXPECT_LE(holes, 1U << 16);
  EXPECT_EQ(rig.peek(1), 0U);
  EXPECT_LE(mpmc_control_of(rig.view).head.load(), holes);
  for (int i = 0; i < 100 && mpmc_control_of(rig.view).head != rig.view.capacity(); ++i) {
    rig.mend();
    EXPECT_EQ(rig.peek(1), 0U);
  }
  ASSERT_TRUE(rig.send(1));
  EXPECT_TRUE(rig.receives(1)) << "the next calls go on";
}

TEST_F(MpmcRing, WhatALivingConsumerHoldsIsNotAdopted) {  // scenario 52
  mpmc_rig rig;
  for (std::uint64_t i = 0; i < 2; ++i) ASSERT_TRUE(rig.send(i));
  mpmc_ring::consumer slow(rig.view, rig.keeper.sit(role::consumer, 1));
  ASSERT_EQ(slow.try_peek(1), 1U);
  EXPECT_TRUE(rig.receives(1));
  for (int i = 0; i < 5; ++i) rig.mend();
  EXPECT_EQ(rig.peek(1), 0U);
  EXPECT_EQ(rig.keeper.redeliveries, 0U);
}

TEST_F(MpmcRing, ALoserThatDiedCoveringAnothersClaimMakesNoHole) {
  mpmc_rig rig;
  ASSERT_EQ(rig.out->try_claim(1), 1U);
  const auto loser = rig.keeper.sit(role::producer, 1);
  mpmc_seat_of(rig.view, loser).intent = intent_word(0, 1, false);  // announced the same position, lost, and died
  rig.keeper.die(loser);
  rig.mend();
  EXPECT_EQ(rig.keeper.holes, 0U);
  rig.fill_claimed(0, 4);
  rig.out->publish(1);
  EXPECT_TRUE(rig.receives(4));
}

TEST_F(MpmcRing, ADeadWinnerIsMendedBesideALivingLoser) {
  mpmc_rig rig;
  ASSERT_EQ(rig.out->try_claim(1), 1U);
  const auto loser = rig.keeper.sit(role::producer, 1);
  mpmc_seat_of(rig.view, loser).intent = intent_word(0, 1, false);  // stopped before it noticed that it lost
  rig.keeper.die(rig.producer_seat);
  rig.mend();
  EXPECT_EQ(rig.keeper.holes, 1U) << "the dead one is marked as the winner";
}

// ---- The ends of the counters ----------------------------------------------------------------------------------------

class MpmcRingNear : public MpmcRing, public ::testing::WithParamInterface<std::uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Limits, MpmcRingNear,
                         ::testing::Values(std::uint64_t{1} << 48, std::uint64_t{1} << 63, std::uint64_t{0},
                                           std::uint64_t{1} << 51),
                         [](const auto& at) {
                           return "Two" + std::to_string(at.param == 0 ? 64 : std::countr_zero(at.param));
                         });

TEST_P(MpmcRingNear, TenLapsAcrossTheLimitInOrder) {  // scenario 24
  mpmc_rig rig;
  begin_at(rig, GetParam() - 3);
  std::uint64_t sent = 0, received = 0;
  for (int lap = 0; lap < 10; ++lap) {
    while (rig.send(sent)) ++sent;
    ASSERT_EQ(sent - received, rig.view.capacity());
    while (received < sent) ASSERT_TRUE(rig.receives(received++));
    ASSERT_EQ(rig.peek(1), 0U);
    ASSERT_TRUE(rig.out->is_drained());
  }
}

TEST_P(MpmcRingNear, ClaimsOfTheDeadAcrossTheLimitAreMended) {  // scenarios 24, 51
  for (std::uint64_t before = 0; before < 5; ++before) {
    mpmc_rig rig;
    begin_at(rig, GetParam() - before);
    ASSERT_EQ(rig.out->try_claim(4), 4U);
    mpmc_ring::producer second(rig.view, rig.keeper.sit(role::producer, 1));
    put(second, rig.view, 7);
    rig.keeper.die(rig.producer_seat);
    rig.mend();
    EXPECT_EQ(rig.keeper.holes, 4U) << before;
    EXPECT_TRUE(rig.receives(7)) << before;
  }
}

TEST_P(MpmcRingNear, MessagesOfTheDeadAcrossTheLimitComeAgain) {  // scenario 24
  for (std::uint64_t before = 0; before < 5; ++before) {
    mpmc_rig rig;
    begin_at(rig, GetParam() - before);
    for (std::uint64_t i = 0; i < 4; ++i) ASSERT_TRUE(rig.send(i));
    ASSERT_EQ(rig.peek(4), 4U);
    rig.consumer_dies_and_successor_comes();
    for (std::uint64_t i = 0; i < 4; ++i) {
      ASSERT_EQ(rig.peek(1), 1U) << before;
      EXPECT_TRUE(rig.peeked_is(0, i));
      EXPECT_TRUE(rig.in->was_delivered_before(0));
      rig.release(1);
    }
    EXPECT_EQ(rig.peek(1), 0U);
  }
}

// ---- Threads ---------------------------------------------------------------------------------------------------------

struct crowd {
  std::uint32_t producers;
  std::uint32_t consumers;
  std::uint64_t batch;
  std::uint64_t slots;  // a thousand carry many messages for each time slice of a busy machine
  std::uint64_t messages;
};

class MpmcCrowd : public MpmcRing, public ::testing::WithParamInterface<crowd> {};
INSTANTIATE_TEST_SUITE_P(Threads, MpmcCrowd,
                         ::testing::Values(crowd{1, 1, 1, 1024, 200'000}, crowd{2, 2, 1, 1024, 200'000},
                                           crowd{4, 1, 3, 1024, 200'000}, crowd{1, 4, 3, 1024, 200'000},
                                           crowd{4, 4, 5, 1024, 200'000}, crowd{16, 2, 3, 1024, 200'000},
                                           crowd{4, 4, 3, 16, 8'000}, crowd{2, 2, 2, 2, 2'000}),
                         [](const auto& at) {
                           return std::to_string(at.param.producers) + "To" + std::to_string(at.param.consumers) +
                                  "By" + std::to_string(at.param.batch) + "In" + std::to_string(at.param.slots);
                         });

TEST_P(MpmcCrowd, EveryMessageComesOnceAndEachProducersInOrder) {  // scenarios 29, 30, 34
  const auto [producers, consumers, batch, slots, messages] = GetParam();
  const std::uint64_t each = messages / producers;
  callers_memory memory(request_of(ring_kind::mpmc, 24, slots, 1, 16));
  const auto& view = memory.view();
  hand_keeper keeper(view);
  std::vector<std::atomic<std::uint8_t>> seen(producers * each);
  std::atomic<std::uint64_t> received{0}, torn{0}, twice{0}, out_of_order{0};
  std::vector<std::thread> threads;
  for (std::uint32_t p = 0; p < producers; ++p)
    threads.emplace_back([&, p, seat = keeper.sit(role::producer, p), at_most = batch] {
      mpmc_ring::producer out(view, seat);
      std::mt19937_64 random(p);
      for (std::uint64_t i = 0; i < each;) {
        const auto claimed = out.try_claim(std::min(1 + random() % at_most, each - i));
        if (claimed == 0) std::this_thread::yield();
        for (std::uint64_t k = 0; k < claimed; ++k) {
          const std::uint64_t number = p * each + i++;
          std::memcpy(out.claimed(k), &number, 8);
          fill(out.claimed(k) + 8, 16, number);
        }
        if (claimed != 0) out.publish(claimed);
      }
      out.leave();
    });
  for (std::uint32_t c = 0; c < consumers; ++c)
    threads.emplace_back([&, c, seat = keeper.sit(role::consumer, c), at_most = batch, senders = producers] {
      mpmc_ring::consumer in(view, seat);
      std::mt19937_64 random(100 + c);
      std::vector<std::uint64_t> next(senders, 0);
      while (received.load() < senders * each) {
        const auto peeked = in.try_peek(1 + random() % at_most);
        if (peeked == 0) std::this_thread::yield();
        for (std::uint64_t k = 0; k < peeked; ++k) {
          std::uint64_t number = 0;
          std::memcpy(&number, in.peeked(k), 8);
          if (number >= seen.size() || !is_message(in.peeked(k) + 8, 16, number)) {
            ++torn;
            continue;
          }
          if (seen[number].exchange(1) != 0) ++twice;
          auto& expected = next[number / each];
          if (number % each < expected) ++out_of_order;
          expected = number % each + 1;
        }
        if (peeked != 0) in.release(peeked);
        received += peeked;
      }
      in.leave();
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(torn.load(), 0U);
  EXPECT_EQ(twice.load(), 0U);
  EXPECT_EQ(out_of_order.load(), 0U);
  std::uint64_t missing = 0;
  for (const auto& one : seen) missing += one.load() == 0 ? 1U : 0U;
  EXPECT_EQ(missing, 0U);
}

}  // namespace
}  // namespace sluice::detail::test
