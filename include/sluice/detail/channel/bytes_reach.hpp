#pragma once

// From the slots of a ring of messages of any length to the messages, and to the producers that wait for their release.

#include "sluice/detail/channel/slot_reach.hpp"
#include "sluice/detail/part/bytes/bytes_ring.hpp"
#include "sluice/detail/part/bytes/bytes_view.hpp"

namespace sluice::detail {

template <bytes_ring Ring>
struct slot_reach<Ring> : bytes_view {
  using bytes_view::bytes_view;

  /// A producer whose arena is full sleeps until its own oldest message is released, whatever slots are free. The only
  /// producer of an spsc ring is woken by any release.
  [[nodiscard]] std::uint64_t waiting_seats(const std::byte* payload) const noexcept {
    if constexpr (!Ring::has_many_seats) return 0;
    const auto where = extent::of(extent_word(payload).load(std::memory_order_relaxed));  // this consumer's slot
    if (where.place == extent::in_slot || !bounds.allow(where)) return 0;
    return std::uint64_t{1} << *bounds.seat_of(where) % 64;
  }
};

}  // namespace sluice::detail
