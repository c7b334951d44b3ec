// What a reset of the machine leaves of a durable topic: history for those that come.

#include <gtest/gtest.h>

#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "channel/channel_places.hpp"
#include "sluice/bytes.hpp"
#include "sluice/registry.hpp"
#include "sluice/topic.hpp"
#include "support/disk.hpp"
#include "support/expect_error.hpp"
#include "support/publisher_counts.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

const segment_name name("ticks");
constexpr std::uint64_t capacity = 16;
using numbers = std::vector<std::uint64_t>;

template <class Of>
class RecoverTopic : public ::testing::Test {
 protected:
  static constexpr publishers how_many = Of::how_many;
  using link = topic<numbered, how_many>;

  void SetUp() override {
    if (!on_a_disk()) GTEST_SKIP() << "no folder on a disk: nothing there survives a reset";
    names_.emplace(*on_a_disk());
  }
  [[nodiscard]] const registry& names() const { return **names_; }
  [[nodiscard]] image on_disk() const { return image_of(names_->path("ticks")); }
  void reset_with(const image& bytes) const { write_image(names_->path("ticks"), after_a_reset(bytes)); }

  /// A topic into which this went; no process is attached any more.
  void make(std::uint64_t sent) const {
    const auto made =
        link::create_or_attach(names(), name, {.capacity_slots = capacity, .durability = durability::every(1)});
    auto out = made.publisher();
    for (std::uint64_t i = 0; i < sent; ++i) ASSERT_TRUE(out.try_send(numbered::of(i)));
  }
  static std::byte* slot(image& bytes, std::uint64_t sequence) {
    const auto part = header_in(bytes).parts[0];
    return bytes.data() + part.body_offset + sequence % capacity * part.slots.slot_stride_bytes;
  }
  template <class Subscriber>
  static numbers all_of(Subscriber in) {
    numbers got;
    for (numbered message; in.try_receive(message); got.push_back(message.number)) EXPECT_TRUE(message.is_whole());
    return got;
  }
  void expect_found(std::uint64_t kept, std::uint64_t torn, std::uint64_t missing) const {
    const auto found = names().recover(name).rings.at(0);
    EXPECT_EQ(found.kept, kept);
    EXPECT_EQ(found.torn, torn);
    EXPECT_EQ(found.missing, missing);
  }

  watchdog dog_;
  std::optional<temp_registry> names_;
};
TYPED_TEST_SUITE(RecoverTopic, publisher_counts, publisher_count_names);

numbers from_to(std::uint64_t first, std::uint64_t last) {
  numbers all;
  for (auto i = first; i <= last; ++i) all.push_back(i);
  return all;
}

TYPED_TEST(RecoverTopic, WhatWasThereIsHistoryForThoseThatCome) {
  this->make(40);
  this->reset_with(this->on_disk());
  const auto found = TestFixture::link::attach(this->names(), name);
  EXPECT_EQ(this->all_of(found.subscriber()), numbers{});
  EXPECT_EQ(this->all_of(found.subscriber(history::last(2))), (numbers{38, 39}));
  const auto all = this->all_of(found.subscriber(history::all()));
  EXPECT_GE(all.size(), capacity - capacity / 8);
  EXPECT_EQ(all, from_to(40 - all.size(), 39));
  EXPECT_EQ(this->all_of(TestFixture::link::watch(this->names(), name, history::all())).back(), 39U);
}

TYPED_TEST(RecoverTopic, ItGoesOnAsAnyOther) {
  this->make(5);
  this->reset_with(this->on_disk());
  const auto found = TestFixture::link::attach(this->names(), name);
  auto in = found.subscriber(history::all());
  auto out = found.publisher();
  for (std::uint64_t i = 5; i < capacity; ++i) ASSERT_TRUE(out.try_send(numbered::of(i)));
  EXPECT_FALSE(out.try_send(numbered::of(capacity))) << "the subscriber keeps what was recovered";
  numbered message;
  for (std::uint64_t i = 0; i < 100; ++i) {
    ASSERT_TRUE(in.try_receive(message));
    EXPECT_EQ(message.number, i);
    ASSERT_TRUE(out.try_send(numbered::of(i + capacity)));
  }
}

TYPED_TEST(RecoverTopic, ASubscriptionThatHasANameGoesOnAndAllThatItGetsIsMarked) {
  this->make(30);  // so that what is kept begins with no round number
  {
    const auto made = TestFixture::link::attach(this->names(), name);
    auto in = made.named_subscriber("billing");
    { auto other = made.named_subscriber("archive", history::last(3)); }
    auto out = made.publisher();
    for (std::uint64_t i = 30; i < 36; ++i) ASSERT_TRUE(out.try_send(numbered::of(i)));
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(in.try_receive().has_value());
  }
  auto bytes = this->on_disk();
  std::memset(this->slot(bytes, 34) + 16, 0xee, 8);  // torn
  this->reset_with(bytes);
  this->expect_found(capacity - 1, 1, 0);
  const auto found = TestFixture::link::attach(this->names(), name);
  auto out = found.publisher();
  EXPECT_TRUE(out.try_send(numbered::of(36)));  // in place of the torn one
  EXPECT_EQ(out.size_approx(), 9U) << "archive keeps 27 and what follows";
  auto next = found.named_subscriber("billing", history::all());
  numbers got;
  std::uint64_t marked = 0;
  for (numbered message; next.try_receive(message); got.push_back(message.number))
    marked += next.last_was_redelivered() ? 1 : 0;
  EXPECT_EQ(got, (numbers{32, 33, 35, 36}));
  EXPECT_EQ(marked, 3U) << "all but the new one";
  found.unsubscribe("archive");
  EXPECT_EQ(out.size_approx(), 0U);
}

