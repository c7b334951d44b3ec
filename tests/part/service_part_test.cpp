// Services as cold code sees them: what is planned, and what of a descriptor is believed.

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "part/forged.hpp"
#include "part/part_kind.hpp"
#include "sluice/detail/part/service/service_layout.hpp"
#include "support/expect_error.hpp"
#include "support/header_bytes.hpp"

namespace sluice::detail::test {
namespace {

ring_request asked(const ring_options& options) {
  ring_request request{{"pair -> sum", 1, 40, 8}, options};
  request.options.kind = ring_kind::service;
  if (request.options.replies.bytes == 0) request.options.replies.bytes = 16;
  return request;
}

TEST(ServicePart, HasADeskForEachClientAndALaneForEachCall) {
  const auto part = plan_segment(asked({.capacity_slots = 8, .producer_seats = 3, .replies = {100, 8, 5, 8}})).parts[0];
  const auto form = reply_form_of(part);
  EXPECT_EQ(form.lanes, 5U);
  EXPECT_EQ(form.reply_slots, 8U);
  EXPECT_EQ(form.reply_bytes, 100U);
  EXPECT_EQ(form.reply_stride, 128U);
  EXPECT_EQ(form.lane_bytes, 128U + 8 * 128);
  EXPECT_EQ(form.desk_bytes, 128U + 5 * form.lane_bytes);
  EXPECT_EQ(part.body_bytes - form.desks_offset, 3 * form.desk_bytes);
  EXPECT_GE(form.desks_offset, 8 * part.slots.slot_stride_bytes);
  EXPECT_TRUE(part_kind_of(part).is_sane(part));
}

TEST(ServicePart, UnlessAskedAClientHasFourCallsOfFourReplies) {
  const auto form = reply_form_of(plan_segment(asked({})).parts[0]);
  EXPECT_EQ(form.lanes, 4U);
  EXPECT_EQ(form.reply_slots, 4U);
  EXPECT_EQ(form.reply_stride, 64U) << "a reply of up to 48 bytes takes one line";
}

TEST(ServicePart, NumbersThatCannotBeAreRefusedWithTheirLimits) {
  const auto refused = [](const ring_options& options) {
    return thrown_by([&] { (void)plan_segment(asked(options)); });
  };
  EXPECT_THAT(refused({.replies = {1ULL << 31}}), ThrewSaying(errc::bad_argument, "a reply of"));
  EXPECT_THAT(refused({.replies = {128, 128}}), ThrewSaying(errc::bad_argument, "aligned to 128"));
  EXPECT_THAT(refused({.replies = {8, 8, 65}}), ThrewSaying(errc::bad_argument, "at most 64"));
  EXPECT_THAT(refused({.replies = {8, 8, 1, 1}}), ThrewSaying(errc::bad_argument, "power of two from 2"));
  EXPECT_THAT(refused({.durability = durability::on_close()}), ThrewSaying(errc::bad_argument, "durable service"));
  auto mpmc = asked({});
  mpmc.options.kind = ring_kind::mpmc;
  EXPECT_THAT(thrown_by([&] { (void)plan_segment(mpmc); }), ThrewSaying(errc::bad_argument, "only services"));
}

TEST(ServicePart, ADescriptorThatNoCreatorWritesIsCorrupted) {
  const auto plan = plan_segment(asked({.capacity_slots = 8, .producer_seats = 2}));
  using forgery = std::function<void(part_descriptor&, reply_form&)>;
  const std::vector<forgery> forgeries = {
      [](auto&, auto& form) { form.desks_offset = 0; },
      [](auto&, auto& form) { form.desks_offset += 64; },
      [](auto&, auto& form) { form.desks_offset = ~0ULL; },
      [](auto&, auto& form) { form.desk_bytes = 0; },
      [](auto&, auto& form) { form.desk_bytes += 128; },
      [](auto&, auto& form) { form.desk_bytes = 1ULL << 63; },
      [](auto&, auto& form) { form.lane_bytes = 0; },
      [](auto&, auto& form) { form.lane_bytes -= 128; },
      [](auto&, auto& form) { form.lane_bytes = 1ULL << 62; },
      [](auto&, auto& form) { form.lanes = 0; },
      [](auto&, auto& form) { form.lanes = 5; },
      [](auto&, auto& form) { form.lanes = ~0U; },
      [](auto&, auto& form) { form.reply_slots = 0; },
      [](auto&, auto& form) { form.reply_slots = 3; },
      [](auto&, auto& form) { form.reply_slots = 8; },
      [](auto&, auto& form) { form.reply_stride = 0; },
      [](auto&, auto& form) { form.reply_stride = 32; },
      [](auto&, auto& form) { form.reply_stride = ~0U - 63; },
      [](auto&, auto& form) { form.reply_bytes = 0; },
      [](auto&, auto& form) { form.reply_bytes = 100; },
      [](auto&, auto& form) { form.reply_bytes = ~0ULL; },
      [](auto&, auto& form) { form.payload_offset = 8; },
      [](auto&, auto& form) { form.payload_offset = 60; },
      [](auto&, auto& form) { form.payload_offset = ~0U; },
      [](auto& part, auto&) { part.producer_seats = 3; },
      [](auto& part, auto&) { part.message_bytes = 16; },
      [](auto& part, auto&) { part.slots.capacity_slots *= 2; },
      [](auto& part, auto&) { part.slots.slot_stride_bytes = 1ULL << 62; },
      [](auto& part, auto&) { part.slots.checksum_offset = 8; },
      [](auto& part, auto&) { part.body_bytes -= 128; },
  };
  expect_corrupted_form<reply_form_of, set_reply_form>(plan, forgeries);
}

}  // namespace
}  // namespace sluice::detail::test
