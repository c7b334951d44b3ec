#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "conformance/ring_rig.hpp"

namespace sluice::detail::test {

/// Message `number`: its length and its bytes follow from it, and it begins with it.
struct numbered_bytes {
  static std::uint64_t length_of(std::uint64_t number) {
    const auto mixed = number * 0x9e3779b97f4a7c15ULL >> 48;
    return 8 + (mixed % 4 == 0 ? mixed % 1000 : mixed % 80);
  }
  static void write(std::span<std::byte> room, std::uint64_t number) {
    std::memcpy(room.data(), &number, sizeof number);
    fill(room.data() + 8, room.size() - 8, number);
  }
  static bool is_whole(std::span<const std::byte> message, std::uint64_t& number) {
    if (message.size() < 8) return false;
    std::memcpy(&number, message.data(), sizeof number);
    return message.size() == length_of(number) && is_message(message.data() + 8, message.size() - 8, number);
  }
};

}  // namespace sluice::detail::test
