// Every wait strategy between two processes, over a real channel: no wake-up is missed.

#include <gtest/gtest.h>
#include <sched.h>

#include <chrono>
#include <cstdint>
#include <random>
#include <vector>

#include "conformance/wait_kinds.hpp"
#include "sluice/channel.hpp"
#include "sluice/registry.hpp"
#include "support/child_process.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;

template <class Wait>
class WaitBetweenProcesses : public ::testing::Test {
 protected:
  using link = duplex<std::uint64_t, std::uint64_t>;

  /// The child answers every number; how many answers took a tick or longer.
  static std::uint64_t late_answers(const link& both, std::uint64_t rounds) {
    auto child = child_process::fork([&both, rounds] {
      auto end = both.child<Wait>();
      std::mt19937_64 random(2);
      for (std::uint64_t i = 0, number = 0; i < rounds; ++i) {
        while (end.in.receive(number) == wait_result::peer_gone) continue;
        pause(random);
        if (end.out.send(number) != wait_result::ready) return 1;
      }
      return 0;
    });
    auto end = both.parent<Wait>();
    std::mt19937_64 random(1);
    std::uint64_t late = 0;
    for (std::uint64_t i = 0, number = 0; i < rounds; ++i) {
      pause(random);
      EXPECT_EQ(end.out.send(i), wait_result::ready);
      const auto began = monotonic_now_ns();
      EXPECT_EQ(end.in.receive(number), wait_result::ready);
      EXPECT_EQ(number, i);
      if (monotonic_now_ns() - began >= tick_ns) ++late;
    }
    EXPECT_TRUE(child.wait().is_success());
    return late;
  }

  static void pause(std::mt19937_64& random) {
    for (auto spins = random() % (random() % 8 == 0 ? 3000 : 100); spins > 0; --spins) cpu_pause();
  }
  watchdog dog_{250s};
};
TYPED_TEST_SUITE(WaitBetweenProcesses, wait_kinds, wait_kind_names);

TYPED_TEST(WaitBetweenProcesses, NoWakeUpIsMissedInManyPingPongs) {  // scenario 40
  const auto rounds = ping_pongs<TypeParam>;
  const auto both = TestFixture::link::create({.capacity_slots = 2});
  const auto late = this->late_answers(both, rounds);
  ::testing::Test::RecordProperty("answers_that_took_a_tick", static_cast<int>(late));
  EXPECT_LE(late, rounds / 1000);  // a busy machine holds a process up now and then, not again and again
}

TYPED_TEST(WaitBetweenProcesses, OnOneProcessorTheyTakeTurns) {
  cpu_set_t before, one;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  CPU_ZERO(&one);
  for (int i = 0; i < CPU_SETSIZE; ++i)
    if (CPU_ISSET(i, &before)) {
      CPU_SET(i, &one);
      break;
    }
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  const auto both = TestFixture::link::create({.capacity_slots = 2});
  const std::uint64_t rounds = 5'000;
  const auto late = this->late_answers(both, rounds);
  ::sched_setaffinity(0, sizeof before, &before);
  EXPECT_LE(late, rounds / 100) << "the one that polls does not let the other run";
}

bool pin_to(int processor) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(processor, &one);
  return ::sched_setaffinity(0, sizeof one, &one) == 0;
}

TEST(SpinThenPark, PartnersPinnedToDifferentProcessorsSeldomSleep) {
  watchdog dog(100s);
  cpu_set_t before;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  std::vector<int> usable;
  for (int i = 0; i < CPU_SETSIZE; ++i)
    if (CPU_ISSET(i, &before)) usable.push_back(i);
  if (usable.size() < 2) GTEST_SKIP() << "needs two processors";

  constexpr std::uint64_t rounds = 5'000;
  const auto both = duplex<std::uint64_t, std::uint64_t>::create({.capacity_slots = 2});
  auto child = child_process::fork([&] {
    if (!pin_to(usable[1])) return 1;
    auto end = both.child<spin_then_park>();
    for (std::uint64_t i = 0, number = 0; i < rounds; ++i) {
      while (end.in.receive(number) == wait_result::peer_gone) continue;
      if (end.out.send(number) != wait_result::ready) return 2;
    }
    return 0;
  });
  ASSERT_TRUE(pin_to(usable[0]));
  auto end = both.parent<spin_then_park>();
  for (std::uint64_t i = 0, number = 0; i < rounds; ++i) {
    EXPECT_EQ(end.out.send(i), wait_result::ready);
    EXPECT_EQ(end.in.receive(number), wait_result::ready);
  }
  ::sched_setaffinity(0, sizeof before, &before);
  EXPECT_TRUE(child.wait().is_success());
  std::uint64_t parks = 0;
  for (const auto& seat : end.in.seats()) parks += seat.parks;
  EXPECT_LT(parks, rounds / 2) << "pinned, they took each other to be on one processor";
}

}  // namespace
}  // namespace sluice::detail::test
