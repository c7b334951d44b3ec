// Subscriptions that have a name: what a subscriber leaves, in order or killed, the next of its name gets.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
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
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using numbers = std::vector<std::uint64_t>;

template <publishers Publishers, bool HasFile>
struct named_place_of {
  static constexpr publishers how_many = Publishers;
  static constexpr bool has_file = HasFile;
};
using named_places = ::testing::Types<named_place_of<publishers::one, true>, named_place_of<publishers::many, true>,
                                      named_place_of<publishers::one, false>, named_place_of<publishers::many, false>>;
struct named_place_names {
  template <class Place>
  static std::string GetName(int) {
    return std::string(Place::how_many == publishers::one ? "One" : "Many") + (Place::has_file ? "File" : "Anonymous");
  }
};

/// What one subscriber got: the numbers, and how many of the first were marked.
struct delivery {
  numbers got;
  std::uint64_t marked = 0;
};

template <class Place>
class NamedSubscribers : public ::testing::Test {
 protected:
  static constexpr publishers how_many = Place::how_many;
  using link = topic<numbered, how_many>;

  static link made(const temp_registry& names, const topic_options& options) {
    if constexpr (Place::has_file)
      return link::create(*names, segment_name("ticks"), options);
    else
      return link::create_unnamed(options);
  }

  void send(std::uint64_t from, std::uint64_t to) {
    for (auto i = from; i <= to; ++i) ASSERT_TRUE(out_.try_send(numbered::of(i))) << i;
  }
  template <class Subscriber>
  static delivery all_of(Subscriber& in) {
    delivery done;
    for (;;) {
      auto message = in.try_peek();
      if (!message) return done;
      EXPECT_TRUE(message->is_whole());
      EXPECT_TRUE(!message.was_delivered_before() || done.marked == done.got.size()) << "only the first are marked";
      done.marked += message.was_delivered_before() ? 1 : 0;
      done.got.push_back(message->number);
    }
  }
  [[nodiscard]] std::optional<seat_report> seat_of(const std::string& subscription) const {
    for (const auto& seat : out_.seats())
      if (seat.subscription == subscription) return seat;
    return std::nullopt;
  }

  watchdog dog_;
  temp_registry names_;
  link link_ = made(names_, {.capacity_slots = 8, .subscriber_seats = 4});
  publisher<numbered, how_many> out_{link_.publisher()};
};
TYPED_TEST_SUITE(NamedSubscribers, named_places, named_place_names);

TYPED_TEST(NamedSubscribers, TheNextOfTheNameGoesOnWhereTheLastOneReleased) {
  {
    auto in = this->link_.named_subscriber("billing");
    this->send(0, 3);
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(in.try_receive().has_value());
  }
  this->send(4, 5);
  auto next = this->link_.named_subscriber("billing", history::none());
  const auto got = this->all_of(next);
  EXPECT_EQ(got.got, (numbers{2, 3, 4, 5}));
  EXPECT_EQ(got.marked, 0U) << "the last one was handed none of these";
}

TYPED_TEST(NamedSubscribers, OnlyTheFirstBeginsWhereItAsks) {
  this->send(0, 3);
  { auto first = this->link_.named_subscriber("billing", history::last(2)); }
  auto next = this->link_.named_subscriber("billing", history::all());
  EXPECT_EQ(this->all_of(next).got, (numbers{2, 3}));
}

