#pragma once

// Which subscribers hold one publisher up, and since when; of a topic whose publishers take the keep of such a one away.
// After that it is lossy: publishers overwrite what it had not released, and it is told by its own next step (keep_word()).
//
// Stalled is a subscriber that has released nothing for so long while a publisher needed the slot that it keeps. The time
// counts from the first tick that found it so; one that stands still and is in no publisher's way is let be.

#include <cstdint>
#include <vector>

#include "sluice/detail/layout/ring_view.hpp"

namespace sluice::detail {

/// One publisher's. One thread at a time.
class stalled_subscribers {
 public:
  stalled_subscribers() noexcept = default;
  /// 0: none is ever dropped, and nothing is remembered.
  stalled_subscribers(const ring_view& ring, std::uint64_t after_ns)
      : after_ns_(after_ns), seen_(after_ns != 0 ? ring.consumer_seats : 0) {}

  /// At ticks of a publisher that needs everything below `need`. Asks the clock. @return whether it dropped any.
  bool drop(const ring_view& ring, std::uint64_t need) noexcept;

 private:
  struct stand {
    std::uint64_t state = 0;  // of its seat
    std::uint64_t keep = 0;
    std::uint64_t since_ns = 0;
  };
  std::uint64_t after_ns_ = 0;
  std::vector<stand> seen_;  // by subscriber seat
};

}  // namespace sluice::detail
