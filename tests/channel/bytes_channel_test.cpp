// Messages of any length through handles: lengths, places, claims, batches, ends, and types with a serializer.

#include "sluice/bytes.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "sluice/channel.hpp"
#include "sluice/registry.hpp"
#include "sluice/ring.hpp"
#include "sluice/segment.hpp"
#include "support/behind.hpp"
#include "support/child_process.hpp"
#include "support/disk.hpp"
#include "support/expect_error.hpp"
#include "support/is_there.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {

/// A type of the user's, and one whose reader is strict.
struct named_values {
  std::string name;
  std::vector<std::uint32_t> values;
  bool operator==(const named_values&) const = default;
};

}  // namespace sluice::detail::test

template <>
struct sluice::serializer<sluice::detail::test::named_values> {
  using message = sluice::detail::test::named_values;
  static std::size_t max_bytes(const message& m) { return 1 + 255 + m.values.size() * 4; }
  static std::size_t write(const message& m, std::span<std::byte> room) {
    if (m.name.size() > 255) throw std::length_error("name");
    room[0] = static_cast<std::byte>(m.name.size());
    std::memcpy(room.data() + 1, m.name.data(), m.name.size());
    std::memcpy(room.data() + 1 + m.name.size(), m.values.data(), m.values.size() * 4);
    return 1 + m.name.size() + m.values.size() * 4;
  }
  static message read(std::span<const std::byte> bytes) {
    if (bytes.empty() || bytes.size() < 1 + static_cast<std::size_t>(bytes[0])) throw std::runtime_error("too short");
    const auto name = as_text(bytes.subspan(1, static_cast<std::size_t>(bytes[0])));
    message m{std::string(name), std::vector<std::uint32_t>((bytes.size() - 1 - name.size()) / 4)};
    std::memcpy(m.values.data(), bytes.data() + 1 + name.size(), m.values.size() * 4);
    return m;
  }
};

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t longest = 1024;

std::string text_of(std::size_t length, std::size_t number = 0) {
  std::string text(length, '\0');
  for (std::size_t i = 0; i < length; ++i) text[i] = static_cast<char>('a' + (i * 7 + number) % 26);
  return text;
}

template <class Ring>
class Bytes : public ::testing::Test {
 protected:
  using link = channel<bytes, Ring>;

  static channel_options options() { return {.capacity_slots = 8, .capacity_bytes = longest, .inline_bytes = 48}; }
  std::string next() {
    std::string text;
    EXPECT_TRUE(in_->try_receive(text));
    return text;
  }

  watchdog dog_;
  link link_ = link::create_unnamed(options());
  typename std::optional<producer<bytes, Ring>> out_{link_.producer()};
  typename std::optional<consumer<bytes, Ring>> in_{link_.consumer()};
};
struct ring_names {
  template <class Ring>
  static std::string GetName(int) {
    return Ring::kind == ring_kind::spsc ? "Spsc" : "Mpmc";
  }
};
using rings = ::testing::Types<spsc_ring, mpmc_ring>;
TYPED_TEST_SUITE(Bytes, rings, ring_names);

// ---- One message -----------------------------------------------------------------------------------------------------

TYPED_TEST(Bytes, EveryLengthArrivesAsItWasSent) {
  for (std::size_t length = 0; length <= longest; length += length < 200 ? 1 : 37) {
    ASSERT_TRUE(this->out_->try_send(text_of(length, length))) << length;
    ASSERT_EQ(this->next(), text_of(length, length)) << length;
  }
  ASSERT_TRUE(this->out_->try_send(text_of(longest)));
  EXPECT_EQ(this->next(), text_of(longest));
  EXPECT_EQ(this->out_->max_message_bytes(), longest);
}

TYPED_TEST(Bytes, ShortAndLongOnesKeepTheirOrder) {
  for (std::size_t i = 0; i < 6; ++i) ASSERT_TRUE(this->out_->try_send(text_of(i % 2 == 0 ? 10 : 100, i)));
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(this->next(), text_of(i % 2 == 0 ? 10 : 100, i));
}

