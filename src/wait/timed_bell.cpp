#include "sluice/detail/wait/timed_bell.hpp"

#include "sluice/detail/base/clock.hpp"
#include "sluice/detail/wait/parking.hpp"

namespace sluice::detail {

std::uint64_t longest_unrung_ns() noexcept {
  static const std::uint64_t two_steps_ns = 2 * monotonic_coarse_step_ns();
  return two_steps_ns;
}

void timed_bell::published(std::atomic<std::uint32_t>& bell) noexcept {
  const auto now_ns = monotonic_coarse_ns();
  if (now_ns == rang_ns_ && !woke_) return;
  rang_ns_ = now_ns;
  woke_ = ring_bell(bell) != 0;
}

}  // namespace sluice::detail
