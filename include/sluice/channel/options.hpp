#pragma once

#include <cstdint>

#include "sluice/layout/durability.hpp"
#include "sluice/part/ring_options.hpp"
#include "sluice/registry/requirements.hpp"
#include "sluice/segment/memory_options.hpp"

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

}  // namespace sluice
