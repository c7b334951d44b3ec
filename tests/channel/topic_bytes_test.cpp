// Topics of messages of any length through handles, and of types with a serializer.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "sluice/topic.hpp"
#include "support/behind.hpp"
#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/is_there.hpp"
#include "support/pipe_signal.hpp"
#include "support/publisher_counts.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {

struct note {
  std::string text;
};
/// What is read of one refers to the bytes.
struct note_view {
  std::string_view text;
};

}  // namespace sluice::detail::test

template <>
struct sluice::message_traits<sluice::detail::test::note> {
  static constexpr std::string_view name = "test.note";
  static constexpr std::uint64_t version = 0;
};
template <>
struct sluice::serializer<sluice::detail::test::note> {
  using message = sluice::detail::test::note;
  static std::size_t max_bytes(const message& m) { return m.text.size() + 1; }
  static std::size_t write(const message& m, std::span<std::byte> room) {
    std::memcpy(room.data(), m.text.data(), m.text.size());
    room[m.text.size()] = std::byte{'!'};
    return m.text.size() + 1;
  }
  static sluice::detail::test::note_view read(std::span<const std::byte> bytes) {
    if (bytes.empty() || bytes.back() != std::byte{'!'}) throw std::runtime_error("no note");
    return {as_text(bytes.first(bytes.size() - 1))};
  }
};

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;
using lines = std::vector<std::string>;

template <class Of>
class TopicsOfBytes : public ::testing::Test {
 protected:
  static constexpr publishers how_many = Of::how_many;
  using link = topic<bytes, how_many>;

  /// Line `i`, of `length` bytes.
  static std::string line(std::uint64_t i, std::size_t length) {
    auto text = std::to_string(i) + ":";
    return text + std::string(length - text.size(), static_cast<char>('a' + i % 26));
  }
  void send(std::uint64_t from, std::uint64_t to, std::size_t length) {
    for (auto i = from; i <= to; ++i) ASSERT_TRUE(out_->try_send(line(i, length))) << i;
  }
  template <class Subscriber>
  static lines all_of(Subscriber& in) {
    lines got;
    for (std::string message; in.try_receive(message);) got.push_back(message);
    return got;
  }

  watchdog dog_;
  link link_ = link::create_unnamed({.capacity_slots = 16, .capacity_bytes = 1024, .subscriber_seats = 8});
  std::optional<publisher<bytes, how_many>> out_{link_.publisher()};
};
TYPED_TEST_SUITE(TopicsOfBytes, publisher_counts, publisher_count_names);

TYPED_TEST(TopicsOfBytes, EverySubscriberSeesMessagesOfEveryLength) {
  auto first = this->link_.subscriber(), second = this->link_.subscriber();
  auto lossy = this->link_.lossy_subscriber();
  for (std::size_t length = 5; length <= 1024; length += 13) {
    const auto sent = this->line(length, length);
    ASSERT_TRUE(this->out_->try_send(sent));
    EXPECT_EQ(this->all_of(first), lines{sent});
    EXPECT_EQ(this->all_of(second), lines{sent});
    EXPECT_EQ(this->all_of(lossy), lines{sent});
  }
  ASSERT_TRUE(this->out_->try_send(""));
  EXPECT_EQ(this->all_of(first), lines{""});
  EXPECT_EQ(this->all_of(lossy), lines{""});
  EXPECT_EQ(lossy.lost(), 0U);
}

TYPED_TEST(TopicsOfBytes, AClaimIsFilledInPlaceAndPeekedAtInPlace) {
  auto in = this->link_.subscriber();
  auto room = this->out_->try_claim(500);
  ASSERT_TRUE(is_there(room));
  std::memset(room.data(), 'x', 300);
  ASSERT_EQ(room.publish(300), wait_result::ready);
  auto message = in.try_peek();
  ASSERT_TRUE(is_there(message));
  EXPECT_EQ(message.text(), std::string(300, 'x'));
}

TYPED_TEST(TopicsOfBytes, AMessageThatCanNeverFitIsAnErrorWithTheSizes) {
  EXPECT_THAT(thrown_by([&] { (void)this->out_->try_send(std::string(1025, 'x')); }),
              ThrewSaying(errc::bad_argument, "1025 bytes: this ring takes at most 1024"));
  EXPECT_EQ(this->out_->max_message_bytes(), 1024U);
}

