// Handles on the wrong side of a fork, and processes that join on the right one.

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <optional>

#include "channel/channel_places.hpp"
#include "support/behind.hpp"
#include "support/child_process.hpp"
#include "support/pipe_signal.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;

template <class Call>
void is_wrong_process(const char* what, Call&& call) {
  try {
    call();
    ADD_FAILURE() << what << " worked in the child";
  } catch (const error& problem) {
    EXPECT_EQ(problem.reason(), errc::wrong_process) << what << ": " << problem.what();
  }
}

template <class Place>
class ChannelFork : public ::testing::Test {
 protected:
  using ring = typename Place::ring;

  /// The parent's two handles still work, and nothing in the channel moved.
  void expect_unharmed(std::uint64_t next) {
    ASSERT_TRUE(out_->try_send(numbered::of(next)));
    auto got = in_->try_peek();
    ASSERT_TRUE(got);
    EXPECT_EQ(*got, numbered::of(next));
    got.release();
    EXPECT_TRUE(out_->is_drained());
    EXPECT_EQ(out_->peer(), peer_state::alive);
    EXPECT_EQ(in_->peer(), peer_state::alive);
  }
  static channel_options options() {
    channel_options one{.capacity_slots = 8};
    if (ring::kind == ring_kind::mpmc) one.producer_seats = one.consumer_seats = 1;
    return one;
  }
  [[nodiscard]] std::string every_word() const {
    // Progress, seats and slots, as the parent sees them.
    const auto& view = details_of(*in_).ring();
    const auto* first = reinterpret_cast<const char*>(view.control);
    const auto* last = reinterpret_cast<const char*>(view.slots + view.capacity() * view.stride_bytes);
    return {first, last};
  }

  watchdog dog_;
  Place place_{options()};
  mutable std::optional<producer<numbered, ring>> out_{place_->producer()};
  mutable std::optional<consumer<numbered, ring>> in_{place_->consumer()};
};
TYPED_TEST_SUITE(ChannelFork, channel_places, place_names);

TYPED_TEST(ChannelFork, AHandleMadeBeforeForkIsRefusedInTheChildByEveryCall) {
  ASSERT_TRUE(this->out_->try_send(numbered::of(1)));
  const auto before = this->every_word();
  auto child = child_process::fork([this] {
    auto& out = *this->out_;
    auto& in = *this->in_;
    numbered got;
    is_wrong_process("try_send", [&] { (void)out.try_send(numbered::of(2)); });
    is_wrong_process("send", [&] { (void)out.send(numbered::of(2)); });
    is_wrong_process("send_for", [&] { (void)out.send_for(numbered::of(2), 1s); });
    is_wrong_process("try_claim", [&] { (void)out.try_claim(); });
    is_wrong_process("claim", [&] { (void)out.claim(); });
    is_wrong_process("claim_for", [&] { (void)out.claim_for(1s); });
    is_wrong_process("try_claim_batch", [&] { (void)out.try_claim_batch(2); });
    is_wrong_process("drain_for", [&] { (void)out.drain_for(1s); });
    is_wrong_process("producer's close", [&] { out.close(); });
    is_wrong_process("try_receive", [&] { (void)in.try_receive(got); });
    is_wrong_process("receive", [&] { (void)in.receive(got); });
    is_wrong_process("receive_for", [&] { (void)in.receive_for(got, 1s); });
    is_wrong_process("try_peek", [&] { (void)in.try_peek(); });
    is_wrong_process("peek", [&] { (void)in.peek(); });
    is_wrong_process("peek_for", [&] { (void)in.peek_for(1s); });
    is_wrong_process("try_peek_batch", [&] { (void)in.try_peek_batch(2); });
    is_wrong_process("begin", [&] { (void)in.begin(); });
    is_wrong_process("consumer's close", [&] { in.close(); });
  });
  EXPECT_TRUE(child.wait().is_success());
  EXPECT_EQ(this->every_word(), before);
  EXPECT_EQ(this->in_->try_receive()->number, 1U);
  this->expect_unharmed(2);
}

TYPED_TEST(ChannelFork, IsFinishedInTheChildTouchesNothing) {
  ASSERT_TRUE(this->out_->try_send(numbered::of(1)));
  this->out_->close();
  const auto before = this->every_word();
  auto child =
      child_process::fork([this] { is_wrong_process("is_finished", [&] { (void)this->in_->is_finished(); }); });
  EXPECT_TRUE(child.wait().is_success());
  EXPECT_EQ(this->every_word(), before);
}

TYPED_TEST(ChannelFork, HandlesThatGoOutOfScopeInTheChildLeaveTheParentsAlone) {
  const auto before = this->every_word();
  auto child = child_process::fork([this] {
    this->out_.reset();
    this->in_.reset();
  });
  EXPECT_TRUE(child.wait().is_success());
  EXPECT_EQ(this->every_word(), before);
  this->expect_unharmed(1);
}

