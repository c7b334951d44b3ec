// The newest value: one writer, and readers with a seat or with permission to read alone.

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
#include "sluice/detail/part/latest/latest_values.hpp"
#include "sluice/latest.hpp"
#include "sluice/registry.hpp"
#include "sluice/segment.hpp"
#include "sluice/stop_token.hpp"
#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/pipe_signal.hpp"
#include "support/proc_maps.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;
using link = latest<numbered>;

/// How a reader of these tests comes to the value.
struct seated {
  static constexpr const char* name = "Seated";
  static constexpr bool wakes_watchers = false;
  template <class Wait = spin_then_park>
  static auto read(const temp_registry& names, const segment_name& segment, Wait wait = {}) {
    return link::attach(*names, segment).reader(std::move(wait));
  }
};
template <bool WakesWatchers>
struct watching_value {
  static constexpr const char* name = WakesWatchers ? "WatchingWoken" : "WatchingPolling";
  static constexpr bool wakes_watchers = WakesWatchers;
  template <class Wait = spin_then_park>
  static auto read(const temp_registry& names, const segment_name& segment, Wait wait = {}) {
    return link::watch(*names, segment, std::move(wait));
  }
};

template <class How>
class Latest : public ::testing::Test {
 protected:
  template <class... Wait>
  [[nodiscard]] auto read(Wait... wait) const {
    return How::read(names_, name_, std::move(wait)...);
  }
  void set(std::uint64_t number) { out_->set(numbered::of(number)); }

  watchdog dog_;
  temp_registry names_;
  segment_name name_{"pose"};
  std::optional<link> link_{link::create(*names_, name_, {.mode = 0644, .wakes_watchers = How::wakes_watchers})};
  std::optional<latest_writer<numbered>> out_{link_->writer()};
};
struct how_names {
  template <class How>
  static std::string GetName(int) {
    return How::name;
  }
};
using ways = ::testing::Types<seated, watching_value<false>, watching_value<true>>;
TYPED_TEST_SUITE(Latest, ways, how_names);

TYPED_TEST(Latest, ReadersGetTheNewestValueAndItsVersion) {
  auto in = this->read();
  numbered value;
  EXPECT_FALSE(in.try_get(value));
  EXPECT_FALSE(in.try_get());
  EXPECT_FALSE(in.has_changed());
  EXPECT_EQ(in.version(), 0U);
  EXPECT_THAT(thrown_by([&] { (void)in.get(); }), ThrewSaying(errc::not_found, "none was written yet"));
  for (std::uint64_t i = 1; i <= 20; ++i) {
    this->set(i);
    EXPECT_TRUE(in.has_changed());
    ASSERT_TRUE(in.try_get(value));
    EXPECT_EQ(value, numbered::of(i));
    EXPECT_EQ(in.version(), i);
    EXPECT_FALSE(in.has_changed());
  }
  EXPECT_EQ(in.get(), numbered::of(20)) << "it stays";
  EXPECT_EQ(in.try_get(), numbered::of(20));
  auto late = this->read();
  EXPECT_EQ(late.get(), numbered::of(20));
  EXPECT_EQ(late.version(), 20U);
}

TYPED_TEST(Latest, AChangeIsGotOnceAndWhatWasOverwrittenIsSkipped) {
  auto in = this->read();
  numbered value;
  EXPECT_FALSE(in.try_get_change(value));
  this->set(1);
  ASSERT_TRUE(in.try_get_change(value));
  EXPECT_FALSE(in.try_get_change(value));
  EXPECT_EQ(in.get_change_for(value, 1ms), wait_result::timed_out);
  EXPECT_EQ(in.status(), wait_result::timed_out);
  for (std::uint64_t i = 2; i <= 9; ++i) this->set(i);
  ASSERT_EQ(in.get_change_until(value, std::chrono::steady_clock::now() + 10s), wait_result::ready);
  EXPECT_EQ(value, numbered::of(9));
  EXPECT_EQ(in.version(), 9U);
}

