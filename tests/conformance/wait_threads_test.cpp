// What every wait strategy promises, between threads and without a channel: it ends on an answer, on a verdict of the
// tick and on the time given, not early and not never; and it misses no wake-up.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include "conformance/ring_memory.hpp"
#include "conformance/wait_kinds.hpp"
#include "os/membarrier.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;

ring_request some_ring() {
  ring_request request;
  request.type = {"test", 0, 8, 8};
  request.options.capacity_slots = 2;
  return request;
}

template <class Wait>
class WaitConformance : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { ASSERT_TRUE(os::membarrier_register()); }

  watchdog dog_{250s};
  callers_memory memory_{some_ring()};
  ring_view view_ = memory_.view();
  sleeper consumer_place_{view_, role::consumer, view_.first_seat(role::consumer)};
  sleeper producer_place_{view_, role::producer, 0};
  Wait wait_;
};
TYPED_TEST_SUITE(WaitConformance, wait_kinds, wait_kind_names);

constexpr auto no_verdict = []() -> wait_answer { return std::nullopt; };

TYPED_TEST(WaitConformance, ItEndsAtOnceWhenThereIsAnAnswer) {
  for (const auto answer : {wait_result::ready, wait_result::closed})
    EXPECT_EQ(this->wait_.wait(
                  this->consumer_place_, [answer]() -> wait_answer { return answer; }, no_verdict, never),
              answer);
}

TYPED_TEST(WaitConformance, ItEndsWhenTheTimeIsUpAndNotEarlier) {  // scenario 40
  for (const std::uint64_t timeout_ns : {0U, 1U, 1'000U, 300'000U, 3'000'000U, 120'000'000U}) {
    const auto began = monotonic_now_ns();
    const auto result = this->wait_.wait(
        this->consumer_place_, []() -> wait_answer { return std::nullopt; }, no_verdict, deadline_after_ns(timeout_ns));
    EXPECT_EQ(result, wait_result::timed_out);
    EXPECT_GE(monotonic_now_ns() - began, timeout_ns);
  }
}

TYPED_TEST(WaitConformance, ItAsksForDeathsWhileNothingComes) {  // scenario 41
  int ticks = 0;
  const auto result = this->wait_.wait(
      this->consumer_place_, []() -> wait_answer { return std::nullopt; },
      [&ticks]() -> wait_answer { return ++ticks == 3 ? wait_answer(wait_result::peer_gone) : std::nullopt; }, never);
  EXPECT_EQ(result, wait_result::peer_gone);
  EXPECT_EQ(ticks, 3);
}

TYPED_TEST(WaitConformance, ItLeavesNoSeatMarkedAsSleeping) {
  for (int i = 0; i < 3; ++i)
    (void)this->wait_.wait(
        this->consumer_place_, []() -> wait_answer { return std::nullopt; }, no_verdict, deadline_after_ns(1'000'000));
  EXPECT_EQ(this->view_.control->parked[1].load(), 0U);
  EXPECT_EQ(this->view_.seats[1].parked.load(), 0U);
}

/// Two threads hand a number to and fro, each waiting for the other with the strategy. A wake-up that is missed would
/// end with the tick: those rounds are counted.
template <class Wait>
std::uint64_t late_in_ping_pong(const ring_view& view, std::uint64_t rounds) {
  std::atomic<std::uint64_t> ping{0}, pong{0};
  std::uint64_t missed = 0;
  const auto play = [&](role own, std::atomic<std::uint64_t>& heard, std::atomic<std::uint64_t>& said, bool begins,
                        std::uint64_t seed) {
    sleeper place(view, own, view.first_seat(own));
    Wait wait;
    std::mt19937_64 random(seed);
    std::uint64_t late = 0;
    for (std::uint64_t round = 1; round <= rounds; ++round) {
      // Short and long delays, so that every instruction of announce and sleep is met by a publish.
      for (auto spins = random() % (random() % 8 == 0 ? 3000 : 100); spins > 0; --spins) cpu_pause();
      const auto say = [&] {
        said.store(round, std::memory_order_release);
        wake_parked(view, peer_of(own), 1);
      };
      if (begins) say();
      const auto look = [&]() -> wait_answer {
        return heard.load(std::memory_order_acquire) >= round ? wait_answer(wait_result::ready) : std::nullopt;
      };
      // The tick runs when a sleep or a tick's polling ended without an answer. An answer that is there by then, after a
      // sleep of a whole tick, is a wake-up that was missed; look() after the sleep finds it, so the time tells.
      const auto began = monotonic_now_ns();
      (void)wait.wait(
          place, look, [] { return wait_answer(); }, never);
      if (monotonic_now_ns() - began >= tick_ns) ++late;
      if (!begins) say();
    }
    return late;
  };
  std::uint64_t late_pong = 0;
  std::thread other([&] { late_pong = play(role::producer, ping, pong, false, 2); });
  missed = play(role::consumer, pong, ping, true, 1);
  other.join();
  return missed + late_pong;
}

TYPED_TEST(WaitConformance, NoWakeUpIsMissedInManyPingPongsOfThreads) {  // scenario 40
  const auto rounds = ping_pongs<TypeParam>;
  const auto late = late_in_ping_pong<TypeParam>(this->view_, rounds);
  // A busy machine may hold a thread up for a tick now and then; a missed wake-up would do so again and again.
  ::testing::Test::RecordProperty("rounds_that_took_a_tick", static_cast<int>(late));
  EXPECT_LE(late, rounds / 1000);
  EXPECT_EQ(this->view_.control->parked[0].load(), 0U);
  EXPECT_EQ(this->view_.control->parked[1].load(), 0U);
}

TYPED_TEST(WaitConformance, NoWakeUpIsMissedInFenceMode) {  // scenario 40
  this->view_.control->mode = static_cast<std::uint32_t>(wake_mode::fence);
  const auto rounds = ping_pongs<TypeParam> / 4;
  const auto late = late_in_ping_pong<TypeParam>(this->view_, rounds);
  EXPECT_LE(late, rounds / 1000);
  EXPECT_EQ(this->view_.control->mode.load(), static_cast<std::uint32_t>(wake_mode::fence)) << "for good";
}

}  // namespace
}  // namespace sluice::detail::test
