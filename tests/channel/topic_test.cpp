// Topics through handles: every subscriber sees every message, some hold up the publisher, some are told what they lost.

#include "sluice/topic.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <thread>
#include <vector>

#include "channel/channel_places.hpp"
#include "support/behind.hpp"
#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/is_there.hpp"
#include "support/pipe_signal.hpp"
#include "support/publisher_counts.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;
using numbers = std::vector<std::uint64_t>;

template <class Of>
class Topics : public ::testing::Test {
 protected:
  static constexpr publishers how_many = Of::how_many;
  using link = topic<numbered, how_many>;

  void send(std::uint64_t from, std::uint64_t to) {
    for (auto i = from; i <= to; ++i) ASSERT_TRUE(out_->try_send(numbered::of(i))) << i;
  }
  template <class Subscriber>
  static numbers all_of(Subscriber& in) {
    numbers got;
    for (numbered message; in.try_receive(message); got.push_back(message.number)) EXPECT_TRUE(message.is_whole());
    return got;
  }

  watchdog dog_;
  link link_ = link::create_unnamed({.capacity_slots = 8, .subscriber_seats = 8});
  std::optional<publisher<numbered, how_many>> out_{link_.publisher()};
};
TYPED_TEST_SUITE(Topics, publisher_counts, publisher_count_names);

// ---- What a subscriber sees ---------------------------------------------------------------------------------------------------

TYPED_TEST(Topics, EverySubscriberSeesEveryMessageInOrder) {
  auto first = this->link_.subscriber(), second = this->link_.subscriber();
  auto lossy = this->link_.lossy_subscriber();
  for (std::uint64_t i = 0; i < 100; i += 5) {
    this->send(i, i + 4);
    EXPECT_EQ(this->all_of(first), (numbers{i, i + 1, i + 2, i + 3, i + 4}));
    EXPECT_EQ(this->all_of(second), (numbers{i, i + 1, i + 2, i + 3, i + 4}));
    EXPECT_EQ(this->all_of(lossy), (numbers{i, i + 1, i + 2, i + 3, i + 4}));
  }
  EXPECT_EQ(lossy.lost(), 0U);
}

TYPED_TEST(Topics, PublishingWithoutSubscribersIsNeverHeldUp) {
  this->send(0, 999);
  EXPECT_TRUE(this->out_->is_drained());
}

