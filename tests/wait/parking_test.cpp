// Parked bits and wakes, one by one.

#include "sluice/detail/wait/parking.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <bit>
#include <thread>
#include <vector>

#include "conformance/ring_memory.hpp"
#include "os/membarrier.hpp"
#include "sluice/wait.hpp"
#include "support/child_process.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;

ring_request many_seats(std::uint32_t consumers) {
  ring_request request;
  request.type = {"test", 0, 8, 8};
  request.options.kind = ring_kind::mpmc;
  request.options.capacity_slots = 2;
  request.options.producer_seats = 2;
  request.options.consumer_seats = consumers;
  return request;
}

class Parking : public ::testing::Test {
 protected:
  explicit Parking(std::uint32_t consumers = 200) : memory_(many_seats(consumers)) {
    EXPECT_TRUE(os::membarrier_register());
  }
  [[nodiscard]] std::uint32_t seat_of(std::uint32_t consumer) const {
    return view_.first_seat(role::consumer) + consumer;
  }
  [[nodiscard]] sleeper place(std::uint32_t consumer) const { return {view_, role::consumer, seat_of(consumer)}; }
  [[nodiscard]] std::uint64_t parked() const { return view_.control->parked[1].load(); }
  [[nodiscard]] std::uint32_t futex(std::uint32_t consumer) const {
    return view_.seats[seat_of(consumer)].futex.load();
  }

  watchdog dog_;
  unnamed_memory<anonymous_segment> memory_;
  ring_view view_ = memory_.view();
};

TEST_F(Parking, AnnouncingSetsTheBitOfTheSeatAndRetractingClearsIt) {
  for (const std::uint32_t consumer : {0U, 5U, 63U, 64U, 199U}) {
    auto own = place(consumer);
    (void)own.announce();
    EXPECT_EQ(parked(), std::uint64_t{1} << consumer % 64) << consumer;
    own.retract();
    EXPECT_EQ(parked(), 0U) << consumer;
  }
}

TEST_F(Parking, ProducersAndConsumersHaveBitsOfTheirOwn) {
  sleeper producer(view_, role::producer, 1);
  (void)producer.announce();
  EXPECT_EQ(view_.control->parked[0].load(), 2U);
  EXPECT_EQ(parked(), 0U);
  wake_parked(view_, role::consumer, 1);
  EXPECT_EQ(view_.control->parked[0].load(), 2U);
  wake_parked(view_, role::producer, 1);
  EXPECT_EQ(view_.control->parked[0].load(), 0U);
}

TEST_F(Parking, AWakeBetweenAnnouncingAndSleepingKeepsFromSleeping) {
  auto own = place(3);
  const auto announced = own.announce();
  wake_parked(view_, role::consumer, 1);
  own.sleep(announced, never / 2);  // the watchdog ends it if it sleeps
  own.retract();
}

TEST_F(Parking, AnAnnouncementStandsUntilAWakerHasTakenAnyPartOfIt) {
  auto own = place(3);
  auto announced = own.announce();
  EXPECT_TRUE(own.is_announced(announced));
  wake_parked(view_, role::consumer, 1);
  EXPECT_FALSE(own.is_announced(announced));
  announced = own.announce();
  view_.control->parked[1].store(0);  // by a waker that died before it came to the seat
  EXPECT_FALSE(own.is_announced(announced));
  announced = own.announce();
  view_.seats[seat_of(3)].parked.store(0);  // by one that died between the seat and its futex word
  EXPECT_FALSE(own.is_announced(announced));
  announced = own.announce();
  view_.seats[seat_of(3)].futex.fetch_add(1);  // by one that took it for another behind the same bit
  EXPECT_FALSE(own.is_announced(announced));
  own.retract();
}

TEST_F(Parking, ASleeperWhoseBitADeadWakerTookAnnouncesItselfAgainAtItsTick) {
  std::atomic<bool> is_over{false};
  std::thread sleeping([&] {
    auto own = place(3);
    const auto look = [&]() -> wait_answer { return is_over.load() ? wait_answer(wait_result::ready) : std::nullopt; };
    (void)park().wait(
        own, look, []() -> wait_answer { return std::nullopt; }, never);
  });
  while (parked() == 0) std::this_thread::yield();
  view_.control->parked[1].store(0);                // and it died before it woke any
  while (parked() == 0) std::this_thread::yield();  // the watchdog ends it otherwise
  is_over.store(true);
  wake_parked(view_, role::consumer, 1);
  sleeping.join();
}

