// Topics in files, between processes whose deaths the kernel tells.

#include <gtest/gtest.h>

#include "sluice/detail/part/topic/topic_bytes_ring.hpp"
#include "support/bytes_ends.hpp"
#include "support/child_process.hpp"
#include "support/pipe_signal.hpp"
#include "support/temp_registry.hpp"
#include "support/topic_ends.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

/// A topic by name, and processes that attach to it.
template <class Segment>
class in_a_file : public ::testing::Test {
 protected:
  explicit in_a_file(const segment_plan& plan) : topic_(names_->create(segment_name("topic"), plan)) {}

  /// A process that attaches by name and does `act`, and then stays until it is killed.
  template <class Act>
  child_process started(Act act) {
    pipe_signal ready;
    auto child = child_process::fork([this, act, &ready] {
      Segment found(names_->attach(segment_name("topic")));
      act(found, [&] { (void)ready.tell(); });
      wait_for_the_end();
    });
    EXPECT_TRUE(ready.is_told());
    return child;
  }

  watchdog dog_;
  temp_registry names_;
  Segment topic_;
};

template <publishers Publishers>
class topic_in_a_file : public in_a_file<topic_segment<Publishers>> {
 protected:
  topic_in_a_file() : in_a_file<topic_segment<Publishers>>(plan()) {}
  static segment_plan plan() {
    ring_request request{identity_of<std::uint64_t>(), {.capacity_slots = 8, .consumer_seats = 3}};
    request.options.kind = topic_ring<Publishers>::kind;
    if (Publishers == publishers::many) request.options.producer_seats = 2;
    return plan_segment(request);
  }
};
using TopicOfOneInAFile = topic_in_a_file<publishers::one>;
using TopicOfManyInAFile = topic_in_a_file<publishers::many>;

TEST_F(TopicOfOneInAFile, AStoppedSubscriberHoldsThePublisherUpAndAKilledOneDoesNot) {
  auto child = started([](auto& found, const auto& is_ready) {
    topic_receiver<publishers::one> in(found);
    is_ready();
    wait_for_the_end();
  });
  child.stop();
  topic_sender<publishers::one> out(topic_);
  for (std::uint64_t n = 0; n < 8; ++n) ASSERT_TRUE(out.send(n));
  EXPECT_FALSE(out.send(std::uint64_t{8})) << "stopped is not dead";
  EXPECT_TRUE(child.kill().was_killed());
  for (std::uint64_t n = 8; n < 30; ++n) ASSERT_TRUE(out.send(n));
  // Its seat comes back, and keeps nothing of it.
  topic_receiver<publishers::one> next(topic_);
  EXPECT_GE(next.receive<std::uint64_t>(), 30U - 8);
}

TEST_F(TopicOfOneInAFile, TheSuccessorOfAKilledPublisherGoesOnWhereItDied) {
  topic_receiver<publishers::one> in(topic_);
  auto child = started([](auto& found, const auto& is_ready) {
    topic_sender<publishers::one> out(found);
    for (std::uint64_t n = 0; n < 5; ++n) (void)out.send(n);
    is_ready();
    wait_for_the_end();
  });
  EXPECT_TRUE(child.kill().was_killed());
  topic_sender<publishers::one> out(topic_);
  for (std::uint64_t n = 5; n < 8; ++n) ASSERT_TRUE(out.send(n));
  for (std::uint64_t n = 0; n < 8; ++n) EXPECT_EQ(in.receive<std::uint64_t>(), n);
}

TEST_F(TopicOfManyInAFile, AClaimOfAKilledPublisherIsSteppedOverAndOfAStoppedOneIsNot) {
  topic_receiver<publishers::many> in(topic_);
  auto child = started([](auto& found, const auto& is_ready) {
    const auto seat = found.take(role::producer);
    one_of_many_publishers out(found.view, seat.index());
    (void)out.try_claim(2);
    is_ready();
    wait_for_the_end();
  });
  child.stop();
  topic_sender<publishers::many> out(topic_);
  ASSERT_TRUE(out.send(std::uint64_t{7}));
  EXPECT_FALSE(in.receive<std::uint64_t>());
  EXPECT_TRUE(child.kill().was_killed());
  EXPECT_EQ(in.receive<std::uint64_t>(), 7U);
}

