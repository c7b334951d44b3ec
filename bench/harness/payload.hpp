// What travels: word i of message s is base(s) + i, so a stale, torn or repeated message never verifies.
// Filled with 64-byte vectors (four 16-byte stores on plain x86-64): a queue that copies the message right after
// the fill then reads what was written in the same width, and does not stall on a failed store forwarding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sluice_bench {

inline constexpr std::uint64_t stop_sequence = std::uint64_t{1} << 63;  // no run comes that far

[[nodiscard]] constexpr std::uint64_t base_word(std::uint64_t sequence) noexcept {
  return (sequence + 1) * 0x9E37'79B9'7F4A'7C15ULL;  // odd factor: a permutation, neighbours far apart
}

namespace detail {
using line_words [[gnu::vector_size(64)]] = std::uint64_t;
using two_words [[gnu::vector_size(16)]] = std::uint64_t;
}  // namespace detail

template <std::size_t message_bytes>
[[gnu::always_inline]] inline void fill_payload(std::byte* at, std::uint64_t sequence) noexcept {
  static_assert(message_bytes >= 8 && message_bytes % 8 == 0, "the payload is made of 64-bit words");
  std::uint64_t word = base_word(sequence);
  std::size_t offset = 0;
  if constexpr (message_bytes >= 64) {
    detail::line_words line = {word, word + 1, word + 2, word + 3, word + 4, word + 5, word + 6, word + 7};
    for (; offset + 64 <= message_bytes; offset += 64) {
      std::memcpy(at + offset, &line, 64);
      line += 8;
    }
    word += offset / 8;
  }
  for (; offset + 16 <= message_bytes; offset += 16, word += 2) {
    const detail::two_words two = {word, word + 1};
    std::memcpy(at + offset, &two, 16);
  }
  if constexpr (message_bytes % 16 == 8) std::memcpy(at + offset, &word, 8);
}

/// True when every word of the message is the expected one.
template <std::size_t message_bytes>
[[gnu::always_inline, nodiscard]] inline bool payload_is(const std::byte* at, std::uint64_t sequence) noexcept {
  std::uint64_t word = base_word(sequence);
  std::uint64_t difference = 0;
  std::size_t offset = 0;
  if constexpr (message_bytes >= 64) {
    detail::line_words expected = {word, word + 1, word + 2, word + 3, word + 4, word + 5, word + 6, word + 7};
    detail::line_words differences = {};
    for (; offset + 64 <= message_bytes; offset += 64) {
      detail::line_words line;
      std::memcpy(&line, at + offset, 64);
      differences |= line ^ expected;
      expected += 8;
    }
    for (int i = 0; i < 8; ++i) difference |= differences[i];
    word += offset / 8;
  }
  for (; offset + 8 <= message_bytes; offset += 8, ++word) {
    std::uint64_t found = 0;
    std::memcpy(&found, at + offset, 8);
    difference |= found ^ word;
  }
  return difference == 0;
}

}  // namespace sluice_bench
