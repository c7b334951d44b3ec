// Topics that drop subscribers that hold a publisher up for too long: what becomes of those, and of all others.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "channel/channel_places.hpp"
#include "sluice/bytes.hpp"
#include "sluice/inspect.hpp"
#include "sluice/topic.hpp"
#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/pipe_signal.hpp"
#include "support/publisher_counts.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;
using numbers = std::vector<std::uint64_t>;

template <class Of>
class Droppable : public ::testing::Test {
 protected:
  static constexpr publishers how_many = Of::how_many;
  using link = topic<numbered, how_many>;

  void fill(std::uint64_t from, std::uint64_t to) {
    for (auto i = from; i <= to; ++i) ASSERT_TRUE(out_.try_send(numbered::of(i))) << i;
  }
  template <class Subscriber>
  static numbers all_of(Subscriber& in) {
    numbers got;
    for (numbered message; in.try_receive(message); got.push_back(message.number)) EXPECT_TRUE(message.is_whole());
    return got;
  }
  [[nodiscard]] seat_report seat_of(std::uint32_t index) const {
    for (const auto& seat : out_.seats())
      if (seat.index == index) return seat;
    return {};
  }

  watchdog dog_;
  link link_ = link::create_unnamed({.capacity_slots = 8, .subscriber_seats = 8, .drop_stalled_after = 1ms});
  publisher<numbered, how_many> out_{link_.publisher()};
};
TYPED_TEST_SUITE(Droppable, publisher_counts, publisher_count_names);

TYPED_TEST(Droppable, ASubscriberThatGoesOnMissesNothingAndHoldsThePublisherUp) {
  auto in = this->link_.droppable_subscriber();
  this->fill(0, 7);
  EXPECT_FALSE(this->out_.try_send(numbered::of(8)));
  numbered message;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    ASSERT_TRUE(in.try_receive(message));
    ASSERT_EQ(message.number, i);
    ASSERT_EQ(this->out_.send(numbered::of(i + 8)), wait_result::ready);
  }
  EXPECT_FALSE(in.was_dropped());
  EXPECT_EQ(in.lost(), 0U);
  EXPECT_FALSE(this->seat_of(in.seat_index()).is_lossy);
}

TYPED_TEST(Droppable, ASubscriberThatStallsBecomesLossyAndIsTold) {
  auto stalled = this->link_.droppable_subscriber();
  auto live = this->link_.droppable_subscriber();
  this->fill(0, 7);
  EXPECT_EQ(this->all_of(live).size(), 8U);
  EXPECT_EQ(this->seat_of(stalled.seat_index()).lag, 8U);
  EXPECT_EQ(this->out_.send(numbered::of(8)), wait_result::ready) << "after some ticks";
  const auto dropped = this->seat_of(stalled.seat_index());
  EXPECT_TRUE(dropped.was_dropped && dropped.is_lossy);
  EXPECT_FALSE(this->seat_of(live.seat_index()).was_dropped);
  for (std::uint64_t i = 9; i < 100; ++i) {
    ASSERT_EQ(this->all_of(live), numbers{i - 1});
    ASSERT_TRUE(this->out_.try_send(numbered::of(i))) << "only the living one is waited for";
  }
  const auto got = this->all_of(stalled);
  EXPECT_EQ(got.back(), 99U);
  EXPECT_EQ(got.size() + stalled.lost(), 100U);
  EXPECT_TRUE(stalled.was_dropped());
  EXPECT_FALSE(live.was_dropped());
  EXPECT_EQ(live.lost(), 0U);
}

TYPED_TEST(Droppable, AMessageInTheHandsOfOneThatIsDroppedIsNotValidAnyMore) {
  auto in = this->link_.droppable_subscriber();
  this->fill(0, 7);
  const auto* seen = in.try_view();
  ASSERT_NE(seen, nullptr);
  EXPECT_TRUE(in.still_valid());
  EXPECT_EQ(this->out_.send(numbered::of(8)), wait_result::ready);
  EXPECT_FALSE(in.still_valid());
  in.next();
  EXPECT_TRUE(in.was_dropped());
}

