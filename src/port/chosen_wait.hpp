#pragma once

#include <cstdint>
#include <variant>

#include "sluice/port.hpp"
#include "sluice/wait.hpp"

namespace sluice::detail {

/// A wait strategy that is chosen at run time. Only waits pay for it: a call that finds something never asks. Waits of all
/// rings share one instance of each strategy, which asks through a pointer.
class chosen_wait {
 public:
  explicit chosen_wait(wait_kind kind);

  template <class Look, class Tick>
  wait_result wait(sleeper& place, Look&& look, Tick&& tick, std::uint64_t deadline_ns) {
    return wait_with(place, question(look), question(tick), deadline_ns);
  }

 private:
  /// Refers to what it asks.
  class question {
   public:
    template <class Ask>
    explicit question(Ask& ask) noexcept
        : asked_(&ask), how_([](const void* asked) { return (*static_cast<Ask*>(const_cast<void*>(asked)))(); }) {}
    wait_answer operator()() const { return how_(asked_); }

   private:
    const void* asked_;
    wait_answer (*how_)(const void* asked);
  };

  wait_result wait_with(sleeper& place, question look, question tick, std::uint64_t deadline_ns);

  std::variant<spin_then_park, park, busy_spin> how_;
};

static_assert(wait_strategy<chosen_wait>);

}  // namespace sluice::detail
