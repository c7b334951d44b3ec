#pragma once

#include <vector>

#include "sluice/detail/channel/seat_list.hpp"
#include "sluice/detail/seat/seat_table.hpp"

namespace sluice::detail {

[[nodiscard]] seat_list list_of(std::vector<seat_report> seats);

}  // namespace sluice::detail
