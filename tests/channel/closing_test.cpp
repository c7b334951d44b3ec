// The end of a channel: `ready` means delivered before any consumer is told `closed`, and `closed` means not delivered.

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "channel/channel_places.hpp"
#include "support/behind.hpp"
#include "support/child_process.hpp"
#include "support/is_there.hpp"
#include "support/pipe_signal.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;

template <class Ring, class Wait>
struct with {
  using ring = Ring;
  using wait = Wait;
  using link = channel<std::uint64_t, Ring>;
};

template <class Case>
class Closing : public ::testing::Test {
 protected:
  watchdog dog_{std::chrono::seconds(100)};
};
using cases = ::testing::Types<with<spsc_ring, spin_then_park>, with<spsc_ring, busy_spin>, with<mpmc_ring, park>,
                               with<mpmc_ring, busy_spin>>;
struct case_names {
  template <class Case>
  static std::string GetName(int i) {
    return std::string(Case::ring::kind == ring_kind::spsc ? "Spsc" : "Mpmc") + std::to_string(i);
  }
};
TYPED_TEST_SUITE(Closing, cases, case_names);

/// Receives until the channel's end; how many came.
template <class Consumer>
std::uint64_t count_to_the_end(Consumer& in) {
  std::uint64_t count = 0, message = 0;
  while (in.receive(message) == wait_result::ready) ++count;
  return count;
}

TYPED_TEST(Closing, AProducerThatWaitsForRoomSaysClosedAndNotReady) {
  for (int round = 0; round < 50; ++round) {
    auto place = TypeParam::link::create_unnamed({.capacity_slots = 2});
    auto in = place.consumer();
    std::atomic<bool> is_full = false;
    wait_result last{};
    std::thread sender([&] {
      auto out = place.template producer<typename TypeParam::wait>();
      EXPECT_TRUE(out.try_send(0) && out.try_send(1));
      is_full = true;
      last = out.send(2);
    });
    while (!is_full) std::this_thread::yield();
    for (int i = 0; i < round * 100; ++i) cpu_pause();  // now and then it waits already
    in.close();
    const auto count = count_to_the_end(in);
    sender.join();
    ASSERT_EQ(count, last == wait_result::ready ? 3U : 2U);
    ASSERT_EQ(last, wait_result::closed) << "nothing was released before the close";
  }
}

TYPED_TEST(Closing, EverythingThatWasSentIsDeliveredBeforeAConsumerIsToldClosed) {
  constexpr bool is_spsc = TypeParam::ring::kind == ring_kind::spsc;
  constexpr unsigned senders = is_spsc ? 1 : 2;
  for (int round = 0; round < 400; ++round) {
    auto place = TypeParam::link::create_unnamed(
        {.capacity_slots = 8, .producer_seats = is_spsc ? 1 : senders + 1, .consumer_seats = is_spsc ? 1U : 2U});
    auto in = place.consumer();
    std::atomic<unsigned> are_sending = 0;
    std::atomic<std::uint64_t> sent = 0;
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < senders; ++i)
      threads.emplace_back([&, i] {
        auto out = place.template producer<typename TypeParam::wait>();
        ++are_sending;
        for (std::uint64_t n = 0; (i == 0 ? out.send(n) : out.send_for(n, 1h)) == wait_result::ready; ++n) ++sent;
      });
    while (are_sending != senders) std::this_thread::yield();
    std::uint64_t message = 0, got = 0;
    for (int i = 0; i < 20 + round % 7; ++i) got += in.receive(message) == wait_result::ready;
    in.close();
    got += count_to_the_end(in);
    for (auto& thread : threads) thread.join();
    ASSERT_EQ(got, sent) << "round " << round;
  }
}