TYPED_TEST(TopicsOfBytes, ALosslessSubscriberHoldsThePublisherUpAndLossyOnesDoNot) {
  auto lossy = this->link_.lossy_subscriber();
  this->send(0, 99, 500);
  EXPECT_EQ(this->all_of(lossy), (lines{this->line(98, 500), this->line(99, 500)}));
  EXPECT_EQ(lossy.lost(), 98U);
  EXPECT_TRUE(lossy.is_loss_exact());
  auto slow = this->link_.subscriber();
  this->send(100, 101, 500);
  EXPECT_FALSE(this->out_->try_send(this->line(102, 500)));
  EXPECT_EQ(this->out_->send_for(this->line(102, 500), 1ms), wait_result::timed_out);
  this->send(103, 103, 20);
  std::string got;
  ASSERT_TRUE(slow.try_receive(got));
  EXPECT_EQ(got, this->line(100, 500));
  this->send(104, 104, 500);
  EXPECT_EQ(this->all_of(slow), (lines{this->line(101, 500), this->line(103, 20), this->line(104, 500)}));
}

TYPED_TEST(TopicsOfBytes, ASubscriberBeginsWithTheHistoryThatIsThere) {
  this->send(0, 5, 20);
  auto all = this->link_.subscriber(history::all()), last = this->link_.subscriber(history::last(2));
  auto lossy = this->link_.lossy_subscriber(history::all());
  EXPECT_EQ(this->all_of(all).size(), 6U);
  EXPECT_EQ(this->all_of(last), (lines{this->line(4, 20), this->line(5, 20)}));
  EXPECT_EQ(this->all_of(lossy).size(), 6U);
}

TYPED_TEST(TopicsOfBytes, TheNewestAloneSkipsWhatIsBetween) {
  auto in = this->link_.lossy_subscriber();
  this->send(0, 9, 400);
  std::string got;
  ASSERT_TRUE(in.try_receive_newest(got));
  EXPECT_EQ(got, this->line(9, 400));
  EXPECT_EQ(in.lost(), 9U);
  EXPECT_FALSE(in.try_receive_newest(got));
}

TYPED_TEST(TopicsOfBytes, AViewTellsWhetherItsBytesWereUsedAgain) {
  auto in = this->link_.lossy_subscriber();
  EXPECT_FALSE(in.try_view());
  this->send(1, 1, 600);
  const auto seen = in.try_view();
  ASSERT_TRUE(seen);
  EXPECT_EQ(as_text(*seen), this->line(1, 600));
  EXPECT_TRUE(in.still_valid());
  this->send(2, 2, 600);  // where the first one was, though its slot stands
  EXPECT_FALSE(in.still_valid());
  EXPECT_EQ(this->all_of(in), lines{this->line(2, 600)});
  EXPECT_EQ(in.lost(), 1U);
  this->send(3, 4, 30);
  ASSERT_TRUE(in.try_view());
  in.next();
  EXPECT_EQ(this->all_of(in), lines{this->line(4, 30)});
}

TYPED_TEST(TopicsOfBytes, WhatIsTooLongForTheReceiverStays) {
  auto in = this->link_.lossy_subscriber();
  this->send(1, 1, 300);
  std::vector<std::byte> small(299), large(300);
  EXPECT_THAT(thrown_by([&] { (void)in.try_receive(std::span(small)); }),
              ThrewSaying(errc::misuse, "into 299 bytes: it has 300, and stays"));
  EXPECT_EQ(in.try_receive(std::span(large)), std::optional<std::size_t>(300));
  EXPECT_EQ(as_text(large), this->line(1, 300));
  EXPECT_EQ(in.lost(), 0U);
}

TYPED_TEST(TopicsOfBytes, AnExtentThatNoPublisherWritesIsCorrupted) {
  auto in = this->link_.subscriber();
  auto lossy = this->link_.lossy_subscriber();
  this->send(1, 1, 300);
  extent_word(details_of(in).ring().payload(0)).store(extent{2000, 0}.word());
  std::string got;
  EXPECT_THAT(thrown_by([&] { (void)in.try_receive(got); }), Threw(errc::corrupted));
  EXPECT_THAT(thrown_by([&] { (void)lossy.try_receive(got); }), Threw(errc::corrupted));
  EXPECT_THAT(thrown_by([&] { (void)lossy.try_view(); }), Threw(errc::corrupted));
}

