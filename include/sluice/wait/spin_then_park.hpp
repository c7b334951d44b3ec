#pragma once

#include <algorithm>
#include <optional>

#include "sluice/wait/wait_strategy.hpp"

namespace sluice {

/// Polls for a while, then sleeps: the default. How long it polls follows from how long the last waits took: while they
/// would have ended within the longest poll it polls that long; each one that did not halves it. The longest poll is
/// longer than a wake-up takes, or two partners that both fell asleep once would keep waking each other for ever.
/// Where there is a single processor it does not poll at all: whoever it waits for needs that processor. A process that
/// is pinned to one of several polls, for its partner is elsewhere as a rule, and soon yields, for it may be here.
class spin_then_park {
 public:
  static constexpr std::uint64_t longest_poll_ns = 200'000;
  static constexpr std::uint64_t shortest_poll_ns = 2'000;

  template <class Look, class Tick>
  wait_result wait(sleeper& place, Look&& look, Tick&& tick, std::uint64_t deadline_ns) {
    const auto began = monotonic_now_ns();
    if (!where_) where_ = detail::own_processors();  // some system calls, and whoever never waits does not pay for them
    if (*where_ != detail::processors::one) {
      if (auto answer = detail::poll(look, std::min(deadline_ns, began + poll_ns_), *where_)) return *answer;
    }
    const auto result = detail::sleep_until(place, look, tick, deadline_ns);
    const auto took = monotonic_now_ns() - began;
    poll_ns_ = took <= longest_poll_ns ? longest_poll_ns : std::max(shortest_poll_ns, poll_ns_ / 2);
    return result;
  }

 private:
  std::uint64_t poll_ns_ = longest_poll_ns;
  std::optional<detail::processors> where_;
};

static_assert(wait_strategy<spin_then_park>);

}  // namespace sluice