TYPED_TEST(Bytes, AClaimIsFilledInPlaceAndPublishedAsFarAsItWasUsed) {
  for (const std::size_t claimed : {40, 400}) {
    auto room = this->out_->try_claim(claimed);
    ASSERT_TRUE(room);
    ASSERT_EQ(room.bytes().size(), claimed);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(room.data()) % 16, 0U);
    std::memcpy(room.data(), text_of(30).data(), 30);
    ASSERT_EQ(room.publish(30), wait_result::ready);
    EXPECT_FALSE(room);
    auto message = this->in_->try_peek();
    ASSERT_TRUE(message);
    EXPECT_EQ(message.text(), text_of(30));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(message.bytes().data()) % 16, 0U);
  }
}

TYPED_TEST(Bytes, WhatIsClaimedAndDroppedIsNeverSeen) {
  for (int i = 0; i < 100; ++i) {
    {
      auto room = this->out_->try_claim(i % 2 == 0 ? 40 : 900);
      ASSERT_TRUE(room) << i;
    }
    EXPECT_FALSE(is_there(this->in_->try_peek())) << "which steps over a hole, if it is one";
  }
  ASSERT_TRUE(this->out_->try_send("seen"));
  EXPECT_EQ(this->next(), "seen");
}

TYPED_TEST(Bytes, AMessageThatCanNeverFitIsAnErrorWithTheSizes) {
  const auto tried = thrown_by([&] { (void)this->out_->try_send(text_of(longest + 1)); });
  EXPECT_THAT(tried, ThrewSaying(errc::bad_argument, "a message of 1025 bytes: this ring takes at most 1024"));
  EXPECT_THAT(thrown_by([&] { (void)this->out_->claim(longest + 1); }), Threw(errc::bad_argument));
  ASSERT_TRUE(this->out_->try_send("afterwards")) << "nothing is left open";
}

TYPED_TEST(Bytes, MoreThanWasClaimedIsMisuseAndTheClaimStays) {
  auto room = this->out_->try_claim(10);
  EXPECT_THAT(thrown_by([&] { (void)room.publish(11); }), ThrewSaying(errc::misuse, "only 10 are claimed"));
  ASSERT_TRUE(room);
  std::memcpy(room.data(), "0123456789", 10);
  EXPECT_EQ(room.publish(), wait_result::ready);
  EXPECT_EQ(this->next(), "0123456789");
}

TYPED_TEST(Bytes, OneClaimAtATime) {
  for (const std::size_t claimed : {40, 400}) {
    auto room = this->out_->try_claim(claimed);
    ASSERT_TRUE(room);
    EXPECT_THAT(thrown_by([&] { (void)this->out_->try_claim(10); }), Threw(errc::misuse));
    EXPECT_THAT(thrown_by([&] { (void)this->out_->try_send("x"); }), Threw(errc::misuse));
    EXPECT_THAT(thrown_by([&] { (void)this->out_->try_claim_batch(2); }), Threw(errc::misuse));
    EXPECT_THAT(thrown_by([&] { (void)this->out_->finish(); }), Threw(errc::misuse));
    room.abandon();
    ASSERT_TRUE(this->out_->try_send("next"));
    EXPECT_EQ(this->next(), "next");
  }
}

TYPED_TEST(Bytes, AFullArenaIsLikeAFullRingUntilItsOldestMessageIsReleased) {
  ASSERT_TRUE(this->out_->try_send(text_of(500, 1)));
  ASSERT_TRUE(this->out_->try_send(text_of(500, 2)));
  EXPECT_FALSE(this->out_->try_send(text_of(500, 3)));
  EXPECT_FALSE(is_there(this->out_->try_claim(500)));
  EXPECT_EQ(this->out_->send_for(text_of(500, 3), 1ms), wait_result::timed_out);
  ASSERT_TRUE(this->out_->try_send("a short one has a slot")) << "it needs no arena";
  EXPECT_EQ(this->next(), text_of(500, 1));
  ASSERT_TRUE(this->out_->try_send(text_of(500, 3)));
  EXPECT_EQ(this->next(), text_of(500, 2));
  EXPECT_EQ(this->next(), "a short one has a slot");
  EXPECT_EQ(this->next(), text_of(500, 3));
}

