// Killed, stopped and leaving peers, in every place a forked child can share.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <thread>
#include <utility>
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

template <class Place>
class ChannelDeaths : public ::testing::Test {
 protected:
  using ring = typename Place::ring;

  /// A child that takes the producer's seat, sends `from` to `to` (exclusive), says so, and stays.
  child_process producer_child(std::uint64_t from, std::uint64_t to) {
    auto child = child_process::fork([this, from, to] {
      auto out = place_->producer();
      for (auto i = from; i < to; ++i)
        if (!out.try_send(numbered::of(i))) return 1;
      if (!done_.tell()) return 2;
      wait_for_the_end();
    });
    EXPECT_TRUE(done_.is_told());
    return child;
  }
  /// A child that takes the consumer's seat, receives `released`, peeks `peeked` more, says so, and stays.
  child_process consumer_child(std::uint64_t released, std::uint64_t peeked) {
    auto child = child_process::fork([this, released, peeked] {
      auto in = place_->consumer();
      numbered got;
      for (std::uint64_t i = 0; i < released; ++i)
        if (in.receive(got) != wait_result::ready) return 1;
      auto batch = in.try_peek_batch(peeked);
      if (batch.size() != peeked || !done_.tell()) return 2;
      wait_for_the_end();
    });
    EXPECT_TRUE(done_.is_told());
    return child;
  }
  /// One seat a side, so that a newcomer can only take a dead one's: spsc has one seat, mpmc is made with one.
  static channel_options options() {
    channel_options one{.capacity_slots = 8};
    if (ring::kind == ring_kind::mpmc) one.producer_seats = one.consumer_seats = 1;
    return one;
  }

  watchdog dog_{std::chrono::seconds(100)};
  Place place_{options()};
  pipe_signal done_;
};
TYPED_TEST_SUITE(ChannelDeaths, channel_places, place_names);

TYPED_TEST(ChannelDeaths, TheTakenSeatNamesThePidOfItsHolder) {
  const auto child = this->producer_child(0, 0);
  try {
    (void)this->place_->producer();
    FAIL() << "the seat is the child's";
  } catch (const error& problem) {
    EXPECT_EQ(problem.reason(), errc::seat_taken);
    EXPECT_NE(std::string(problem.what()).find("pid " + std::to_string(child.pid())), std::string::npos)
        << problem.what();
  }
}

TYPED_TEST(ChannelDeaths, ASeatOfTheSameProcessIsTakenToo) {
  auto out = this->place_->producer();
  try {
    (void)this->place_->producer();
    FAIL();
  } catch (const error& problem) {
    EXPECT_EQ(problem.reason(), errc::seat_taken);
    EXPECT_NE(std::string(problem.what()).find("pid " + std::to_string(::getpid())), std::string::npos)
        << problem.what();
  }
}

TYPED_TEST(ChannelDeaths, WhatAKilledProducerPublishedComesFirstAndThenPeerGoneOnce) {  // scenario 41
  auto in = this->place_->consumer();
  auto child = this->producer_child(0, 5);
  child.kill();
  numbered got;
  for (std::uint64_t i = 0; i < 5; ++i) {
    ASSERT_EQ(in.receive(got), wait_result::ready);
    EXPECT_EQ(got, numbered::of(i));
  }
  EXPECT_EQ(in.receive(got), wait_result::peer_gone);
  EXPECT_EQ(in.peer(), peer_state::dead);
  EXPECT_EQ(in.receive_for(got, 120ms), wait_result::timed_out) << "said once for each death";
}

