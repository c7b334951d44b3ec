// Every call of a producer and a consumer, in one process.

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "sluice/channel.hpp"
#include "sluice/detail/part/mpmc/mpmc_ring.hpp"
#include "sluice/registry.hpp"
#include "support/behind.hpp"
#include "support/is_there.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;

struct order {
  std::uint64_t id = 0;
  std::int32_t amount = 0;
  char text[12] = {};
  bool operator==(const order&) const = default;
};

order order_of(std::uint64_t id) {
  order one{id, static_cast<std::int32_t>(id) * -3, {}};
  std::snprintf(one.text, sizeof one.text, "#%u", static_cast<unsigned>(id % 1'000'000));
  return one;
}

template <class Ring>
class Channel : public ::testing::Test {
 protected:
  using link = channel<order, Ring>;
  watchdog dog_;
  link link_ = link::create_unnamed({.capacity_slots = 8});
  typename std::optional<producer<order, Ring>> out_{link_.producer()};
  typename std::optional<consumer<order, Ring>> in_{link_.consumer()};
};
using ring_kinds = ::testing::Types<spsc_ring, mpmc_ring>;
struct ring_names {
  template <class Ring>
  static std::string GetName(int) {
    return Ring::kind == ring_kind::spsc ? "Spsc" : "Mpmc";
  }
};
TYPED_TEST_SUITE(Channel, ring_kinds, ring_names);

// ---- By copy ---------------------------------------------------------------------------------------------------------

TYPED_TEST(Channel, TrySendAndTryReceiveMoveOneMessage) {
  order got;
  EXPECT_FALSE(this->in_->try_receive(got));
  EXPECT_TRUE(this->out_->try_send(order_of(1)));
  ASSERT_TRUE(this->in_->try_receive(got));
  EXPECT_EQ(got, order_of(1));
  EXPECT_FALSE(this->in_->try_receive().has_value());
}

TYPED_TEST(Channel, TryReceiveWithoutAnArgumentReturnsTheMessage) {
  ASSERT_TRUE(this->out_->try_send(order_of(2)));
  const auto got = this->in_->try_receive();
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(*got, order_of(2));
}