TYPED_TEST(Latest, AgeCountsFromTheSetting) {
  auto in = this->read();
  EXPECT_EQ(in.age_ns(), 0U);
  const auto before_ns = monotonic_coarse_ns();
  this->set(1);
  const auto after_ns = monotonic_coarse_ns();
  (void)in.get();
  std::this_thread::sleep_for(30ms);
  const auto least_ns = monotonic_coarse_ns() - after_ns;
  const auto age_ns = in.age_ns();
  const auto most_ns = monotonic_coarse_ns() - before_ns;
  EXPECT_GE(age_ns, least_ns);
  EXPECT_LE(age_ns, most_ns);
  EXPECT_GE(age_ns, 20'000'000U);
}

TYPED_TEST(Latest, ASlotIsFilledInPlaceAndReadersSeeTheValueBeforeUntilItIsPublished) {
  auto in = this->read();
  this->set(1);
  for (std::uint64_t i = 2; i < 12; ++i) {
    auto slot = this->out_->claim();
    ASSERT_TRUE(slot);
    *slot = numbered::of(i);
    EXPECT_EQ(in.get(), numbered::of(i - 1));
    slot.publish();
    EXPECT_FALSE(slot);
    EXPECT_EQ(in.get(), numbered::of(i));
  }
  {
    auto slot = this->out_->claim();
    slot->number = 77;
    EXPECT_THAT(thrown_by([&] { this->set(5); }), ThrewSaying(errc::misuse, "a slot of this writer is open"));
    EXPECT_THAT(thrown_by([&] { (void)this->out_->claim(); }), Threw(errc::misuse));
  }
  EXPECT_EQ(in.get(), numbered::of(11)) << "a slot that is dropped leaves the value as it is";
  EXPECT_EQ(in.version(), 11U);
  this->set(12);
  EXPECT_EQ(in.version(), 11U);
  EXPECT_EQ(in.get(), numbered::of(12));
}

TYPED_TEST(Latest, ASlotThatOutlivesItsWriterIsVoid) {
  this->set(1);
  auto slot = this->out_->claim();
  this->out_.reset();
  *slot = numbered::of(2);
  slot.publish();
  auto in = this->read();
  EXPECT_EQ(in.get(), numbered::of(1));
  this->out_.emplace(this->link_->writer());
  this->set(3);
  EXPECT_EQ(in.get(), numbered::of(3));
  EXPECT_EQ(in.version(), 2U);
}

TYPED_TEST(Latest, ReadersGetWholeValuesOfGrowingVersionsWhileItIsSetAgainAndAgain) {
  this->set(1);
  std::atomic<bool> is_over = false;
  std::atomic<int> reading = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i)
    readers.emplace_back([&] {
      auto in = this->read();
      std::uint64_t last = 0;
      numbered value;
      do {
        ASSERT_TRUE(in.try_get(value));
        ASSERT_TRUE(value.is_whole());
        ASSERT_EQ(value.number, in.version());
        ASSERT_GE(in.version(), last);
        if (last == 0) ++reading;
        last = in.version();
      } while (!is_over);
    });
  while (reading != 3) std::this_thread::yield();
  for (std::uint64_t i = 2; i < 200'000; ++i) this->set(i);
  is_over = true;
  for (auto& reader : readers) reader.join();
}

TYPED_TEST(Latest, ReadersThatSleepAreThereForEachChangeAndForTheEnd) {
  std::atomic<std::uint64_t> seen[3] = {};
  std::vector<std::thread> readers;
  for (auto& last : seen)
    readers.emplace_back([&] {
      auto in = this->read(park());
      numbered value;
      while (in.get_change(value) == wait_result::ready) {
        EXPECT_TRUE(value.is_whole());
        last = value.number;
      }
      EXPECT_EQ(in.status(), wait_result::closed);
    });
  for (std::uint64_t i = 1; i <= 10; ++i) {
    this->set(i);
    for (auto& last : seen)
      while (last != i) std::this_thread::yield();
  }
  this->out_->close();
  for (auto& reader : readers) reader.join();
  auto in = this->read();
  numbered value;
  EXPECT_EQ(in.get_change(value), wait_result::ready) << "what came before the close is first";
  EXPECT_EQ(in.get_change(value), wait_result::closed);
  EXPECT_EQ(in.get(), numbered::of(10));
  this->out_.reset();
  this->out_.emplace(this->link_->writer());
  EXPECT_EQ(in.get_change_for(value, 1ms), wait_result::timed_out) << "a writer that comes opens it again";
}

