#pragma once

#include <bit>
#include <cstdint>

#include "sluice/detail/part/topic/topic_layout.hpp"

namespace sluice::detail {

/// The subscribers that keep messages, and the named seats that are vacant: seat, state word and keep of each.
template <class Look>
void each_keep(const ring_view& ring, const Look& look) {
  const auto first = ring.first_seat(role::consumer);
  auto bits = topic_control_of(ring).keeping.load(std::memory_order_acquire);  // topic_ring.hpp S
  for (; bits != 0; bits &= bits - 1)
    for (auto i = static_cast<std::uint32_t>(std::countr_zero(bits)); i < ring.consumer_seats; i += keeping_bits) {
      const auto s = first + i;
      const auto state = ring.seats[s].state.load(std::memory_order_acquire);  // seat_table.hpp A, D
      if (state_of(state) != seat_state::taken && !is_named(topic_seat_of(ring, s))) continue;
      const auto keep = topic_seat_of(ring, s).keep.load(std::memory_order_acquire);  // topic_ring.hpp S, P
      if (keeps_anything(keep)) look(s, state, keep);
    }
}

}  // namespace sluice::detail
