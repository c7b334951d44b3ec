#pragma once

#include <cstddef>

#include "sluice/detail/base/owned.hpp"

namespace sluice {
struct seat_report;
}

namespace sluice::detail {

/// The seats of a ring at one moment, producers first: as a std::vector<seat_report> that cannot be changed.
/// seat_report is in inspect.hpp, which a program includes that reads one.
class seat_list {
 public:
  struct held;  // the vector

  explicit seat_list(held* seats) noexcept;
  [[nodiscard]] const seat_report* begin() const noexcept { return first_; }
  [[nodiscard]] const seat_report* end() const noexcept { return last_; }
  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] const seat_report& operator[](std::size_t i) const noexcept;

 private:
  owned<held> held_;
  const seat_report* first_;
  const seat_report* last_;
};

void dispose(seat_list::held* gone) noexcept;

}  // namespace sluice::detail