TYPED_TEST(Latest, AWaitEndsByAStop) {
  auto in = this->read();
  std::stop_source stop;
  std::thread stopping([&] { stop.request_stop(); });
  numbered value;
  EXPECT_EQ(in.get_change(value, stop.get_token()), wait_result::interrupted);
  stopping.join();
}

TYPED_TEST(Latest, AWriterThatIsKilledInAWriteLeavesTheValueBeforeAndItsSuccessorGoesOn) {
  this->out_.reset();
  pipe_signal has_begun;
  auto child = child_process::fork([&] {
    auto out = this->link_->writer();
    out.set(numbered::of(1));
    auto slot = out.claim();
    slot->number = 2;  // and no more of it
    (void)has_begun.tell();
    wait_for_the_end();
  });
  ASSERT_TRUE(has_begun.is_told());
  auto in = this->read();
  EXPECT_EQ(in.get(), numbered::of(1));
  EXPECT_THAT(thrown_by([&] { (void)this->link_->writer(); }),
              ThrewSaying(errc::seat_taken, "the writer seat is taken by pid " + std::to_string(child.pid())));
  EXPECT_EQ(in.peer(), peer_state::alive);
  child.kill();
  numbered value;
  EXPECT_EQ(in.get_change(value), wait_result::peer_gone);
  EXPECT_EQ(in.peer(), peer_state::dead);
  EXPECT_EQ(in.get(), numbered::of(1));
  this->out_.emplace(this->link_->writer());
  EXPECT_EQ(in.get(), numbered::of(1));
  for (std::uint64_t i = 2; i < 12; ++i) {
    this->set(i);
    ASSERT_EQ(in.get_change(value), wait_result::ready);
    EXPECT_EQ(value, numbered::of(i));
    EXPECT_EQ(in.version(), i);
  }
}

TYPED_TEST(Latest, AStoppedWriterKeepsItsSeatAndItsValueIsReadable) {
  this->out_.reset();
  pipe_signal has_set;
  auto child = child_process::fork([&] {
    auto out = this->link_->writer();
    out.set(numbered::of(1));
    (void)has_set.tell();
    wait_for_the_end();
  });
  ASSERT_TRUE(has_set.is_told());
  child.stop();
  auto in = this->read();
  EXPECT_EQ(in.get(), numbered::of(1));
  EXPECT_THAT(thrown_by([&] { (void)this->link_->writer(); }), ThrewSaying(errc::seat_taken, "stopped"));
}

TYPED_TEST(Latest, HandlesOfAParentAreOfNoUseToItsChild) {
  auto in = this->read();
  this->set(1);
  auto child = child_process::fork([&] {
    numbered value;
    if (thrown_by([&] { (void)in.try_get(value); }).reason != errc::wrong_process) return 1;
    if (thrown_by([&] { this->set(2); }).reason != errc::wrong_process) return 2;
    auto own = this->read();
    return own.get() == numbered::of(1) ? 0 : 3;
  });
  EXPECT_TRUE(child.wait().is_success());
  auto moved = std::move(in);
  EXPECT_THAT(thrown_by([&] { (void)in.get(); }), ThrewSaying(errc::misuse, "moved from"));
  EXPECT_EQ(moved.get(), numbered::of(1));
}

TYPED_TEST(Latest, OfAFileThatIsCutShortIsToldSo) {
  auto in = this->read();
  this->set(1);
  ASSERT_EQ(::truncate(this->names_.path("pose").c_str(), 0), 0);
  numbered value;
  EXPECT_THAT(thrown_by([&] {
                while (in.try_get(value)) continue;
              }),
              Threw(errc::truncated));
}

TYPED_TEST(Latest, AVersionWhoseSlotHoldsAnotherIsCalledCorrupted) {
  this->set(1);
  auto in = this->read();
  auto forging = attach_unnamed(file_segment::attach(this->names_.path("pose")));
  const latest_view view(view_ring(forging.memory().bytes(), forging.memory().header().parts[0]),
                         forging.memory().header().parts[0]);
  view.entry(0).newest = 4711;
  numbered value;
  EXPECT_THAT(thrown_by([&] { (void)in.try_get(value); }), ThrewSaying(errc::corrupted, "does not come there"));
}

