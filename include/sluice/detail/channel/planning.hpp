#pragma once

// What channel_options mean for the rooms below.

#include <cstdint>

#include "sluice/detail/plan/segment_plan.hpp"
#include "sluice/options.hpp"
#include "sluice/registry.hpp"

namespace sluice::detail {

[[nodiscard]] inline ring_request request_for(const type_identity& type, ring_kind kind,
                                              const channel_options& options) {
  return {type,
          {kind, options.capacity_slots, options.capacity_bytes, options.inline_bytes, options.sized_for,
           options.producer_seats, options.consumer_seats, options.durability, options.topic, options.values,
           options.replies}};
}

/// What would be made, before it is: sizes and offsets. @throws error bad_argument.
template <class T>
[[nodiscard]] segment_plan plan_channel(const channel_options& options = {}, ring_kind kind = ring_kind::spsc) {
  return plan_segment(request_for(identity_of<T>(), kind, options));
}

/// What an existing channel must offer to be taken in place of the one that would be made.
[[nodiscard]] inline requirements asked_by(const channel_options& options) {
  return {options.capacity_slots,      options.capacity_bytes, options.producer_seats, options.consumer_seats,
          options.durability,          options.topic,          options.values,         options.replies.calls_in_flight,
          options.replies.reply_slots, options.replies.bytes};
}

[[nodiscard]] inline naming naming_of(const channel_options& options) {
  return {options.lifetime, options.mode, options.memory};
}

}  // namespace sluice::detail
