#pragma once

// How a participant waits. A strategy is a type: it is given a place to sleep and two questions, and decides when to ask
// them. `look()` is cheap and may be asked at every turn; it must be asked between the announcement and the sleep. `tick()` asks about deaths and mends; it makes system calls and is asked once a tick.

#include <concepts>
#include <cstdint>
#include <optional>
#include <utility>

#include "sluice/detail/base/bytes.hpp"
#include "sluice/detail/base/clock.hpp"
#include "sluice/detail/base/pause.hpp"
#include "sluice/detail/wait/parking.hpp"
#include "sluice/detail/wait/shared_core.hpp"
#include "sluice/error.hpp"

namespace sluice::detail {

/// What is known so far; empty: go on waiting.
using wait_answer = std::optional<wait_result>;

template <class S>
concept wait_strategy = requires(S strategy, sleeper& place, wait_answer (*look)(), wait_answer (*tick)(),
                                 std::uint64_t deadline_ns) {
  { strategy.wait(place, look, tick, deadline_ns) } -> std::same_as<wait_result>;
};

void yield_processor() noexcept;

/// A point at which pthread_cancel(3) ends this thread. Only where no message and no wake-up would be lost by that.
void cancellation_point();

/// The part that all strategies share: polls until `until_ns`, then gives up with an empty answer. No system call on a
/// core of one's own, but for a yield each millisecond: nothing else lets a partner on this core run where both have a
/// real-time priority.
template <class Look>
wait_answer poll(Look& look, std::uint64_t now_ns, std::uint64_t until_ns, shared_core& core);

/// RAII: sets the parked bit, and clears it at its end. The bit is kept from tick to tick while no waker has cleared it,
/// because to set it again costs a membarrier.
class announcement {
 public:
  explicit announcement(sleeper& place) noexcept : place_(place), announced_(place.announce()) {}
  announcement(const announcement&) = delete;
  announcement& operator=(const announcement&) = delete;
  ~announcement() { place_.retract(); }

  /// @return as sleeper::sleep().
  bool sleep(std::uint64_t timeout_ns) { return place_.sleep(announced_, timeout_ns); }
  /// Says it again, unless it was not taken; whether it had been.
  bool renew() noexcept {
    if (place_.is_announced(announced_)) return false;
    place_.retract();
    announced_ = place_.announce();
    return true;
  }

 private:
  sleeper& place_;
  std::uint32_t announced_;
};

/// Sleeps, a tick at a time, until an answer comes or `deadline_ns`.
template <class Look, class Tick>
wait_result sleep_until(sleeper& place, Look& look, Tick& tick, std::uint64_t deadline_ns);

template <class Look>
wait_answer poll(Look& look, std::uint64_t now_ns, std::uint64_t until_ns, shared_core& core) {
  constexpr int polls_between_clocks = 64;
  constexpr int rounds_before_yield = 4;   // one or two microseconds: a busy partner on another core has answered
  constexpr int rounds_before_pause = 16;  // a few microseconds: a pause would come on top of an answer that is near
  constexpr std::uint64_t max_without_yield_ns = 1'000'000;
  auto yielded_ns = now_ns;
  for (int round = 0;; ++round) {
    for (int i = 0; i < polls_between_clocks; ++i) {
      if (auto answer = look()) return answer;
      if (round >= rounds_before_pause) cpu_pause();
    }
    const auto began_ns = std::exchange(now_ns, monotonic_now_ns());
    core.turn_took(now_ns - began_ns);
    if (now_ns >= until_ns) return std::nullopt;
    if (round < rounds_before_yield) continue;
    if (!core.is_likely() && now_ns - yielded_ns < max_without_yield_ns) continue;
    yield_processor();
    yielded_ns = monotonic_now_ns();
    core.yielded_for(yielded_ns - std::exchange(now_ns, yielded_ns));
  }
}

template <class Look, class Tick>
wait_result sleep_until(sleeper& place, Look& look, Tick& tick, std::uint64_t deadline_ns) {
  int quiet_ticks = 0;  // in which no waker came
  for (announcement here(place);;) {
    if (auto answer = look()) return *answer;
    if (const auto now = monotonic_now_ns(); now < deadline_ns) {
      const bool is_interrupted = here.sleep(lesser(deadline_ns - now, quiet_ticks < 2 ? tick_ns : idle_tick_ns));
      if (auto answer = look()) return *answer;  // before anything that ends the wait: it may have been woken as well
      if (is_interrupted) return wait_result::interrupted;
      cancellation_point();
    }
    if (auto verdict = tick()) return *verdict;
    if (monotonic_now_ns() >= deadline_ns) return wait_result::timed_out;
    quiet_ticks = here.renew() ? 0 : quiet_ticks + (quiet_ticks < 2);
  }
}

}  // namespace sluice::detail
