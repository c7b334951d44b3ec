#pragma once

#include "sluice/wait/wait_strategy.hpp"

namespace sluice {

/// Never sleeps: the lowest latency, for a core of its own. Looks for deaths once a tick. Gives the core away for a turn
/// where another thread seems to want it, and once a millisecond.
class busy_spin {
 public:
  template <class Look, class Tick>
  wait_result wait(sleeper&, Look&& look, Tick&& tick, std::uint64_t deadline_ns) {
    for (auto now = monotonic_now_ns();; now = monotonic_now_ns()) {
      const auto until = now + lesser(tick_ns, deadline_ns > now ? deadline_ns - now : 0);
      if (auto answer = detail::poll(look, now, until, core_)) return *answer;
      detail::cancellation_point();
      if (auto verdict = tick()) return *verdict;
      if (monotonic_now_ns() >= deadline_ns) return wait_result::timed_out;
    }
  }

 private:
  detail::shared_core core_;
};

static_assert(wait_strategy<busy_spin>);

}  // namespace sluice