TYPED_TEST(TopicsOfBytes, ABatchIsPublishedAsAWhole) {
  auto in = this->link_.subscriber();
  auto batch = this->out_->try_claim_batch(3);
  ASSERT_EQ(batch.size(), 3U);
  for (std::uint64_t i = 0; i < 3; ++i) {
    const auto text = this->line(i, 20 + 200 * i);
    const auto room = batch.try_add(text.size());
    ASSERT_EQ(room.size(), text.size());
    copy_bytes(room.data(), std::as_bytes(std::span(text)));
  }
  EXPECT_TRUE(in.empty());
  EXPECT_EQ(batch.publish(), 3U);
  auto got = in.try_peek_batch(8);
  ASSERT_EQ(got.size(), 3U);
  EXPECT_EQ(got.text(2), this->line(2, 420));
}

TYPED_TEST(TopicsOfBytes, ALossySubscriberWaitsForTheNextAndForTheEnd) {
  auto in = this->link_.lossy_subscriber();
  std::string got;
  EXPECT_EQ(in.receive_for(got, 1ms), wait_result::timed_out);
  const auto ring = details_of(*this->out_).ring();
  std::thread publishing([&] {
    while (ring.control->parked[static_cast<std::uint32_t>(role::consumer)].load() == 0) std::this_thread::yield();
    this->send(1, 1, 200);
  });
  EXPECT_EQ(in.receive(got), wait_result::ready);
  EXPECT_EQ(got, this->line(1, 200));
  publishing.join();
  this->out_->close();
  EXPECT_EQ(in.receive(got), wait_result::closed);
}

TYPED_TEST(TopicsOfBytes, APollingPublisherGoesOnWhenTheSubscriberThatKeptItsArenaDied) {
  for (const bool sends : {true, false}) {
    pipe_signal has_joined;
    auto child = child_process::fork([&] {
      auto in = this->link_.subscriber();
      (void)has_joined.tell();
      wait_for_the_end();
      return 0;
    });
    ASSERT_TRUE(has_joined.is_told());
    this->send(0, 1, 500);
    EXPECT_FALSE(this->out_->try_send(this->line(2, 500)));
    child.kill();
    for (bool goes_on = false; !goes_on; std::this_thread::yield()) {  // slots are free, the arena is not
      if (sends) {
        goes_on = this->out_->try_send(this->line(2, 500));
      } else {
        auto room = this->out_->try_claim(500);
        goes_on = static_cast<bool>(room);
      }
    }
  }
}

TYPED_TEST(TopicsOfBytes, ATopicOfAnyLengthIsNoTopicOfOneSize) {
  temp_registry names;
  const segment_name name("lines");
  using lines_topic = typename TestFixture::link;
  const auto made = lines_topic::create(*names, name, {.capacity_bytes = 4096});
  EXPECT_THAT(thrown_by([&] { (void)(topic<std::uint64_t, TestFixture::how_many>::attach(*names, name)); }),
              Threw(errc::wrong_kind));
  EXPECT_THAT(thrown_by([&] { (void)(topic<note, TestFixture::how_many>::attach(*names, name)); }),
              Threw(errc::wrong_type));
  auto out = lines_topic::attach(*names, name).publisher();
  EXPECT_EQ(out.max_message_bytes(), 4096U);
}

TYPED_TEST(TopicsOfBytes, ATypeGoesInAndComesOutByItsSerializer) {
  const auto notes = topic<note, TestFixture::how_many>::create_unnamed({.capacity_bytes = 1024});
  auto out = notes.publisher();
  auto lossless = notes.subscriber();
  auto lossy = notes.lossy_subscriber();
  const note sent{std::string(400, 'n')};
  ASSERT_TRUE(out.try_send(sent));
  EXPECT_EQ((*lossless.try_peek()).text, sent.text);
  note_view got;
  ASSERT_TRUE(lossy.try_receive(got));
  EXPECT_EQ(got.text, sent.text);
  EXPECT_FALSE(lossy.try_receive(got));
  ASSERT_TRUE(out.try_send({"short"}));
  EXPECT_EQ(lossy.receive(got), wait_result::ready);
  EXPECT_EQ(got.text, "short");
}

}  // namespace
}  // namespace sluice::detail::test
