// Ringing for sleepers that cannot say that they sleep.

#include "sluice/detail/wait/timed_bell.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <thread>

#include "sluice/detail/base/clock.hpp"
#include "sluice/detail/wait/parking.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

class TimedBell : public ::testing::Test {
 protected:
  static void await_next_step() {
    for (const auto now = monotonic_coarse_ns(); monotonic_coarse_ns() == now;) std::this_thread::yield();
  }
  watchdog dog_;
  std::atomic<std::uint32_t> bell_ = 0;
  timed_bell rings_;
};

TEST_F(TimedBell, RingsOnceForEachStepOfTheClockWhileNoneSleeps) {
  for (int tries = 0;; ++tries) {
    ASSERT_LT(tries, 1000) << "no two messages within a step of the clock";
    await_next_step();
    const auto before = bell_.load();
    const auto step = monotonic_coarse_ns();
    rings_.published(bell_);
    rings_.published(bell_);
    rings_.published(bell_);
    if (monotonic_coarse_ns() != step) continue;  // this thread was held up
    EXPECT_EQ(bell_ - before, 1U);
    break;
  }
  await_next_step();
  const auto before = bell_.load();
  rings_.published(bell_);
  EXPECT_EQ(bell_ - before, 1U) << "the first of a step rings";
}

TEST_F(TimedBell, RingsForEveryMessageAfterOneThatWokeASleeper) {
  ring_control control{};
  const ring_view ring{.control = &control};
  std::atomic<bool> has_ended = false;
  std::thread sleeping([&] {
    auto place = sleeper::that_only_reads(ring, role::consumer, bell_, true);
    while (!has_ended) {
      const auto announced = place.announce();
      (void)place.sleep(announced, never);
      (void)place.sleep(announced, never);
      place.retract();
    }
  });
  std::uint32_t messages = 0;
  for (bool woke = false; !woke; ++messages) {  // in each step the first rings; once it wakes, so does the next
    await_next_step();
    rings_.published(bell_);
    const auto before = bell_.load();
    const auto step = monotonic_coarse_ns();
    rings_.published(bell_);
    woke = bell_ != before && monotonic_coarse_ns() == step;
  }
  has_ended = true;
  (void)ring_bell(bell_);
  sleeping.join();
  SUCCEED() << messages;
}

TEST_F(TimedBell, ASleeperThatOnlyReadsWritesNothing) {
  ring_control control{};
  const ring_view ring{.control = &control};
  auto place = sleeper::that_only_reads(ring, role::consumer, bell_, false);
  const auto announced = place.announce();
  EXPECT_TRUE(place.is_announced(announced));
  EXPECT_EQ(control.parked[static_cast<std::uint32_t>(role::consumer)], 0U);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(place.sleep(announced, never)) << "short sleeps that end by themselves";
  (void)ring_bell(bell_);
  EXPECT_FALSE(place.is_announced(announced));
  place.retract();
}

}  // namespace
}  // namespace sluice::detail::test
