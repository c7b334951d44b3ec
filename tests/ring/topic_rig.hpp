#pragma once

// A topic in memory of the test's own, its seats taken by hand. A message's bytes follow from a number, as in tests/conformance.

#include <deque>
#include <functional>
#include <vector>

#include "conformance/ring_rig.hpp"
#include "ring/topic_seats.hpp"
#include "sluice/detail/part/topic/lossy_reader.hpp"

namespace sluice::detail::test {

inline ring_request topic_request(ring_kind kind, std::uint64_t capacity_slots = 8, std::uint32_t subscribers = 4,
                                  std::uint64_t message_bytes = 24) {
  ring_request request;
  request.type = {"test", 0, message_bytes, 8};
  request.options.kind = kind;
  request.options.capacity_slots = capacity_slots;
  request.options.consumer_seats = subscribers;
  if (kind == ring_kind::topic_many) request.options.producer_seats = 3;
  return request;
}

template <publishers Publishers>
class topic_rig : public topic_seats<topic_ring<Publishers>> {
  using seats = topic_seats<topic_ring<Publishers>>;

 public:
  using seats::ins, seats::keeper, seats::view;
  using rules = topic_ring<Publishers>;
  using publisher = typename rules::producer;
  using reader = lossy_reader<Publishers>;

  explicit topic_rig(std::uint64_t capacity_slots = 8, std::uint32_t subscribers = 4)
      : seats(topic_request(rules::kind, capacity_slots, subscribers)) {
    publish_from(0);
  }

  /// Another publisher in the `i`-th seat.
  publisher& publish_from(std::uint32_t i) {
    if (outs.size() <= i) outs.resize(i + 1);
    outs[i].emplace(view, keeper.sit(role::producer, i));
    return *outs[i];
  }

  bool send(std::uint64_t number, std::uint32_t from = 0) {
    auto& out = *outs[from];
    if (out.try_claim(1) == 0) return false;
    fill(out.claimed(0), view.message_bytes, number);
    out.publish(1);
    return true;
  }
  /// `count` messages that count up, beginning with `first`.
  void send_all(std::uint64_t first, std::uint64_t count) {
    for (auto n = first; n != first + count; ++n) ASSERT_TRUE(send(n)) << n;
  }
  /// A claim that is given back.
  void abandon(std::uint64_t count = 1, std::uint32_t from = 0) {
    ASSERT_EQ(outs[from]->try_claim(count), count);
    outs[from]->publish(0);
  }

  [[nodiscard]] bool is(const std::byte* message, std::uint64_t number) const {
    return is_message(message, view.message_bytes, number);
  }
  ::testing::AssertionResult receives(std::uint32_t i, std::uint64_t number) {
    auto& in = *ins[i];
    if (in.try_peek(1) == 0) return ::testing::AssertionFailure() << "nothing there, not message " << number;
    if (!is(in.peeked(0), number)) return ::testing::AssertionFailure() << "other bytes than message " << number;
    in.release(1);
    return ::testing::AssertionSuccess();
  }
  template <class Reader>
  ::testing::AssertionResult reads(Reader& in, std::uint64_t number) {
    std::vector<std::byte> message(view.message_bytes);
    if (!in.try_receive(message.data())) return ::testing::AssertionFailure() << "nothing there, not " << number;
    if (!is(message.data(), number)) return ::testing::AssertionFailure() << "other bytes than message " << number;
    return ::testing::AssertionSuccess();
  }
  bool reads_nothing(reader& in) {
    std::vector<std::byte> message(view.message_bytes);
    return !in.try_receive(message.data());
  }

  bool settle(std::uint32_t seat_index) { return rules::settle(view, seat_index, keeper); }
  [[nodiscard]] bool is_sane() const { return rules::is_sane(view); }
  [[nodiscard]] std::uint64_t size_approx() const { return rules::size_approx(view); }

  std::deque<std::optional<publisher>> outs;
};

}  // namespace sluice::detail::test
