// Ports of rings whose messages have any length, and claims by length on all kinds.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "sluice/bytes.hpp"
#include "sluice/port.hpp"
#include "sluice/registry.hpp"
#include "sluice/ring.hpp"
#include "support/expect_error.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

constexpr std::size_t longest = 4096;

std::span<const std::byte> bytes_of(const std::string& text) { return byte_view(text); }

class BytesPorts : public ::testing::TestWithParam<ring_kind> {
 protected:
  BytesPorts() {
    const ring_request request{identity_of<bytes>(),
                               {.kind = GetParam(), .capacity_slots = 8, .capacity_bytes = longest}};
    const auto attached = names_->create(segment_name("log"), plan_segment(request), {});
    out_ = open_producer(attached);
    in_ = open_consumer(attached);
  }
  std::string next() {
    std::byte room[longest];
    const auto length = in_->try_receive(room);
    return length ? std::string(reinterpret_cast<const char*>(room), *length) : "nothing";
  }

  watchdog dog_;
  temp_registry names_;
  std::unique_ptr<producer_port> out_;
  std::unique_ptr<consumer_port> in_;
};

TEST_P(BytesPorts, MessagesOfAnyLengthAreSentAndReceived) {
  EXPECT_TRUE(out_->has_any_length());
  EXPECT_EQ(in_->message_bytes(), longest);
  for (const std::size_t length : {0, 1, 112, 113, 4096}) {
    const std::string text(length, 'x');
    ASSERT_TRUE(out_->try_send(bytes_of(text))) << length;
    EXPECT_EQ(next(), text);
  }
  EXPECT_THAT(thrown_by([&] { (void)out_->try_send(bytes_of(std::string(longest + 1, 'x'))); }),
              ThrewSaying(errc::bad_argument, "takes at most 4096"));
  EXPECT_EQ(out_->send(bytes_of("afterwards")), wait_result::ready);
  EXPECT_EQ(next(), "afterwards");
}

TEST_P(BytesPorts, AClaimIsPublishedAsFarAsItWasUsed) {
  for (const std::size_t claimed : {50, 1000}) {
    ASSERT_TRUE(out_->try_claim_bytes(claimed));
    EXPECT_EQ(out_->claimed_count(), 1U);
    ASSERT_EQ(out_->claimed().size(), claimed);
    std::memcpy(out_->claimed().data(), "ten bytes.", 10);
    EXPECT_THAT(thrown_by([&] { (void)out_->publish_bytes(claimed + 1); }), Threw(errc::misuse));
    EXPECT_THAT(thrown_by([&] { out_->publish(1); }), ThrewSaying(errc::misuse, "publish_bytes()"));
    EXPECT_THAT(thrown_by([&] { (void)out_->try_claim_bytes(1); }), Threw(errc::misuse));
    ASSERT_EQ(out_->publish_bytes(10), wait_result::ready);
    EXPECT_EQ(next(), "ten bytes.");
  }
  ASSERT_TRUE(out_->claim_bytes(1000));
  out_->abandon();
  EXPECT_EQ(in_->try_peek(), 0U);
}

TEST_P(BytesPorts, SlotsAreNotClaimedByNumber) {
  EXPECT_THAT(thrown_by([&] { (void)out_->try_claim(2); }), ThrewSaying(errc::misuse, "claim_bytes()"));
  EXPECT_THAT(thrown_by([&] { (void)out_->claim(2); }), Threw(errc::misuse));
}

TEST_P(BytesPorts, SeveralArePeekedAtWithTheirLengths) {
  for (const std::size_t length : {3, 200, 0}) ASSERT_TRUE(out_->try_send(bytes_of(std::string(length, 'x'))));
  ASSERT_EQ(in_->try_peek(8), 3U);
  EXPECT_EQ(in_->peeked(0).size(), 3U);
  EXPECT_EQ(in_->peeked(1).size(), 200U);
  EXPECT_EQ(in_->peeked(2).size(), 0U);
  in_->release(2);
  EXPECT_EQ(next(), "");
}

TEST_P(BytesPorts, WhatIsTooLongForTheReceiverStays) {
  ASSERT_TRUE(out_->try_send(bytes_of("twelve bytes")));
  std::byte room[11];
  EXPECT_THAT(thrown_by([&] { (void)in_->try_receive(room); }), ThrewSaying(errc::misuse, "it has 12"));
  EXPECT_EQ(next(), "twelve bytes");
}

TEST_P(BytesPorts, ALongMessageWaitsForItsSlotAndTheEndIsSeen) {
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(out_->try_send(bytes_of("short")));
  EXPECT_FALSE(out_->try_send(bytes_of(std::string(500, 'x')))) << "no slot";
  std::thread receiving([&] {
    for (int i = 0; i < 8; ++i) {
      EXPECT_EQ(in_->peek(), 1U) << i;
      in_->release();
    }
  });
  EXPECT_EQ(out_->send(bytes_of(std::string(500, 'x'))), wait_result::ready);
  receiving.join();
  EXPECT_EQ(next(), std::string(500, 'x'));
  EXPECT_EQ(out_->drain(), wait_result::ready);
  EXPECT_TRUE(producer_port::finish(std::move(out_)));
  EXPECT_TRUE(in_->is_finished());
}

INSTANTIATE_TEST_SUITE_P(Kinds, BytesPorts, ::testing::Values(ring_kind::spsc_bytes, ring_kind::mpmc_bytes),
                         [](const auto& one) { return one.param == ring_kind::spsc_bytes ? "Spsc" : "Mpmc"; });

TEST(Ports, AKindWithoutPortsIsNamed) {
  temp_registry names;
  const auto attached = names->create(segment_name("ticks"), plan_segment({identity_of<std::uint64_t>(), {}}), {});
  const_cast<segment_header&>(attached.memory().header()).parts[0].kind = 99;  // of a version to come
  for (const auto& open : {std::function<void()>([&] { (void)open_consumer(attached); }),
                           std::function<void()>([&] { (void)open_producer(attached); })})
    EXPECT_THAT(thrown_by(open), ThrewSaying(errc::wrong_kind, "is of kind unknown, and ports are of spsc, mpmc, "));
}

TEST(Ports, AClaimByLengthWorksWhereMessagesHaveOneSize) {
  temp_registry names;
  const auto attached = names->create(segment_name("numbers"), plan_segment({identity_of<std::uint64_t>(), {}}), {});
  const auto out = open_producer(attached);
  const auto in = open_consumer(attached);
  EXPECT_FALSE(out->has_any_length());
  EXPECT_THAT(thrown_by([&] { (void)out->try_claim_bytes(7); }), ThrewSaying(errc::misuse, "have 8 bytes"));
  ASSERT_TRUE(out->try_claim_bytes(8));
  const std::uint64_t number = 42;
  std::memcpy(out->claimed().data(), &number, 8);
  EXPECT_THAT(thrown_by([&] { (void)out->publish_bytes(7); }), Threw(errc::misuse));
  ASSERT_EQ(out->publish_bytes(8), wait_result::ready);
  std::uint64_t got = 0;
  EXPECT_EQ(in->try_receive(std::as_writable_bytes(std::span(&got, 1))), std::optional<std::size_t>(8));
  EXPECT_EQ(got, 42U);
  EXPECT_THAT(thrown_by([&] { (void)out->publish_bytes(8); }), ThrewSaying(errc::misuse, "nothing is claimed"));
}

}  // namespace
}  // namespace sluice::detail::test