TYPED_TEST(Bytes, AProducerWaitsForRoomAndGetsIt) {
  ASSERT_TRUE(this->out_->try_send(text_of(longest)));
  std::thread receiving([&] {
    for (int i = 0; i < 50; ++i) {
      auto message = this->in_->peek();
      ASSERT_EQ(message.size(), longest - static_cast<std::size_t>(i));
    }
  });
  for (std::size_t i = 1; i < 50; ++i) ASSERT_EQ(this->out_->send(text_of(longest - i)), wait_result::ready);
  receiving.join();
}

// ---- Batches ---------------------------------------------------------------------------------------------------------

TYPED_TEST(Bytes, ABatchBecomesVisibleAsAWhole) {
  auto batch = this->out_->try_claim_batch(4);
  ASSERT_EQ(batch.size(), 4U);
  for (const std::size_t length : {5, 200, 48}) {
    const auto room = batch.try_add(length + 20 <= longest ? length + 20 : length);
    ASSERT_NE(room.data(), nullptr);
    std::memcpy(room.data(), text_of(length).data(), length);
    batch.cut(length);
  }
  EXPECT_TRUE(this->in_->empty());
  EXPECT_EQ(batch.publish(), 3U);
  auto got = this->in_->try_peek_batch(8);
  ASSERT_EQ(got.size(), 3U);
  EXPECT_EQ(got.text(0), text_of(5));
  EXPECT_EQ(got.text(1), text_of(200));
  EXPECT_EQ(got.text(2), text_of(48));
  got.release();
  ASSERT_TRUE(this->out_->try_send("next"));
  EXPECT_EQ(this->in_->try_peek().text(), "next") << "the fourth slot is free again, or a hole";
}

TYPED_TEST(Bytes, ABatchEndsWhereTheArenaHasNoRoom) {
  auto batch = this->out_->try_claim_batch(8);
  ASSERT_EQ(batch.size(), 8U);
  ASSERT_NE(batch.try_add(600).data(), nullptr);
  EXPECT_EQ(batch.try_add(600).data(), nullptr);
  EXPECT_THAT(thrown_by([&] { (void)batch.try_add(longest + 1); }), Threw(errc::bad_argument));
  EXPECT_THAT(thrown_by([&] { batch.cut(1); }), Threw(errc::misuse)) << "nothing was added";
  EXPECT_EQ(batch.publish(), 1U);
  EXPECT_EQ(this->next().size(), 600U);
  EXPECT_FALSE(is_there(this->in_->try_peek()));
}

TYPED_TEST(Bytes, ADroppedBatchIsNeverSeen) {
  for (int i = 0; i < 50; ++i) {
    auto batch = this->out_->try_claim_batch(2);
    ASSERT_EQ(batch.size(), 2U) << i;
    ASSERT_NE(batch.try_add(700).data(), nullptr) << i;
    (void)batch.try_add(10);
    if (i % 2 == 0) continue;
    EXPECT_EQ(batch.publish(), 2U);
    EXPECT_EQ(this->next().size(), 700U);
    EXPECT_EQ(this->next().size(), 10U);
  }
}

TYPED_TEST(Bytes, ManyAreSentInOneCallAsFarAsThereIsRoom) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < 12; ++i) texts.push_back(text_of(i == 3 || i == 4 ? 300 : i, i));
  std::vector<std::span<const std::byte>> messages;
  for (const auto& text : texts) messages.push_back(byte_view(text));
  EXPECT_EQ(this->out_->try_send(messages), 8U) << "so many slots";
  for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(this->next(), texts[i]) << i;
  EXPECT_TRUE(this->in_->empty());
}

