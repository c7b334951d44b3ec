#pragma once

// The memory one ring lives in: given to it, never taken by it. Plain pointers of this process, computed once from
// offsets that were checked, so the data path never trusts a number from the shared bytes.

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "sluice/detail/layout/ring_header.hpp"
#include "sluice/detail/layout/segment_header.hpp"

namespace sluice::detail {

struct ring_view {
  ring_control* control = nullptr;
  seat* seats = nullptr;  // producers first
  std::byte* slots = nullptr;
  std::uint64_t mask = 0;  // capacity - 1
  std::uint64_t stride_bytes = 0;
  std::uint64_t payload_offset = 0;
  std::uint64_t message_bytes = 0;  // what a slot holds from its payload on: the message, or what leads to it
  std::uint32_t lap_bits = 0;       // log2 of the capacity
  std::uint32_t producer_seats = 0;
  std::uint32_t consumer_seats = 0;

  /// What the kind keeps behind the control of all kinds.
  template <class Control>
  [[nodiscard]] Control& control_of_kind() const noexcept {
    static_assert(sizeof(Control) % alignof(seat) == 0, "seats follow");
    return *reinterpret_cast<Control*>(control + 1);
  }
  [[nodiscard]] std::uint64_t capacity() const noexcept { return mask + 1; }
  [[nodiscard]] std::uint64_t lap(std::uint64_t sequence) const noexcept { return sequence >> lap_bits; }
  [[nodiscard]] std::byte* slot(std::uint64_t sequence) const noexcept {
    return slots + (sequence & mask) * stride_bytes;
  }
  [[nodiscard]] std::byte* payload(std::uint64_t sequence) const noexcept { return slot(sequence) + payload_offset; }
  [[nodiscard]] static std::atomic<std::uint64_t>& word_of(std::byte* slot) noexcept {
    return *reinterpret_cast<std::atomic<std::uint64_t>*>(slot);
  }
  [[nodiscard]] std::atomic<std::uint64_t>& word(std::uint64_t sequence) const noexcept {
    return word_of(slot(sequence));
  }
  [[nodiscard]] std::uint64_t word_for(std::uint64_t sequence, slot_kind kind,
                                       std::uint64_t seat_index = 0) const noexcept {
    return slot_word(lap(sequence), kind, seat_index);
  }
  /// Whose slot this is in the lap of `word`. Divides: not for the way of a message.
  [[nodiscard]] std::uint64_t sequence_of(const std::byte* slot, std::uint64_t word) const noexcept {
    return (lap_of(word) << lap_bits) + static_cast<std::uint64_t>(slot - slots) / stride_bytes;
  }
  [[nodiscard]] std::uint32_t first_seat(role r) const noexcept { return r == role::producer ? 0 : producer_seats; }
  [[nodiscard]] std::uint32_t seat_count(role r) const noexcept {
    return r == role::producer ? producer_seats : consumer_seats;
  }
};

}  // namespace sluice::detail
