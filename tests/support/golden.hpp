#pragma once

// The channels that tests/golden/ keeps: how the first build of a format version wrote them. Written by
// tests/programs/make_golden.cpp, read by tests/channel/golden_test.cpp.

#include <cstdint>

#include "sluice/detail/layout/type_identity.hpp"

namespace sluice::detail::test {

struct golden_message {
  std::uint64_t number;
  std::uint32_t part;
  char text[12];

  static golden_message of(std::uint64_t number) noexcept {
    return {number,
            static_cast<std::uint32_t>(number * 3),
            {'g', 'o', 'l', 'd', 'e', 'n', static_cast<char>('0' + number % 10)}};
  }
  bool operator==(const golden_message&) const noexcept = default;
};

inline constexpr std::uint64_t golden_sent = 11, golden_released = 4, golden_held = 2;

}  // namespace sluice::detail::test

template <>
struct sluice::message_traits<sluice::detail::test::golden_message> {
  static constexpr std::string_view name = "sluice.golden";
  static constexpr std::uint64_t version = 1;
};
