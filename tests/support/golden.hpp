#pragma once

// The channels that tests/golden/ keeps: how the first build of a format version wrote them. Written by
// tests/programs/make_golden.cpp, read by tests/channel/golden_test.cpp.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sluice/detail/channel/key_text.hpp"
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

/// As identity_of() makes it of an empty struct with this name.
inline constexpr type_identity golden_bytes_identity{"sluice.bytes",
                                                     fnv1a(0, fnv1a(1, fnv1a(1, fnv1a("sluice.bytes")))), 1, 1, 0};

/// Of a ring whose messages have any length: short ones and long ones by turns.
inline std::vector<std::byte> golden_bytes_of(std::uint64_t number) {
  std::vector<std::byte> message(number % 3 == 0 ? 10 + number : 150 + 40 * number);
  for (std::size_t i = 0; i < message.size(); ++i) message[i] = static_cast<std::byte>(number * 37 + i * 11);
  return message;
}

inline constexpr std::uint64_t golden_sent = 11, golden_released = 4, golden_held = 2;
/// Where the arena is shorter than the messages: of the first so many the bytes are gone.
inline constexpr std::uint64_t golden_gone = 6;

/// Of a service: so many parts of a response.
inline constexpr std::uint64_t golden_parts = 2;

/// Of a table: messages by turns under three keys.
using golden_key = key_text<12>;
inline constexpr std::uint64_t golden_keys = 3;
inline golden_key golden_key_of(std::uint64_t number) {
  return golden_key(number % golden_keys == 0 ? "zero" : number % golden_keys == 1 ? "one" : "two");
}

}  // namespace sluice::detail::test

template <>
struct sluice::message_traits<sluice::detail::test::golden_message> {
  static constexpr std::string_view name = "sluice.golden";
  static constexpr std::uint64_t version = 1;
};
