#pragma once

// What a consumer knows of its ring's messages beside their slots. Of messages that lie in their slots: nothing.

#include <cstddef>
#include <cstdint>

#include "sluice/detail/layout/ring_view.hpp"

namespace sluice::detail {

class participant;

/// Of a ring whose messages have one size. The rings of messages of any length have their own: bytes_reach.hpp.
template <class Ring>
struct slot_reach {
  static_assert(
      !requires { typename Ring::releases; }, "include sluice/detail/channel/bytes_reach.hpp");

  slot_reach(const ring_view&, const part_descriptor&) noexcept {}
  /// Which producers may sleep until this message is released: bit i % 64 for seat i. None wait for a certain message.
  [[nodiscard]] static constexpr std::uint64_t waiting_seats(const std::byte*) noexcept { return 0; }
};

/// @throws error corrupted: a slot says what no producer writes.
[[noreturn]] void throw_wrong_extent(const participant& handle);

}  // namespace sluice::detail
