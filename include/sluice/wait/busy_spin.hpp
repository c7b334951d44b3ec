#pragma once

#include "sluice/wait/wait_strategy.hpp"

namespace sluice {

/// Never sleeps: the lowest latency, for a core of its own. Looks for deaths once a tick.
struct busy_spin {
  template <class Look, class Tick>
  wait_result wait(sleeper&, Look&& look, Tick&& tick, std::uint64_t deadline_ns) {
    for (;;) {
      const auto now = monotonic_now_ns();
      if (auto answer =
              detail::poll(look, deadline_ns - now < tick_ns || now >= deadline_ns ? deadline_ns : now + tick_ns))
        return *answer;
      if (auto verdict = tick()) return *verdict;
      if (monotonic_now_ns() >= deadline_ns) return wait_result::timed_out;
    }
  }
};

static_assert(wait_strategy<busy_spin>);

}  // namespace sluice
