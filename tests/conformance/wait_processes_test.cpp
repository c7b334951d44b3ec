// Every wait strategy between two processes, over a real channel: no wake-up is missed.

#include <gtest/gtest.h>
#include <sched.h>

#include <chrono>
#include <random>

#include "conformance/wait_kinds.hpp"
#include "sluice/channel.hpp"
#include "support/child_process.hpp"
#include "support/watchdog.hpp"

namespace sluice::test {
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

}  // namespace
}  // namespace sluice::test