TYPED_TEST(ChannelFork, ALoanThatGoesOutOfScopeInTheChildLeavesTheParentsAlone) {
  ASSERT_TRUE(this->out_->try_send(numbered::of(1)));
  ASSERT_TRUE(this->out_->try_send(numbered::of(2)));
  std::optional claimed{this->out_->try_claim()};
  std::optional peeked{this->in_->try_peek()};
  ASSERT_TRUE(*claimed && *peeked);
  const auto before = this->every_word();
  auto child = child_process::fork([&] {
    claimed.reset();
    peeked.reset();
  });
  EXPECT_TRUE(child.wait().is_success());
  EXPECT_EQ(this->every_word(), before);
  EXPECT_EQ(*(*peeked).operator->(), numbered::of(1));
}

TYPED_TEST(ChannelFork, PublishingAndReleasingInheritedLoansInTheChildDoesNothing) {
  ASSERT_TRUE(this->out_->try_send(numbered::of(1)));
  auto claimed = this->out_->try_claim();
  auto peeked = this->in_->try_peek();
  *claimed = numbered::of(2);
  const auto before = this->every_word();
  auto child = child_process::fork([&] {
    claimed.publish();
    peeked.release();
  });
  EXPECT_TRUE(child.wait().is_success());
  EXPECT_EQ(this->every_word(), before);
  claimed.publish();
  peeked.release();
  EXPECT_EQ(this->in_->try_receive()->number, 2U);
}

TYPED_TEST(ChannelFork, AChildMakesHandlesOfItsOwnFromTheInheritedChannel) {
  this->out_.reset();
  auto child = child_process::fork([this] {
    auto out = this->place_->producer();
    return out.try_send(numbered::of(3)) ? 0 : 1;
  });
  EXPECT_TRUE(child.wait().is_success());
  EXPECT_EQ(this->in_->try_receive()->number, 3U);
  EXPECT_EQ(this->in_->peer(), peer_state::none) << "the child left in order";
}

TYPED_TEST(ChannelFork, ASeatOfTheParentIsTakenForTheChild) {
  auto child = child_process::fork([this] {
    try {
      (void)this->place_->producer();
      return 1;
    } catch (const error& problem) {
      const auto says_pid = std::string(problem.what()).find("pid " + std::to_string(::getppid())) != std::string::npos;
      return problem.reason() == errc::seat_taken && says_pid ? 0 : 2;
    }
  });
  EXPECT_EQ(child.wait().code, 0);
}

TYPED_TEST(ChannelFork, AGrandchildJoinsAndItsParentsDeathIsNotIts) {
  this->out_.reset();
  pipe_signal up, go;
  auto child = child_process::fork([&] {
    if (::fork() == 0) {
      auto out = this->place_->producer();
      up.tell(static_cast<std::uint64_t>(::getpid()));
      if (!go.is_told()) ::_exit(1);
      ::_exit(out.try_send(numbered::of(1)) ? 0 : 2);
    }
    for (;;) ::pause();
    return 0;
  });
  ASSERT_TRUE(up.is_told());
  child.kill();
  EXPECT_EQ(this->in_->peer(), peer_state::alive);
  go.tell();
  numbered got;
  EXPECT_EQ(this->in_->receive(got), wait_result::ready);
  EXPECT_EQ(got, numbered::of(1));
}

TYPED_TEST(ChannelFork, AParentWhoseChildHoldsAnInheritedHandleIsGoneWhenItIsKilled) {  // scenario 57
  this->out_.reset();
  pipe_signal up;
  auto parent = child_process::fork([&] {
    auto out = this->place_->producer();
    if (::fork() == 0) {
      up.tell(static_cast<std::uint64_t>(::getpid()));
      for (;;) ::pause();
    }
    for (;;) ::pause();
    return 0;
  });
  const auto grandchild = up.wait();
  ASSERT_TRUE(grandchild.has_value());
  parent.kill();
  numbered got;
  EXPECT_EQ(this->in_->receive(got), wait_result::peer_gone);
  ::kill(static_cast<pid_t>(*grandchild), SIGKILL);
}

TYPED_TEST(ChannelFork, AnExecLeavesTheSeatBehind) {
  this->out_.reset();
  pipe_signal up;
  auto child = child_process::fork([&] {
    auto out = this->place_->producer();
    if (!out.try_send(numbered::of(1)) || !up.tell()) return 1;
    ::execl("/bin/sleep", "sleep", "1000", nullptr);
    return 2;
  });
  ASSERT_TRUE(up.is_told());
  numbered got;
  EXPECT_EQ(this->in_->receive(got), wait_result::ready);
  EXPECT_EQ(this->in_->receive_for(got, 10s), wait_result::peer_gone);
  EXPECT_FALSE(child.try_wait().has_value()) << "the process itself goes on";
}

}  // namespace
}  // namespace sluice::detail::test
