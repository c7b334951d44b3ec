// Ports of topics: a publisher, lossless subscribers and lossy ones, whose messages are copies.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "port/port_kinds.hpp"
#include "sluice/port.hpp"
#include "sluice/registry.hpp"
#include "sluice/ring.hpp"
#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;
using numbers = std::vector<std::uint64_t>;

struct alignas(64) line {
  std::uint64_t number = 0;
  std::uint64_t copies[7] = {};

  static line of(std::uint64_t number) {
    line made{number, {}};
    for (auto& one : made.copies) one = number;
    return made;
  }
  [[nodiscard]] bool is_whole() const {
    return std::all_of(std::begin(copies), std::end(copies), [this](auto one) { return one == number; });
  }
};

class TopicPorts : public ::testing::TestWithParam<ring_kind> {
 protected:
  static constexpr std::uint64_t capacity = 8;

  TopicPorts() { out_ = open_producer(place_); }
  [[nodiscard]] segment_plan plan() const {
    return plan_segment({{"test.line", 7, sizeof(line), alignof(line)},
                         {.kind = GetParam(), .capacity_slots = capacity, .consumer_seats = 8}});
  }
  [[nodiscard]] std::unique_ptr<consumer_port> subscriber(history from = history::none()) const {
    return open_consumer(place_, 0, wait_kind::park, {.from = from});
  }
  [[nodiscard]] std::unique_ptr<consumer_port> lossy(resumes where, history from = history::none()) const {
    return open_consumer(place_, 0, wait_kind::park, {.from = from, .lossy = where});
  }
  [[nodiscard]] bool send(std::uint64_t number) const {
    const auto message = line::of(number);
    return out_->try_send(std::as_bytes(std::span(&message, 1)));
  }
  void send(std::uint64_t from, std::uint64_t to) const {
    for (auto i = from; i <= to; ++i) ASSERT_TRUE(send(i)) << i;
  }
  static std::uint64_t number_in(std::span<const std::byte> message) {
    line found;
    EXPECT_EQ(message.size(), sizeof found);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(message.data()) % alignof(line), 0U);
    std::memcpy(&found, message.data(), sizeof found);
    EXPECT_TRUE(found.is_whole()) << found.number;
    return found.number;
  }
  /// Of a look for that many.
  static numbers peeked(consumer_port& in, std::uint64_t count) {
    return peeked_by<numbers::value_type>(in, count, number_in);
  }
  static numbers all_of(consumer_port& in) { return received_by<numbers::value_type>(in, number_in); }

  watchdog dog_;
  temp_registry names_;
  attached_segment place_ = names_->create(segment_name("ticks"), plan(), {});
  std::unique_ptr<producer_port> out_;
};
INSTANTIATE_TEST_SUITE_P(Kinds, TopicPorts, ::testing::Values(ring_kind::topic, ring_kind::topic_many),
                         [](const auto& one) { return one.param == ring_kind::topic ? "One" : "Many"; });

