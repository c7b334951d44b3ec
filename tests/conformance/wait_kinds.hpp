#pragma once

// The wait strategies that the suites run over. A new one is one line here.

#include <gtest/gtest.h>

#include <string>

#include "sluice/wait.hpp"

namespace sluice::detail::test {

using wait_kinds = ::testing::Types<  //
    busy_spin,                        //
    park,                             //
    spin_then_park>;

/// Rounds enough to meet every instruction of announce and sleep. On a busy machine each round of those that poll costs
/// the rest of a time slice, and they seldom sleep.
template <class Wait>
inline constexpr std::uint64_t ping_pongs = std::is_same_v<Wait, park> ? 200'000 : 5'000;

struct wait_kind_names {
  template <class Wait>
  static std::string GetName(int) {
    if constexpr (std::is_same_v<Wait, busy_spin>) return "BusySpin";
    if constexpr (std::is_same_v<Wait, park>) return "Park";
    return "SpinThenPark";
  }
};

}  // namespace sluice::detail::test
