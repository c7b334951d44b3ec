#pragma once

#include <vector>

#include "sluice/channel/seat_list.hpp"
#include "sluice/seat/seat_table.hpp"

namespace sluice {

[[nodiscard]] seat_list list_of(std::vector<seat_report> seats);

}  // namespace sluice