TEST_F(Parking, ASeatBehindASharedBitStaysAnnouncedWhenAnotherRetracts) {
  auto one = place(7), other = place(7 + 64), third = place(7 + 128);
  (void)one.announce();
  (void)other.announce();
  (void)third.announce();
  other.retract();
  EXPECT_NE(parked() & 1U << 7, 0U);
  one.retract();
  EXPECT_NE(parked() & 1U << 7, 0U);
  third.retract();
  EXPECT_EQ(parked(), 0U);
}

TEST_F(Parking, WakingASleeperLeavesTheOthersOfItsBitAnnounced) {
  // Two threads asleep behind one bit; a wake of one must leave the other reachable.
  std::atomic<int> awake{0};
  std::vector<std::thread> threads;
  for (const std::uint32_t consumer : {9U, 9U + 64U})
    threads.emplace_back([&, consumer] {
      auto own = place(consumer);
      const auto announced = own.announce();
      own.sleep(announced, never / 2);
      own.retract();
      ++awake;
    });
  // Asleep in the kernel, and not only about to: a wake then says so by its count.
  const auto wake_until = [&](int count) {
    while (awake.load() < count) {
      wake_sleepers(view_, role::consumer, 1);
      std::this_thread::yield();
    }
  };
  wake_until(1);
  wake_until(2);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(parked(), 0U);
}

TEST_F(Parking, SleepersThatWaitForNoTurnAreWokenWhenAWakerTakesTheirBit) {
  // Of one bit: the first waits for a turn, the others for what no other participant of their role can take.
  auto turn = place(3), drained = place(67).that_waits_for(parked_for::drained),
       arena = place(131).that_waits_for(parked_for::arena);
  const auto first = turn.announce(), second = drained.announce(), third = arena.announce();
  wake_parked(view_, role::consumer, 1);
  EXPECT_NE(futex(3), first);
  EXPECT_NE(futex(67), second);
  EXPECT_NE(futex(131), third);
}

TEST_F(Parking, AReleaseInAnArenaWakesItsProducerAndNoOther) {
  sleeper owner(view_, role::producer, 1, parked_for::arena), other(view_, role::producer, 0, parked_for::a_turn);
  const auto first = owner.announce(), second = other.announce();
  wake_for_arenas(view_, 1);
  EXPECT_TRUE(owner.is_announced(first)) << "a message of seat 0";
  EXPECT_TRUE(other.is_announced(second)) << "and that one does not wait for its arena";
  wake_for_arenas(view_, 2);
  EXPECT_FALSE(owner.is_announced(first));
  EXPECT_TRUE(other.is_announced(second));
}

