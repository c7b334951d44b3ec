#pragma once

// A ring of messages of any length in memory of the test's own, its seats taken by hand. A message's bytes follow from a
// number, as in tests/conformance.

#include <optional>
#include <span>
#include <vector>

#include "conformance/ring_rig.hpp"
#include "sluice/detail/part/bytes/bytes_ring.hpp"

namespace sluice::detail::test {

struct bytes_sizes {
  std::uint64_t capacity_slots = 8;
  std::uint64_t inline_bytes = 48;
  std::uint64_t arena_bytes = 1024;
};

inline ring_request bytes_request(ring_kind kind, bool has_many_seats, const bytes_sizes& sizes = {}) {
  ring_request request;
  request.type = {"bytes", 0, 1, 1};
  request.options.kind = kind;
  request.options.capacity_slots = sizes.capacity_slots;
  request.options.inline_bytes = sizes.inline_bytes;
  request.options.capacity_bytes = sizes.arena_bytes;
  if (has_many_seats) request.options.producer_seats = request.options.consumer_seats = 3;
  return request;
}

inline std::vector<std::byte> message_of(std::uint64_t number, std::uint64_t bytes) {
  std::vector<std::byte> message(bytes);
  fill(message.data(), bytes, number);
  return message;
}

template <class Ring>
class bytes_rig {
 public:
  using writer_side = bytes_writer<Ring>;

  struct producer_side {
    producer_side(const ring_view& ring, const bytes_view& bytes, std::uint32_t seat_index)
        : slots(ring, seat_index), writer(ring, bytes, seat_index) {}
    typename Ring::producer slots;
    writer_side writer;
  };

  explicit bytes_rig(const bytes_sizes& sizes = {})
      : request(bytes_request(Ring::kind, Ring::has_many_seats, sizes)),
        memory(request),
        view(memory.view()),
        bytes(view, plan_segment(request).parts[0]),
        keeper(view),
        producer_seat(keeper.sit(role::producer)),
        consumer_seat(keeper.sit(role::consumer)) {
    out.emplace(view, bytes, producer_seat);
    in.emplace(view, consumer_seat);
  }

  std::span<std::byte> claim(std::uint64_t length) { return out->writer.try_claim(out->slots, length); }
  bool publish(std::uint64_t length) { return out->writer.publish(out->slots, length); }
  bool send(std::uint64_t number, std::uint64_t length) {
    return out->writer.try_send(out->slots, message_of(number, length));
  }
  /// The `i`-th peeked message.
  [[nodiscard]] std::span<const std::byte> peeked(std::uint64_t i = 0) const { return bytes.message(in->peeked(i)); }
  ::testing::AssertionResult holds(std::span<const std::byte> message, std::uint64_t number, std::uint64_t length) {
    if (message.data() == nullptr)
      return ::testing::AssertionFailure() << "no message where number " << number << " is";
    if (message.size() != length)
      return ::testing::AssertionFailure() << message.size() << " bytes, not the " << length << " of " << number;
    if (!is_message(message.data(), length, number))
      return ::testing::AssertionFailure() << "other bytes than those of " << number;
    return ::testing::AssertionSuccess();
  }
  ::testing::AssertionResult receives(std::uint64_t number, std::uint64_t length) {
    if (in->try_peek(1) == 0) return ::testing::AssertionFailure() << "empty, not message " << number;
    const auto right = holds(peeked(), number, length);
    in->release(1);
    return right;
  }

  void producer_dies_and_successor_comes() {
    out.reset();
    seat_again(producer_seat);
    out.emplace(view, bytes, producer_seat);
  }
  void consumer_dies_and_successor_comes() {
    in.reset();
    seat_again(consumer_seat);
    in.emplace(view, consumer_seat);
  }
  void producer_leaves_and_successor_comes() {
    out->slots.leave();
    out.reset();
    keeper.template leave<Ring>(producer_seat);
    keeper.sit(role::producer);
    out.emplace(view, bytes, producer_seat);
  }

  ring_request request;
  callers_memory memory;
  ring_view view;
  bytes_view bytes;
  hand_keeper keeper;
  std::uint32_t producer_seat;
  std::uint32_t consumer_seat;
  std::optional<producer_side> out;
  std::optional<typename Ring::consumer> in;

 private:
  void seat_again(std::uint32_t seat_index) {
    ASSERT_TRUE(keeper.template bury<Ring>(seat_index));
    const auto whose = seat_index < view.producer_seats ? role::producer : role::consumer;
    keeper.sit(whose, seat_index - view.first_seat(whose));
  }
};

}  // namespace sluice::detail::test