TYPED_TEST(Channel, TrySendToAFullChannelIsRefused) {
  for (std::uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(this->out_->try_send(order_of(i)));
  EXPECT_FALSE(this->out_->try_send(order_of(8)));
}

TYPED_TEST(Channel, SpansAreSentAndReceivedAsFarAsThereIsRoom) {
  std::vector<order> orders;
  for (std::uint64_t i = 0; i < 10; ++i) orders.push_back(order_of(i));
  EXPECT_EQ(this->out_->try_send(std::span<const order>(orders)), 8U);
  EXPECT_EQ(this->out_->try_send(std::span<const order>(orders)), 0U);
  std::array<order, 5> got;
  EXPECT_EQ(this->in_->try_receive(std::span<order>(got)), 5U);
  for (std::uint64_t i = 0; i < 5; ++i) EXPECT_EQ(got[i], order_of(i));
  EXPECT_EQ(this->in_->try_receive(std::span<order>(got)), 3U);
  for (std::uint64_t i = 0; i < 3; ++i) EXPECT_EQ(got[i], order_of(5 + i));
  EXPECT_EQ(this->in_->try_receive(std::span<order>(got)), 0U);
}

TYPED_TEST(Channel, EmptySpansMoveNothing) {
  EXPECT_EQ(this->out_->try_send(std::span<const order>()), 0U);
  ASSERT_TRUE(this->out_->try_send(order_of(1)));
  EXPECT_EQ(this->in_->try_receive(std::span<order>()), 0U);
  EXPECT_EQ(this->in_->try_receive()->id, 1U);
}

TYPED_TEST(Channel, SendWaitsForRoom) {
  for (std::uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(this->out_->try_send(order_of(i)));
  std::thread sending([&] { EXPECT_EQ(this->out_->send(order_of(8)), wait_result::ready); });
  order got;
  for (std::uint64_t i = 0; i <= 8; ++i) {
    EXPECT_EQ(this->in_->receive(got), wait_result::ready);
    EXPECT_EQ(got, order_of(i));
  }
  sending.join();
}

TYPED_TEST(Channel, SendForGivesUpWhenTheTimeIsUp) {
  for (std::uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(this->out_->try_send(order_of(i)));
  EXPECT_EQ(this->out_->send_for(order_of(8), 3ms), wait_result::timed_out);
  EXPECT_EQ(this->out_->send_for(order_of(8), -1s), wait_result::timed_out);
  for (std::uint64_t i = 0; i < 8; ++i) EXPECT_EQ(this->in_->try_receive()->id, i);
  EXPECT_FALSE(this->in_->try_receive().has_value()) << "what was refused must not have been sent";
}

TYPED_TEST(Channel, ReceiveForGivesUpWhenTheTimeIsUp) {
  order got = order_of(77);
  EXPECT_EQ(this->in_->receive_for(got, 3ms), wait_result::timed_out);
  EXPECT_EQ(this->in_->receive_for(got, -1s), wait_result::timed_out);
  EXPECT_EQ(got, order_of(77)) << "untouched";
}

TYPED_TEST(Channel, TheLongestTimesThereAreDoNotOverflow) {
  ASSERT_TRUE(this->out_->try_send(order_of(1)));
  order got;
  EXPECT_EQ(this->in_->receive_for(got, std::chrono::hours::max()), wait_result::ready);
  std::thread sending([&] {
    while (this->link_.header().magic != segment_magic) continue;
    std::this_thread::yield();
    EXPECT_TRUE(this->out_->try_send(order_of(2)));
  });
  // Most likely no message is there yet: a time-out that overflowed would end at once.
  EXPECT_EQ(this->in_->receive_for(got, std::chrono::hours::max()), wait_result::ready);
  sending.join();
  EXPECT_GT(deadline_after(std::chrono::hours::max()), deadline_after(std::chrono::hours(24)));
  EXPECT_EQ(deadline_after(std::chrono::duration<double>(1e300)), never);
}

// ---- In place --------------------------------------------------------------------------------------------------------

TYPED_TEST(Channel, APublishedLoanIsDelivered) {
  auto slot = this->out_->try_claim();
  ASSERT_TRUE(slot);
  *slot = order_of(1);
  slot->amount = 5;
  EXPECT_FALSE(is_there(this->in_->try_peek()));
  slot.publish();
  EXPECT_FALSE(slot);
  auto got = this->in_->try_peek();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->id, 1U);
  EXPECT_EQ((*got).amount, 5);
  EXPECT_FALSE(got.was_delivered_before());
}

TYPED_TEST(Channel, ADroppedLoanIsNeverSeen) {
  {
    auto slot = this->out_->try_claim();
    ASSERT_TRUE(slot);
    *slot = order_of(666);
  }
  ASSERT_TRUE(this->out_->try_send(order_of(1)));
  EXPECT_EQ(this->in_->try_receive()->id, 1U);
  EXPECT_FALSE(this->in_->try_receive().has_value());
}

TYPED_TEST(Channel, AMovedLoanIsOneLoan) {
  auto slot = this->out_->try_claim();
  auto moved = std::move(slot);
  EXPECT_FALSE(slot);
  ASSERT_TRUE(moved);
  *moved = order_of(3);
  moved.publish();
  auto got = this->in_->try_peek();
  {
    auto inner = std::move(got);
    EXPECT_EQ(inner->id, 3U);
  }
  EXPECT_FALSE(is_there(this->in_->try_peek())) << "released once, by the one that had it";
}

TYPED_TEST(Channel, AClaimOnAFullChannelIsEmptyWhenTheTimeIsUp) {
  for (std::uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(this->out_->try_send(order_of(i)));
  EXPECT_FALSE(is_there(this->out_->try_claim()));
  EXPECT_FALSE(is_there(this->out_->claim_for(2ms)));
  EXPECT_EQ(this->out_->status(), wait_result::timed_out);
}

TYPED_TEST(Channel, AWaitThatFindsSomethingAtOnceSaysReady) {
  EXPECT_FALSE(is_there(this->in_->peek_for(1ms)));
  ASSERT_EQ(this->in_->status(), wait_result::timed_out);
  ASSERT_TRUE(this->out_->try_send(order_of(1)));
  EXPECT_TRUE(this->in_->peek_for(1ms));
  EXPECT_EQ(this->in_->status(), wait_result::ready);
  for (std::uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(this->out_->try_send(order_of(i)));
  EXPECT_FALSE(is_there(this->out_->claim_for(1ms)));
  ASSERT_EQ(this->out_->status(), wait_result::timed_out);
  order got;
  ASSERT_EQ(this->in_->receive(got), wait_result::ready);
  EXPECT_TRUE(this->out_->claim_for(1ms));
  EXPECT_EQ(this->out_->status(), wait_result::ready);
}

TYPED_TEST(Channel, LeavingTheScopeReleasesAMessage) {
  ASSERT_TRUE(this->out_->try_send(order_of(1)));
  ASSERT_TRUE(this->out_->try_send(order_of(2)));
  {
    auto got = this->in_->try_peek();
    EXPECT_EQ(got->id, 1U);
  }
  auto got = this->in_->try_peek();
  EXPECT_EQ(got->id, 2U);
  got.release();
  EXPECT_FALSE(got);
  EXPECT_TRUE(this->out_->is_drained());
}

TYPED_TEST(Channel, AKeptMessageComesAgain) {
  ASSERT_TRUE(this->out_->try_send(order_of(1)));
  {
    auto got = this->in_->try_peek();
    ASSERT_TRUE(got);
    got.keep();
  }
  EXPECT_EQ(this->in_->try_receive()->id, 1U);
}

TYPED_TEST(Channel, AMessageWhoseHandlingThrowsComesAgain) {  // scenario 20
  ASSERT_TRUE(this->out_->try_send(order_of(1)));
  ASSERT_TRUE(this->out_->try_send(order_of(2)));
  try {
    auto got = this->in_->try_peek();
    ASSERT_TRUE(got);
    throw std::runtime_error("handling failed");
  } catch (const std::runtime_error&) {
  }
  EXPECT_EQ(this->in_->try_receive()->id, 1U);
  EXPECT_EQ(this->in_->try_receive()->id, 2U);
}

/// The ids of what a destructor takes that runs because of an exception.
template <class Ring, class Take>
std::vector<std::uint64_t> taken_while_unwinding(consumer<order, Ring>& in, Take take) {
  struct at_unwinding {
    consumer<order, Ring>& in;
    Take& take;
    std::vector<std::uint64_t>& ids;
    ~at_unwinding() {
      while (ids.size() < 10) {
        auto got = in.try_peek();
        if (!got) break;
        ids.push_back(got->id);
        take(got);
      }
    }
  };
  std::vector<std::uint64_t> ids;
  try {
    at_unwinding guard{in, take, ids};
    throw std::runtime_error("unwinding");
  } catch (const std::runtime_error&) {
  }
  return ids;
}

TYPED_TEST(Channel, ALoanReleasedWhileAnExceptionPassesIsReleased) {
  for (std::uint64_t id = 1; id <= 3; ++id) ASSERT_TRUE(this->out_->try_send(order_of(id)));
  EXPECT_EQ(taken_while_unwinding(*this->in_, [](auto& got) { got.release(); }), (std::vector<std::uint64_t>{1, 2, 3}));
}

TYPED_TEST(Channel, OfLoansDroppedWhileAnExceptionPassesTheFirstMayComeTwice) {
  for (std::uint64_t id = 1; id <= 3; ++id) ASSERT_TRUE(this->out_->try_send(order_of(id)));
  EXPECT_EQ(taken_while_unwinding(*this->in_, [](auto&) {}), (std::vector<std::uint64_t>{1, 1, 2, 3}));
  EXPECT_FALSE(is_there(this->in_->try_peek()));
}

TYPED_TEST(Channel, AMessageWhoseHandlingThrowsComesAgainEachTime) {
  for (std::uint64_t id = 1; id <= 3; ++id) ASSERT_TRUE(this->out_->try_send(order_of(id)));
  (void)taken_while_unwinding(*this->in_, [n = 0](auto& got) mutable { ++n == 1 ? got.release() : got.keep(); });
  for (int attempt = 0; attempt < 3; ++attempt) {
    try {
      auto got = this->in_->try_peek();
      ASSERT_TRUE(got);
      EXPECT_EQ(got->id, 2U);
      throw std::runtime_error("handling failed");
    } catch (const std::runtime_error&) {
    }
  }
  EXPECT_EQ(this->in_->try_receive()->id, 2U);
  { auto got = this->in_->try_peek(); }
  EXPECT_TRUE(this->out_->is_drained());
}

TYPED_TEST(Channel, ABatchIsPublishedInOrderAsFarAsAsked) {
  auto batch = this->out_->try_claim_batch(5);
  ASSERT_EQ(batch.size(), 5U);
  for (std::uint64_t i = 0; i < 5; ++i) batch[i] = order_of(i);
  batch.publish(3);
  EXPECT_EQ(batch.size(), 0U);
  for (std::uint64_t i = 0; i < 3; ++i) EXPECT_EQ(this->in_->try_receive()->id, i);
  EXPECT_FALSE(this->in_->try_receive().has_value());
}

TYPED_TEST(Channel, ADroppedBatchIsNeverSeen) {
  {
    auto batch = this->out_->try_claim_batch(5);
    ASSERT_EQ(batch.size(), 5U);
    batch[0] = order_of(666);
  }
  EXPECT_FALSE(this->in_->try_receive().has_value());
  std::uint64_t sent = 0;
  while (this->out_->try_send(order_of(sent))) ++sent;
  EXPECT_EQ(sent, 8U) << "no slot is lost";
}

TYPED_TEST(Channel, PublishingMoreThanWasClaimedPublishesWhatWasClaimed) {
  auto batch = this->out_->try_claim_batch(2);
  batch[0] = order_of(0);
  batch[1] = order_of(1);
  batch.publish(100);
  EXPECT_EQ(this->in_->try_receive()->id, 0U);
  EXPECT_EQ(this->in_->try_receive()->id, 1U);
  EXPECT_FALSE(this->in_->try_receive().has_value());
}

TYPED_TEST(Channel, ABatchOnAFullChannelIsEmpty) {
  for (std::uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(this->out_->try_send(order_of(i)));
  auto batch = this->out_->try_claim_batch(3);
  EXPECT_EQ(batch.size(), 0U);
  batch.publish();
  EXPECT_FALSE(this->out_->try_send(order_of(9)));
}

TYPED_TEST(Channel, APeekedBatchIsReleasedAsFarAsAsked) {  // scenario 33
  for (std::uint64_t i = 0; i < 6; ++i) ASSERT_TRUE(this->out_->try_send(order_of(i)));
  {
    auto batch = this->in_->try_peek_batch(5);
    ASSERT_EQ(batch.size(), 5U);
    for (std::uint64_t i = 0; i < 5; ++i) EXPECT_EQ(batch[i], order_of(i));
    batch.release(2);
    EXPECT_EQ(batch.size(), 0U);
  }
  EXPECT_EQ(this->in_->try_peek_batch(1).size(), 1U);  // and dropped
  for (std::uint64_t i = 2; i < 6; ++i) EXPECT_EQ(this->in_->try_receive()->id, i);
}

TYPED_TEST(Channel, AssigningANewLoanOverAnOldOneNeverSkipsAMessage) {
  for (std::uint64_t i = 0; i < 4; ++i) ASSERT_TRUE(this->out_->try_send(order_of(i)));
  std::vector<std::uint64_t> seen;
  auto slot = this->in_->try_peek();
  for (int i = 0; i < 20 && slot; ++i) {
    seen.push_back(slot->id);
    slot.release();
    slot = this->in_->try_peek();
  }
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{0, 1, 2, 3}));
}

// ---- The end ---------------------------------------------------------------------------------------------------------

TYPED_TEST(Channel, ARangeForEndsWhenTheChannelIsClosedAndDrained) {
  for (std::uint64_t i = 0; i < 5; ++i) ASSERT_TRUE(this->out_->try_send(order_of(i)));
  this->out_->close();
  std::uint64_t next = 0;
  for (const auto& got : *this->in_) EXPECT_EQ(got, order_of(next++));
  EXPECT_EQ(next, 5U);
  EXPECT_EQ(this->in_->status(), wait_result::closed);
  EXPECT_TRUE(this->in_->is_finished());
}

TYPED_TEST(Channel, LeavingARangeForReleasesTheMessageAtHand) {
  for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(this->out_->try_send(order_of(i)));
  for (const auto& got : *this->in_) {
    if (got.id == 1) break;
  }
  EXPECT_EQ(this->in_->try_receive()->id, 2U);
}

TYPED_TEST(Channel, AnExceptionInARangeForLeavesTheMessageAtHand) {
  for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(this->out_->try_send(order_of(i)));
  try {
    for (const auto& got : *this->in_)
      if (got.id == 1) throw std::runtime_error("handling failed");
  } catch (const std::runtime_error&) {
  }
  EXPECT_EQ(this->in_->try_receive()->id, 1U);
}

TYPED_TEST(Channel, ClosedComesAfterTheLastMessageAndAgainAndAgain) {
  ASSERT_TRUE(this->out_->try_send(order_of(1)));
  this->out_->close();
  order got;
  EXPECT_FALSE(this->in_->is_finished());
  EXPECT_EQ(this->in_->receive(got), wait_result::ready);
  EXPECT_EQ(this->in_->receive(got), wait_result::closed);
  EXPECT_EQ(this->in_->receive(got), wait_result::closed);
  EXPECT_FALSE(is_there(this->in_->peek()));
  EXPECT_EQ(this->in_->status(), wait_result::closed);
}

TYPED_TEST(Channel, AClosedChannelTakesNothing) {
  this->in_->close();
  EXPECT_FALSE(this->out_->try_send(order_of(1)));
  EXPECT_EQ(this->out_->send(order_of(1)), wait_result::closed);
  EXPECT_EQ(this->out_->send_for(order_of(1), 1h), wait_result::closed);
  EXPECT_FALSE(is_there(this->out_->claim()));
  EXPECT_EQ(this->out_->status(), wait_result::closed);
  EXPECT_FALSE(is_there(this->in_->try_peek()));
}

TYPED_TEST(Channel, ClosingWakesAConsumerThatWaits) {
  std::thread waiting([&] {
    order got;
    EXPECT_EQ(this->in_->receive(got), wait_result::closed);
  });
  while (this->link_.header().magic != segment_magic) continue;
  this->out_->close();
  waiting.join();
}

TYPED_TEST(Channel, ClosingWakesAProducerThatWaits) {
  for (std::uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(this->out_->try_send(order_of(i)));
  std::thread waiting([&] { EXPECT_EQ(this->out_->send(order_of(9)), wait_result::closed); });
  this->in_->close();
  waiting.join();
}

TYPED_TEST(Channel, TheNextProducerOpensAClosedChannelAgain) {
  this->out_->close();
  this->out_.reset();
  this->out_.emplace(this->link_.producer());
  EXPECT_TRUE(this->out_->try_send(order_of(1)));
  order got;
  EXPECT_EQ(this->in_->receive(got), wait_result::ready);
  EXPECT_EQ(this->in_->receive_for(got, 1ms), wait_result::timed_out);
}

TYPED_TEST(Channel, DrainWaitsUntilEverythingWasReleased) {
  ASSERT_TRUE(this->out_->try_send(order_of(1)));
  EXPECT_EQ(this->out_->drain_for(1ms), wait_result::timed_out);
  std::thread receiving([&] { EXPECT_EQ(this->in_->try_receive()->id, 1U); });
  EXPECT_EQ(this->out_->drain_for(1h), wait_result::ready);
  receiving.join();
  EXPECT_EQ(this->out_->drain_for(0s), wait_result::ready);
}

// ---- Seats -----------------------------------------------------------------------------------------------------------

TYPED_TEST(Channel, AHandleThatGoesOutOfScopeGivesItsSeatBack) {
  ASSERT_TRUE(this->out_->try_send(order_of(1)));
  for (int i = 0; i < 100; ++i) {
    this->out_.reset();
    this->out_.emplace(this->link_.producer());
    this->in_.reset();
    this->in_.emplace(this->link_.consumer());
  }
  EXPECT_EQ(this->in_->peer(), peer_state::alive);
  EXPECT_EQ(this->out_->peer(), peer_state::alive);
  EXPECT_EQ(this->in_->try_receive()->id, 1U);
}

TYPED_TEST(Channel, APeerThatLeftInOrderIsNone) {
  this->out_.reset();
  EXPECT_EQ(this->in_->peer(), peer_state::none);
  order got;
  EXPECT_EQ(this->in_->receive_for(got, 120ms), wait_result::timed_out) << "it may come again";
}

TYPED_TEST(Channel, AConsumerThatLeavesWithUnreleasedMessagesLeavesThemToTheNext) {
  for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(this->out_->try_send(order_of(i)));
  {
    auto batch = this->in_->try_peek_batch(2);
    ASSERT_NE(batch.size(), 0U);
  }
  this->in_.reset();
  this->in_.emplace(this->link_.consumer());
  order got;
  for (std::uint64_t i = 0; i < 3; ++i) {
    ASSERT_EQ(this->in_->receive_for(got, 5s), wait_result::ready);
    EXPECT_EQ(got.id, i);
  }
}

TYPED_TEST(Channel, AMovedHandleGoesOn) {
  auto out = std::move(*this->out_);
  auto in = std::move(*this->in_);
  this->out_.reset();
  this->in_.reset();
  EXPECT_TRUE(out.try_send(order_of(4)));
  EXPECT_EQ(in.try_receive()->id, 4U);
}

TYPED_TEST(Channel, AHandleAssignedOverAnotherGivesTheOldSeatBack) {
  auto second = TestFixture::link::create_unnamed({.capacity_slots = 8});
  *this->out_ = second.producer();
  EXPECT_EQ(this->in_->peer(), peer_state::none);
  auto in = second.consumer();
  EXPECT_TRUE(this->out_->try_send(order_of(4)));
  EXPECT_EQ(in.try_receive()->id, 4U);
}

TYPED_TEST(Channel, TwoChannelsOfOneProcessDoNotMix) {
  auto second = TestFixture::link::create_unnamed({.capacity_slots = 8});
  auto out = second.producer();
  auto in = second.consumer();
  ASSERT_TRUE(out.try_send(order_of(2)));
  ASSERT_TRUE(this->out_->try_send(order_of(1)));
  EXPECT_EQ(in.try_receive()->id, 2U);
  EXPECT_EQ(this->in_->try_receive()->id, 1U);
}

TYPED_TEST(Channel, ItKnowsItsCapacity) {
  EXPECT_EQ(this->link_.capacity_slots(), 8U);
  EXPECT_EQ(this->out_->capacity_slots(), 8U);
  EXPECT_EQ(this->in_->capacity_slots(), 8U);
  EXPECT_EQ(raw_of(*this->out_).message_bytes(), sizeof(order));
}

TYPED_TEST(Channel, APositionIsReleasedWhateverIsSentAfterIt) {
  auto& out = *this->out_;
  for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(out.try_send(order_of(i)));
  const auto position = out.position();
  EXPECT_EQ(position, 3U);
  ASSERT_TRUE(out.try_send(order_of(4)));
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(this->in_->try_receive());
  EXPECT_FALSE(out.is_released_before(position));
  EXPECT_EQ(out.drain_before_until(position, std::chrono::steady_clock::now()), wait_result::timed_out);
  ASSERT_TRUE(this->in_->try_receive());
  EXPECT_TRUE(out.is_released_before(position));
  EXPECT_EQ(out.drain_before_until(position, std::chrono::steady_clock::time_point::max()), wait_result::ready);
  EXPECT_EQ(out.status(), wait_result::ready);
  EXPECT_FALSE(out.is_drained());
}

TYPED_TEST(Channel, SeatsSayHowFarTheirOwnersAre) {
  ASSERT_TRUE(this->out_->try_send(order_of(1)));
  ASSERT_TRUE(this->out_->try_send(order_of(2)));
  ASSERT_TRUE(this->in_->try_receive());
  for (const auto& seat : this->in_->seats()) {
    EXPECT_EQ(seat.index, seat.role == role::producer ? this->out_->seat_index() : this->in_->seat_index());
    EXPECT_EQ(seat.messages, seat.role == role::producer ? 2U : 1U);
  }
  EXPECT_EQ(this->out_->seats().size(), 2U);
}

TYPED_TEST(Channel, MessagesOfManyPagesArriveWhole) {
  struct big {
    std::uint64_t words[1 << 16];
  };
  auto wide = channel<big, TypeParam>::create_unnamed({.capacity_slots = 2});
  auto out = wide.producer();
  auto in = wide.consumer();
  auto message = std::make_unique<big>();
  for (std::uint64_t round = 0; round < 5; ++round) {
    std::iota(std::begin(message->words), std::end(message->words), round);
    ASSERT_TRUE(out.try_send(*message));
    auto slot = in.try_peek();
    ASSERT_TRUE(slot);
    EXPECT_EQ(std::memcmp(&*slot, message.get(), sizeof(big)), 0);
  }
}

TYPED_TEST(Channel, StrategiesAreChosenByType) {
  auto other = TestFixture::link::create_unnamed();
  auto out = other.producer(busy_spin());
  auto in = other.consumer(park());
  ASSERT_EQ(out.send(order_of(1)), wait_result::ready);
  order got;
  ASSERT_EQ(in.receive(got), wait_result::ready);
  EXPECT_EQ(in.receive_for(got, 1ms), wait_result::timed_out);
}

}  // namespace
}  // namespace sluice::detail::test
