// Polling where all threads have one and the same processor keeps the partner from running.

#include <gtest/gtest.h>
#include <sched.h>

#include <cstdint>
#include <optional>
#include <string>

#include "sluice/channel.hpp"
#include "sluice/wait.hpp"
#include "support/behind.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

/// Runs on one processor only, as long as it lives.
class pinned_thread {
 public:
  pinned_thread() {
    EXPECT_EQ(::sched_getaffinity(0, sizeof before_, &before_), 0);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<unsigned>(::sched_getcpu()), &one);
    EXPECT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  }
  pinned_thread(const pinned_thread&) = delete;
  pinned_thread& operator=(const pinned_thread&) = delete;
  ~pinned_thread() { ::sched_setaffinity(0, sizeof before_, &before_); }

 private:
  cpu_set_t before_;
};

/// How often a wait of `Wait` that finds nothing looks without being about to sleep.
template <class Handle>
int polls_of_a_wait(Handle& handle, spin_then_park& strategy) {
  int polls = 0;
  const auto& seat = details_of(handle).ring().seats[handle.seat_index()];
  const auto look = [&]() -> wait_answer {
    polls += seat.parked.load() == 0;
    return std::nullopt;
  };
  const auto result = strategy.wait(
      details_of(handle).place(), look, []() -> wait_answer { return std::nullopt; }, deadline_after_ns(10'000));
  EXPECT_EQ(result, wait_result::timed_out);
  return polls;
}

TEST(OneProcessor, IsNotPolledOnWhenThePartnerHasNoOther) {
  const watchdog dog;
  const pinned_thread pinned;
  const auto shared = channel<std::uint64_t>::create_unnamed({.capacity_slots = 4});
  const auto out = shared.producer();
  auto in = shared.consumer();
  spin_then_park strategy;
  EXPECT_EQ(polls_of_a_wait(in, strategy), 0);
}

TEST(OneProcessor, IsPolledOnWhenThePartnerMayRunElsewhere) {
  const watchdog dog;
  const auto shared = channel<std::uint64_t>::create_unnamed({.capacity_slots = 4});
  auto out = shared.producer();
  details_of(out).ring().seats[0].only_processor = 0;  // several, also on a machine that has one
  const pinned_thread pinned;
  auto in = shared.consumer();
  spin_then_park strategy;
  EXPECT_GT(polls_of_a_wait(in, strategy), 0);
}

TEST(OneProcessor, IsNoticedByAWaiterSomeSleepsAfterItWasPinned) {
  const watchdog dog;
  const auto shared = channel<std::uint64_t>::create_unnamed({.capacity_slots = 4});
  auto out = shared.producer();
  auto in = shared.consumer();
  spin_then_park strategy;
  (void)polls_of_a_wait(in, strategy);
  const pinned_thread pinned;
  (void)details_of(out).place().shares_only_processor();  // as its own waits do
  while (polls_of_a_wait(in, strategy) != 0) continue;    // the watchdog ends it otherwise
}

}  // namespace
}  // namespace sluice::detail::test
