#pragma once

#include <cstdint>
#include <string>

#include "sluice/detail/layout/segment_header.hpp"
#include "sluice/options.hpp"

namespace sluice::detail {

/// Checks ring `index` of a validated segment. @throws error wrong_kind, with what was asked for and what is there.
void require_options(const segment_header& header, std::size_t index, const requirements& asked,
                     const std::string& where);

}  // namespace sluice::detail
