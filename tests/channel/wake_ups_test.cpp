// Every wake-up reaches a thread that can use it. The waits of these tests have no ticks, so nothing makes a lost wake-up
// good: the thread sleeps on and the watchdog ends the test.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "sluice/bytes.hpp"
#include "sluice/channel.hpp"
#include "sluice/detail/part/mpmc/mpmc_ring.hpp"
#include "sluice/topic.hpp"
#include "sluice/wait.hpp"
#include "support/behind.hpp"
#include "support/is_there.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;

struct sleep_without_ticks {
  template <class Look, class Tick>
  wait_result wait(sleeper& place, Look&& look, Tick&&, std::uint64_t) {
    for (detail::announcement here(place);;) {
      if (const auto answer = look()) return *answer;
      here.sleep(never / 2);
      if (const auto answer = look()) return *answer;
      (void)here.renew();
    }
  }
};

class WakeUps : public ::testing::Test {
 protected:
  using link = channel<std::uint64_t, mpmc_ring>;

  /// How often the threads of a role have gone to sleep, all together.
  static std::uint64_t parks(const ring_view& ring, role whose) {
    std::uint64_t sum = 0;
    const auto first = ring.first_seat(whose);
    for (auto i = first; i < first + ring.seat_count(whose); ++i) sum += ring.seats[i].parks.load();
    return sum;
  }
  static void await_parks(const ring_view& ring, role whose, std::uint64_t count) {
    while (parks(ring, whose) < count) std::this_thread::yield();
  }

  watchdog dog_;
};

TEST_F(WakeUps, TwoSleepingProducersBothGoOnWhenSlotsAreReleasedInTheOtherOrder) {
  const auto shared = link::create_unnamed({.capacity_slots = 2, .producer_seats = 2, .consumer_seats = 2});
  auto older_in = shared.consumer(), younger_in = shared.consumer();
  const auto ring = details_of(older_in).ring();
  {
    auto out = shared.producer();
    ASSERT_TRUE(out.try_send(0));
    ASSERT_TRUE(out.try_send(1));
  }
  auto older = older_in.try_peek(), younger = younger_in.try_peek();
  std::vector<std::thread> senders;
  for (int i = 0; i < 2; ++i)
    senders.emplace_back([&] {
      auto out = shared.producer(sleep_without_ticks());
      EXPECT_EQ(out.send(2), wait_result::ready);
    });
  await_parks(ring, role::producer, 2);
  younger.release();  // wakes a producer, for which there is no room yet: slots are claimed in order
  await_parks(ring, role::producer, 3);
  older.release();  // room for both, and one wake-up
  for (auto& sender : senders) sender.join();
}

TEST_F(WakeUps, APublisherLooksAgainWhenASubscriberHasJoined) {
  // Which keeps more while it joins than afterwards.
  const auto ticks = topic<std::uint64_t>::create_unnamed({.capacity_slots = 2, .subscriber_seats = 3});
  auto slow = ticks.subscriber();
  const auto ring = details_of(slow).ring();
  std::thread sending([&] {
    auto out = ticks.publisher(sleep_without_ticks());
    for (std::uint64_t i = 0; i < 3; ++i) EXPECT_EQ(out.send(i), wait_result::ready);
  });
  await_parks(ring, role::producer, 1);
  auto lossless = ticks.subscriber();
  await_parks(ring, role::producer, 2);
  auto droppable = ticks.droppable_subscriber();
  await_parks(ring, role::producer, 3);
  EXPECT_TRUE(slow.try_receive().has_value());
  sending.join();
}

TEST_F(WakeUps, AProducerThatWaitsForRoomIsWokenBesideOneThatDrains) {
  const auto shared = link::create_unnamed({.capacity_slots = 4, .producer_seats = 2, .consumer_seats = 1});
  auto in = shared.consumer();
  const auto ring = details_of(in).ring();
  std::thread drainer([&] {
    auto out = shared.producer(sleep_without_ticks());
    for (std::uint64_t i = 0; i < 4; ++i) EXPECT_TRUE(out.try_send(i));
    EXPECT_EQ(out.drain_for(1h), wait_result::ready);
  });
  await_parks(ring, role::producer, 1);
  std::thread sender([&] {
    auto out = shared.producer(sleep_without_ticks());
    EXPECT_EQ(out.send(4), wait_result::ready);
  });
  await_parks(ring, role::producer, 2);
  EXPECT_TRUE(in.try_receive().has_value());
  sender.join();
  while (in.try_receive()) continue;
  drainer.join();
}

