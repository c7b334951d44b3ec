// A thousand producers, a thousand consumers, and one more.

#include <gtest/gtest.h>

#include <deque>

#include "channel/channel_places.hpp"
#include "support/expect_error.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

template <class Place>
class ManySeats : public ::testing::Test {};
using seat_places = ::testing::Types<named_place<mpmc_ring>, unnamed_place<mpmc_ring, anonymous_segment>>;
TYPED_TEST_SUITE(ManySeats, seat_places, place_names);

TYPED_TEST(ManySeats, AThousandOnEachSideExchangeMessagesAndOneMoreIsRefused) {
  const watchdog dog;
  constexpr std::uint32_t seats = 1024;
  const TypeParam shared({.capacity_slots = 4096, .producer_seats = seats, .consumer_seats = seats});
  std::deque<sluice::producer<numbered, mpmc_ring>> out;
  std::deque<sluice::consumer<numbered, mpmc_ring>> in;
  for (std::uint32_t i = 0; i < seats; ++i) {
    out.push_back(shared->producer());
    in.push_back(shared->consumer());
  }
  EXPECT_THAT(thrown_by([&] { (void)shared->producer(); }), ThrewSaying(errc::seat_taken, "in 1024 of them"));
  EXPECT_THAT(thrown_by([&] { (void)shared->consumer(); }), ThrewSaying(errc::seat_taken, "in 1024 of them"));
  for (std::uint32_t i = 0; i < seats; ++i) ASSERT_TRUE(out[i].try_send(numbered::of(i)));
  for (std::uint32_t i = 0; i < seats; ++i) {
    const auto received = in[seats - 1 - i].try_receive();
    ASSERT_TRUE(received.has_value());
    EXPECT_EQ(*received, numbered::of(i));
  }
  out.pop_back();
  EXPECT_NO_THROW((void)shared->producer()) << "the seat that was left is free";
}

}  // namespace
}  // namespace sluice::detail::test
