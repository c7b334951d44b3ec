#pragma once

// What every wait of a handle adds to its strategy, whether the handle has a seat or only watches.

#include <cstdint>
#include <optional>

#include "sluice/detail/base/stop_signal.hpp"
#include "sluice/detail/wait/parking.hpp"
#include "sluice/detail/wait/wait_strategy.hpp"
#include "sluice/error.hpp"

namespace sluice::detail {

/// Waits at `place` while `look` has no answer; a stop that is requested is the last of them. `tick` gets the two as one.
template <wait_strategy Wait, class Look, class Tick>
[[nodiscard]] wait_result wait_or_stop(Wait& wait, sleeper& place, const Look& look, const Tick& tick,
                                       std::uint64_t deadline_ns, const stop_signal& stop) {
  const auto look_or_stop = [&]() -> wait_answer {
    if (const auto answer = look()) return answer;
    return stop.is_requested() ? wait_answer(wait_result::interrupted) : std::nullopt;
  };
  const stop_watch wakes(stop, {[](void* sleeps) noexcept { static_cast<sleeper*>(sleeps)->wake(); }, &place});
  return wait.wait(
      place, look_or_stop, [&] { return tick(look_or_stop); }, deadline_ns);
}

/// What every tick of a wait that found nothing asks in the end: whether the other side is gone, or the name. `Asker` is a
/// participant, or a watch_post.
template <class Asker, class Look>
[[nodiscard]] wait_answer ask_for_the_end(Asker& asker, const Look& look) {
  if (!asker.peer_has_died()) {
    if (!asker.has_lost_its_name()) return std::nullopt;
    if (const auto answer = look()) return answer;  // what came meanwhile is first, and the loss stays news
    asker.throw_name_is_lost();
  }
  // Once more, after the verdict: what the dead did up to the end comes first, and the death stays news.
  if (const auto answer = look()) return answer;
  asker.death_was_told();
  return wait_result::peer_gone;
}

}  // namespace sluice::detail