TYPED_TEST(Latest, IsRefusedToAnotherTypeAndToChannels) {
  EXPECT_THAT(thrown_by([&] { (void)latest<std::uint64_t>::attach(*this->names_, this->name_); }),
              Threw(errc::wrong_type));
  EXPECT_THAT(thrown_by([&] { (void)latest<std::uint64_t>::watch(*this->names_, this->name_); }),
              Threw(errc::wrong_type));
  EXPECT_THAT(thrown_by([&] { (void)channel<numbered>::attach(*this->names_, this->name_); }),
              ThrewSaying(errc::wrong_kind, "latest"));
  EXPECT_THAT(thrown_by([&] { (void)link::create_or_attach(*this->names_, this->name_, {.slots = 8}); }),
              ThrewSaying(errc::wrong_kind, "4 slots for each value"));
}

using LatestWatchers = Latest<watching_value<false>>;

TEST_F(LatestWatchers, OfAnotherUserNeedNoMoreThanPermissionToRead) {
  ASSERT_EQ(::chmod(names_.directory().c_str(), 0755), 0);
  set(1);
  pipe_signal watches;
  auto child = child_process::fork([&] {
    if (::setgroups(0, nullptr) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0) return 1;
    if (thrown_by([&] { (void)link::attach(*names_, name_); }).reason != errc::no_permission) return 2;
    auto in = link::watch(*names_, name_);
    if (in.get() != numbered::of(1)) return 3;
    (void)watches.tell();
    numbered value;
    if (in.get_change(value) != wait_result::ready || value != numbered::of(2)) return 4;
    return in.get_change(value) == wait_result::closed ? 0 : 5;
  });
  ASSERT_TRUE(watches.is_told());
  set(2);
  std::this_thread::sleep_for(200ms);  // longer than a watcher sleeps that no writer wakes
  out_->close();
  EXPECT_EQ(child.wait().code, 0);
}

TEST_F(LatestWatchers, AreSeenByNoProcessAndGoOnWithANameThatWasRemoved) {
  set(1);
  auto in = link::watch(*names_, name_);
  out_.reset();
  link_.reset();
  EXPECT_EQ(in.get(), numbered::of(1));
  ASSERT_EQ(in.seats().size(), 1U) << "the writer's, which has left";
  EXPECT_FALSE(names_->inspect(name_).is_in_use);
  EXPECT_EQ(names_->remove(name_), 0U) << "a value is no message that waits";
  EXPECT_EQ(in.get(), numbered::of(1));
  numbered value;
  EXPECT_THAT(thrown_by([&] { (void)in.get_change(value); }),
              ThrewSaying(errc::not_found, "the name was removed and no writer is attached"));
}

TEST(LatestValue, OfAnySizeAndAlignmentGoesThrough) {
  const watchdog dog;
  struct alignas(256) wide {
    std::uint64_t words[512];
  };
  const auto bytes = latest<std::uint8_t>::create_unnamed();
  const auto wides = latest<wide>::create_unnamed({.slots = 2});
  auto out = bytes.writer();
  auto in = bytes.reader();
  auto wide_out = wides.writer();
  auto wide_in = wides.reader();
  wide value{};
  for (std::uint64_t i = 1; i < 300; ++i) {
    out.set(static_cast<std::uint8_t>(i));
    EXPECT_EQ(in.get(), static_cast<std::uint8_t>(i));
    value.words[511] = i;
    wide_out.set(value);
    EXPECT_EQ(wide_in.get().words[511], i);
    EXPECT_EQ(wide_in.version(), i);
  }
  auto slot = wide_out.claim();
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&*slot) % 256, 0U);
}

TEST(LatestValue, IsMadeByOptionsThatItCanHave) {
  const auto refuse = [](const latest_options& options) {
    return thrown_by([&] { (void)latest<std::uint64_t>::create_unnamed(options); });
  };
  EXPECT_THAT(refuse({.slots = 1}), ThrewSaying(errc::bad_argument, "must be a power of two from 2 to 1024"));
  EXPECT_THAT(refuse({.slots = 3}), Threw(errc::bad_argument));
  EXPECT_THAT(refuse({.reader_seats = 5000}), ThrewSaying(errc::bad_argument, "reader seats"));
  const auto one = latest<std::uint64_t>::create_unnamed({.reader_seats = 1});
  auto in = one.reader();
  EXPECT_THAT(thrown_by([&] { (void)one.reader(); }), ThrewSaying(errc::seat_taken, "the reader seat is taken"));
}

}  // namespace
}  // namespace sluice::detail::test
