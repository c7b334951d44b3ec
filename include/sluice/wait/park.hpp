#pragma once

#include "sluice/wait/wait_strategy.hpp"

namespace sluice {

/// Sleeps at once: the least use of the processor. Every wait costs a wake-up.
struct park {
  template <class Look, class Tick>
  wait_result wait(sleeper& place, Look&& look, Tick&& tick, std::uint64_t deadline_ns) {
    return detail::sleep_until(place, look, tick, deadline_ns);
  }
};

static_assert(wait_strategy<park>);

}  // namespace sluice
