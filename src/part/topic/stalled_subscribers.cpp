#include "sluice/detail/part/topic/stalled_subscribers.hpp"

#include "part/topic/each_keep.hpp"
#include "sluice/detail/base/clock.hpp"

namespace sluice::detail {

bool stalled_subscribers::drop(const ring_view& ring, std::uint64_t need) noexcept {
  if (after_ns_ == 0) return false;
  const auto now_ns = monotonic_coarse_ns();
  bool has_dropped = false;
  each_keep(ring, [&](std::uint32_t s, std::uint64_t state, std::uint64_t keep) {
    if (!is_before(kept_near(keep, need), need)) return;
    auto& seen = seen_[s - ring.producer_seats];
    if (seen.state != state || seen.keep != keep) {
      seen = {state, keep, now_ns};
      return;
    }
    if (now_ns - seen.since_ns < after_ns_) return;
    // It may move at this moment, and then it keeps what it keeps. A successor in the seat that begins at this very sequence
    // would be dropped in its predecessor's place: it is told so, and loses nothing unseen.
    has_dropped |= topic_seat_of(ring, s).keep.compare_exchange_strong(
        keep, dropped_keep, std::memory_order_acq_rel, std::memory_order_relaxed);  // topic_ring.hpp P, S
  });
  return has_dropped;
}

}  // namespace sluice::detail