TEST_F(Parking, EachSleeperOfManySeatsIsWoken) {
  constexpr std::uint32_t sleepers = 200;
  std::atomic<std::uint32_t> awake{0};
  std::vector<std::thread> threads;
  for (std::uint32_t consumer = 0; consumer < sleepers; ++consumer)
    threads.emplace_back([&, consumer] {
      auto own = place(consumer);
      const auto announced = own.announce();
      own.sleep(announced, never / 2);
      own.retract();
      ++awake;
    });
  while (awake.load() < sleepers) {
    wake_sleepers(view_, role::consumer, sleepers);
    std::this_thread::yield();
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(parked(), 0U);
}

TEST_F(Parking, WakingOneBumpsOneFutexOnly) {
  std::vector<std::thread> threads;
  std::atomic<int> awake{0};
  for (const std::uint32_t consumer : {1U, 2U, 3U})
    threads.emplace_back([&, consumer] {
      auto own = place(consumer);
      const auto announced = own.announce();
      own.sleep(announced, never / 2);
      ++awake;
    });
  while (std::popcount(parked()) < 3) std::this_thread::yield();
  // A thread that is announced and not yet asleep does not count as woken, so ask until one was.
  while (awake.load() == 0) wake_sleepers(view_, role::consumer, 1);
  const auto bumped = [&] { return futex(1) + futex(2) + futex(3); };
  EXPECT_GE(bumped(), 1U);
  while (awake.load() < 3) {
    // The remaining sleepers are woken through their words: their bits may have been spent while they fell asleep.
    for (const std::uint32_t consumer : {1U, 2U, 3U}) {
      view_.seats[seat_of(consumer)].parked.store(1);
      view_.control->parked[1].fetch_or(std::uint64_t{1} << consumer);
    }
    wake_sleepers(view_, role::consumer, 3);
  }
  for (auto& thread : threads) thread.join();
}

TEST_F(Parking, TheBitOfADeadSleeperCostsOneWake) {
  auto child = child_process::fork([this] {
    auto own = place(4);
    const auto announced = own.announce();
    for (;;) own.sleep(announced, never / 2);
    return 0;
  });
  while ((parked() & 1U << 4) == 0) std::this_thread::yield();
  child.kill();
  const auto before = futex(4);
  wake_sleepers(view_, role::consumer, 1);
  EXPECT_EQ(futex(4), before + 1);
  EXPECT_EQ(parked(), 0U);
  for (int i = 0; i < 10; ++i) wake_parked(view_, role::consumer, 1);
  EXPECT_EQ(futex(4), before + 1) << "paid for once";
}

TEST_F(Parking, ADeadSleeperDoesNotEatTheWakeOfALivingOne) {
  auto child = child_process::fork([this] {
    auto own = place(0);  // its bit comes first
    const auto announced = own.announce();
    for (;;) own.sleep(announced, never / 2);
    return 0;
  });
  while ((parked() & 1U) == 0) std::this_thread::yield();
  child.kill();
  std::atomic<bool> is_awake{false};
  std::thread living([&] {
    auto own = place(1);
    const auto announced = own.announce();
    own.sleep(announced, never / 2);
    own.retract();
    is_awake = true;
  });
  while ((parked() & 2U) == 0) std::this_thread::yield();
  wake_sleepers(view_, role::consumer, 1);  // for one message, once: both bits are looked at, or the watchdog barks
  living.join();
  EXPECT_TRUE(is_awake.load());
}

TEST_F(Parking, BitsThatBelongToNoSeatAreClearedAndNoSeatIsTouched) {
  callers_memory few(many_seats(1));
  few.view().control->parked[1] = ~std::uint64_t{0};
  wake_sleepers(few.view(), role::consumer, 100);
  EXPECT_EQ(few.view().control->parked[1].load(), 0U);
}

/// Tokens taken by sleepers of which several share a bit. Each publish wakes one; a taker of a token that sees another
/// passes the wake on, as a consumer does. A sleep of a whole tick beside a token is a wake-up that was lost.
TEST_F(Parking, NoWakeUpIsLostBehindASharedBit) {  // scenario 40
  constexpr std::uint64_t tokens = 40'000;
  constexpr std::uint32_t sleepers = 3;
  std::atomic<std::uint64_t> there{0}, taken{0}, lost{0};
  std::atomic<bool> over{false};
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < sleepers; ++i)
    threads.emplace_back([&, i] {
      auto own = place(11 + 64 * i);
      while (!over.load()) {
        const auto announced = own.announce();
        auto count = there.load();
        if (count == 0 && !over.load()) {
          const auto began = monotonic_now_ns();
          own.sleep(announced, tick_ns);
          count = there.load();
          if (count != 0 && monotonic_now_ns() - began >= tick_ns) ++lost;
        }
        own.retract();
        while (count != 0 && !there.compare_exchange_weak(count, count - 1)) continue;
        if (count == 0) continue;
        if (count > 1) wake_parked(view_, role::consumer, 1);
        ++taken;
      }
    });
  for (std::uint64_t i = 0; i < tokens; ++i) {
    ++there;
    wake_parked(view_, role::consumer, 1);
    if (i % 3 != 0)
      while (there.load() != 0) std::this_thread::yield();
  }
  while (taken.load() < tokens) std::this_thread::yield();
  over = true;
  for (int i = 0; i < 1000 && parked() != 0; ++i) wake_sleepers(view_, role::consumer, sleepers);
  for (auto& thread : threads) thread.join();
  EXPECT_LE(lost.load(), 3U) << "a busy machine may wake one late now and then";
}

