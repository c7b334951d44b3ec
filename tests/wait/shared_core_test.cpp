// When a polling thread gives its core away, and when it must not: alone on a core that system call is for nothing.

#include <cstdint>

#include "sluice/detail/wait/shared_core.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include "sluice/channel.hpp"
#include "sluice/wait.hpp"
#include "support/child_process.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

constexpr std::uint64_t for_nothing_ns = 500;
constexpr std::uint64_t switched_ns = 5'000;

/// Yields for nothing until it stops being likely; how many.
int yields_before_giving_up(detail::shared_core& core) {
  int yields = 0;
  for (; core.is_likely() && yields < 100; ++yields) core.yielded_for(for_nothing_ns);
  return yields;
}

TEST(SharedCore, IsNotSuspectedWithoutAReason) {
  detail::shared_core core;
  EXPECT_FALSE(core.is_likely());
  for (int i = 0; i < 1000; ++i) core.turn_took(5'000);
  EXPECT_FALSE(core.is_likely());
}

TEST(SharedCore, IsSuspectedAfterAnInterruptionAndNoLongerAfterSomeYieldsForNothing) {
  detail::shared_core core;
  core.turn_took(3'000'000);
  const int yields = yields_before_giving_up(core);
  EXPECT_GT(yields, 0);
  EXPECT_LT(yields, 20);
}

TEST(SharedCore, StaysLikelyWhileYieldsLetAnotherThreadRun) {
  detail::shared_core core;
  core.suspect();
  for (int i = 0; i < 1000; ++i) {
    core.yielded_for(for_nothing_ns);
    core.yielded_for(switched_ns);
    ASSERT_TRUE(core.is_likely());
  }
}

TEST(SharedCore, IsFoundByAYieldThatLetAnotherThreadRun) {
  detail::shared_core core;
  core.yielded_for(switched_ns);
  EXPECT_TRUE(core.is_likely());
}

/// It would take more than the watchdog's minute if each waited for the scheduler, or for its own millisecond.
TEST(SharedCore, TwoThatNeverSleepGetOnOnOneCore) {
  watchdog dog;
  constexpr std::uint64_t messages = 50'000;
  const auto there = channel<std::uint64_t>::create_unnamed({.capacity_slots = 4});
  const auto back = channel<std::uint64_t>::create_unnamed({.capacity_slots = 4});
  cpu_set_t before, one;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  CPU_ZERO(&one);
  CPU_SET(::sched_getcpu(), &one);
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);  // the child's too
  auto child = child_process::fork([&] {
    auto in = there.consumer(busy_spin());
    auto out = back.producer(busy_spin());
    for (std::uint64_t i = 0, number = 0; i < messages; ++i)
      if (in.receive(number) != wait_result::ready || out.send(number) != wait_result::ready) return 1;
    return 0;
  });
  auto out = there.producer(busy_spin());
  auto in = back.consumer(busy_spin());
  for (std::uint64_t i = 0, number = 0; i < messages; ++i) {
    ASSERT_EQ(out.send(i), wait_result::ready);
    ASSERT_EQ(in.receive(number), wait_result::ready);
    ASSERT_EQ(number, i);
  }
  ::sched_setaffinity(0, sizeof before, &before);
  EXPECT_TRUE(child.wait().is_success());
}

}  // namespace
}  // namespace sluice::detail::test
