#pragma once

#include <cstdint>
#include <string>

#include "sluice/layout/durability.hpp"
#include "sluice/layout/segment_header.hpp"

namespace sluice {

/// What an existing channel must offer to be attached to. What stands here as zero or none is not asked for.
struct requirements {
  std::uint64_t capacity_slots = 0;    ///< at least so many
  std::uint32_t producer_seats = 0;    ///< at least so many
  std::uint32_t consumer_seats = 0;    ///< at least so many
  sluice::durability durability = {};  ///< that, or more often flushed
};

/// Checks ring `index` of a validated segment. @throws error wrong_kind, with what was asked for and what is there.
void require_options(const segment_header& header, std::size_t index, const requirements& asked,
                     const std::string& where);

}  // namespace sluice
