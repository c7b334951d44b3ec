#pragma once

// How a handle waits: a type, given when the handle is made.
//
//   auto in = quotes.consumer();                        // spin_then_park: polls up to 200 us, then sleeps
//   auto idle = quotes.consumer(sluice::park());        // sleeps at once: the least use of the processor
//   auto fast = quotes.consumer(sluice::busy_spin());   // never sleeps: for a core of its own
//
// One of your own is a type that satisfies wait_strategy: it gets a place to sleep and two questions, look() at every turn
// and between announcement and sleep, tick() every tick_ns. detail/wait/wait_strategy.hpp has what the three are made of.
// One thread at a time, as the handle that has it. Crash: a waiter that is killed leaves a bit that costs the next waker one
// system call. No waiter depends on a wake-up of a process that died: it looks again within 90 ms.

#include "sluice/detail/base/language.hpp"

#include <cstdint>

#include "sluice/detail/wait/wait_strategy.hpp"
#include "sluice/error.hpp"

namespace sluice {

using detail::sleeper;
using detail::tick_ns;
using detail::wait_answer;
using detail::wait_strategy;

/// Polls for a while, then sleeps: the default. How long it polls follows from how long the last waits took: while they
/// would have ended within the longest poll it polls that long; each one that did not halves it. The longest poll is
/// longer than a wake-up takes, or two partners that both fell asleep once would keep waking each other for ever.
/// It does not poll at all where this thread and all its partners may run on one and the same processor (an affinity, a
/// cpuset, a machine that has no other): they need it. Otherwise it polls, for the partner is elsewhere as a rule; where it
/// seems to be on this very core, it soon yields.
class spin_then_park {
 public:
  static constexpr std::uint64_t max_poll_ns = 200'000;
  static constexpr std::uint64_t min_poll_ns = 2'000;

  template <class Look, class Tick>
  wait_result wait(sleeper& place, Look&& look, Tick&& tick, std::uint64_t deadline_ns) {
    const auto began = detail::monotonic_now_ns();
    if (waits_before_asking_ == 0) {
      shares_processor_ = place.shares_only_processor();
      waits_before_asking_ = waits_between_asking;
    }
    if (!shares_processor_) {
      if (auto answer = detail::poll(look, began, detail::lesser(deadline_ns, began + poll_ns_), core_)) {
        waits_before_asking_ -= core_.is_likely();
        return *answer;
      }
    }
    --waits_before_asking_;
    const auto slept = detail::monotonic_now_ns();
    const auto result = detail::sleep_until(place, look, tick, deadline_ns);
    const auto now = detail::monotonic_now_ns();
    if (now - began <= max_poll_ns)
      poll_ns_ = max_poll_ns;
    else if ((poll_ns_ /= 2) < min_poll_ns)
      poll_ns_ = min_poll_ns;
    if (now - slept < max_poll_ns) core_.suspect();  // the answer came as soon as the core was free
    return result;
  }

 private:
  // Partners come and go, and affinities change. Counted are waits that made system calls: a sleep, or yields.
  static constexpr int waits_between_asking = 16;

  std::uint64_t poll_ns_ = max_poll_ns;
  bool shares_processor_ = false;
  int waits_before_asking_ = 0;
  detail::shared_core core_;
};

static_assert(wait_strategy<spin_then_park>);

/// Sleeps at once: the least use of the processor. Every wait costs a wake-up.
struct park {
  template <class Look, class Tick>
  wait_result wait(sleeper& place, Look&& look, Tick&& tick, std::uint64_t deadline_ns) {
    return detail::sleep_until(place, look, tick, deadline_ns);
  }
};

static_assert(wait_strategy<park>);

/// Never sleeps: the lowest latency, for a core of its own. Looks for deaths once a tick. Gives the core away for a turn
/// where another thread seems to want it, and once a millisecond.
class busy_spin {
 public:
  template <class Look, class Tick>
  wait_result wait(sleeper&, Look&& look, Tick&& tick, std::uint64_t deadline_ns) {
    for (auto now = detail::monotonic_now_ns();; now = detail::monotonic_now_ns()) {
      const auto until = now + detail::lesser(tick_ns, deadline_ns > now ? deadline_ns - now : 0);
      if (auto answer = detail::poll(look, now, until, core_)) return *answer;
      detail::cancellation_point();
      if (auto verdict = tick()) return *verdict;
      if (detail::monotonic_now_ns() >= deadline_ns) return wait_result::timed_out;
    }
  }

 private:
  detail::shared_core core_;
};

static_assert(wait_strategy<busy_spin>);

}  // namespace sluice