TYPED_TEST(Topics, ASubscriberChoosesWhereItBegins) {
  this->send(0, 5);
  auto fresh = this->link_.subscriber(), last_two = this->link_.subscriber(history::last(2)),
       all = this->link_.subscriber(history::all());
  auto lossy = this->link_.lossy_subscriber(history::last(3));
  this->send(6, 6);
  EXPECT_EQ(this->all_of(fresh), (numbers{6}));
  EXPECT_EQ(this->all_of(last_two), (numbers{4, 5, 6}));
  EXPECT_EQ(this->all_of(all), (numbers{0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(this->all_of(lossy), (numbers{3, 4, 5, 6}));
}

TYPED_TEST(Topics, ALosslessSubscriberHoldsThePublisherUpAndLetsItGoOn) {
  auto slow = this->link_.subscriber();
  auto fast = this->link_.subscriber();
  this->send(0, 7);
  EXPECT_EQ(this->all_of(fast).size(), 8U);
  EXPECT_FALSE(this->out_->try_send(numbered::of(8)));
  EXPECT_EQ(this->out_->send_for(numbered::of(8), 1ms), wait_result::timed_out);
  EXPECT_EQ(this->out_->size_approx(), 8U);
  numbered message;
  ASSERT_TRUE(slow.try_receive(message));
  EXPECT_EQ(message.number, 0U);
  this->send(8, 8);
  EXPECT_EQ(this->all_of(slow).back(), 8U);
}

TYPED_TEST(Topics, ALossySubscriberIsToldExactlyWhatItLost) {
  auto at_oldest = this->link_.lossy_subscriber();
  auto at_newest = this->link_.lossy_subscriber(history::none(), resumes::at_newest);
  this->send(0, 99);
  const auto got = this->all_of(at_oldest);
  EXPECT_EQ(at_oldest.lost() + got.size(), 100U);
  EXPECT_EQ(got.back(), 99U);
  EXPECT_GE(got.size(), 4U) << "most of the ring";
  EXPECT_EQ(this->all_of(at_newest), numbers{});
  EXPECT_EQ(at_newest.lost(), 100U);
  EXPECT_EQ(at_newest.lost(), 0U) << "told once";
  EXPECT_EQ(at_newest.lost_in_all(), 100U);
  EXPECT_TRUE(at_newest.is_loss_exact());
  this->send(100, 100);
  EXPECT_EQ(this->all_of(at_newest), numbers{100});
}

TYPED_TEST(Topics, TheNewestAloneSkipsWhatIsBetween) {
  auto in = this->link_.lossy_subscriber();
  this->send(0, 4);
  numbered message;
  ASSERT_TRUE(in.try_receive_newest(message));
  EXPECT_EQ(message.number, 4U);
  EXPECT_EQ(in.lost(), 4U);
  EXPECT_FALSE(in.try_receive_newest(message));
}

TYPED_TEST(Topics, AViewTellsWhetherItWasOverwritten) {
  auto in = this->link_.lossy_subscriber();
  EXPECT_EQ(in.try_view(), nullptr);
  this->send(1, 1);
  const auto* seen = in.try_view();
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->number, 1U);
  EXPECT_TRUE(in.still_valid());
  this->send(2, 9);
  EXPECT_FALSE(in.still_valid());
  EXPECT_EQ(this->all_of(in).back(), 9U);
}

TYPED_TEST(Topics, AnAbandonedClaimIsNeverSeen) {
  auto in = this->link_.subscriber();
  auto lossy = this->link_.lossy_subscriber();
  for (std::uint64_t i = 0; i < 30; ++i) {
    EXPECT_TRUE(is_there(this->out_->try_claim()));  // and dropped
    this->send(i, i);
    EXPECT_EQ(this->all_of(in), numbers{i});
    EXPECT_EQ(this->all_of(lossy), numbers{i});
  }
  EXPECT_EQ(lossy.lost(), 0U) << "what was given up is no loss";
}

TYPED_TEST(Topics, OneClaimAtATimeAndTwoMessagesInHand) {
  auto in = this->link_.subscriber();
  auto slot = this->out_->try_claim();
  ASSERT_TRUE(slot);
  EXPECT_THAT(thrown_by([&] { (void)is_there(this->out_->try_claim()); }), ThrewSaying(errc::misuse, "a loan of it"));
  *slot = numbered::of(1);
  slot.publish();
  this->send(2, 3);
  auto older = in.try_peek(), younger = in.try_peek();
  ASSERT_TRUE(older && younger);
  EXPECT_EQ(younger->number, 2U);
  younger.release();
  EXPECT_EQ(older->number, 1U);
  older.release();
  EXPECT_EQ(this->all_of(in), numbers{3});
}

TYPED_TEST(Topics, AskingForASecondMessageThatIsNotThereSkipsNoneThatComes) {
  auto in = this->link_.subscriber();
  this->send(1, 1);
  EXPECT_TRUE(is_there(this->out_->try_claim()));  // and dropped: where many publish, a hole
  auto older = in.try_peek();
  ASSERT_TRUE(older);
  EXPECT_FALSE(is_there(in.try_peek()));
  older.release();
  this->send(2, 4);
  older = in.try_peek();
  auto younger = in.try_peek();
  ASSERT_TRUE(older && younger);
  EXPECT_EQ(older->number, 2U);
  EXPECT_EQ(younger->number, 3U);
  older.release();
  younger.release();
  EXPECT_EQ(this->all_of(in), numbers{4});
}

TYPED_TEST(Topics, BatchesArePublishedAndPeekedAtAsAWhole) {
  auto in = this->link_.subscriber();
  auto batch = this->out_->try_claim_batch(5);
  ASSERT_EQ(batch.size(), 5U);
  for (std::uint64_t i = 0; i < 5; ++i) batch[i] = numbered::of(i);
  EXPECT_FALSE(is_there(in.try_peek()));
  batch.publish(3);
  auto got = in.try_peek_batch(8);
  ASSERT_EQ(got.size(), 3U);
  EXPECT_EQ(got[2].number, 2U);
  got.release();
  this->send(9, 9);
  EXPECT_EQ(this->all_of(in), numbers{9});
}

// ---- Waiting ---------------------------------------------------------------------------------------------------------

TYPED_TEST(Topics, AllThatWaitGetTheMessage) {
  std::vector<std::thread> threads;
  std::atomic<int> waiting = 0, got = 0;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&] {
      auto in = this->link_.subscriber(history::none(), park());
      ++waiting;
      for (std::uint64_t next = 1; next <= 200; ++next) {
        auto message = in.peek();
        ASSERT_TRUE(message);
        got += message->number == next;
      }
    });
  threads.emplace_back([&] {
    auto in = this->link_.lossy_subscriber(history::none(), resumes::at_oldest, park());
    ++waiting;
    std::uint64_t received = 0;
    for (numbered message; received + in.lost_in_all() < 200 && in.receive(message) == wait_result::ready; ++received)
      EXPECT_TRUE(message.is_whole());
    EXPECT_EQ(received + in.lost_in_all(), 200U);
  });
  while (waiting != 4) std::this_thread::yield();
  for (std::uint64_t i = 1; i <= 200; ++i) ASSERT_EQ(this->out_->send(numbered::of(i)), wait_result::ready);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(got, 3 * 200);
}

