#pragma once

// What the suite of ports runs over: each kind of ring with each way to wait. A new one is one line here.

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

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

/// Of a look for `count` messages: `read` makes of each what is kept of it.
template <class Kept, class Read>
std::vector<Kept> peeked_by(consumer_port& in, std::uint64_t count, const Read& read) {
  std::vector<Kept> found;
  const auto ready = in.try_peek(count);
  for (std::uint64_t i = 0; i < ready; ++i) found.emplace_back(read(in.peeked(i)));
  return found;
}
/// Of all that there is now, released.
template <class Kept, class Read>
std::vector<Kept> received_by(consumer_port& in, const Read& read) {
  std::vector<Kept> got;
  for (auto some = peeked_by<Kept>(in, 3, read); !some.empty(); some = peeked_by<Kept>(in, 3, read)) {
    got.insert(got.end(), some.begin(), some.end());
    in.release();
  }
  return got;
}

inline std::string name_of_port_case(const ::testing::TestParamInfo<port_case>& info) {
  return std::string(std::get<0>(info.param).name) + std::get<1>(info.param).name;
}

}  // namespace sluice::detail::test