TYPED_TEST(Droppable, AStoppedProcessIsDroppedAndGoesOnAsALossyOne) {
  pipe_signal has_joined;
  auto child = child_process::fork([&] {
    auto in = this->link_.droppable_subscriber();
    (void)has_joined.tell();
    numbered message;
    std::uint64_t received = 0;
    while (in.receive(message) == wait_result::ready)
      if (++received > 0 && !message.is_whole()) return 1;
    if (in.status() != wait_result::closed) return 2;
    return in.was_dropped() && received + in.lost_in_all() == 1000 ? 0 : 3;
  });
  ASSERT_TRUE(has_joined.is_told());
  child.stop();
  for (std::uint64_t i = 0; i < 1000; ++i) ASSERT_EQ(this->out_.send(numbered::of(i)), wait_result::ready);
  child.resume();
  this->out_.close();
  EXPECT_TRUE(child.wait().is_success());
}

TYPED_TEST(Droppable, ADroppedOneLeavesASeatThatKeepsNothing) {
  std::optional in(this->link_.droppable_subscriber());
  this->fill(0, 7);
  EXPECT_EQ(this->out_.send(numbered::of(8)), wait_result::ready);
  in.reset();
  auto next = this->link_.droppable_subscriber(history::all());
  EXPECT_FALSE(this->seat_of(next.seat_index()).was_dropped);
  EXPECT_EQ(this->all_of(next).back(), 8U);
  EXPECT_FALSE(next.was_dropped());
}

TYPED_TEST(Droppable, OneThatLeavesLetsThePublisherGoOnAtOnce) {
  const auto other =
      topic<numbered, TestFixture::how_many>::create_unnamed({.capacity_slots = 8, .drop_stalled_after = 1h});
  auto out = other.publisher();
  std::optional in(other.droppable_subscriber());
  for (std::uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(out.try_send(numbered::of(i)));
  std::thread sending([&] { EXPECT_EQ(out.send(numbered::of(8)), wait_result::ready); });
  in.reset();
  sending.join();
}

TYPED_TEST(Droppable, ASubscriberThatReadsInPlaceIsRefused) {
  EXPECT_THAT(thrown_by([&] { (void)this->link_.subscriber(); }),
              ThrewSaying(errc::wrong_kind, "take droppable_subscriber()"));
  this->fill(0, 20);  // it left nothing that holds the publisher up
}

TYPED_TEST(Droppable, WhereNoneIsDroppedItHoldsThePublisherUpForAsLongAsItLives) {
  const auto other = topic<numbered, TestFixture::how_many>::create_unnamed({.capacity_slots = 8});
  auto out = other.publisher();
  auto in = other.droppable_subscriber();
  for (std::uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(out.try_send(numbered::of(i)));
  EXPECT_EQ(out.send_for(numbered::of(8), 200ms), wait_result::timed_out);
  EXPECT_EQ(this->all_of(in).size(), 8U);
  EXPECT_FALSE(in.was_dropped());
}

TEST(DroppableBytes, ASubscriberForWhosePlaceInTheArenaAPublisherWaitsIsDropped) {
  const watchdog dog;
  const auto link =
      topic<bytes>::create_unnamed({.capacity_slots = 64, .capacity_bytes = 1024, .drop_stalled_after = 1ms});
  EXPECT_THAT(thrown_by([&] { (void)link.subscriber(); }), Threw(errc::wrong_kind));
  auto out = link.publisher();
  auto stalled = link.droppable_subscriber(), live = link.droppable_subscriber();
  const auto line_of = [](int number) { return std::string(400, static_cast<char>('a' + number)); };
  std::string line;
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(out.send(line_of(i)), wait_result::ready);
    ASSERT_TRUE(live.try_receive(line));
    EXPECT_EQ(line, line_of(i));
  }
  EXPECT_FALSE(live.was_dropped());
  std::size_t got = 0;
  while (stalled.try_receive(line)) ++got;
  EXPECT_EQ(line, line_of(19));
  EXPECT_TRUE(stalled.was_dropped());
  EXPECT_EQ(got + stalled.lost(), 20U);
}

}  // namespace
}  // namespace sluice::detail::test
