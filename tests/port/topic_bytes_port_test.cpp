// Ports of topics of messages of any length.

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "port/port_kinds.hpp"
#include "sluice/bytes.hpp"
#include "sluice/port.hpp"
#include "sluice/registry.hpp"
#include "support/expect_error.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;
using lines = std::vector<std::string>;

class TopicBytesPorts : public ::testing::TestWithParam<ring_kind> {
 protected:
  [[nodiscard]] segment_plan plan() const {
    return plan_segment({identity_of<bytes>(),
                         {.kind = GetParam(), .capacity_slots = 16, .capacity_bytes = 1024, .consumer_seats = 8}});
  }
  static std::string line(std::size_t i, std::size_t length) { return {std::string(length, char('a' + i % 26))}; }
  [[nodiscard]] bool send(std::size_t i, std::size_t length) const {
    const auto text = line(i, length);
    return out_->try_send(std::as_bytes(std::span(text)));
  }
  static lines peeked(consumer_port& in, std::uint64_t count) {
    return peeked_by<lines::value_type>(in, count, as_text);
  }
  static lines all_of(consumer_port& in) { return received_by<lines::value_type>(in, as_text); }

  watchdog dog_;
  temp_registry names_;
  attached_segment place_ = names_->create(segment_name("lines"), plan(), {});
  std::unique_ptr<producer_port> out_ = open_producer(place_);
};
INSTANTIATE_TEST_SUITE_P(Kinds, TopicBytesPorts, ::testing::Values(ring_kind::topic_bytes, ring_kind::topic_many_bytes),
                         [](const auto& one) { return one.param == ring_kind::topic_bytes ? "One" : "Many"; });

TEST_P(TopicBytesPorts, EverySubscriberGetsEveryMessageWithItsLength) {
  const auto first = open_consumer(place_, 0, wait_kind::park, {});
  const auto lossy = open_consumer(place_, 0, wait_kind::park, {.lossy = resumes::at_oldest});
  EXPECT_TRUE(first->has_any_length());
  EXPECT_TRUE(lossy->has_any_length());
  EXPECT_EQ(lossy->message_bytes(), 1024U);
  lines sent;
  for (std::size_t i = 0; i < 200; ++i) {
    ASSERT_TRUE(send(i, i * 2));
    sent.push_back(line(i, i * 2));
    if (i % 2 == 0) continue;
    EXPECT_EQ(all_of(*first), sent);
    EXPECT_EQ(all_of(*lossy), sent);
    sent.clear();
  }
  EXPECT_EQ(lossy->lost(), 0U);
}

TEST_P(TopicBytesPorts, WhatALossySubscriberPeekedAtStaysWhateverIsPublished) {
  const auto in = open_consumer(place_, 0, wait_kind::park, {.lossy = resumes::at_oldest});
  for (std::size_t i = 0; i < 5; ++i) ASSERT_TRUE(send(i, 100 + i));
  EXPECT_EQ(peeked(*in, 3), (lines{line(0, 100), line(1, 101), line(2, 102)}));
  for (std::size_t i = 5; i < 30; ++i) ASSERT_TRUE(send(i, 500));
  EXPECT_EQ(as_text(in->peeked(2)), line(2, 102));
  in->release(1);
  EXPECT_EQ(peeked(*in, 2), (lines{line(1, 101), line(2, 102)})) << "copies, which come again";
  in->release(2);
  EXPECT_EQ(all_of(*in), (lines{line(28, 500), line(29, 500)}));
  EXPECT_EQ(in->lost(), 25U);
}

TEST_P(TopicBytesPorts, ALosslessSubscriberKeepsTheArenaAndTheEndComesToAll) {
  const auto slow = open_consumer(place_, 0, wait_kind::park, {});
  const auto lossy = open_consumer(place_, 0, wait_kind::park, {.lossy = resumes::at_newest});
  ASSERT_TRUE(send(0, 1024));
  EXPECT_FALSE(send(1, 1024));
  EXPECT_EQ(out_->send_for(std::vector<std::byte>(1024), 1ms), wait_result::timed_out);
  EXPECT_EQ(all_of(*slow), lines{line(0, 1024)});
  ASSERT_TRUE(send(1, 1024));
  std::vector<std::byte> small(10);
  EXPECT_THAT(thrown_by([&] { (void)slow->try_receive(small); }), Threw(errc::misuse));
  out_->close();
  EXPECT_EQ(all_of(*slow), lines{line(1, 1024)});
  (void)all_of(*lossy);
  EXPECT_TRUE(slow->is_finished());
  EXPECT_TRUE(lossy->is_finished());
}

}  // namespace
}  // namespace sluice::detail::test
