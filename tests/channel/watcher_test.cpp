// Watchers of a topic: processes that only read. They are told what they lost, can wait, and disturb no process.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "channel/channel_places.hpp"
#include "sluice/bytes.hpp"
#include "sluice/registry.hpp"
#include "sluice/stop_token.hpp"
#include "sluice/topic.hpp"
#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/pipe_signal.hpp"
#include "support/proc_maps.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;
using numbers = std::vector<std::uint64_t>;

template <publishers P, bool WakesWatchers>
struct watched {
  static constexpr publishers how_many = P;
  static constexpr bool wakes_watchers = WakesWatchers;
};

template <class Of>
class Watchers : public ::testing::Test {
 protected:
  static constexpr publishers how_many = Of::how_many;
  using link = topic<numbered, how_many>;
  using eye = watcher<numbered, how_many>;

  void send(std::uint64_t from, std::uint64_t to) {
    for (auto i = from; i <= to; ++i) ASSERT_TRUE(out_->try_send(numbered::of(i))) << i;
  }
  template <class... How>
  [[nodiscard]] eye watch(How... how) const {
    return link::watch(*names_, name_, how...);
  }
  static numbers all_of(eye& in) {
    numbers got;
    for (numbered message; in.try_receive(message); got.push_back(message.number)) EXPECT_TRUE(message.is_whole());
    return got;
  }

  watchdog dog_;
  temp_registry names_;
  segment_name name_{"ticks"};
  std::optional<link> link_{
      link::create(*names_, name_, {.capacity_slots = 8, .mode = 0644, .wakes_watchers = Of::wakes_watchers})};
  std::optional<publisher<numbered, how_many>> out_{link_->publisher()};
};
struct watched_names {
  template <class Of>
  static std::string GetName(int) {
    return std::string(Of::how_many == publishers::one ? "One" : "Many") + (Of::wakes_watchers ? "Woken" : "Polling");
  }
};
using watched_kinds = ::testing::Types<watched<publishers::one, false>, watched<publishers::one, true>,
                                       watched<publishers::many, false>, watched<publishers::many, true>>;
TYPED_TEST_SUITE(Watchers, watched_kinds, watched_names);