TYPED_TEST(Topics, AStoppedReaderLeavesAndThePublisherGoesOn) {
  std::optional slow(this->link_.subscriber());
  this->send(0, 7);
  std::thread sending([&] { EXPECT_EQ(this->out_->send(numbered::of(8)), wait_result::ready); });
  slow.reset();
  sending.join();
}

// ---- The end ---------------------------------------------------------------------------------------------------------

TYPED_TEST(Topics, TheEndComesAfterTheLastMessage) {
  auto in = this->link_.subscriber();
  auto lossy = this->link_.lossy_subscriber();
  this->send(1, 5);
  EXPECT_TRUE(this->out_->finish());
  numbers got;
  for (const numbered& message : in) got.push_back(message.number);
  EXPECT_EQ(got, (numbers{1, 2, 3, 4, 5}));
  EXPECT_EQ(in.status(), wait_result::closed);
  numbered message;
  for (std::uint64_t i = 1; i <= 5; ++i) ASSERT_EQ(lossy.receive(message), wait_result::ready);
  EXPECT_EQ(lossy.receive(message), wait_result::closed);
  auto late = this->link_.subscriber(history::all());
  EXPECT_EQ(this->all_of(late), (numbers{1, 2, 3, 4, 5})) << "what is there is there for latecomers as well";
  EXPECT_EQ(late.receive_for(message, 10s), wait_result::closed);
}

TYPED_TEST(Topics, ACloseWakesAllThatWait) {
  std::vector<std::thread> threads;
  std::atomic<int> waiting = 0;
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([&] {
      auto in = this->link_.subscriber(history::none(), park());
      ++waiting;
      EXPECT_FALSE(is_there(in.peek()));
      EXPECT_EQ(in.status(), wait_result::closed);
    });
  while (waiting != 2) std::this_thread::yield();
  this->out_->close();
  for (auto& thread : threads) thread.join();
}

