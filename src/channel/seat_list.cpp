#include "channel/held_seats.hpp"

#include <utility>

namespace sluice::detail {

struct seat_list::held {
  std::vector<seat_report> seats;
};

void dispose(seat_list::held* gone) noexcept { delete gone; }

seat_list::seat_list(held* seats) noexcept
    : held_(seats), first_(seats->seats.data()), last_(first_ + seats->seats.size()) {}

std::size_t seat_list::size() const noexcept { return static_cast<std::size_t>(last_ - first_); }
const seat_report& seat_list::operator[](std::size_t i) const noexcept { return first_[i]; }

seat_list list_of(std::vector<seat_report> seats) { return seat_list(new seat_list::held{std::move(seats)}); }

}  // namespace sluice::detail