TYPED_TEST(Closing, AClaimFromBeforeTheCloseIsWaitedForAndOneAfterItIsRefused) {
  auto place = TypeParam::link::create_unnamed({.capacity_slots = 4});
  auto out = place.producer();
  auto in = place.consumer();
  auto slot = out.try_claim();
  ASSERT_TRUE(slot);
  in.close();
  EXPECT_FALSE(in.is_finished()) << "a claim is open";
  std::uint64_t message = 0;
  EXPECT_EQ(in.receive_for(message, 60ms), wait_result::timed_out);
  *slot = 7;
  slot.publish();
  EXPECT_EQ(in.receive(message), wait_result::ready);
  EXPECT_EQ(message, 7U);
  EXPECT_FALSE(is_there(out.try_claim()));
  EXPECT_EQ(out.send(8), wait_result::closed);
  EXPECT_EQ(in.receive(message), wait_result::closed);
  EXPECT_TRUE(in.is_finished());
}

TYPED_TEST(Closing, AClaimThatIsAbandonedAfterTheCloseEndsTheWait) {
  auto place = TypeParam::link::create_unnamed({.capacity_slots = 4});
  auto out = place.producer();
  auto in = place.consumer();
  auto slot = out.try_claim();
  ASSERT_TRUE(slot);
  out.close();
  std::thread giver([&slot] {
    std::this_thread::yield();
    slot.abandon();
  });
  EXPECT_EQ(count_to_the_end(in), 0U);
  giver.join();
}

TYPED_TEST(Closing, TheClaimOfAProducerThatDiesAfterTheCloseIsNotWaitedFor) {
  auto place = TypeParam::link::template create_unnamed<memfd_segment>({.capacity_slots = 4});
  auto in = place.consumer();
  pipe_signal has_claimed;
  auto child = child_process::fork([&] {
    auto out = place.producer();
    if (!out.try_send(1)) return 1;
    auto slot = out.try_claim();
    has_claimed.tell();
    ::pause();
    return slot ? 0 : 1;
  });
  ASSERT_TRUE(has_claimed.is_told());
  in.close();
  child.kill();
  EXPECT_EQ(count_to_the_end(in), 1U);
}

TYPED_TEST(Closing, AProducerThatCannotBeMadeDoesNotOpenAClosedChannel) {
  auto place = TypeParam::link::create_unnamed({.capacity_slots = 4, .producer_seats = 1, .consumer_seats = 1});
  auto in = place.consumer();
  in.close();
  auto& own = details_of(in);
  auto& counter = TypeParam::ring::kind == ring_kind::spsc ? spsc_seat_of(own.ring(), 0).sequence
                                                           : mpmc_control_of(own.ring()).tail;
  const auto before = counter.exchange(100);
  EXPECT_THROW((void)place.producer(), error) << "the counters contradict each other";
  EXPECT_TRUE(own.is_closed());
  counter.store(before);
  std::uint64_t message = 0;
  EXPECT_EQ(in.receive(message), wait_result::closed);
  {
    auto out = place.producer();
    EXPECT_FALSE(own.is_closed());
    EXPECT_TRUE(out.try_send(1));
  }
  EXPECT_TRUE(in.try_receive(message));
}

TEST(ClosingMpmc, AConsumerIsNotToldClosedWhileAnotherHoldsAMessageThatItMayLeave) {
  const watchdog dog(std::chrono::seconds(60));
  auto place = channel<std::uint64_t, mpmc_ring>::create_unnamed<memfd_segment>(
      {.capacity_slots = 4, .producer_seats = 1, .consumer_seats = 2});
  auto out = place.producer();
  ASSERT_TRUE(out.try_send(1));
  pipe_signal holds;
  auto child = child_process::fork([&] {
    auto other = place.consumer();
    auto held = other.try_peek();
    holds.tell();
    ::pause();
    return held ? 0 : 1;
  });
  ASSERT_TRUE(holds.is_told());
  auto in = place.consumer();
  out.close();
  std::uint64_t message = 0;
  EXPECT_EQ(in.receive_for(message, 120ms), wait_result::timed_out) << "the other one may die";
  child.kill();
  std::uint64_t count = 0;
  ASSERT_EQ(raw_of(in).peek_until(never, 1, count), wait_result::ready);
  EXPECT_TRUE(raw_of(in).was_delivered_before());
  EXPECT_TRUE(raw_of(in).release());
  EXPECT_EQ(in.receive(message), wait_result::closed);
}

}  // namespace
}  // namespace sluice::detail::test
