// Topics in files, between processes whose deaths the kernel tells.

#include <gtest/gtest.h>
#include <unistd.h>

#include "support/child_process.hpp"
#include "support/temp_registry.hpp"
#include "support/topic_ends.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

template <publishers Publishers>
class topic_in_a_file : public ::testing::Test {
 protected:
  static segment_plan plan() {
    ring_request request{identity_of<std::uint64_t>(), {.capacity_slots = 8, .consumer_seats = 3}};
    request.options.kind = topic_ring<Publishers>::kind;
    if (Publishers == publishers::many) request.options.producer_seats = 2;
    return plan_segment(request);
  }
  /// A process that attaches by name and does `act`, and then stays until it is killed.
  template <class Act>
  child_process started(Act act) {
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    auto child = child_process::fork([this, act, &ready] {
      topic_segment<Publishers> found(names_->attach(segment_name("topic")));
      act(found, [&] { (void)!::write(ready[1], "!", 1); });
      wait_for_the_end();
    });
    char byte = 0;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(ready[0]);
    ::close(ready[1]);
    return child;
  }

  watchdog dog_;
  temp_registry names_;
  topic_segment<Publishers> topic_{names_->create(segment_name("topic"), plan())};
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

}  // namespace
}  // namespace sluice::detail::test
