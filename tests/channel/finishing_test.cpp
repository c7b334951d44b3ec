// The end of a stream with several producers: the last one that finishes closes the channel.

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <optional>
#include <thread>
#include <vector>

#include "channel/channel_places.hpp"
#include "support/behind.hpp"
#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/pipe_signal.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;

template <class Place>
class Finishing : public ::testing::Test {
 protected:
  using ring = typename Place::ring;
  using sender = producer<numbered, ring>;

  /// A child that takes a producer's seat, says so, and stays.
  child_process other_producer() {
    auto child = child_process::fork([this] {
      auto out = place_->producer();
      if (!out.try_send(numbered::of(1)) || !done_.tell()) return 1;
      wait_for_the_end();
    });
    EXPECT_TRUE(done_.is_told());
    return child;
  }
  /// How many messages came until the channel's end.
  std::uint64_t count_to_the_end(consumer<numbered, ring>& in) {
    std::uint64_t count = 0;
    numbered got;
    while (in.receive(got) == wait_result::ready) ++count;
    EXPECT_EQ(in.status(), wait_result::closed);
    return count;
  }

  watchdog dog_{100s};
  Place place_{{.capacity_slots = 64}};
  pipe_signal done_;
};
TYPED_TEST_SUITE(Finishing, channel_places, place_names);

template <class Place>
class FinishingOfMany : public Finishing<Place> {};
using places_of_many = ::testing::Types<named_place<mpmc_ring>, unnamed_place<mpmc_ring, anonymous_segment>>;
TYPED_TEST_SUITE(FinishingOfMany, places_of_many, place_names);

TYPED_TEST(Finishing, AProducerAloneClosesTheChannelAndGivesItsSeatBack) {
  auto in = this->place_->consumer();
  auto out = this->place_->producer();
  ASSERT_TRUE(out.try_send(numbered::of(1)));
  EXPECT_TRUE(out.finish());
  EXPECT_THAT(thrown_by([&] { (void)out.try_send(numbered::of(2)); }), ThrewSaying(errc::misuse, "has finished"));
  EXPECT_THAT(thrown_by([&] { (void)out.finish(); }), Threw(errc::misuse));
  EXPECT_EQ(this->count_to_the_end(in), 1U);
  EXPECT_EQ(in.peer(), peer_state::none);
  auto next = this->place_->producer();  // opens it again
  EXPECT_TRUE(next.try_send(numbered::of(3)));
  EXPECT_EQ(in.try_receive()->number, 3U);
}

TYPED_TEST(Finishing, AHandleThatIsDestroyedInsteadClosesNothing) {
  auto in = this->place_->consumer();
  { auto out = this->place_->producer(); }
  EXPECT_FALSE(in.is_finished());
}

TYPED_TEST(Finishing, AnOpenLoanIsMisuseAndNothingHasHappened) {
  auto in = this->place_->consumer();
  auto out = this->place_->producer();
  auto slot = out.try_claim();
  ASSERT_TRUE(slot);
  EXPECT_THAT(thrown_by([&] { (void)out.finish(); }), ThrewSaying(errc::misuse, "finish"));
  *slot = numbered::of(1);
  slot.publish();
  EXPECT_FALSE(in.is_finished());
  EXPECT_TRUE(out.finish());
  EXPECT_EQ(this->count_to_the_end(in), 1U);
}

TYPED_TEST(Finishing, InAForkedChildItIsTheParentsSeat) {
  auto in = this->place_->consumer();
  auto out = this->place_->producer();
  auto child = child_process::fork([&] {
    EXPECT_THAT(thrown_by([&] { (void)out.finish(); }), Threw(errc::wrong_process));
    ::_exit(::testing::Test::HasFailure() ? exit_failed_test : 0);
  });
  EXPECT_TRUE(child.wait().is_success());
  EXPECT_FALSE(in.is_finished());
  EXPECT_TRUE(out.finish());
}

TYPED_TEST(Finishing, AProducerThatOnlyLooksDisturbsNoOther) {
  auto in = this->place_->consumer();
  auto out = this->place_->producer();
  details_of(out).ring().control->closed.store(6);  // as one leaves it that is killed while it looks
  ASSERT_TRUE(out.try_send(numbered::of(1)));
  EXPECT_FALSE(in.is_finished());
  EXPECT_EQ(in.try_receive()->number, 1U);
  EXPECT_FALSE(in.is_finished());
  ASSERT_TRUE(out.try_send(numbered::of(2)));
  EXPECT_TRUE(out.finish());
  EXPECT_EQ(this->count_to_the_end(in), 1U);
}

TYPED_TEST(FinishingOfMany, AnotherLivingProducerKeepsTheChannelOpen) {
  auto in = this->place_->consumer();
  auto first = this->place_->producer();
  auto second = this->place_->producer();
  EXPECT_FALSE(first.finish());
  EXPECT_FALSE(in.is_finished());
  ASSERT_TRUE(second.try_send(numbered::of(1)));
  EXPECT_TRUE(second.finish());
  EXPECT_EQ(this->count_to_the_end(in), 1U);
}

TYPED_TEST(FinishingOfMany, AStoppedProducerIsWaitedForAndADeadOneIsNot) {
  auto in = this->place_->consumer();
  auto child = this->other_producer();
  child.stop();
  EXPECT_FALSE(this->place_->producer().finish());
  EXPECT_FALSE(in.is_finished());
  child.kill();
  EXPECT_TRUE(this->place_->producer().finish());
  EXPECT_EQ(this->count_to_the_end(in), 1U);
}

TYPED_TEST(FinishingOfMany, OfThoseThatFinishAtOnceTheLastOneCloses) {
  constexpr int senders = 4;
  for (std::uint64_t round = 0; round < 500; ++round) {
    auto in = this->place_->consumer();
    std::barrier together(senders + 1);  // the consumer as well: an earlier round's end stands until a producer comes
    std::atomic<int> closed = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < senders; ++i)
      threads.emplace_back([&] {
        auto out = this->place_->producer();
        (void)out.try_send(numbered::of(1));
        together.arrive_and_wait();
        closed += out.finish();
      });
    together.arrive_and_wait();
    EXPECT_EQ(this->count_to_the_end(in), 4U) << "round " << round;  // hangs here when each left it to another
    for (auto& thread : threads) thread.join();
    ASSERT_GE(closed, 1) << "round " << round;
  }
}

TYPED_TEST(FinishingOfMany, AProducerThatComesMeanwhileIsNeverClosedOver) {
  std::uint64_t closed = 0;
  auto in = this->place_->consumer();
  std::optional<producer<numbered, mpmc_ring>> last(this->place_->producer());
  constexpr int rounds = 2000;
  for (int round = 0; round < rounds; ++round) {
    std::optional<producer<numbered, mpmc_ring>> next;
    std::barrier together(2);
    std::thread coming([&] {
      together.arrive_and_wait();
      for (int i = 0; i < round % 64; ++i) cpu_pause();
      next.emplace(this->place_->producer());
    });
    together.arrive_and_wait();
    closed += last->finish();
    coming.join();
    ASSERT_TRUE(next->try_send(numbered::of(1))) << "round " << round << ": it is there, and the channel was closed";
    ASSERT_FALSE(details_of(*next).is_closed()) << "round " << round;
    ASSERT_TRUE(in.try_receive()) << "round " << round;
    last = std::move(next);
  }
  EXPECT_GT(closed, 0U) << "never the last: nothing was tried";
}

}  // namespace
}  // namespace sluice::detail::test
