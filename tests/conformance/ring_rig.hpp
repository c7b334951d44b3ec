#pragma once

// One ring, its seats taken by hand, and messages whose bytes follow from a number.

#include <gtest/gtest.h>

#include <cstring>
#include <optional>
#include <vector>

#include "conformance/hand_keeper.hpp"
#include "conformance/ring_kinds.hpp"

namespace sluice::detail::test {

inline ring_request request_of(ring_kind kind, std::uint64_t message_bytes, std::uint64_t capacity_slots,
                               std::uint32_t alignment = 1, std::uint32_t seats = 4) {
  ring_request request;
  request.type = {"test", 0, message_bytes, alignment};
  request.options.kind = kind;
  request.options.capacity_slots = capacity_slots;
  if (kind == ring_kind::mpmc) request.options.producer_seats = request.options.consumer_seats = seats;
  return request;
}

/// Byte `i` of message `number`.
[[nodiscard]] constexpr std::byte pattern(std::uint64_t number, std::uint64_t i) noexcept {
  return static_cast<std::byte>((number * 0x9e3779b97f4a7c15ULL + i * 0xbf58476d1ce4e5b9ULL) >> 56);
}
inline void fill(std::byte* message, std::uint64_t bytes, std::uint64_t number) {
  for (std::uint64_t i = 0; i < bytes; ++i) message[i] = pattern(number, i);
}
[[nodiscard]] inline bool is_message(const std::byte* message, std::uint64_t bytes, std::uint64_t number) {
  for (std::uint64_t i = 0; i < bytes; ++i)
    if (message[i] != pattern(number, i)) return false;
  return true;
}

template <class Case>
class ring_rig {
 public:
  using ring = typename Case::ring;
  using producer_side = typename ring::producer;
  using consumer_side = typename ring::consumer;

  explicit ring_rig(std::uint64_t message_bytes = 24, std::uint64_t capacity_slots = 8, std::uint32_t alignment = 1)
      : memory(request_of(ring::kind, message_bytes, capacity_slots, alignment)),
        view(memory.view()),
        keeper(view),
        producer_seat(keeper.sit(role::producer)),
        consumer_seat(keeper.sit(role::consumer)) {
    out.emplace(view, producer_seat);
    in.emplace(view, consumer_seat);
  }

  // ---- Sending and receiving -----------------------------------------------------------------------------------------

  void fill_claimed(std::uint64_t i, std::uint64_t number) { fill(out->claimed(i), view.message_bytes, number); }
  [[nodiscard]] bool peeked_is(std::uint64_t i, std::uint64_t number) const {
    return is_message(in->peeked(i), view.message_bytes, number);
  }

  bool send(std::uint64_t number) {
    if (out->try_claim(1) == 0) return false;
    fill_claimed(0, number);
    out->publish(1);
    return true;
  }
  std::uint64_t peek(std::uint64_t count) {
    const auto peeked = in->try_peek(count);
    pay();
    return peeked;
  }
  void release(std::uint64_t count) {
    in->release(count);
    pay();
  }
  /// Takes one message, which must be `number`.
  ::testing::AssertionResult receives(std::uint64_t number) {
    if (peek(1) == 0) return ::testing::AssertionFailure() << "empty, not message " << number;
    if (!peeked_is(0, number)) return ::testing::AssertionFailure() << "other bytes than message " << number;
    release(1);
    return ::testing::AssertionSuccess();
  }
  void pay() {
    if (in->owes()) (void)in->owed();
  }
  /// What a wait does when nothing comes.
  void mend() {
    (void)in->mend(keeper);
    pay();
  }

  // ---- Deaths --------------------------------------------------------------------------------------------------------

  /// The producer is killed here; another process takes its seat.
  void producer_dies_and_successor_comes() {
    out.reset();
    out.emplace(view, reseat(producer_seat));
  }
  void consumer_dies_and_successor_comes() {
    in.reset();
    in.emplace(view, reseat(consumer_seat));
  }
  /// The same for one that leaves in order.
  void consumer_leaves_and_successor_comes() {
    in->leave();
    in.reset();
    keeper.template leave<ring>(consumer_seat);
    if (state_of(view.seats[consumer_seat].state.load()) == seat_state::dead) {
      EXPECT_TRUE(ring::settle(view, consumer_seat, keeper));
    }
    keeper.sit(role::consumer, consumer_seat - view.first_seat(role::consumer));
    in.emplace(view, consumer_seat);
  }

  typename Case::memory memory;
  ring_view view;
  hand_keeper keeper;
  std::uint32_t producer_seat;
  std::uint32_t consumer_seat;
  std::optional<producer_side> out;
  std::optional<consumer_side> in;

 private:
  std::uint32_t reseat(std::uint32_t seat_index) {
    EXPECT_TRUE(keeper.template bury<ring>(seat_index));
    const auto whose = seat_index < view.producer_seats ? role::producer : role::consumer;
    return keeper.sit(whose, seat_index - view.first_seat(whose));
  }
};

}  // namespace sluice::detail::test
