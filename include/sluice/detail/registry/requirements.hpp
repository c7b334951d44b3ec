#pragma once

#include <cstdint>
#include <string>

#include "sluice/detail/layout/segment_header.hpp"
#include "sluice/options.hpp"

namespace sluice::detail {

/// Checks ring `index` of a validated segment. @throws error wrong_kind, with what was asked for and what is there.
void require_options(const segment_header& header, std::size_t index, const requirements& asked,
                     const std::string& where);
/// Whether the keys of a table are of the type that was asked for, if any was. @throws error wrong_type.
void require_keys(const value_policy& asked, const value_policy& found, const std::string& where);

}  // namespace sluice::detail
