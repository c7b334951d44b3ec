#include "port/chosen_wait.hpp"

namespace sluice::detail {

chosen_wait::chosen_wait(wait_kind kind) {
  switch (kind) {
    case wait_kind::spin_then_park: break;
    case wait_kind::park: how_.emplace<park>(); break;
    case wait_kind::busy_spin: how_.emplace<busy_spin>(); break;
  }
}

wait_result chosen_wait::wait_with(sleeper& place, question look, question tick, std::uint64_t deadline_ns) {
  return std::visit([&](auto& how) { return how.wait(place, look, tick, deadline_ns); }, how_);
}

}  // namespace sluice::detail
