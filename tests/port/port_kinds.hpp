#pragma once

// What the suite of ports runs over: each kind of ring with each way to wait. A new one is one line here.

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <tuple>

#include "sluice/detail/layout/segment_header.hpp"
#include "sluice/port.hpp"

namespace sluice::detail::test {

struct port_ring {
  const char* name;
  ring_kind kind;
  std::uint32_t seats;             // of each role
  std::uint64_t holes_of_a_claim;  // that a dead producer of one slot leaves
};
struct port_wait {
  const char* name;
  wait_kind kind;
};
using port_case = std::tuple<port_ring, port_wait>;

inline constexpr port_ring port_rings[] = {
    {"Spsc", ring_kind::spsc, 1, 0},
    {"Mpmc", ring_kind::mpmc, 2, 1},
};
inline constexpr port_wait port_waits[] = {
    {"SpinThenPark", wait_kind::spin_then_park},
    {"Park", wait_kind::park},
    {"BusySpin", wait_kind::busy_spin},
};

inline std::string name_of_port_case(const ::testing::TestParamInfo<port_case>& info) {
  return std::string(std::get<0>(info.param).name) + std::get<1>(info.param).name;
}

}  // namespace sluice::detail::test