TYPED_TEST(Watchers, SeeEveryMessageAndAreToldWhatTheyLost) {
  this->send(0, 3);
  auto all = this->watch(history::all()), last = this->watch(history::last(1)), fresh = this->watch();
  this->send(4, 5);
  EXPECT_EQ(this->all_of(all), (numbers{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(this->all_of(last), (numbers{3, 4, 5}));
  EXPECT_EQ(this->all_of(fresh), (numbers{4, 5}));
  this->send(6, 105);
  const auto got = this->all_of(all);
  EXPECT_EQ(all.lost() + got.size(), 100U);
  EXPECT_EQ(got.back(), 105U);
  EXPECT_EQ(all.capacity_slots(), 8U);
}

TYPED_TEST(Watchers, ViewsAndTheNewestAloneAreThoseOfLossySubscribers) {
  auto in = this->watch();
  this->send(1, 3);
  numbered message;
  ASSERT_TRUE(in.try_receive_newest(message));
  EXPECT_EQ(message.number, 3U);
  this->send(4, 4);
  const auto* seen = in.try_view();
  ASSERT_NE(seen, nullptr);
  EXPECT_TRUE(in.still_valid());
  this->send(5, 12);
  EXPECT_FALSE(in.still_valid());
}

TYPED_TEST(Watchers, AreLetOnlyReadByTheKernelAndAreSeenByNoProcess) {
  this->send(1, 1);
  this->out_.reset();
  this->link_.reset();
  auto in = this->watch(history::all());
  const auto* seen = in.try_view();
  ASSERT_NE(seen, nullptr);
  EXPECT_THAT(mapping_at(seen), ::testing::HasSubstr(" r--s "));
  ASSERT_EQ(in.seats().size(), 1U) << "the publisher's, which has left";
  EXPECT_EQ(in.seats()[0].role, role::producer);
  EXPECT_FALSE(this->names_->inspect(this->name_).is_in_use);
  EXPECT_EQ(this->names_->remove(this->name_), 0U) << "no process is in its way";
  EXPECT_EQ(seen->number, 1U);
  EXPECT_TRUE(in.still_valid());
}

TYPED_TEST(Watchers, OfAnotherUserNeedNoMoreThanPermissionToRead) {
  ASSERT_EQ(::chmod(this->names_.directory().c_str(), 0755), 0);
  this->send(1, 2);
  pipe_signal watches;
  auto child = child_process::fork([&] {
    if (::setgroups(0, nullptr) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0) return 1;
    if (thrown_by([&] { (void)TestFixture::link::attach(*this->names_, this->name_); }).reason != errc::no_permission)
      return 2;
    auto in = this->watch(history::last(1));
    (void)watches.tell();
    numbered message;
    for (const std::uint64_t number : {2, 3})
      if (in.receive(message) != wait_result::ready || message.number != number) return 3;
    return in.receive(message) == wait_result::closed ? 0 : 4;
  });
  ASSERT_TRUE(watches.is_told());
  this->send(3, 3);
  this->out_->close();
  EXPECT_TRUE(child.wait().is_success());
}

TYPED_TEST(Watchers, ThatSleepAreThereForTheNextMessageAndForTheEnd) {
  std::vector<std::thread> threads;
  std::atomic<int> watching = 0;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&] {
      auto in = TestFixture::link::watch(*this->names_, this->name_, history::none(), resumes::at_oldest, park());
      ++watching;
      std::uint64_t received = 0;
      numbered message;
      for (; in.receive(message) == wait_result::ready; ++received) EXPECT_TRUE(message.is_whole());
      EXPECT_EQ(in.status(), wait_result::closed);
      EXPECT_EQ(received + in.lost_in_all(), 100U);
    });
  while (watching != 3) std::this_thread::yield();
  for (std::uint64_t i = 0; i < 100; ++i) {
    ASSERT_EQ(this->out_->send(numbered::of(i)), wait_result::ready);
    if (i % 10 == 0) std::this_thread::sleep_for(1ms);  // they fall asleep
  }
  this->out_->finish();
  for (auto& thread : threads) thread.join();
}

TYPED_TEST(Watchers, AreToldTheDeathOfThePublisherOnceAndFollowItsSuccessor) {
  this->out_.reset();
  pipe_signal has_sent;
  auto child = child_process::fork([&] {
    auto out = this->link_->publisher();
    (void)out.try_send(numbered::of(1));
    auto slot = out.try_claim();
    (void)has_sent.tell();
    wait_for_the_end();
    return 0;
  });
  ASSERT_TRUE(has_sent.is_told());
  auto in = this->watch(history::all());
  numbered message;
  ASSERT_EQ(in.receive(message), wait_result::ready);
  EXPECT_EQ(in.receive_for(message, 1ms), wait_result::timed_out);
  EXPECT_EQ(in.peer(), peer_state::alive);
  child.kill();
  EXPECT_EQ(in.receive(message), wait_result::peer_gone);
  EXPECT_EQ(in.peer(), peer_state::dead);
  this->out_.emplace(this->link_->publisher());
  this->send(2, 2);
  ASSERT_EQ(in.receive(message), wait_result::ready);
  EXPECT_EQ(message.number, 2U);
  EXPECT_EQ(in.lost(), 0U) << "what was never published is no loss";
}

TYPED_TEST(Watchers, AreToldThatTheNameIsGone) {
  auto in = this->watch();
  this->out_.reset();
  this->link_.reset();
  numbered message;
  (void)this->names_->remove(this->name_);
  EXPECT_THAT(thrown_by([&] { (void)in.receive(message); }), ThrewSaying(errc::not_found, "the name was removed"));
}

TYPED_TEST(Watchers, AreToldThatTheNameLeadsToAnotherTopic) {
  auto in = this->watch();
  (void)this->names_->remove(this->name_, true);
  auto again = TestFixture::link::create(*this->names_, this->name_, {.capacity_slots = 8});
  numbered message;
  EXPECT_THAT(thrown_by([&] { (void)in.receive(message); }), ThrewSaying(errc::not_found, "leads to another file"));
  this->send(1, 1);
  EXPECT_EQ(this->all_of(in), numbers{1}) << "what it watches goes on";
}

TYPED_TEST(Watchers, WaitForANameAndForAStop) {
  EXPECT_THAT(thrown_by([&] { (void)TestFixture::link::watch_for(this->names_.path("never"), 5ms); }),
              ThrewSaying(errc::not_found, "Waited for it"));
  auto in = TestFixture::link::watch_for(this->names_.path("ticks"), 10s);
  std::stop_source stop;
  std::thread stopping([&] { stop.request_stop(); });
  numbered message;
  EXPECT_EQ(in.receive(message, stop.get_token()), wait_result::interrupted);
  stopping.join();
}

TYPED_TEST(Watchers, OfAParentAreOfNoUseToItsChild) {
  auto in = this->watch();
  auto child = child_process::fork([&] {
    numbered message;
    if (thrown_by([&] { (void)in.try_receive(message); }).reason != errc::wrong_process) return 1;
    auto own = this->watch(history::all());
    return own.try_receive(message) ? 2 : 0;
  });
  EXPECT_TRUE(child.wait().is_success());
}

TYPED_TEST(Watchers, LookOnlyThroughMemoryThatIsNotWritableAndOfTheirType) {
  const auto memory = memfd_segment::create(std::uint64_t{1} << 20);
  EXPECT_THAT(thrown_by([&] { (void)TestFixture::link::watch_in(memory); }),
              ThrewSaying(errc::bad_argument, "mapped for writing"));
  EXPECT_THAT(thrown_by([&] { (void)topic<std::uint64_t, TestFixture::how_many>::watch(*this->names_, this->name_); }),
              Threw(errc::wrong_type));
  constexpr auto other = TestFixture::how_many == publishers::one ? publishers::many : publishers::one;
  EXPECT_THAT(thrown_by([&] { (void)(topic<numbered, other>::watch(*this->names_, this->name_)); }),
              Threw(errc::wrong_kind));
}

TYPED_TEST(Watchers, OfAFileThatIsCutShortAreToldSo) {
  auto in = this->watch();
  ASSERT_EQ(::truncate(this->names_.path("ticks").c_str(), 0), 0);
  numbered message;
  EXPECT_THAT(thrown_by([&] { (void)in.receive_for(message, 10s); }), Threw(errc::truncated));
}

using WatchersOfMany = Watchers<watched<publishers::many, false>>;

TEST_F(WatchersOfMany, StepOverTheClaimOfADeadPublisherThatNoProcessMends) {
  auto in = watch();
  pipe_signal has_claimed;
  auto child = child_process::fork([&] {
    auto out = link_->publisher();
    auto slot = out.try_claim();
    (void)has_claimed.tell();
    wait_for_the_end();
    return 0;
  });
  ASSERT_TRUE(has_claimed.is_told());
  send(7, 7);
  numbered message;
  EXPECT_FALSE(in.try_receive(message)) << "it may come";
  child.kill();
  ASSERT_EQ(in.receive(message), wait_result::ready);
  EXPECT_EQ(message.number, 7U);
  EXPECT_EQ(in.lost(), 0U);
}

TEST_F(WatchersOfMany, ADeathFromBeforeIsNoNewsToThem) {
  pipe_signal sits;
  auto child = child_process::fork([&] {
    auto out = link_->publisher();  // behind one that lives
    (void)sits.tell();
    wait_for_the_end();
    return 0;
  });
  ASSERT_TRUE(sits.is_told());
  child.kill();
  auto in = watch();
  out_.reset();
  numbered message;
  EXPECT_EQ(in.receive_for(message, 200ms), wait_result::timed_out);
  EXPECT_EQ(in.peer(), peer_state::dead);
}

TEST(BytesWatchers, SeeMessagesOfEveryLengthAndAreToldWhatTheyLost) {
  const watchdog dog;
  temp_registry names;
  const segment_name name("lines");
  const auto link = topic<bytes>::create(*names, name, {.capacity_slots = 8, .capacity_bytes = 1024});
  auto out = link.publisher();
  auto in = topic<bytes>::watch(*names, name);
  std::string line;
  for (std::size_t length = 0; length < 512; ++length) {
    ASSERT_TRUE(out.try_send(std::string(length, 'x')));
    ASSERT_TRUE(in.try_receive(line));
    EXPECT_EQ(line, std::string(length, 'x'));
  }
  for (std::size_t i = 0; i < 100; ++i) ASSERT_TRUE(out.try_send(std::string(300, 'y'))) << "it holds none up";
  std::size_t got = 0;
  for (; in.try_receive(line); ++got) EXPECT_EQ(line, std::string(300, 'y'));
  EXPECT_GE(got, 1U);
  EXPECT_EQ(got + in.lost(), 100U);

  ASSERT_TRUE(out.try_send("a view"));
  const auto seen = in.try_view();
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->size(), 6U);
  EXPECT_TRUE(in.still_valid());
  std::byte room[4];
  EXPECT_THAT(thrown_by([&] { (void)in.try_receive(room); }), ThrewSaying(errc::misuse, "into 4 bytes: it has 6"));
  out.close();
  EXPECT_EQ(in.receive(line), wait_result::ready);
  EXPECT_EQ(in.receive(line), wait_result::closed);
}

// ---- What a topic is asked for ---------------------------------------------------------------------------------------

TEST(TopicPolicy, ATopicThatWakesNoWatchersIsNotTakenForOneThatDoes) {
  temp_registry names;
  const segment_name plain("plain"), waking("waking");
  (void)topic<numbered>::create(*names, plain);
  (void)topic<numbered>::create(*names, waking, {.wakes_watchers = true});
  EXPECT_THAT(thrown_by([&] { (void)topic<numbered>::create_or_attach(*names, plain, {.wakes_watchers = true}); }),
              ThrewSaying(errc::wrong_kind, "wakes watchers"));
  (void)topic<numbered>::create_or_attach(*names, waking, {.wakes_watchers = true});
  (void)topic<numbered>::create_or_attach(*names, waking);
}

TEST(TopicPolicy, ARingThatIsNoTopicHasNone) {
  EXPECT_THAT(thrown_by([] { (void)channel<numbered>::create_unnamed({.topic = {.wakes_watchers = true}}); }),
              ThrewSaying(errc::bad_argument, "only topics do"));
}

}  // namespace
}  // namespace sluice::detail::test