// ---- A bell: one futex word for all sleepers of a role ------------------------------------------------------------------

class Bell : public Parking {
 protected:
  [[nodiscard]] sleeper at_bell(std::uint32_t consumer) {
    return {view_, role::consumer, seat_of(consumer), view_.seats[0].futex};
  }
  void ring() {
    if (must_wake(*view_.control, role::consumer)) ring_for_sleepers(view_, role::consumer, bell_);
  }
  std::atomic<std::uint32_t>& bell_ = view_.seats[0].futex;  // a word that nothing else uses here
};

TEST_F(Bell, OneRingWakesAllThatSleepAtIt) {
  constexpr std::uint32_t sleepers = 8;
  std::atomic<bool> is_there{false};
  std::atomic<std::uint32_t> awake{0};
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < sleepers; ++i)
    threads.emplace_back([&, i] {
      auto own = at_bell(i);
      const auto look = [&]() -> wait_answer {
        return is_there.load() ? wait_answer(wait_result::ready) : std::nullopt;
      };
      (void)park().wait(
          own, look, []() -> wait_answer { return std::nullopt; }, never);
      ++awake;
    });
  while (std::popcount(parked()) != sleepers) std::this_thread::yield();
  is_there.store(true);
  ring();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(awake.load(), sleepers);
  EXPECT_GE(bell_.load(), 1U);
}

TEST_F(Bell, IsNotRungWhileNoneSleeps) {
  ring();
  EXPECT_EQ(bell_.load(), 0U);
  auto own = at_bell(3);
  (void)own.announce();
  ring();
  EXPECT_EQ(bell_.load(), 1U);
  ring();
  EXPECT_EQ(bell_.load(), 1U) << "the bits are gone";
}

TEST_F(Bell, ARingBetweenAnnouncingAndSleepingKeepsFromSleeping) {
  auto own = at_bell(3);
  const auto announced = own.announce();
  ring();
  EXPECT_FALSE(own.is_announced(announced));
  own.sleep(announced, never / 2);  // the watchdog ends it if it sleeps
  own.retract();
}

TEST_F(Bell, OneThatAnnouncesItselfBehindTheTakingOfTheBitsHearsTheRing) {
  auto one = at_bell(3), another = at_bell(4);
  (void)one.announce();
  view_.control->parked[1].store(0);  // a waker has taken the bits and not rung yet
  const auto announced = another.announce();
  ring_bell(bell_);
  another.sleep(announced, never / 2);
  EXPECT_FALSE(another.is_announced(announced));
}

TEST_F(Bell, OnlyAWakerTakesBits) {
  auto one = at_bell(3);
  (void)one.announce();
  one.retract();
  EXPECT_EQ(parked(), 1U << 3) << "a waker may have read it, and not rung yet";
  ring();
  EXPECT_EQ(parked(), 0U);
}

TEST_F(Bell, AWakerThatDiedWithTheBitsCostsATick) {
  std::atomic<bool> is_over{false};
  std::thread sleeping([&] {
    auto own = at_bell(3);
    const auto look = [&]() -> wait_answer { return is_over.load() ? wait_answer(wait_result::ready) : std::nullopt; };
    (void)park().wait(
        own, look, []() -> wait_answer { return std::nullopt; }, never);
  });
  while (parked() == 0) std::this_thread::yield();
  view_.control->parked[1].store(0);                // and it died before it rang
  while (parked() == 0) std::this_thread::yield();  // announced again at its tick; the watchdog ends it otherwise
  is_over.store(true);
  ring();
  sleeping.join();
}

TEST_F(Bell, OneSleeperCanBeWokenFromAnyThread) {
  auto own = at_bell(3);
  const auto announced = own.announce();
  own.wake();
  own.sleep(announced, never / 2);
  own.retract();
}

}  // namespace
}  // namespace sluice::detail::test