TYPED_TEST(Topics, ADeadPublisherIsToldAndItsSuccessorGoesOn) {
  this->out_.reset();
  auto in = this->link_.subscriber();
  auto lossy = this->link_.lossy_subscriber();
  auto child = child_process::fork([&] {
    auto out = this->link_.publisher();
    (void)out.try_send(numbered::of(1));
    auto slot = out.try_claim();
    wait_for_the_end();
    return 0;
  });
  numbered message;
  ASSERT_EQ(in.receive(message), wait_result::ready);
  child.kill();
  EXPECT_EQ(in.receive(message), wait_result::peer_gone);
  ASSERT_EQ(lossy.receive(message), wait_result::ready);
  EXPECT_EQ(lossy.receive(message), wait_result::peer_gone);
  this->out_.emplace(this->link_.publisher());
  this->send(2, 2);
  ASSERT_EQ(in.receive(message), wait_result::ready);
  EXPECT_EQ(message.number, 2U);
  ASSERT_EQ(lossy.receive(message), wait_result::ready);
  EXPECT_EQ(message.number, 2U);
  EXPECT_EQ(lossy.lost(), 0U);
}

TYPED_TEST(Topics, ADeadSubscriberHoldsUpNoPublisherForLong) {
  pipe_signal has_joined;
  auto child = child_process::fork([&] {
    auto in = this->link_.subscriber();
    (void)has_joined.tell();
    wait_for_the_end();
    return 0;
  });
  ASSERT_TRUE(has_joined.is_told());
  this->send(0, 7);
  EXPECT_FALSE(this->out_->try_send(numbered::of(8)));
  child.kill();
  EXPECT_EQ(this->out_->send(numbered::of(8)), wait_result::ready);
}

TYPED_TEST(Topics, AChildCannotUseItsParentsHandles) {
  auto in = this->link_.subscriber();
  auto lossy = this->link_.lossy_subscriber();
  this->send(1, 1);
  auto child = child_process::fork([&] {
    numbered message;
    return thrown_by([&] { (void)lossy.try_receive(message); }).reason == errc::wrong_process &&
                   thrown_by([&] { (void)in.try_receive(message); }).reason == errc::wrong_process &&
                   thrown_by([&] { (void)this->out_->try_send(message); }).reason == errc::wrong_process
               ? 0
               : 1;
  });
  EXPECT_TRUE(child.wait().is_success());
  EXPECT_EQ(this->all_of(in), numbers{1});
  EXPECT_EQ(this->all_of(lossy), numbers{1});
}

TYPED_TEST(Topics, ATopicIsNoChannelAndOfOneIsNotOfMany) {
  temp_registry names;
  const segment_name name("ticks");
  const auto made = TestFixture::link::create(*names, name, {.capacity_slots = 16});
  EXPECT_EQ(TestFixture::link::create_or_attach(*names, name, {.capacity_slots = 16}).capacity_slots(), 16U);
  EXPECT_THAT(thrown_by([&] { (void)channel<numbered>::attach(*names, name); }), Threw(errc::wrong_kind));
  constexpr auto other = TestFixture::how_many == publishers::one ? publishers::many : publishers::one;
  EXPECT_THAT(thrown_by([&] { (void)(topic<numbered, other>::attach(*names, name)); }), Threw(errc::wrong_kind));
  EXPECT_THAT(thrown_by([&] { (void)(topic<std::uint64_t, TestFixture::how_many>::attach(*names, name)); }),
              Threw(errc::wrong_type));
}

TEST(TopicOfManyHandles, TheLastPublisherThatFinishesEndsIt) {
  const watchdog dog;
  const auto shared = topic<numbered, publishers::many>::create_unnamed({.capacity_slots = 8});
  auto first = shared.publisher(), second = shared.publisher();
  auto in = shared.subscriber();
  EXPECT_TRUE(first.try_send(numbered::of(1)));
  EXPECT_FALSE(first.finish());
  EXPECT_TRUE(second.try_send(numbered::of(2)));
  EXPECT_TRUE(second.finish());
  numbered message;
  EXPECT_EQ(in.receive(message), wait_result::ready);
  EXPECT_EQ(in.receive(message), wait_result::ready);
  EXPECT_EQ(in.receive(message), wait_result::closed);
}

TEST(TopicOfOneHandles, ThereIsOneSeat) {
  const auto shared = topic<numbered>::create_unnamed();
  const auto out = shared.publisher();
  EXPECT_THAT(thrown_by([&] { (void)shared.publisher(); }), Threw(errc::seat_taken));
}

}  // namespace
}  // namespace sluice::detail::test
