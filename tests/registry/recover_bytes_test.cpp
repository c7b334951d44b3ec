// What a reset of the machine leaves of a durable ring of messages of any length, and what a look shows of such a ring.

#include <gtest/gtest.h>

#include <cstring>
#include <optional>

#include "ring/bytes_rig.hpp"
#include "support/bytes_ends.hpp"
#include "support/disk.hpp"
#include "support/expect_error.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

const segment_name name("lines");

template <class Ring>
class RecoverBytes : public ::testing::Test {
 protected:
  /// One producer and one consumer.
  struct sides {
    explicit sides(attached_segment found) : segment(std::move(found)), out(segment), in(segment) {}
    bool send(std::uint64_t number, std::uint64_t length) { return out.send(message_of(number, length)); }
    /// Nothing: there is none.
    std::optional<byte_vector> receive(bool expects_mark = false) {
      auto got = in.receive();
      if (!got) return std::nullopt;
      EXPECT_EQ(got->was_delivered_before, expects_mark);
      return std::move(got->message);
    }
    bytes_segment<Ring> segment;
    bytes_sender<Ring> out;
    bytes_receiver<Ring> in;
  };

  void SetUp() override {
    if (!on_a_disk()) GTEST_SKIP() << "no folder on a disk: nothing there survives a reset";
    names_.emplace(*on_a_disk());
    auto request = bytes_request(Ring::kind, Ring::has_many_seats);
    request.options.durability = durability::every(1);
    (void)names().create(name, plan_segment(request));
  }
  [[nodiscard]] const registry& names() const { return **names_; }
  [[nodiscard]] sides attach() const { return sides(names().attach(name)); }
  [[nodiscard]] image on_disk() const { return image_of(names_->path("lines")); }
  void reset_with(const image& bytes) const { write_image(names_->path("lines"), after_a_reset(bytes)); }

  static std::byte* slot(image& bytes, std::uint64_t sequence) {
    const auto part = header_in(bytes).parts[0];
    return bytes.data() + part.body_offset + sequence % part.slots.capacity_slots * part.slots.slot_stride_bytes;
  }
  static std::byte* message(image& bytes, std::uint64_t sequence) {
    const auto part = header_in(bytes).parts[0];
    std::uint64_t word = 0;
    std::memcpy(&word, slot(bytes, sequence) + part.slots.payload_offset, sizeof word);
    return bytes.data() + part.body_offset + arena_form_of(part).arena_offset +
           extent::of(word).place * arena_unit_bytes;
  }
  void expect_found(std::uint64_t kept, std::uint64_t torn) const {
    const auto found = names().recover(name).rings.at(0);
    EXPECT_EQ(found.kept, kept);
    EXPECT_EQ(found.torn, torn);
    EXPECT_EQ(found.missing, 0U);
  }

  watchdog dog_;
  std::optional<temp_registry> names_;
};
struct ring_name {
  template <class Ring>
  static std::string GetName(int) {
    return Ring::has_many_seats ? "Mpmc" : "Spsc";
  }
};
using rings = ::testing::Types<spsc_bytes_ring, mpmc_bytes_ring>;
TYPED_TEST_SUITE(RecoverBytes, rings, ring_name);

constexpr std::uint64_t lengths[] = {0, 48, 49, 200, 333};

TYPED_TEST(RecoverBytes, MessagesOfEveryLengthThatWereNotReleasedAreDeliveredMarked) {
  {
    auto now = this->attach();
    for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(now.send(i, 300));
    for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(now.receive());
    for (std::uint64_t i = 0; i < 5; ++i) ASSERT_TRUE(now.send(i, lengths[i]));
  }
  const auto before = header_in(this->on_disk()).parts[0];
  this->reset_with(this->on_disk());
  this->expect_found(5, 0);
  auto now = this->attach();
  EXPECT_EQ(std::memcmp(&now.segment.part, &before, sizeof before), 0) << "slots and arenas as before";
  EXPECT_TRUE(now.send(9, 200)) << "beside what was kept";
  for (std::uint64_t i = 0; i < 5; ++i) EXPECT_EQ(now.receive(true), message_of(i, lengths[i])) << i;
  EXPECT_EQ(now.receive(), message_of(9, 200));
  EXPECT_TRUE(now.send(1, 1024));
  EXPECT_EQ(now.receive(), message_of(1, 1024));
}

TYPED_TEST(RecoverBytes, ATornMessageInTheArenaIsCountedAndNotDelivered) {
  {
    auto now = this->attach();
    for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(now.send(i, 200));
  }
  auto bytes = this->on_disk();
  TestFixture::message(bytes, 1)[199] ^= std::byte{1};
  this->reset_with(bytes);
  this->expect_found(2, 1);
  auto now = this->attach();
  EXPECT_EQ(now.receive(true), message_of(0, 200));
  EXPECT_EQ(now.receive(true), message_of(2, 200));
}

TYPED_TEST(RecoverBytes, AnExtentOfAnotherMomentIsTorn) {
  {
    auto now = this->attach();
    for (std::uint64_t i = 0; i < 4; ++i) ASSERT_TRUE(now.send(i, 200));
  }
  auto bytes = this->on_disk();
  const auto at = header_in(bytes).parts[0].slots.payload_offset;
  std::uint64_t word = extent{199, 0}.word();  // a shorter message there
  std::memcpy(TestFixture::slot(bytes, 0) + at, &word, sizeof word);
  word = extent{1 << 30, 5}.word();  // out of the arena
  std::memcpy(TestFixture::slot(bytes, 1) + at, &word, sizeof word);
  this->reset_with(bytes);
  this->expect_found(2, 2);
}

TYPED_TEST(RecoverBytes, AReleasedMessageWhoseBytesWereUsedAgainIsNotDelivered) {
  image before;
  {
    auto now = this->attach();
    ASSERT_TRUE(now.send(1, 1000));
    before = this->on_disk();
    ASSERT_TRUE(now.receive());
    ASSERT_TRUE(now.send(2, 1000));
  }
  auto bytes = this->on_disk();
  // The arena has reached the disk, and nothing else of what came later.
  std::memcpy(
      bytes.data() + header_bytes(1), before.data() + header_bytes(1),
      header_in(bytes).parts[0].body_offset + arena_form_of(header_in(bytes).parts[0]).arena_offset - header_bytes(1));
  this->reset_with(bytes);
  EXPECT_EQ(this->names().recover(name).rings.at(0).kept, 0U);
}

TYPED_TEST(RecoverBytes, ALookShowsEachMessageWithItsLength) {
  auto now = this->attach();
  ASSERT_TRUE(now.send(1, 20));
  ASSERT_TRUE(now.send(2, 500));
  ASSERT_TRUE(now.send(3, 0));
  ASSERT_TRUE(now.send(4, 100));
  extent_word(now.segment.view.payload(3)).store(~std::uint64_t{0});  // input: leads nowhere
  const auto info = this->names().inspect(name);
  EXPECT_EQ(info.rings.at(0).published_slots, 4U);
  const auto slots = this->names().slots(name, 0, 10, 64);
  ASSERT_EQ(slots.size(), 4U);
  EXPECT_EQ(slots[0].message_bytes, 20U);
  EXPECT_EQ(slots[0].message, message_of(1, 20));
  EXPECT_EQ(slots[1].message_bytes, 500U);
  EXPECT_EQ(slots[1].message.size(), 64U);
  EXPECT_TRUE(is_message(slots[1].message.data(), 64, 2));
  EXPECT_EQ(slots[2].message_bytes, 0U);
  EXPECT_TRUE(slots[3].message.empty());
}

}  // namespace
}  // namespace sluice::detail::test
