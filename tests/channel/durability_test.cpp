// A durable channel as its producer has it: when what it published reaches the disk, and what lies beside each message.

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "channel/channel_places.hpp"
#include "sluice/channel.hpp"
#include "sluice/detail/channel/planning.hpp"
#include "sluice/registry.hpp"
#include "sluice/ring.hpp"
#include "sluice/segment.hpp"
#include "support/child_process.hpp"
#include "support/disk.hpp"
#include "support/expect_error.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

const segment_name name("orders");

template <class Ring>
class Durable : public ::testing::Test {
 protected:
  using link = channel<numbered, Ring>;
  void SetUp() override {
    if (!on_a_disk()) GTEST_SKIP() << "no folder on a disk: there is nothing to be durable on";
    names_.emplace(*on_a_disk());
  }
  link create(const durability& how, std::uint64_t capacity_slots = 64) {
    return link::create(**names_, name, {.capacity_slots = capacity_slots, .durability = how});
  }
  static bool is_clean(const link& channel) { return dirty_kib(channel.memory().bytes().data()) == 0; }

  watchdog dog_;
  std::optional<temp_registry> names_;
};

struct ring_name {
  template <class Ring>
  static std::string GetName(int) {
    return to_string(Ring::kind);
  }
};
using rings = ::testing::Types<spsc_ring, mpmc_ring>;
TYPED_TEST_SUITE(Durable, rings, ring_name);

TYPED_TEST(Durable, EveryMessageIsOnTheDiskWhenItIsPublished) {
  const auto made = this->create(durability::every(1));
  auto out = made.producer();
  for (std::uint64_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(out.try_send(numbered::of(i)));
    EXPECT_TRUE(this->is_clean(made)) << i;
  }
}

TYPED_TEST(Durable, EveryFourthMessageTakesTheOthersAlong) {
  const auto made = this->create(durability::every(4));
  auto out = made.producer();
  for (std::uint64_t i = 1; i <= 12; ++i) {
    ASSERT_TRUE(out.try_send(numbered::of(i)));
    EXPECT_EQ(this->is_clean(made), i % 4 == 0) << i;
  }
  const numbered more[] = {numbered::of(13), numbered::of(14), numbered::of(15), numbered::of(16), numbered::of(17)};
  EXPECT_EQ(out.try_send(std::span(more)), 5U) << "a batch counts as what is in it";
  EXPECT_TRUE(this->is_clean(made));
}

TYPED_TEST(Durable, WhatWasAbandonedIsNotCounted) {
  const auto made = this->create(durability::every(1));
  auto out = made.producer();
  made.memory().flush();
  { auto slot = out.try_claim(); }
  EXPECT_TRUE(out.try_send(numbered::of(1)));
  EXPECT_TRUE(this->is_clean(made));
}

TYPED_TEST(Durable, OnCloseWritesWhenTheProducerLeavesAndWhenItCloses) {
  const auto made = this->create(durability::on_close());
  {
    auto out = made.producer();
    for (std::uint64_t i = 0; i < 10; ++i) ASSERT_TRUE(out.try_send(numbered::of(i)));
    EXPECT_FALSE(this->is_clean(made));
    out.close();
    EXPECT_TRUE(this->is_clean(made));
  }
  {
    auto out = made.producer();
    EXPECT_TRUE(out.try_send(numbered::of(10)));
    EXPECT_FALSE(this->is_clean(made));
  }
  // Giving the seat back touches the first page; the message is in the pages that were flushed before.
  EXPECT_LE(dirty_kib(made.memory().bytes().data()), 4U);
}

TYPED_TEST(Durable, WithoutDurabilityNothingIsFlushedAndNoSlotIsLonger) {
  const auto made = this->create(durability::none());
  {
    auto out = made.producer();
    for (std::uint64_t i = 0; i < 10; ++i) ASSERT_TRUE(out.try_send(numbered::of(i)));
    out.close();
  }
  EXPECT_FALSE(this->is_clean(made));
  EXPECT_EQ(made.header().parts[0].slots.slot_stride_bytes, 8 + sizeof(numbered));
  EXPECT_EQ(made.header().parts[0].slots.checksum_offset, 0U);
}