TEST_F(WakeUps, AProducerThatWaitsForItsArenaIsWokenBesideOneThatWaitsForASlot) {
  const auto shared = channel<bytes, mpmc_ring>::create_unnamed(
      {.capacity_slots = 2, .capacity_bytes = 256, .producer_seats = 2, .consumer_seats = 1});
  auto in = shared.consumer();
  const auto ring = details_of(in).ring();
  const std::string filling(256, 'a');
  std::atomic<bool> is_full{false};
  std::thread for_a_slot([&] {
    auto out = shared.producer(sleep_without_ticks());
    while (!is_full) std::this_thread::yield();
    EXPECT_EQ(out.send("short"), wait_result::ready);
  });
  while (state_of(ring.seats[0].state.load()) != seat_state::taken) std::this_thread::yield();
  std::thread for_its_arena([&] {
    auto out = shared.producer(sleep_without_ticks());
    EXPECT_TRUE(out.try_send(filling));
    EXPECT_TRUE(out.try_send("short"));
    is_full = true;
    EXPECT_TRUE(is_there(out.claim(256)));
  });
  await_parks(ring, role::producer, 2);
  auto message = in.try_peek();
  ASSERT_EQ(message.text(), filling);
  message.release();  // one slot, for the first; and the arena of the second
  for_a_slot.join();
  for_its_arena.join();
}

TEST_F(WakeUps, EverySubscriberIsWokenByOneMessageAndByTheEnd) {
  const auto shared = topic<std::uint64_t>::create_unnamed({.capacity_slots = 8});
  auto out = shared.publisher();
  const auto ring = details_of(out).ring();
  std::vector<std::thread> subscribers;
  for (int i = 0; i < 3; ++i)
    subscribers.emplace_back([&] {
      auto in = shared.subscriber(history::none(), sleep_without_ticks());
      std::uint64_t number = 0;
      EXPECT_EQ(in.receive(number), wait_result::ready);
      EXPECT_EQ(in.receive(number), wait_result::closed);
    });
  subscribers.emplace_back([&] {
    auto in = shared.lossy_subscriber(history::none(), resumes::at_oldest, sleep_without_ticks());
    std::uint64_t number = 0;
    EXPECT_EQ(in.receive(number), wait_result::ready);
    EXPECT_EQ(in.receive(number), wait_result::closed);
  });
  await_parks(ring, role::consumer, 4);
  EXPECT_TRUE(out.try_send(1));
  await_parks(ring, role::consumer, 8);
  out.close();
  for (auto& subscriber : subscribers) subscriber.join();
}

TEST_F(WakeUps, APublisherIsWokenByTheSlowestSubscriberAndByOneThatLeaves) {
  const auto shared = topic<std::uint64_t, publishers::many>::create_unnamed({.capacity_slots = 2});
  std::optional slow(shared.subscriber());
  const auto ring = details_of(*slow).ring();
  std::thread publishing([&] {
    auto out = shared.publisher(sleep_without_ticks());
    for (std::uint64_t i = 0; i < 4; ++i) EXPECT_EQ(out.send(i), wait_result::ready);
  });
  await_parks(ring, role::producer, 1);
  EXPECT_TRUE(slow->try_receive().has_value());
  await_parks(ring, role::producer, 2);
  slow.reset();
  publishing.join();
}