// ---- The other side --------------------------------------------------------------------------------------------------

TYPED_TEST(Bytes, TwoLoansEndInAnyOrder) {
  ASSERT_TRUE(this->out_->try_send(text_of(400, 1)));
  ASSERT_TRUE(this->out_->try_send(text_of(400, 2)));
  auto older = this->in_->try_peek(), younger = this->in_->try_peek();
  EXPECT_EQ(younger.text(), text_of(400, 2));
  younger.release();
  EXPECT_EQ(older.text(), text_of(400, 1));
  older.keep();
  EXPECT_EQ(this->next(), text_of(400, 1));
  ASSERT_TRUE(this->out_->try_send(text_of(longest)));
  EXPECT_EQ(this->next(), text_of(longest));
}

TYPED_TEST(Bytes, WhatIsTooLongForTheReceiverStays) {
  ASSERT_TRUE(this->out_->try_send("twelve bytes"));
  std::byte small[11], fitting[12];
  EXPECT_THAT(thrown_by([&] { (void)this->in_->try_receive(std::span(small)); }),
              ThrewSaying(errc::misuse, "into 11 bytes: it has 12"));
  EXPECT_EQ(this->in_->try_receive(std::span(fitting)), std::optional<std::size_t>(12));
  EXPECT_EQ(std::memcmp(fitting, "twelve bytes", 12), 0);
  EXPECT_EQ(this->in_->try_receive(std::span(fitting)), std::nullopt);
}

TYPED_TEST(Bytes, ARangeEndsWhenTheChannelIsClosed) {
  for (std::size_t i = 0; i < 5; ++i) ASSERT_TRUE(this->out_->try_send(text_of(i * 30)));
  EXPECT_TRUE(this->out_->finish());
  std::size_t next = 0;
  for (const auto message : *this->in_) EXPECT_EQ(as_text(message), text_of(next++ * 30));
  EXPECT_EQ(next, 5U);
  EXPECT_EQ(this->in_->status(), wait_result::closed);
}

TYPED_TEST(Bytes, AMessageStaysWhenAnExceptionPasses) {
  ASSERT_TRUE(this->out_->try_send(text_of(100)));
  try {
    auto message = this->in_->try_peek();
    ASSERT_TRUE(message);
    throw std::runtime_error("the program's own");
  } catch (const std::runtime_error&) {
  }
  EXPECT_EQ(this->next(), text_of(100));
}

TYPED_TEST(Bytes, AnExtentThatNoProducerWritesIsCorrupted) {
  ASSERT_TRUE(this->out_->try_send(text_of(100)));
  const auto& view = details_of(*this->in_).ring();
  auto& word = extent_word(view.payload(0));
  const auto good = word.load();
  for (const auto bad : {extent{~0U, extent::in_slot}, extent{49, extent::in_slot}, extent{100, 1U << 20},
                         extent{static_cast<std::uint32_t>(longest) + 1, 0}}) {
    word.store(bad.word());
    EXPECT_THAT(thrown_by([&] { (void)this->in_->try_peek(); }), ThrewSaying(errc::corrupted, "no producer writes"));
    EXPECT_THAT(thrown_by([&] { (void)this->in_->peek(); }), Threw(errc::corrupted)) << "and it stays so";
  }
  word.store(good);
  EXPECT_EQ(this->next(), text_of(100)) << "nothing was lost by looking";
}

// ---- The ends --------------------------------------------------------------------------------------------------------

TYPED_TEST(Bytes, AClosedChannelTakesNoClaim) {
  this->in_->close();
  EXPECT_FALSE(this->out_->try_send("short"));
  EXPECT_FALSE(this->out_->try_send(text_of(200)));
  EXPECT_EQ(this->out_->send(text_of(200)), wait_result::closed);
  EXPECT_FALSE(is_there(this->out_->claim(200)));
  EXPECT_EQ(this->out_->status(), wait_result::closed);
}

