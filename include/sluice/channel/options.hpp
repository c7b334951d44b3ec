#pragma once

#include <cstdint>

#include "sluice/plan/segment_plan.hpp"
#include "sluice/registry/registry.hpp"
#include "sluice/registry/requirements.hpp"

namespace sluice {

/// What a channel is created with. All have defaults that serve. An existing channel that offers less than the capacity,
/// the seats or the durability that are given here is an error of create_or_attach().
struct channel_options {
  std::uint64_t capacity_slots = 0;  ///< power of two, 2 to 2^32; 0: chosen by `sized_for` and the message's size
  footprint sized_for = footprint::latency;  ///< see footprint
  std::uint32_t producer_seats = 0;          ///< mpmc only: how many at once; 0: 64
  std::uint32_t consumer_seats = 0;          ///< mpmc only: how many at once; 0: 64
  sluice::lifetime lifetime = sluice::lifetime::persistent;
  /// What survives a reset of the machine; by name and on a disk only. A durable channel is persistent.
  sluice::durability durability = {};
  std::uint32_t mode = 0600;   ///< permissions of the file, whatever the umask. chmod(2) later moves no locks
  memory_options memory = {};  ///< how this process maps it: huge pages, prefault, …
};

/// How an existing channel is attached to.
struct attach_options {
  memory_options memory = {};  ///< how this process maps it
  requirements require = {};   ///< what it must offer: `{.require = {.capacity_slots = 1024}}`
};

[[nodiscard]] inline ring_request request_for(const type_identity& type, ring_kind kind,
                                              const channel_options& options) {
  return {type,
          {kind, options.capacity_slots, options.sized_for, options.producer_seats, options.consumer_seats,
           options.durability}};
}

/// What would be made, before it is: sizes and offsets. @throws error bad_argument.
template <class T>
[[nodiscard]] segment_plan plan_channel(const channel_options& options = {}, ring_kind kind = ring_kind::spsc) {
  return plan_segment(request_for(identity_of<T>(), kind, options));
}

/// What an existing channel must offer to be taken in place of the one that would be made.
[[nodiscard]] inline requirements asked_by(const channel_options& options) {
  return {options.capacity_slots, options.producer_seats, options.consumer_seats, options.durability};
}

[[nodiscard]] inline naming naming_of(const channel_options& options) {
  return {options.lifetime, options.mode, options.memory};
}

}  // namespace sluice
