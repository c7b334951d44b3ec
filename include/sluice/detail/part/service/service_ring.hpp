#pragma once

// The ring of a service's requests: an mpmc ring line for line, of a kind of its own because its part has desks as well.

#include "sluice/detail/part/bytes/bytes_ring.hpp"
#include "sluice/detail/part/mpmc/mpmc_ring.hpp"

namespace sluice::detail {

class service_ring : public mpmc_ring {
 public:
  static constexpr ring_kind kind = ring_kind::service;
};

/// With requests of any length.
class service_bytes_ring : public mpmc_bytes_ring {
 public:
  static constexpr ring_kind kind = ring_kind::service_bytes;
};

static_assert(ring<service_ring> && bytes_ring<service_bytes_ring>);

}  // namespace sluice::detail