TEST_P(TopicPorts, EverySubscriberGetsEveryMessageFromWhereItBegan) {
  send(0, 5);
  const auto fresh = subscriber(), last_two = subscriber(history::last(2)), all = subscriber(history::all());
  const auto loses = lossy(resumes::at_oldest, history::last(3));
  send(6, 6);
  EXPECT_EQ(all_of(*fresh), (numbers{6}));
  EXPECT_EQ(all_of(*last_two), (numbers{4, 5, 6}));
  EXPECT_EQ(all_of(*all), (numbers{0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(all_of(*loses), (numbers{3, 4, 5, 6}));
  EXPECT_EQ(fresh->kind(), GetParam());
}

TEST_P(TopicPorts, ALosslessSubscriberHoldsThePublisherUpAndALossyOneIsToldItsLoss) {
  const auto loses = lossy(resumes::at_oldest);
  const auto newest = lossy(resumes::at_newest);
  {
    const auto slow = subscriber();
    send(0, 7);
    EXPECT_FALSE(send(8));
    EXPECT_EQ(slow->try_peek(2), 2U);
    slow->release();
    EXPECT_TRUE(send(8));
    EXPECT_EQ(slow->lost(), 0U);
  }
  send(9, 99);
  const auto got = all_of(*loses);
  EXPECT_EQ(loses->lost() + got.size(), 100U);
  EXPECT_EQ(got.back(), 99U);
  EXPECT_EQ(all_of(*newest), numbers{});
  EXPECT_EQ(newest->lost(), 100U);
  EXPECT_TRUE(newest->is_loss_exact());
}

TEST_P(TopicPorts, WhatALossySubscriberPeekedAtStaysWhateverIsPublished) {
  const auto in = lossy(resumes::at_oldest);
  send(0, 4);
  EXPECT_EQ(peeked(*in, 3), (numbers{0, 1, 2}));
  send(5, 99);
  EXPECT_EQ(number_in(in->peeked(2)), 2U);
  in->release(1);
  EXPECT_EQ(peeked(*in, 2), (numbers{1, 2})) << "copies, which come again";
  in->keep();
  EXPECT_FALSE(in->empty());
  line copy;
  EXPECT_EQ(in->try_receive(std::as_writable_bytes(std::span(&copy, 1))), sizeof copy);
  EXPECT_EQ(copy.number, 1U);
  const auto rest = all_of(*in);
  EXPECT_EQ(rest.front(), 2U);
  EXPECT_EQ(rest.back(), 99U);
  EXPECT_EQ(2 + rest.size() + in->lost(), 100U);
  EXPECT_TRUE(in->empty());
}

TEST_P(TopicPorts, ManyCopiesAreGivenOutInPartsAndInOrder) {
  const auto in = lossy(resumes::at_oldest);
  std::uint64_t next = 0, sent = 0;
  for (int turn = 0; turn < 20'000; ++turn) {  // more bytes than are copied at once
    send(sent, sent + 2);
    sent += 3;
    const auto found = peeked(*in, 5);
    for (std::uint64_t i = 0; i < found.size(); ++i) ASSERT_EQ(found[i], next + i);
    in->release(found.size() - 1);
    next += found.size() - 1;
  }
  EXPECT_EQ(in->lost(), 0U);
}

TEST_P(TopicPorts, TheEndComesToAllAfterTheLastMessage) {
  const auto in = subscriber();
  const auto loses = lossy(resumes::at_oldest);
  send(1, 3);
  EXPECT_FALSE(in->is_finished() || loses->is_finished());
  EXPECT_TRUE(producer_port::finish(std::move(out_)));
  for (const auto& one : {in.get(), loses.get()}) {
    EXPECT_FALSE(one->is_finished());
    EXPECT_EQ(one->peek(2), 2U);
    one->release();
    EXPECT_EQ(one->peek(2), 1U);
    EXPECT_EQ(number_in(one->peeked()), 3U);
    one->release();
    EXPECT_EQ(one->peek(2), 0U);
    EXPECT_EQ(one->status(), wait_result::closed);
    EXPECT_TRUE(one->is_finished());
  }
}

TEST_P(TopicPorts, AWaitEndsWithAMessageWithTheTimeOrWithADeath) {
  out_.reset();
  const auto in = lossy(resumes::at_newest);
  EXPECT_EQ(in->peek_for(1, 1ms), 0U);
  EXPECT_EQ(in->status(), wait_result::timed_out);
  auto child = child_process::fork([&] {
    const auto out = open_producer(place_);
    const auto message = line::of(7);
    (void)out->try_send(std::as_bytes(std::span(&message, 1)));
    wait_for_the_end();
    return 0;
  });
  ASSERT_EQ(in->peek(), 1U);
  EXPECT_EQ(number_in(in->peeked()), 7U);
  in->release();
  child.kill();
  EXPECT_EQ(in->peek(), 0U);
  EXPECT_EQ(in->status(), wait_result::peer_gone);
}

TEST_P(TopicPorts, PublishersDrainAndSeeWhoIsBehind) {
  const auto in = subscriber();
  const auto loses = lossy(resumes::at_oldest);
  send(0, 2);
  EXPECT_FALSE(out_->is_drained());
  EXPECT_EQ(out_->size_approx(), 3U);
  EXPECT_EQ(out_->drain_for(1ms), wait_result::timed_out);
  EXPECT_EQ(all_of(*in).size(), 3U);
  EXPECT_EQ(out_->drain(), wait_result::ready) << "a lossy one is not waited for";
}

TEST_P(TopicPorts, AChildCannotUseItsParentsSubscriptions) {
  const auto in = lossy(resumes::at_oldest);
  send(0, 1);
  ASSERT_EQ(in->try_peek(2), 2U);
  in->keep();
  auto child = child_process::fork([&] {
    return thrown_by([&] { (void)in->try_peek(1); }).reason == errc::wrong_process &&
                   thrown_by([&] { (void)in->empty(); }).reason == errc::wrong_process
               ? 0
               : 1;
  });
  EXPECT_TRUE(child.wait().is_success());
}

TEST_P(TopicPorts, ALosslessOneThatStallsWhereSuchAreDroppedIsLossyFromThenOn) {
  auto asked = ring_request{{"test.line", 7, sizeof(line), alignof(line)}, {.kind = GetParam(), .capacity_slots = 8}};
  asked.options.topic.drop_stalled_after_ns = 1'000'000;
  const auto place = names_->create(segment_name("drops"), plan_segment(asked), {});
  const auto out = open_producer(place);
  const auto in = open_consumer(place, 0, wait_kind::park, {});
  const auto send_one = [&](std::uint64_t number) {
    const auto message = line::of(number);
    return out->send(std::as_bytes(std::span(&message, 1)));
  };
  for (std::uint64_t i = 0; i < 8; ++i) ASSERT_EQ(send_one(i), wait_result::ready);
  EXPECT_FALSE(in->was_dropped());
  EXPECT_EQ(send_one(8), wait_result::ready) << "after some ticks";
  const auto got = all_of(*in);
  EXPECT_TRUE(in->was_dropped());
  EXPECT_EQ(got.size() + in->lost(), 9U);
  EXPECT_EQ(got.back(), 8U);
}

TEST_P(TopicPorts, TheNextSubscriberOfANameGoesOnWhereTheLastOneReleased) {
  const subscription as_billing{.from = history::all(), .name = "billing"};
  send(0, 3);
  {
    const auto in = open_consumer(place_, 0, wait_kind::park, as_billing);
    EXPECT_EQ(peeked(*in, 3), (numbers{0, 1, 2}));
    in->release(1);
  }
  auto next = open_consumer(place_, 0, wait_kind::park, as_billing);
  EXPECT_EQ(peeked(*next, 4), (numbers{1, 2, 3}));
  EXPECT_TRUE(next->was_delivered_before(1));
  EXPECT_FALSE(next->was_delivered_before(2));
  EXPECT_THAT(thrown_by([&] { end_subscription(place_, "billing"); }), Threw(errc::seat_taken));
  next.reset();
  end_subscription(place_, "billing");
  EXPECT_TRUE(out_->drain_for(0ms) == wait_result::ready);
  EXPECT_THAT(thrown_by([&] { end_subscription(place_, "billing"); }), Threw(errc::not_found));
}

TEST_P(TopicPorts, ANameIsRefusedWhereNotAllIsKept) {
  EXPECT_THAT(thrown_by([&] {
                (void)open_consumer(place_, 0, wait_kind::park, {.lossy = resumes::at_oldest, .name = "billing"});
              }),
              ThrewSaying(errc::misuse, "subscription \"billing\": it is lossy"));
  EXPECT_THAT(thrown_by([&] { (void)open_consumer(place_, 0, wait_kind::park, {.name = "no name"}); }),
              Threw(errc::bad_name));
}

TEST(Ports, OnlyATopicHasSubscriptions) {
  temp_registry names;
  const auto attached = names->create(segment_name("jobs"), plan_segment({identity_of<std::uint64_t>(), {}}), {});
  for (const subscription& how :
       {subscription{history::last(3), {}}, subscription{{}, resumes::at_oldest}, subscription{{}, {}, "billing"}})
    EXPECT_THAT(thrown_by([&] { (void)open_consumer(attached, 0, wait_kind::park, how); }),
                ThrewSaying(errc::misuse, "is of kind spsc, in which each message goes to one consumer"));
  EXPECT_THAT(thrown_by([&] { end_subscription(attached, "billing"); }),
              ThrewSaying(errc::misuse, "only a topic has subscriptions"));
}

TEST(Ports, ARefusedSeatOfATopicIsAPublishers) {
  temp_registry names;
  const ring_request request{identity_of<std::uint64_t>(), {.kind = ring_kind::topic}};
  const auto attached = names->create(segment_name("ticks"), plan_segment(request), {});
  const auto first = open_producer(attached);
  EXPECT_THAT(thrown_by([&] { (void)open_producer(attached); }),
              ThrewSaying(errc::seat_taken, "take the publisher's seat of \"ticks\": the publisher seat is taken by"));
}

}  // namespace
}  // namespace sluice::detail::test