TYPED_TEST(Durable, TheChecksumBesideAMessageIsOverCreationSequenceAndMessage) {
  const auto made = this->create(durability::on_close(), 8);
  auto out = made.producer();
  auto in = made.consumer();
  for (std::uint64_t i = 0; i < 20; ++i) {
    ASSERT_TRUE(out.try_send(numbered::of(100 + i)));
    const auto& ring = made.header().parts[0];
    const auto* const slot = made.memory().bytes().data() + ring.body_offset + i % 8 * ring.slots.slot_stride_bytes;
    std::uint64_t checksum = 0;
    std::memcpy(&checksum, slot + ring.slots.checksum_offset, 8);
    EXPECT_EQ(checksum,
              slot_sum(made.header().creation_id, i, std::span(slot + ring.slots.payload_offset, sizeof(numbered))))
        << i;
    EXPECT_EQ(in.try_receive(), numbered::of(100 + i));
  }
}

TYPED_TEST(Durable, AFlushThatFailsIsSaidBeforeTheNextClaimAndForGood) {
  const auto made = this->create(durability::every(2));
  auto out = made.producer();
  ASSERT_TRUE(out.try_send(numbered::of(1)));
  // A page that is not mapped any more is what msync(2) fails at, as it would at a broken disk.
  const auto all = made.memory().bytes();
  ASSERT_EQ(::munmap(all.data() + all.size() - 4096, 4096), 0);
  ASSERT_TRUE(out.try_send(numbered::of(2))) << "publish() cannot throw";
  for (int i = 0; i < 2; ++i)
    EXPECT_THAT(thrown_by([&] { (void)out.try_send(numbered::of(3)); }),
                ThrewSaying(errc::no_space, "may not survive a reset"));
  EXPECT_THAT(thrown_by([&] { out.close(); }), Threw(errc::no_space));
  auto in = made.consumer();
  EXPECT_EQ(in.try_receive(), numbered::of(1)) << "the living are served all the same";
  EXPECT_EQ(in.try_receive(), numbered::of(2));
}

TYPED_TEST(Durable, AForkedChildCannotUseItsParentsProducer) {
  const auto made = this->create(durability::every(1));
  auto out = made.producer();
  auto slot = out.try_claim();
  ASSERT_TRUE(slot);
  *slot = numbered::of(7);
  auto child = child_process::fork([&] {
    slot.publish();
    return thrown_by([&] { (void)out.try_claim(); }).reason == errc::wrong_process ? 0 : 1;
  });
  EXPECT_TRUE(child.wait().is_success());
  auto in = made.consumer();
  EXPECT_EQ(in.try_receive(), std::nullopt) << "the child published the parent's claim";
  slot.publish();
  EXPECT_EQ(in.try_receive(), numbered::of(7));
}

TYPED_TEST(Durable, NeedsANameOnADisk) {
  const channel_options durable{.durability = durability::every(100)};
  const temp_registry in_memory("/dev/shm");
  EXPECT_THAT(thrown_by([&] { TestFixture::link::create(*in_memory, name, durable); }),
              ThrewSaying(errc::bad_argument, "SLUICE_DIR"));
  EXPECT_TRUE(in_memory->list().empty());
  EXPECT_THAT(thrown_by([&] { TestFixture::link::create_or_attach(*in_memory, name, durable); }),
              Threw(errc::bad_argument));
  EXPECT_THAT(thrown_by([&] { TestFixture::link::create_unnamed(durable); }),
              ThrewSaying(errc::bad_argument, "create it by name"));
  EXPECT_THAT(thrown_by([&] { TestFixture::link::template create_unnamed<memfd_segment>(durable); }),
              Threw(errc::bad_argument));
  const ring_request request = request_for(identity_of<numbered>(), TypeParam::kind, durable);
  EXPECT_THAT(thrown_by([&] { (void)ring_memory_bytes(request); }), ThrewSaying(errc::bad_argument, "by name"));
  EXPECT_THAT(thrown_by([&] { this->create(durability::every(0)); }), ThrewSaying(errc::bad_argument, "1 or more"));
}

}  // namespace
}  // namespace sluice::detail::test