TYPED_TEST(Bytes, ALongClaimThatIsOpenAtTheCloseEndsInOrder) {
  auto room = this->out_->try_claim(400);
  ASSERT_TRUE(room);
  this->in_->close();
  const auto result = room.publish(400);
  if (result == wait_result::ready) {  // its slot was claimed before the close
    EXPECT_EQ(this->next().size(), 400U);
  } else {
    EXPECT_EQ(result, wait_result::closed);
    EXPECT_TRUE(room) << "the loan is as before";
    room.abandon();
  }
  EXPECT_TRUE(this->in_->is_finished());
}

TYPED_TEST(Bytes, ALoanThatOutlivesItsHandleIsVoid) {
  for (const std::size_t claimed : {40, 400}) {
    auto out = std::move(*this->out_);
    this->out_.reset();
    std::optional<producer<bytes, TypeParam>> last(std::move(out));
    auto room = last->try_claim(claimed);
    ASSERT_TRUE(room);
    last.reset();
    std::memset(room.data(), 1, room.size());
    EXPECT_EQ(room.publish(), wait_result::closed);
    EXPECT_FALSE(room);
    EXPECT_FALSE(is_there(this->in_->try_peek()));
    this->out_.emplace(this->link_.producer());
  }
  auto dropped = this->out_->try_claim(400);
  ASSERT_TRUE(dropped);
  this->out_.reset();
  auto successor = this->link_.producer();
  ASSERT_TRUE(successor.try_send(text_of(longest)));
  EXPECT_EQ(this->next(), text_of(longest));
}

TYPED_TEST(Bytes, AChildCannotUseWhatItsParentClaimed) {
  for (const std::size_t claimed : {40, 400}) {
    auto room = this->out_->try_claim(claimed);
    ASSERT_TRUE(room);
    std::memset(room.data(), 'p', claimed);
    auto child = child_process::fork([&] {
      const bool refused = thrown_by([&] { (void)room.publish(); }).reason == errc::wrong_process &&
                           thrown_by([&] { (void)this->out_->try_send(text_of(200)); }).reason.has_value() &&
                           thrown_by([&] { (void)this->in_->try_peek(); }).reason == errc::wrong_process;
      room.abandon();
      return refused ? 0 : 1;
    });
    EXPECT_TRUE(child.wait().is_success());
    ASSERT_EQ(room.publish(), wait_result::ready);
    EXPECT_EQ(this->next(), std::string(claimed, 'p'));
  }
}

TYPED_TEST(Bytes, ADeadProducersSeatIsTakenOverWithItsArena) {
  this->out_.reset();
  auto child = child_process::fork([&] {
    auto out = this->link_.producer();
    (void)out.try_send(text_of(400, 1));
    auto room = out.try_claim(300);
    std::memset(room.data(), 'x', 300);
    ::_exit(0);
    return 0;
  });
  EXPECT_TRUE(child.wait().is_success());
  auto successor = this->link_.producer();
  ASSERT_TRUE(successor.try_send(text_of(500, 2)));
  EXPECT_EQ(this->next(), text_of(400, 1));
  EXPECT_EQ(this->next(), text_of(500, 2));
}

// ---- Names, options, durability --------------------------------------------------------------------------------------

TYPED_TEST(Bytes, AnExistingChannelMustOfferTheCapacityInBytes) {
  temp_registry names;
  const segment_name name("log");
  const auto made = TestFixture::link::create(*names, name, {.capacity_bytes = 4096});
  EXPECT_NO_THROW((void)TestFixture::link::create_or_attach(*names, name, {.capacity_bytes = 3000}));
  EXPECT_THAT(thrown_by([&] { (void)TestFixture::link::create_or_attach(*names, name, {.capacity_bytes = 8192}); }),
              ThrewSaying(errc::wrong_kind, "a capacity of 4096 bytes"));
  EXPECT_THAT(thrown_by([&] { (void)channel<std::uint64_t, TypeParam>::attach(*names, name); }),
              Threw(errc::wrong_kind));
}

