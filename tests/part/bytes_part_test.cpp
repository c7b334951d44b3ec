// How rings of messages of any length lie in their parts: what is planned, and what of a descriptor is believed.

#include <gtest/gtest.h>

#include <functional>

#include "part/forged.hpp"
#include "part/part_kind.hpp"
#include "sluice/detail/part/bytes/bytes_ring.hpp"
#include "sluice/detail/plan/segment_plan.hpp"
#include "support/expect_error.hpp"
#include "support/header_bytes.hpp"

namespace sluice::detail::test {
namespace {

ring_request asked(ring_kind kind = ring_kind::spsc_bytes, const ring_options& options = {}) {
  ring_request request{{"bytes", 7, 1, 1}, options};
  request.options.kind = kind;
  return request;
}
part_descriptor planned(const ring_request& request) { return plan_segment(request).parts[0]; }

TEST(BytesPart, SlotsHaveAnExtentAndTheArenasLieBehindThem) {
  const auto part = planned(asked(
      ring_kind::mpmc_bytes, {.capacity_slots = 16, .capacity_bytes = 4096, .inline_bytes = 40, .producer_seats = 3}));
  const auto form = arena_form_of(part);
  EXPECT_EQ(part.slots.payload_offset, 8U);
  EXPECT_EQ(form.inline_offset, 16U);
  EXPECT_EQ(form.inline_bytes, 48U) << "rounded up";
  EXPECT_EQ(part.slots.slot_stride_bytes, 64U);
  EXPECT_EQ(form.arena_offset, 16U * 64);
  EXPECT_EQ(form.arena_bytes, 4096U);
  EXPECT_EQ(part.body_bytes, 16U * 64 + 3 * 4096U);
  EXPECT_TRUE(part_kind_of(part).is_sane(part));
}

TEST(BytesPart, WhatIsNotAskedForHasDefaults) {
  for (const auto kind : {ring_kind::spsc_bytes, ring_kind::mpmc_bytes}) {
    const auto part = planned(asked(kind));
    const auto form = arena_form_of(part);
    EXPECT_EQ(form.inline_bytes, 112U);
    EXPECT_EQ(form.arena_bytes, 256U << 10);
    EXPECT_EQ(part.slots.capacity_slots, 512U);
    EXPECT_EQ(part.producer_seats, kind == ring_kind::spsc_bytes ? 1U : 64U);
    EXPECT_TRUE(part_kind_of(part).is_sane(part));
  }
}

TEST(BytesPart, ACapacityInBytesIsThatOfAnArenaAndOfTheSlots) {
  const auto part = planned(asked(ring_kind::spsc_bytes, {.capacity_bytes = 1'000'000, .inline_bytes = 64}));
  EXPECT_EQ(arena_form_of(part).arena_bytes, 1U << 20);
  EXPECT_EQ(part.slots.capacity_slots, 16384U) << "of 80 bytes";
  EXPECT_THAT(thrown_by([] { (void)planned(asked(ring_kind::spsc, {.capacity_bytes = 1 << 20})); }),
              ThrewSaying(errc::bad_argument, "give capacity_slots"));
}

TEST(BytesPart, DurableSlotsHaveAChecksumBeforeTheExtent) {
  const auto part = planned(asked(ring_kind::spsc_bytes, {.durability = durability::on_close()}));
  EXPECT_EQ(part.slots.checksum_offset, 8U);
  EXPECT_EQ(part.slots.payload_offset, 16U);
  EXPECT_EQ(arena_form_of(part).inline_offset, 32U);
  EXPECT_TRUE(part_kind_of(part).is_sane(part));
}

TEST(BytesPart, OptionsComeBackFromTheDescriptorTheyMade) {
  for (const auto* kind : part_kinds()) {
    if (kind->holds_values) continue;  // latest_part_test.cpp
    auto request = asked(kind->tag, {.capacity_slots = 32});
    if (std::string_view(kind->name).ends_with("-bytes")) {
      request.options.inline_bytes = 64;
      request.options.capacity_bytes = 1 << 13;
    }
    request.type.message_bytes = 24;
    if (std::string_view(kind->name).starts_with("service")) request.options.replies = {40, 32, 3, 8};
    const auto part = planned(request);
    ring_request again{request.type, {.kind = kind->tag}};
    kind->recall(part, again.options);
    const auto same = planned(again);
    EXPECT_EQ(std::memcmp(&part, &same, sizeof part), 0) << kind->name;
  }
}

TEST(BytesPart, SizesThatCannotBeAreRefusedWithTheirLimits) {
  const auto refused = [](const ring_options& options, std::uint32_t alignment = 1) {
    auto request = asked(ring_kind::mpmc_bytes, options);
    request.type.message_bytes = request.type.message_alignment = alignment;
    return thrown_by([&] { (void)plan_segment(request); });
  };
  EXPECT_THAT(refused({.capacity_bytes = 64}), ThrewSaying(errc::bad_argument, "128 to 2147483648"));
  EXPECT_THAT(refused({.capacity_bytes = 1ULL << 32}), Threw(errc::bad_argument));
  EXPECT_THAT(refused({.capacity_bytes = 1ULL << 30, .producer_seats = 4096}),
              ThrewSaying(errc::bad_argument, "in all"));
  EXPECT_THAT(refused({.inline_bytes = 4097}), ThrewSaying(errc::bad_argument, "4096"));
  EXPECT_THAT(refused({.inline_bytes = ~0ULL}), Threw(errc::bad_argument));
  EXPECT_THAT(refused({.capacity_slots = 3}), ThrewSaying(errc::bad_argument, "capacity 3"));
  EXPECT_THAT(refused({}, 64), ThrewSaying(errc::bad_argument, "aligned to 64"));
  EXPECT_FALSE(refused({}, 16).reason);
}

TEST(BytesPart, ADescriptorThatNoCreatorWritesIsCorrupted) {
  const auto plan = plan_segment(asked(ring_kind::mpmc_bytes, {.capacity_slots = 8, .producer_seats = 2}));
  const std::vector<std::function<void(part_descriptor&, arena_form&)>> forgeries = {
      [](auto&, auto& form) { form.arena_bytes = 0; },
      [](auto&, auto& form) { form.arena_bytes = 3U << 12; },
      [](auto&, auto& form) { form.arena_bytes *= 2; },
      [](auto&, auto& form) { form.arena_bytes = 1ULL << 63; },
      [](auto&, auto& form) { form.arena_offset = 0; },
      [](auto&, auto& form) { form.arena_offset -= 64; },
      [](auto&, auto& form) { form.arena_offset += 8; },
      [](auto&, auto& form) { form.arena_offset = ~0ULL; },
      [](auto&, auto& form) { form.inline_offset = 8; },
      [](auto&, auto& form) { form.inline_offset += 8; },
      [](auto&, auto& form) { form.inline_offset = ~0ULL; },
      [](auto&, auto& form) { form.inline_bytes += 16; },
      [](auto&, auto& form) { form.inline_bytes = ~0ULL - 15; },
      [](auto& part, auto&) { part.slots.capacity_slots *= 2; },
      [](auto& part, auto&) { part.slots.slot_stride_bytes -= 16; },
      [](auto& part, auto&) { part.slots.slot_stride_bytes = 1ULL << 62; },
      [](auto& part, auto&) { part.slots.payload_offset = 0; },
      [](auto& part, auto&) { part.slots.payload_offset = 16; },
      [](auto& part, auto&) { part.slots.payload_offset = ~0ULL; },
      [](auto& part, auto&) { part.slots.checksum_offset = 8; },
      [](auto& part, auto&) { part.producer_seats = 3; },
      [](auto& part, auto&) { part.message_alignment = 32; },
      [](auto& part, auto&) { part.body_bytes -= 128; },
  };
  expect_corrupted(plan, forgeries);
}

TEST(BytesPart, AViewIsOfWhatTheDescriptorSays) {
  const auto plan = plan_segment(asked(ring_kind::mpmc_bytes, {.capacity_slots = 8, .producer_seats = 2}));
  auto bytes = formatted(plan);
  const auto& part = plan.parts[0];
  const auto ring = view_ring(bytes, part);
  const bytes_view view(ring, part);
  EXPECT_EQ(ring.message_bytes, 120U) << "extent and short message, which a ring moves as one";
  EXPECT_EQ(view.arenas, bytes.data() + part.body_offset + arena_form_of(part).arena_offset);
  EXPECT_EQ(view.arena_of(1) + view.max_bytes(), bytes.data() + part.body_offset + part.body_bytes);
  EXPECT_EQ(view.room_in_slot(ring.payload(3), 5).data(), ring.slot(3) + 16);
}

TEST(BytesPart, ASeatIsToldByThePlaceOfItsMessage) {
  const auto bounds = bytes_bounds::of({16, 48, 0, 4096}, 3);
  EXPECT_EQ(bounds.seat_of({10, extent::in_slot}), std::nullopt);
  EXPECT_EQ(bounds.seat_of({10, 0}), 0U);
  EXPECT_EQ(bounds.seat_of({10, 63}), 0U);
  EXPECT_EQ(bounds.seat_of({10, 64}), 1U);
  EXPECT_EQ(bounds.seat_of({10, 191}), 2U);
}

}  // namespace
}  // namespace sluice::detail::test