template <publishers Publishers>
void wake_a_publisher_that_waits_for_its_arena(const auto& await_parks) {
  const auto shared = topic<bytes, Publishers>::create_unnamed({.capacity_slots = 16, .capacity_bytes = 256});
  auto slow = shared.subscriber();
  auto fast = shared.subscriber();
  const auto ring = details_of(slow).ring();
  const std::string filling(256, 'a');
  std::thread publishing([&] {
    auto out = shared.publisher(sleep_without_ticks());
    for (int i = 0; i < 3; ++i) EXPECT_EQ(out.send(filling), wait_result::ready);
  });
  std::string got;
  for (std::uint64_t turn = 1; turn < 3; ++turn) {
    await_parks(ring, role::producer, 2 * turn - 1);
    EXPECT_TRUE(fast.try_receive(got));
    await_parks(ring, role::producer, 2 * turn);  // woken in vain
    EXPECT_TRUE(slow.try_receive(got));
  }
  publishing.join();
}
TEST_F(WakeUps, APublisherThatWaitsForItsArenaIsWokenByTheSlowestSubscriber) {
  wake_a_publisher_that_waits_for_its_arena<publishers::one>(await_parks);
  wake_a_publisher_that_waits_for_its_arena<publishers::many>(await_parks);
}

/// In a topic of two slots, both used by the second publisher, one of them for a message that needs all of its arena. The first
/// waits for a slot, the second for its arena; `release` ends the loans of both messages.
template <class Release>
void wake_both_publishers(bool long_one_is_first, const auto& await_parks, const Release& release) {
  const auto shared = topic<bytes, publishers::many>::create_unnamed(
      {.capacity_slots = 2, .capacity_bytes = 256, .publisher_seats = 2});
  auto in = shared.subscriber();
  const auto ring = details_of(in).ring();
  const std::string filling(256, 'a');
  std::atomic<bool> is_full{false};
  std::thread for_a_slot([&] {
    auto out = shared.publisher(sleep_without_ticks());
    while (!is_full) std::this_thread::yield();
    EXPECT_EQ(out.send("short"), wait_result::ready);
  });
  while (state_of(ring.seats[0].state.load()) != seat_state::taken) std::this_thread::yield();
  std::thread for_its_arena([&] {
    auto out = shared.publisher(sleep_without_ticks());
    EXPECT_TRUE(out.try_send(long_one_is_first ? filling : "short"));
    EXPECT_TRUE(out.try_send(long_one_is_first ? "short" : filling));
    is_full = true;
    EXPECT_TRUE(is_there(out.claim(256)));
  });
  await_parks(ring, role::producer, 2);
  auto older = in.try_peek(), younger = in.try_peek();
  release(older, younger, ring);
  for_a_slot.join();
  for_its_arena.join();
}
TEST_F(WakeUps, APublisherThatWaitsForItsArenaIsWokenBesideOneThatWaitsForASlot) {
  wake_both_publishers(true, await_parks, [](auto& older, auto&, const ring_view&) { older.release(); });
}
TEST_F(WakeUps, APublisherThatWaitsForItsArenaIsWokenByTheLoanThatHandsBackAYoungerOne) {
  wake_both_publishers(false, await_parks, [](auto& older, auto& younger, const ring_view& ring) {
    younger.release();  // only noted, because the older one is in use: both are woken in vain
    await_parks(ring, role::producer, 4);
    older.release();  // hands both back, and leads to no arena itself
  });
}

TEST_F(WakeUps, EveryProducerThatDrainsIsToldWhenTheLastMessageIsReleased) {
  const auto shared = link::create_unnamed({.capacity_slots = 4, .producer_seats = 3, .consumer_seats = 1});
  auto in = shared.consumer();
  auto out = shared.producer();
  ASSERT_TRUE(out.try_send(1));
  std::vector<std::thread> drainers;
  for (int i = 0; i < 2; ++i)
    drainers.emplace_back([&] {
      auto own = shared.producer(sleep_without_ticks());
      EXPECT_EQ(own.drain_for(1h), wait_result::ready);
    });
  await_parks(details_of(in).ring(), role::producer, 2);
  EXPECT_TRUE(in.try_receive().has_value());
  for (auto& drainer : drainers) drainer.join();
}