TYPED_TEST(Bytes, DurableMessagesAreCheckedAsLongAsTheyAre) {
  if (!on_a_disk()) GTEST_SKIP() << "no folder on a disk: there is nothing to be durable on";
  temp_registry names(*on_a_disk());
  const segment_name name("log");
  {
    const auto made = TestFixture::link::create(
        *names, name, {.capacity_slots = 8, .capacity_bytes = longest, .durability = durability::every(1)});
    auto out = made.producer();
    for (std::size_t i = 0; i < 4; ++i) ASSERT_TRUE(out.try_send(text_of(i * 130, i)));
  }
  const auto report = names->recover(name);
  ASSERT_EQ(report.rings.size(), 1U);
  EXPECT_EQ(report.rings[0].kept, 4U);
  EXPECT_EQ(report.rings[0].torn, 0U);
  auto in = TestFixture::link::attach(*names, name).consumer();
  for (std::size_t i = 0; i < 4; ++i) {
    auto message = in.try_peek();
    ASSERT_TRUE(message);
    EXPECT_EQ(message.text(), text_of(i * 130, i));
  }
}

// ---- Types with a serializer -----------------------------------------------------------------------------------------

TYPED_TEST(Bytes, ATypeGoesInAndComesOutByItsSerializer) {
  const auto shared = channel<named_values, TypeParam>::create_unnamed(TestFixture::options());
  auto out = shared.producer();
  auto in = shared.consumer();
  const named_values small{"small", {1, 2, 3}}, large{"large", std::vector<std::uint32_t>(150, 7)};
  ASSERT_TRUE(out.try_send(small));
  ASSERT_EQ(out.send(large), wait_result::ready);
  EXPECT_EQ(*in.try_peek(), small);
  named_values got;
  ASSERT_EQ(in.receive(got), wait_result::ready);
  EXPECT_EQ(got, large);
}

TYPED_TEST(Bytes, WhatASerializerThrowsPassesThroughAndNothingIsLost) {
  const auto shared = channel<named_values, TypeParam>::create_unnamed(TestFixture::options());
  auto out = shared.producer();
  auto in = shared.consumer();
  EXPECT_THROW((void)out.try_send({std::string(256, 'n'), {}}), std::length_error);
  ASSERT_TRUE(out.try_send({"next", {1}})) << "the claim was abandoned";
  {
    auto room = out.try_claim(1);
    *room.data() = 9;
    ASSERT_EQ(room.publish(), wait_result::ready);
  }
  named_values got;
  ASSERT_TRUE(in.try_receive(got));
  EXPECT_EQ(got.name, "next");
  EXPECT_THROW((void)in.try_receive(got), std::runtime_error);
  EXPECT_THROW((void)in.try_receive(got), std::runtime_error) << "it stays";
  auto broken = in.try_peek();
  ASSERT_TRUE(broken);
  broken.release();
  EXPECT_TRUE(in.empty());
}

TYPED_TEST(Bytes, TypesOfAnyLengthAreToldApartByName) {
  temp_registry names;
  const segment_name name("log");
  const auto made = TestFixture::link::create(*names, name);
  EXPECT_THAT(thrown_by([&] { (void)channel<named_values, TypeParam>::attach(*names, name); }),
              ThrewSaying(errc::wrong_type, "sluice.bytes"));
}

TYPED_TEST(Bytes, ADuplexMayHaveThem) {
  const auto both = duplex<bytes, std::uint64_t, TypeParam>::create(channel_options{});
  auto child = child_process::fork([&] {
    auto end = both.child();
    auto message = end.in.peek();
    (void)end.out.send(message.size());
    return 0;
  });
  auto end = both.parent();
  ASSERT_EQ(end.out.send(text_of(1000)), wait_result::ready);
  std::uint64_t length = 0;
  EXPECT_EQ(end.in.receive(length), wait_result::ready);
  EXPECT_EQ(length, 1000U);
  EXPECT_TRUE(child.wait().is_success());
}

}  // namespace
}  // namespace sluice::detail::test
