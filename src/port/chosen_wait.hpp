#pragma once

#include <cstdint>
#include <utility>
#include <variant>

#include "sluice/port.hpp"
#include "sluice/wait.hpp"

namespace sluice::detail {

/// A wait strategy that is chosen at run time. Only waits pay for it: a call that finds something never asks.
class chosen_wait {
 public:
  explicit chosen_wait(wait_kind kind) {
    switch (kind) {
      case wait_kind::spin_then_park: break;
      case wait_kind::park: how_.emplace<park>(); break;
      case wait_kind::busy_spin: how_.emplace<busy_spin>(); break;
    }
  }

  template <class Look, class Tick>
  wait_result wait(sleeper& place, Look&& look, Tick&& tick, std::uint64_t deadline_ns) {
    return std::visit([&](auto& how) { return how.wait(place, look, tick, deadline_ns); }, how_);
  }

 private:
  std::variant<spin_then_park, park, busy_spin> how_;
};

static_assert(wait_strategy<chosen_wait>);

}  // namespace sluice::detail