TYPED_TEST(RecoverTopic, ATornMessageIsToldByItsChecksumAndTheOthersKeepTheirOrder) {
  this->make(10);
  auto bytes = this->on_disk();
  const auto part = header_in(bytes).parts[0];
  this->slot(bytes, 7)[part.slots.payload_offset + 3] ^= std::byte{1};
  this->reset_with(bytes);
  this->expect_found(9, 1, 0);
  const auto found = TestFixture::link::attach(this->names(), name);
  EXPECT_EQ(this->all_of(found.subscriber(history::all())), (numbers{0, 1, 2, 3, 4, 5, 6, 8, 9}));
}

TYPED_TEST(RecoverTopic, WhatAClaimHadTakenIsGoneAndNotMissing) {
  this->make(capacity);
  image bytes;
  {
    const auto made = TestFixture::link::attach(this->names(), name);
    auto out = made.publisher();
    auto batch = out.try_claim_batch(3);
    ASSERT_EQ(batch.size(), 3U);
    bytes = this->on_disk();
  }
  this->reset_with(bytes);
  constexpr bool counts_claims = TypeParam::how_many == publishers::many;
  this->expect_found(capacity - 3, 0, counts_claims ? 3 : 0);
  const auto found = TestFixture::link::attach(this->names(), name);
  EXPECT_EQ(this->all_of(found.subscriber(history::all())), from_to(3, capacity - 1));
}

TYPED_TEST(RecoverTopic, WithoutDurabilityNothingIsBelieved) {
  (void)TestFixture::link::create(this->names(), name, {.capacity_slots = capacity});
  this->reset_with(this->on_disk());
  EXPECT_THAT(thrown_by([&] { (void)TestFixture::link::attach(this->names(), name); }), Threw(errc::corrupted));
  EXPECT_THAT(thrown_by([&] { (void)this->names().recover(name); }), Threw(errc::wrong_kind));
}

// ---- Messages of any length ------------------------------------------------------------------------------------------

TYPED_TEST(RecoverTopic, MessagesOfAnyLengthAreHistoryTooAndTornOnesAreTold) {
  using lines = topic<bytes, TestFixture::how_many>;
  const auto line_of = [](std::size_t i) { return std::string(50 + 60 * i, static_cast<char>('a' + i)); };
  {
    const auto made = lines::create(
        this->names(), name, {.capacity_slots = capacity, .capacity_bytes = 4096, .durability = durability::every(1)});
    auto out = made.publisher();
    for (std::size_t i = 0; i < 8; ++i) ASSERT_TRUE(out.try_send(line_of(i)));
  }
  auto torn = this->on_disk();
  const auto part = header_in(torn).parts[0];
  std::uint64_t word = 0;
  std::memcpy(&word, this->slot(torn, 5) + part.slots.payload_offset, sizeof word);
  torn[part.body_offset + arena_form_of(part).arena_offset + extent::of(word).place * arena_unit_bytes] ^= std::byte{1};
  this->reset_with(torn);
  this->expect_found(7, 1, 0);
  const auto found = lines::attach(this->names(), name);
  auto in = found.subscriber(history::all());
  auto out = found.publisher();
  std::string line;
  for (const std::size_t i : {0U, 1U, 2U, 3U, 4U, 6U, 7U}) {
    ASSERT_TRUE(in.try_receive(line)) << i;
    EXPECT_EQ(line, line_of(i));
  }
  for (std::size_t round = 0; round < 100; ++round) {  // the arena goes on as any other
    ASSERT_TRUE(out.try_send(line_of(round % 20)));
    ASSERT_TRUE(in.try_receive(line));
    EXPECT_EQ(line, line_of(round % 20));
  }
}

TYPED_TEST(RecoverTopic, BytesThatWereTakenBackAreGoneAndNotMissing) {
  using lines = topic<bytes, TestFixture::how_many>;
  {
    const auto made = lines::create(
        this->names(), name, {.capacity_slots = capacity, .capacity_bytes = 1024, .durability = durability::every(1)});
    auto out = made.publisher();
    for (std::size_t i = 0; i < capacity; ++i) ASSERT_TRUE(out.try_send(std::string(300, static_cast<char>('a' + i))));
  }
  this->reset_with(this->on_disk());
  const auto recovered = this->names().recover(name).rings.at(0);
  EXPECT_GE(recovered.kept, 2U);
  EXPECT_LE(recovered.kept, 3U) << "as many as the arena holds";
  EXPECT_EQ(recovered.torn, 0U);
  EXPECT_EQ(recovered.missing, 0U);
  auto in = lines::attach(this->names(), name).subscriber(history::all());
  std::string line, last;
  std::uint64_t got = 0;
  for (; in.try_receive(line); ++got) last = line;
  EXPECT_EQ(got, recovered.kept);
  EXPECT_EQ(last, std::string(300, static_cast<char>('a' + capacity - 1)));
}

}  // namespace
}  // namespace sluice::detail::test
