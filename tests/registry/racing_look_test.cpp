// Looking at a channel while messages race through it.

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "channel/channel_places.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

template <class Ring>
class RacingLook : public ::testing::Test {
 protected:
  watchdog dog_;
};
using racing_rings = ::testing::Types<spsc_ring, mpmc_ring>;
struct racing_names {
  template <class Ring>
  static std::string GetName(int) {
    return Ring::kind == ring_kind::spsc ? "Spsc" : "Mpmc";
  }
};
TYPED_TEST_SUITE(RacingLook, racing_rings, racing_names);

TYPED_TEST(RacingLook, NeverSeesMoreMessagesThanTheCapacityNorFewerThanNone) {  // scenario 23
  temp_registry names;
  using link = channel<numbered, TypeParam>;
  const auto made = link::create(*names, segment_name("channel"), {.capacity_slots = 8});
  std::atomic<bool> is_over{false};
  std::thread producing([&] {
    auto out = made.producer();
    for (std::uint64_t number = 0; !is_over; ++number) (void)out.try_send(numbered::of(number));
  });
  std::thread consuming([&] {
    auto in = made.consumer();
    numbered received;
    while (!is_over) (void)in.try_receive(received);
  });
  std::uint64_t seen_some = 0, last_head = 0;
  for (int look = 0; look < 1'000; ++look) {
    const auto info = names->inspect(segment_name("channel"));
    const auto& ring = info.rings.at(0);
    EXPECT_LE(ring.fill_slots, 8U);
    EXPECT_LE(ring.published_slots + ring.hole_slots + ring.taken_slots + ring.claimed_slots, 8U);
    EXPECT_GE(ring.head, last_head) << "positions never go back";
    last_head = ring.head;
    seen_some += ring.fill_slots != 0 ? 1U : 0U;
  }
  is_over = true;
  producing.join();
  consuming.join();
  EXPECT_GT(last_head, 0U);
  EXPECT_GT(seen_some, 0U) << "never caught a message in the channel: no race was looked at";
}

}  // namespace
}  // namespace sluice::detail::test
