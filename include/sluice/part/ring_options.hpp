#pragma once

#include <cstdint>

#include "sluice/layout/durability.hpp"
#include "sluice/layout/segment_header.hpp"

namespace sluice {

/// What a ring is sized for when its capacity is not given.
enum class footprint { latency, throughput };

struct ring_options {
  ring_kind kind = ring_kind::spsc;
  std::uint64_t capacity_slots = 0;  ///< power of two, 2 to 2^32; 0: chosen by `sized_for` from the message size
  footprint sized_for = footprint::latency;  ///< latency: 64 KiB, or 1 MiB for messages from 1 KiB; throughput: 4 MiB
  std::uint32_t producer_seats = 0;          ///< mpmc: how many producers at once, 1 to 4096; 0: 64. spsc: always 1
  std::uint32_t consumer_seats = 0;          ///< mpmc: how many consumers at once, 1 to 4096; 0: 64. spsc: always 1
  sluice::durability durability = {};        ///< for a ring in a file on a disk
};

}  // namespace sluice