TEST_F(WakeUps, AMessageBehindAnAbandonedSlotReachesASleepingConsumer) {
  const auto shared = link::create_unnamed({.capacity_slots = 8, .producer_seats = 2, .consumer_seats = 2});
  auto first_out = shared.producer(), second_out = shared.producer();
  const auto ring = details_of(first_out).ring();
  std::atomic<bool> has_second{false};
  std::vector<std::thread> receivers;
  for (int i = 0; i < 2; ++i)
    receivers.emplace_back([&] {
      auto in = shared.consumer(sleep_without_ticks());
      std::uint64_t number = 0;
      EXPECT_EQ(in.receive(number), wait_result::ready);
      if (number == 2) has_second = true;
      while (!has_second) std::this_thread::yield();  // at work over the first message
    });
  await_parks(ring, role::consumer, 2);
  auto batch = first_out.try_claim_batch(2);
  ASSERT_EQ(batch.size(), 2U);
  batch[0] = 1;
  ASSERT_TRUE(second_out.try_send(2));  // behind both: a consumer is woken and finds nothing in order
  await_parks(ring, role::consumer, 3);
  batch.publish(1);
  for (auto& receiver : receivers) receiver.join();
}

TEST_F(WakeUps, CloseTellsEverySleeperOfMoreSeatsThanThereAreBits) {
  constexpr std::uint32_t sleepers = 200;
  const auto shared =
      link::create_unnamed({.capacity_slots = 4, .producer_seats = sleepers + 1, .consumer_seats = sleepers});
  auto out = shared.producer();
  const auto ring = details_of(out).ring();
  std::vector<std::thread> receivers;
  for (std::uint32_t i = 0; i < sleepers; ++i)
    receivers.emplace_back([&] {
      auto in = shared.consumer(sleep_without_ticks());
      std::uint64_t number = 0;
      EXPECT_EQ(in.receive(number), wait_result::closed);
    });
  await_parks(ring, role::consumer, sleepers);
  out.close();
  for (auto& receiver : receivers) receiver.join();
}

TEST_F(WakeUps, ASleepingConsumerIsToldClosedWhenAnotherReleasesTheLastMessage) {
  const auto shared = link::create_unnamed({.capacity_slots = 4, .producer_seats = 1, .consumer_seats = 2});
  auto out = shared.producer();
  auto in = shared.consumer();
  ASSERT_TRUE(out.try_send(1));
  auto last = in.try_peek();
  std::thread receiver([&] {
    auto other = shared.consumer(sleep_without_ticks());
    std::uint64_t number = 0;
    EXPECT_EQ(other.receive(number), wait_result::closed);
  });
  await_parks(details_of(out).ring(), role::consumer, 1);
  out.close();  // not told yet: the message may come back
  await_parks(details_of(out).ring(), role::consumer, 2);
  last.release();
  receiver.join();
}

TEST_F(WakeUps, EverySleepingConsumerIsToldClosedWhenTheLastClaimIsAbandoned) {
  const auto shared = link::create_unnamed({.capacity_slots = 4, .producer_seats = 1, .consumer_seats = 2});
  auto out = shared.producer();
  const auto ring = details_of(out).ring();
  auto slot = out.try_claim();
  ASSERT_TRUE(slot);
  std::vector<std::thread> receivers;
  for (int i = 0; i < 2; ++i)
    receivers.emplace_back([&] {
      auto in = shared.consumer(sleep_without_ticks());
      std::uint64_t number = 0;
      EXPECT_EQ(in.receive(number), wait_result::closed);
    });
  await_parks(ring, role::consumer, 2);
  out.close();
  await_parks(ring, role::consumer, 4);
  slot.abandon();
  for (auto& receiver : receivers) receiver.join();
}

TEST_F(WakeUps, ABatchThatIsReleasedWakesAsManyProducersAsItHasSlots) {
  constexpr std::uint32_t sleepers = 200;
  const auto shared = link::create_unnamed({.capacity_slots = 256, .producer_seats = sleepers, .consumer_seats = 1});
  auto in = shared.consumer();
  const auto ring = details_of(in).ring();
  {
    auto out = shared.producer();
    while (out.try_send(1)) continue;
  }
  std::vector<std::thread> senders;
  for (std::uint32_t i = 0; i < sleepers; ++i)
    senders.emplace_back([&] {
      auto out = shared.producer(sleep_without_ticks());
      EXPECT_EQ(out.send(2), wait_result::ready);
    });
  await_parks(ring, role::producer, sleepers);
  auto batch = in.try_peek_batch(256);
  ASSERT_EQ(batch.size(), 256U);
  batch.release();
  for (auto& sender : senders) sender.join();
}

}  // namespace
}  // namespace sluice::detail::test