TYPED_TEST(NamedSubscribers, WhatAKilledOneHadInItsHandsComesAgainMarked) {
  pipe_signal has_peeked;
  auto child = child_process::fork([&] {
    auto in = this->link_.named_subscriber("billing", history::all());
    (void)has_peeked.tell();
    auto first = in.peek();
    first.release();
    auto second = in.peek(), third = in.peek();
    (void)has_peeked.tell(third->number);
    wait_for_the_end();
  });
  ASSERT_TRUE(has_peeked.is_told());
  this->send(0, 7);
  ASSERT_EQ(has_peeked.wait(), 2U);
  child.kill();
  auto next = this->link_.named_subscriber("billing");
  const auto got = this->all_of(next);
  EXPECT_EQ(got.got, (numbers{1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(got.marked, 2U);
}

TYPED_TEST(NamedSubscribers, ABatchThatAKilledOneHadComesAgainMarkedAsFarAsItWasNotReleased) {
  this->send(0, 5);
  pipe_signal has_peeked;
  auto child = child_process::fork([&] {
    auto in = this->link_.named_subscriber("billing", history::all());
    auto some = in.try_peek_batch(4);
    some.release(1);
    (void)has_peeked.tell(some.size());
    wait_for_the_end();
  });
  ASSERT_TRUE(has_peeked.is_told());
  child.kill();
  auto next = this->link_.named_subscriber("billing");
  const auto got = this->all_of(next);
  EXPECT_EQ(got.got, (numbers{1, 2, 3, 4, 5}));
  EXPECT_EQ(got.marked, 3U);
}

TYPED_TEST(NamedSubscribers, AMarkStaysUntilTheMessageIsReleased) {
  {
    auto in = this->link_.named_subscriber("billing");
    this->send(0, 3);
    auto some = in.try_peek_batch(3);
  }
  {
    auto second = this->link_.named_subscriber("billing");
    auto one = second.try_peek();
    ASSERT_TRUE(one);
    EXPECT_TRUE(one.was_delivered_before());
    one.keep();
  }
  auto third = this->link_.named_subscriber("billing");
  const auto got = this->all_of(third);
  EXPECT_EQ(got.got, (numbers{0, 1, 2, 3}));
  EXPECT_EQ(got.marked, 3U) << "the first one was handed three";
}

TYPED_TEST(NamedSubscribers, ReceivingByCopyTellsTheMark) {
  {
    auto in = this->link_.named_subscriber("billing");
    this->send(0, 1);
    auto one = in.try_peek();
    one.keep();
  }
  auto next = this->link_.named_subscriber("billing");
  numbered message;
  ASSERT_TRUE(next.try_receive(message));
  EXPECT_TRUE(next.last_was_redelivered());
  ASSERT_TRUE(next.try_receive(message));
  EXPECT_FALSE(next.last_was_redelivered());
}

TYPED_TEST(NamedSubscribers, APlaceWithoutAProcessHoldsThePublisherUpHoweverLongItWaits) {
  auto child = child_process::fork([&] {
    auto in = this->link_.named_subscriber("billing");
    return 0;
  });
  ASSERT_TRUE(child.wait().is_success());
  this->send(0, 7);
  EXPECT_EQ(this->out_.send_for(numbered::of(8), 200ms), wait_result::timed_out) << "several ticks";
  pipe_signal has_joined;
  auto killed = child_process::fork([&] {
    auto in = this->link_.named_subscriber("billing");
    (void)has_joined.tell();
    wait_for_the_end();
  });
  ASSERT_TRUE(has_joined.is_told());
  killed.kill();
  EXPECT_EQ(this->out_.send_for(numbered::of(8), 200ms), wait_result::peer_gone) << "said once";
  EXPECT_EQ(this->out_.send_for(numbered::of(8), 200ms), wait_result::timed_out);
  EXPECT_EQ(this->out_.size_approx(), 8U);
  EXPECT_FALSE(this->out_.is_drained());
  auto next = this->link_.named_subscriber("billing");
  EXPECT_EQ(this->all_of(next).got.size(), 8U);
  this->send(8, 8);
}

TYPED_TEST(NamedSubscribers, OneProcessAtATimeHasIt) {
  auto in = this->link_.named_subscriber("billing");
  EXPECT_THAT(thrown_by([&] { (void)this->link_.named_subscriber("billing"); }),
              ThrewSaying(errc::seat_taken, "pid " + std::to_string(::getpid())));
  auto other = this->link_.named_subscriber("archive");
  this->send(0, 0);
  EXPECT_EQ(this->all_of(in).got, numbers{0});
  EXPECT_EQ(this->all_of(other).got, numbers{0});
}

TYPED_TEST(NamedSubscribers, NoOtherSubscriberGetsItsSeat) {
  { auto in = this->link_.named_subscriber("billing"); }
  this->send(0, 2);
  auto first = this->link_.subscriber(), second = this->link_.subscriber();
  auto third = this->link_.lossy_subscriber();
  EXPECT_THAT(thrown_by([&] { (void)this->link_.subscriber(); }),
              ThrewSaying(errc::seat_taken, "1 kept for subscriptions in which no process is"));
  EXPECT_THAT(thrown_by([&] { (void)this->link_.named_subscriber("archive"); }), Threw(errc::seat_taken));
  auto next = this->link_.named_subscriber("billing");
  EXPECT_EQ(this->all_of(next).got, (numbers{0, 1, 2}));
}

TYPED_TEST(NamedSubscribers, UnsubscribingLetsThePublisherGoOn) {
  { auto in = this->link_.named_subscriber("billing"); }
  this->send(0, 7);
  std::atomic<wait_result> sent = wait_result::timed_out;
  std::thread sender([&] { sent = this->out_.send(numbered::of(8)); });
  this->link_.unsubscribe("billing");
  sender.join();
  EXPECT_EQ(sent, wait_result::ready);
  EXPECT_FALSE(this->seat_of("billing"));
  EXPECT_THAT(thrown_by([&] { this->link_.unsubscribe("billing"); }), ThrewSaying(errc::not_found, "\"billing\""));
  auto anew = this->link_.named_subscriber("billing");
  EXPECT_EQ(this->all_of(anew).got, numbers{}) << "another subscription, which begins where it asks";
}

TYPED_TEST(NamedSubscribers, UnsubscribingIsRefusedWhileAProcessIsThere) {
  auto in = this->link_.named_subscriber("billing");
  EXPECT_THAT(thrown_by([&] { this->link_.unsubscribe("billing"); }), Threw(errc::seat_taken));
  this->send(0, 0);
  EXPECT_EQ(this->all_of(in).got, numbers{0});
}

TYPED_TEST(NamedSubscribers, OfSeveralFirstComersOneGetsTheName) {
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> have_it = 0, came = 0, done = 0;
    constexpr int comers = 3;
    std::vector<std::thread> threads;
    for (int i = 0; i < comers; ++i)
      threads.emplace_back([&] {
        for (++came; came != comers;) std::this_thread::yield();
        std::optional<subscriber<numbered, TestFixture::how_many>> in;
        const auto problem = thrown_by([&] { in.emplace(this->link_.named_subscriber("billing")); });
        EXPECT_TRUE(!problem.reason || problem.reason == errc::seat_taken) << problem;
        have_it += in ? 1 : 0;
        for (++done; done != comers;) std::this_thread::yield();  // none leaves before all have tried
      });
    for (auto& thread : threads) thread.join();
    ASSERT_EQ(have_it, 1) << "round " << round;
    this->link_.unsubscribe("billing");
  }
}

TYPED_TEST(NamedSubscribers, ALookShowsThePlaceWithAndWithoutAProcess) {
  this->send(0, 1);
  std::optional in(this->link_.named_subscriber("billing", history::all()));
  auto seat = this->seat_of("billing");
  ASSERT_TRUE(seat);
  EXPECT_EQ(seat->state, seat_state::taken);
  EXPECT_EQ(seat->lag, 2U);
  in.reset();
  seat = this->seat_of("billing");
  ASSERT_TRUE(seat);
  EXPECT_EQ(seat->state, seat_state::free);
  EXPECT_EQ(seat->lag, 2U);
  EXPECT_FALSE(seat->is_lossy);
  ASSERT_EQ(seat->claims.size(), 1U);
  EXPECT_EQ(seat->claims[0].count, 2U);
}

TYPED_TEST(NamedSubscribers, AWrongNameIsRefused) {
  for (const auto* name : {"", ".billing", "a name", "this-name-has-25-characters", "b\ni"})
    EXPECT_THAT(thrown_by([&] { (void)this->link_.named_subscriber(name); }), Threw(errc::bad_name)) << name;
  EXPECT_NO_THROW((void)this->link_.named_subscriber("exactly.24_characters-ab"));
}

TYPED_TEST(NamedSubscribers, ATopicThatDropsStalledSubscribersHasNone) {
  const auto drops = TestFixture::link::create_unnamed({.drop_stalled_after = 1s});
  EXPECT_THAT(thrown_by([&] { (void)drops.named_subscriber("billing"); }), Threw(errc::wrong_kind));
  const auto out = drops.publisher();
  for (const auto& seat : out.seats()) EXPECT_EQ(seat.subscription, "");
}

template <class Of>
class NamedSubscribersOfBytes : public ::testing::Test {};
TYPED_TEST_SUITE(NamedSubscribersOfBytes, publisher_counts, publisher_count_names);

TYPED_TEST(NamedSubscribersOfBytes, WhatLiesInTheArenaIsKeptForTheNextOfTheName) {
  const watchdog dog;
  const auto link = topic<bytes, TypeParam::how_many>::create_unnamed(
      {.capacity_slots = 8, .capacity_bytes = 4096, .inline_bytes = 48});
  auto out = link.publisher();
  { auto in = link.named_subscriber("billing"); }
  const std::string longest(1000, 'x');
  std::uint64_t sent = 0;
  while (out.try_send(longest + std::to_string(sent))) ++sent;
  ASSERT_GE(sent, 2U);
  pipe_signal has_peeked;
  auto child = child_process::fork([&] {
    auto in = link.named_subscriber("billing");
    auto first = in.try_peek();
    (void)has_peeked.tell(first.bytes().size());
    wait_for_the_end();
  });
  ASSERT_TRUE(has_peeked.is_told());
  child.kill();
  auto next = link.named_subscriber("billing");
  std::string message;
  for (std::uint64_t i = 0; i < sent; ++i) {
    ASSERT_TRUE(next.try_receive(message));
    EXPECT_EQ(message, longest + std::to_string(i));
    EXPECT_EQ(next.last_was_redelivered(), i == 0) << i;
  }
}

}  // namespace
}  // namespace sluice::detail::test
