#pragma once

#include "sluice/wait/wait_strategy.hpp"

namespace sluice {

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
    const auto began = monotonic_now_ns();
    if (waits_before_asking_ == 0) {
      shares_processor_ = place.shares_only_processor();
      waits_before_asking_ = waits_between_asking;
    }
    if (!shares_processor_) {
      if (auto answer = detail::poll(look, began, lesser(deadline_ns, began + poll_ns_), core_)) {
        waits_before_asking_ -= core_.is_likely();
        return *answer;
      }
    }
    --waits_before_asking_;
    const auto slept = monotonic_now_ns();
    const auto result = detail::sleep_until(place, look, tick, deadline_ns);
    const auto now = monotonic_now_ns();
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

}  // namespace sluice