TYPED_TEST(ChannelDeaths, ASleepingConsumerLearnsOfTheDeathOfItsProducer) {  // scenario 41
  auto in = this->place_->consumer(park());
  auto child = this->producer_child(0, 0);
  auto killer = child_process::fork([&child] {
    ::usleep(20'000);
    ::kill(child.pid(), SIGKILL);
  });
  numbered got;
  EXPECT_EQ(in.receive(got), wait_result::peer_gone);
  EXPECT_TRUE(killer.wait().is_success());
}

TYPED_TEST(ChannelDeaths, AnotherDeathIsSaidAgainAndItsSuccessorServed) {
  auto in = this->place_->consumer();
  numbered got;
  for (std::uint64_t round = 0; round < 3; ++round) {
    auto child = this->producer_child(round, round + 1);
    child.kill();
    ASSERT_EQ(in.receive(got), wait_result::ready);
    EXPECT_EQ(got, numbered::of(round));
    EXPECT_EQ(in.receive(got), wait_result::peer_gone);
  }
  auto out = this->place_->producer();
  ASSERT_TRUE(out.try_send(numbered::of(9)));
  ASSERT_EQ(in.receive(got), wait_result::ready);
  EXPECT_EQ(got, numbered::of(9));
}

TYPED_TEST(ChannelDeaths, ADeathBeforeOneCameIsNoNews) {
  this->producer_child(0, 0).kill();
  auto in = this->place_->consumer();
  numbered got;
  EXPECT_EQ(in.peer(), peer_state::dead);
  EXPECT_EQ(in.receive_for(got, 120ms), wait_result::timed_out);
}

TYPED_TEST(ChannelDeaths, AProducerOnAFullChannelLearnsOfTheDeathOfItsConsumer) {  // scenario 41
  auto out = this->place_->producer();
  auto child = this->consumer_child(0, 0);
  for (std::uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(out.try_send(numbered::of(i)));
  child.kill();
  EXPECT_EQ(out.send(numbered::of(8)), wait_result::peer_gone);
  EXPECT_EQ(out.send_for(numbered::of(8), 120ms), wait_result::timed_out) << "said once for each death";
  auto in = this->place_->consumer();
  numbered got;
  for (std::uint64_t i = 0; i < 8; ++i) {
    ASSERT_EQ(in.receive(got), wait_result::ready);
    EXPECT_EQ(got, numbered::of(i));
  }
  EXPECT_EQ(out.send(numbered::of(8)), wait_result::ready);
}

/// Two consumers' seats, so that one of two dead ones can have a successor.
template <class Place>
class ChannelDeathsOfTwo : public ::testing::Test {
 protected:
  watchdog dog_{std::chrono::seconds(100)};
  Place place_{{.capacity_slots = 8, .producer_seats = 1, .consumer_seats = 2}};
};
using mpmc_places = ::testing::Types<named_place<mpmc_ring>, unnamed_place<mpmc_ring, anonymous_segment>>;
TYPED_TEST_SUITE(ChannelDeathsOfTwo, mpmc_places, place_names);

TYPED_TEST(ChannelDeathsOfTwo, ThatASuccessorLeftIsNotToldAsTheDeathOfTheOtherAgain) {
  auto out = this->place_->producer();
  for (std::uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(out.try_send(numbered::of(i)));
  pipe_signal there;
  const auto consuming = [&] {
    return child_process::fork([&] {
      auto in = this->place_->consumer();
      there.tell();
      wait_for_the_end();
    });
  };
  auto first = consuming();
  ASSERT_TRUE(there.is_told());
  auto second = consuming();
  ASSERT_TRUE(there.is_told());
  first.kill();
  second.kill();
  EXPECT_EQ(out.send_for(numbered::of(8), 10s), wait_result::peer_gone);
  EXPECT_EQ(out.send_for(numbered::of(8), 120ms), wait_result::timed_out) << "told of both";
  { const auto in = this->place_->consumer(); }
  EXPECT_EQ(out.send_for(numbered::of(8), 120ms), wait_result::timed_out) << "no consumer died since";
  EXPECT_EQ(out.peer(), peer_state::dead);
  auto third = consuming();
  ASSERT_TRUE(there.is_told());
  third.kill();
  EXPECT_EQ(out.send_for(numbered::of(8), 10s), wait_result::peer_gone) << "that one is news";
}

TYPED_TEST(ChannelDeaths, DrainingLearnsOfTheDeathOfTheConsumer) {
  auto out = this->place_->producer();
  auto child = this->consumer_child(0, 0);
  ASSERT_TRUE(out.try_send(numbered::of(1)));
  child.kill();
  EXPECT_EQ(out.drain_for(1h), wait_result::peer_gone);
}

TYPED_TEST(ChannelDeaths, WhatAKilledConsumerHeldIsDeliveredAgainMarked) {  // scenario 59
  auto out = this->place_->producer();
  for (std::uint64_t i = 0; i < 6; ++i) ASSERT_TRUE(out.try_send(numbered::of(i)));
  auto child = this->consumer_child(2, 3);
  child.kill();
  auto in = this->place_->consumer();
  for (std::uint64_t i = 2; i < 6; ++i) {
    auto got = in.peek_for(10s);
    ASSERT_TRUE(got) << to_string(in.status());
    EXPECT_EQ(*got, numbered::of(i));
    EXPECT_EQ(got.was_delivered_before(), i < 5) << i;
  }
  EXPECT_FALSE(is_there(in.try_peek()));
  EXPECT_TRUE(out.is_drained());
}

TYPED_TEST(ChannelDeaths, AConsumerThatLeavesWithMessagesInItsHandsIsNoDeath) {
  auto out = this->place_->producer();
  for (std::uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(out.try_send(numbered::of(i)));
  auto child = child_process::fork([this] {
    auto in = this->place_->consumer();
    auto batch = in.try_peek_batch(3);
    return batch.size() == 3 ? 0 : 1;
  });
  ASSERT_TRUE(child.wait().is_success());
  EXPECT_EQ(out.peer(), peer_state::none);
  EXPECT_EQ(out.send_for(numbered::of(8), 120ms), wait_result::timed_out) << "peer_gone of one that left";
  auto in = this->place_->consumer();
  for (std::uint64_t i = 0; i < 8; ++i) {
    auto got = in.peek_for(10s);
    ASSERT_TRUE(got) << to_string(in.status());
    EXPECT_EQ(*got, numbered::of(i));
    EXPECT_EQ(got.was_delivered_before(), i < 3) << i;
  }
  EXPECT_TRUE(out.is_drained());
}

TYPED_TEST(ChannelDeaths, BothDeadAndTheProducerReplacedFirst) {  // scenario 49
  auto producing = this->producer_child(0, 4);
  auto consuming = this->consumer_child(1, 2);
  producing.kill();
  consuming.kill();
  auto out = this->place_->producer();
  ASSERT_TRUE(out.try_send(numbered::of(4)));
  auto in = this->place_->consumer();
  numbered got;
  for (std::uint64_t i = 1; i < 5; ++i) {
    ASSERT_EQ(in.receive_for(got, 10s), wait_result::ready);
    EXPECT_EQ(got, numbered::of(i));
  }
}

TYPED_TEST(ChannelDeaths, BothDeadAndTheConsumerReplacedFirst) {  // scenario 49
  auto producing = this->producer_child(0, 4);
  auto consuming = this->consumer_child(1, 2);
  consuming.kill();
  producing.kill();
  auto in = this->place_->consumer();
  numbered got;
  for (std::uint64_t i = 1; i < 4; ++i) {
    ASSERT_EQ(in.receive_for(got, 10s), wait_result::ready);
    EXPECT_EQ(got, numbered::of(i));
  }
  auto out = this->place_->producer();
  ASSERT_TRUE(out.try_send(numbered::of(4)));
  ASSERT_EQ(in.receive_for(got, 10s), wait_result::ready);
  EXPECT_EQ(got, numbered::of(4));
}

TYPED_TEST(ChannelDeaths, AllDeadAndTheMessagesAreStillThereOnce) {  // scenario 58
  this->producer_child(0, 5).kill();
  this->consumer_child(2, 0).kill();
  auto in = this->place_->consumer();
  numbered got;
  for (std::uint64_t i = 2; i < 5; ++i) {
    ASSERT_TRUE(in.try_receive(got));
    EXPECT_EQ(got, numbered::of(i));
  }
  EXPECT_FALSE(in.try_receive(got));
}

TYPED_TEST(ChannelDeaths, AStoppedProducerIsNeverGone) {  // scenario 52
  auto in = this->place_->consumer();
  auto child = this->producer_child(0, 0);
  child.stop();
  numbered got;
  EXPECT_EQ(in.receive_for(got, 250ms), wait_result::timed_out);
  EXPECT_EQ(in.peer(), peer_state::alive);
  EXPECT_THROW((void)this->place_->producer(), error);
  child.resume();
  EXPECT_EQ(in.receive_for(got, 120ms), wait_result::timed_out);
}

TYPED_TEST(ChannelDeaths, AProducerStoppedWithAnOpenClaimDeliversItLater) {  // scenario 52
  auto in = this->place_->consumer();
  pipe_signal go;
  auto child = child_process::fork([&] {
    auto out = this->place_->producer();
    auto slot = out.claim();
    if (!slot || !this->done_.tell() || !go.is_told()) return 1;
    *slot = numbered::of(7);
    slot.publish();
    return 0;
  });
  ASSERT_TRUE(this->done_.is_told());
  child.stop();
  numbered got;
  EXPECT_EQ(in.receive_for(got, 250ms), wait_result::timed_out);
  child.resume();
  go.tell();
  ASSERT_EQ(in.receive(got), wait_result::ready);
  EXPECT_EQ(got, numbered::of(7));
  EXPECT_FALSE(in.try_receive(got)) << "once";
  EXPECT_TRUE(child.wait().is_success());
}

TYPED_TEST(ChannelDeaths, AStoppedConsumerIsNeverGone) {  // scenario 52
  auto out = this->place_->producer();
  auto child = this->consumer_child(0, 0);
  child.stop();
  for (std::uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(out.try_send(numbered::of(i)));
  EXPECT_EQ(out.send_for(numbered::of(8), 250ms), wait_result::timed_out);
  EXPECT_EQ(out.peer(), peer_state::alive);
  EXPECT_THROW((void)this->place_->consumer(), error);
}

TYPED_TEST(ChannelDeaths, AProcessKilledWhileStoppedIsGone) {  // scenario 53
  auto in = this->place_->consumer();
  auto child = this->producer_child(0, 0);
  child.stop();
  child.kill();
  numbered got;
  EXPECT_EQ(in.receive(got), wait_result::peer_gone);
}

TYPED_TEST(ChannelDeaths, AZombieIsGone) {  // scenario 54
  auto in = this->place_->consumer();
  auto child = this->producer_child(0, 1);
  child.kill_to_zombie();
  numbered got;
  EXPECT_EQ(in.receive(got), wait_result::ready);
  EXPECT_EQ(in.receive(got), wait_result::peer_gone);
  EXPECT_NO_THROW((void)this->place_->producer());
}

TYPED_TEST(ChannelDeaths, AProducerThatClosedBeforeItDiedSaidClosed) {
  auto in = this->place_->consumer();
  auto child = child_process::fork([this] {
    auto out = this->place_->producer();
    if (!out.try_send(numbered::of(1))) return 1;
    out.close();
    this->done_.tell();
    wait_for_the_end();
  });
  ASSERT_TRUE(this->done_.is_told());
  child.kill();
  numbered got;
  EXPECT_EQ(in.receive(got), wait_result::ready);
  EXPECT_EQ(in.receive(got), wait_result::closed);
}

TYPED_TEST(ChannelDeaths, AProducerThatExitsWithoutLeavingIsGone) {
  auto in = this->place_->consumer();
  auto child = child_process::fork([this] {
    auto out = this->place_->producer();
    ::_exit(0);
  });
  child.wait();
  EXPECT_EQ(in.peer(), peer_state::dead);
}

TYPED_TEST(ChannelDeaths, AKilledProducersSeatIsTakenOverAHundredTimes) {
  auto in = this->place_->consumer();
  numbered got;
  for (std::uint64_t i = 0; i < 100; ++i) {
    auto child = this->producer_child(i, i + 1);
    child.kill();
    ASSERT_TRUE(in.try_receive(got)) << i;
    ASSERT_EQ(got, numbered::of(i));
  }
}

// ---- A death at the worst moment -------------------------------------------------------------------------------------

/// An spsc ring whose consumer lets something happen right after it found nothing: the gap between a look at the ring and
/// a look at the peer, which no scheduler can be asked for.
struct gap_ring : spsc_ring {
  static inline std::function<void()> after_empty_peek;

  class consumer : public spsc_ring::consumer {
   public:
    using spsc_ring::consumer::consumer;
    std::uint64_t try_peek(std::uint64_t count) noexcept {
      const auto peeked = spsc_ring::consumer::try_peek(count);
      if (peeked == 0 && after_empty_peek) std::exchange(after_empty_peek, nullptr)();
      return peeked;
    }
    bool mend(seat_keeper& keeper) noexcept {
      if (at_tick) std::exchange(at_tick, nullptr)();
      return spsc_ring::consumer::mend(keeper);
    }
    static inline std::function<void()> at_tick;
  };
};
static_assert(ring<gap_ring>);

TEST(ChannelDeath, BetweenTheLastLookAndTheVerdictLosesNoMessageToPeerGone) {
  watchdog dog;
  const auto link = channel<numbered, gap_ring>::create_unnamed({.capacity_slots = 8});
  pipe_signal there, go, sent;
  auto child = child_process::fork([&] {
    auto out = link.producer();
    there.tell();
    if (!go.is_told()) return 1;
    if (!out.try_send(numbered::of(1))) return 2;
    sent.tell();
    wait_for_the_end();
  });
  ASSERT_TRUE(there.is_told());
  auto in = link.consumer();
  // At the tick's own look: it finds nothing; then the producer publishes and dies; then the tick asks for deaths.
  gap_ring::consumer::at_tick = [&] {
    gap_ring::after_empty_peek = [&] {
      go.tell();
      (void)sent.is_told();
      child.kill();
    };
  };
  numbered got;
  EXPECT_EQ(in.receive(got), wait_result::ready) << "peer_gone while a message lies there";
  EXPECT_EQ(got, numbered::of(1));
  EXPECT_EQ(in.receive(got), wait_result::peer_gone) << "the death is still news";
  gap_ring::after_empty_peek = nullptr;
  gap_ring::consumer::at_tick = nullptr;
}

using crowd = channel<numbered, mpmc_ring>;

TEST(CrowdDeaths, OneFromBeforeAHandleIsNoNewsToItWhateverSeatItHad) {
  const watchdog dog(std::chrono::seconds(60));
  auto place = crowd::create_unnamed<memfd_segment>({.capacity_slots = 8, .producer_seats = 3, .consumer_seats = 1});
  std::optional living(place.producer());
  auto child = child_process::fork([&] {
    auto out = place.producer();
    ::raise(SIGKILL);
    return 0;
  });
  (void)child.wait();
  auto in = place.consumer();
  living.reset();
  numbered message;
  EXPECT_EQ(in.receive_for(message, 200ms), wait_result::timed_out) << "it left in order; the other died long ago";
}

template <class Wait>
class BusyCrowd : public ::testing::Test {};
using waits = ::testing::Types<spin_then_park, busy_spin>;
TYPED_TEST_SUITE(BusyCrowd, waits);

TYPED_TEST(BusyCrowd, AConsumerThatIsNeverIdleMendsWhatStallsTheProducers) {
  const watchdog dog(std::chrono::seconds(100));
  constexpr std::uint64_t slots = 1024;
  auto place =
      crowd::create_unnamed<memfd_segment>({.capacity_slots = slots, .producer_seats = 1, .consumer_seats = 2});
  auto out = place.template producer<TypeParam>();
  for (std::uint64_t i = 0; i < slots; ++i) ASSERT_TRUE(out.try_send(numbered::of(i)));
  pipe_signal holds;
  auto child = child_process::fork([&] {
    auto in = place.consumer();
    std::uint64_t count = raw_of(in).try_peek(1);
    holds.tell();
    ::pause();
    return static_cast<int>(count);
  });
  ASSERT_TRUE(holds.is_told());
  child.kill();
  std::thread sender([&] { EXPECT_EQ(out.send(numbered::of(slots)), wait_result::ready); });
  auto in = place.consumer();
  std::uint64_t before = 0, count = 0;
  for (;; ++before) {
    ASSERT_EQ(raw_of(in).peek_until(never, 1, count), wait_result::ready);
    if (raw_of(in).was_delivered_before()) break;
    std::this_thread::sleep_for(1ms);  // its work
    ASSERT_TRUE(raw_of(in).release());
  }
  EXPECT_TRUE(raw_of(in).release());
  sender.join();
  EXPECT_LT(before, slots - 1) << "the whole backlog came first, and the producer waited for all of it";
}

TEST(IdleCrowd, ARingThatIsAskedWhetherItIsDrainedStaysUntouched) {
  channel_options options{.capacity_slots = 1 << 14, .producer_seats = 1, .consumer_seats = 1};
  options.memory.no_reserve = true;
  struct page {
    char bytes[4096];
  };
  auto place = channel<page, mpmc_ring>::create_unnamed<zero_segment>(options);
  auto out = place.producer();
  const auto bytes = place.memory().bytes();
  const auto resident = [&] {
    std::vector<unsigned char> pages((bytes.size() + 4095) / 4096);
    EXPECT_EQ(::mincore(const_cast<std::byte*>(bytes.data()), bytes.size(), pages.data()), 0);
    return std::count_if(pages.begin(), pages.end(), [](unsigned char page) { return (page & 1) != 0; });
  };
  const auto before = resident();
  EXPECT_TRUE(out.is_drained());
  EXPECT_EQ(resident(), before);
}

}  // namespace
}  // namespace sluice::detail::test