// ---- Messages of any length --------------------------------------------------------------------------------------------

template <publishers Publishers>
class topic_of_bytes_in_a_file : public in_a_file<bytes_segment<topic_bytes_ring<Publishers>>> {
 protected:
  using ring = topic_bytes_ring<Publishers>;
  using base = in_a_file<bytes_segment<ring>>;
  using base::started, base::topic_;

  topic_of_bytes_in_a_file() : base(plan()) {}

  static segment_plan plan() {
    ring_request request{{"bytes", 0, 1, 1}, {.kind = ring::kind, .capacity_slots = 64, .capacity_bytes = 1024}};
    request.options.consumer_seats = 3;
    if (Publishers == publishers::many) request.options.producer_seats = 1;  // so that a successor gets the dead one's
    return plan_segment(request);
  }
  static byte_vector message(std::uint64_t number) { return byte_vector(400 + number, std::byte(number)); }

  void expect_arena_kept_by_the_living() {
    auto child = started([](auto& found, const auto& is_ready) {
      bytes_receiver<ring> in(found);
      is_ready();
      wait_for_the_end();
    });
    child.stop();
    bytes_sender<ring> out(topic_);
    for (std::uint64_t n = 0; n < 2; ++n) ASSERT_TRUE(out.send(message(n)));
    out.mend();
    EXPECT_FALSE(out.send(message(2))) << "stopped is not dead, and the arena is full";
    EXPECT_TRUE(out.send(byte_vector(100))) << "a short one needs none of it";
    EXPECT_TRUE(child.kill().was_killed());
    out.mend();
    for (std::uint64_t n = 2; n < 30; ++n) ASSERT_TRUE(out.send(message(n)));
    bytes_receiver<ring> next(topic_, history::all());
    const auto got = next.receive();
    ASSERT_TRUE(got);
    EXPECT_TRUE(got->message == message(28) || got->message == message(29));
  }
  void expect_arena_taken_over() {
    bytes_receiver<ring> in(topic_);
    auto child = started([](auto& found, const auto& is_ready) {
      bytes_sender<ring> out(found);
      for (std::uint64_t n = 0; n < 2; ++n) (void)out.send(message(n));
      is_ready();
      wait_for_the_end();
    });
    EXPECT_TRUE(child.kill().was_killed());
    bytes_sender<ring> out(topic_);
    EXPECT_FALSE(out.send(message(2))) << "what it published is kept";
    for (std::uint64_t n = 0; n < 2; ++n) {
      const auto got = in.receive();
      ASSERT_TRUE(got);
      EXPECT_EQ(got->message, message(n));
    }
    EXPECT_TRUE(out.send(message(2)));
    EXPECT_EQ(in.receive()->message, message(2));
  }
};
using TopicOfBytesInAFile = topic_of_bytes_in_a_file<publishers::one>;
using TopicOfManyBytesInAFile = topic_of_bytes_in_a_file<publishers::many>;

TEST_F(TopicOfBytesInAFile, AStoppedSubscriberKeepsTheArenaAndAKilledOneDoesNot) { expect_arena_kept_by_the_living(); }
TEST_F(TopicOfManyBytesInAFile, AStoppedSubscriberKeepsTheArenaAndAKilledOneDoesNot) {
  expect_arena_kept_by_the_living();
}
TEST_F(TopicOfBytesInAFile, TheSuccessorOfAKilledPublisherLeavesWhatIsKept) { expect_arena_taken_over(); }
TEST_F(TopicOfManyBytesInAFile, TheSuccessorOfAKilledPublisherLeavesWhatIsKept) { expect_arena_taken_over(); }

}  // namespace
}  // namespace sluice::detail::test
