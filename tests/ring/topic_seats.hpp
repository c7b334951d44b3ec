#pragma once

// The subscribers of a topic in memory of the test's own, their seats taken by hand.

#include <deque>
#include <optional>

#include "conformance/hand_keeper.hpp"
#include "conformance/ring_memory.hpp"
#include "sluice/detail/part/topic/topic_ring.hpp"

namespace sluice::detail::test {

template <class Rules>
class topic_seats {
 public:
  using subscriber = typename Rules::consumer;

  explicit topic_seats(const ring_request& asked)
      : request(asked), memory(request), view(memory.view()), keeper(view) {}

  subscriber& join(std::uint32_t i, history wanted = history::none()) {
    if (ins.size() <= i) ins.resize(i + 1);
    ins[i].emplace(view, keeper.sit(role::consumer, i), wanted);
    return *ins[i];
  }
  void leave(std::uint32_t i) {
    ins[i]->leave();
    ins[i].reset();
    keeper.template leave<Rules>(seat_of(i));
  }
  [[nodiscard]] std::uint32_t seat_of(std::uint32_t subscriber_index) const {
    return view.first_seat(role::consumer) + subscriber_index;
  }

  ring_request request;
  callers_memory memory;
  ring_view view;
  hand_keeper keeper;
  std::deque<std::optional<subscriber>> ins;
};

}  // namespace sluice::detail::test
