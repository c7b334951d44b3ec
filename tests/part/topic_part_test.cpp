// Topics as cold code sees them: what is planned, what of a descriptor is believed, and what a look says of the participants.

#include <gtest/gtest.h>

#include <functional>

#include "part/forged.hpp"
#include "part/part_kind.hpp"
#include "ring/topic_bytes_rig.hpp"
#include "ring/topic_rig.hpp"
#include "support/expect_error.hpp"
#include "support/header_bytes.hpp"

namespace sluice::detail::test {
namespace {

part_descriptor planned(const ring_options& options) {
  return plan_segment(ring_request{{"u64", 1, 8, 8}, options}).parts[0];
}

TEST(TopicPart, HasSeatsForManySubscribersAndForOnePublisherOrMany) {
  const auto one = planned({.kind = ring_kind::topic});
  EXPECT_EQ(one.producer_seats, 1U);
  EXPECT_EQ(one.consumer_seats, 64U);
  const auto many = planned({.kind = ring_kind::topic_many, .producer_seats = 4096, .consumer_seats = 4096});
  EXPECT_EQ(many.producer_seats, 4096U);
  EXPECT_EQ(many.consumer_seats, 4096U);
  EXPECT_EQ(planned({.kind = ring_kind::topic_many}).producer_seats, 64U);
}

TEST(TopicPart, SeatsThatItCannotHaveAreRefusedWithWhatToUseInstead) {
  const auto refused = [](const ring_options& options) { return thrown_by([&] { (void)planned(options); }); };
  EXPECT_THAT(refused({.kind = ring_kind::topic, .producer_seats = 2}),
              ThrewSaying(errc::bad_argument, "use topic-many for more"));
  EXPECT_THAT(refused({.kind = ring_kind::topic, .consumer_seats = 4097}),
              ThrewSaying(errc::bad_argument, "at most 4096"));
}

TEST(TopicPart, DurabilityTakesEightBytesOfASlot) {
  for (const auto kind :
       {ring_kind::topic, ring_kind::topic_many, ring_kind::topic_bytes, ring_kind::topic_many_bytes}) {
    const auto plain = planned({.kind = kind}), durable = planned({.kind = kind, .durability = durability::on_close()});
    EXPECT_EQ(plain.slots.checksum_offset, 0U);
    EXPECT_EQ(durable.slots.checksum_offset, 8U);
    EXPECT_EQ(durable.slots.payload_offset, plain.slots.payload_offset + 8);
  }
}

TEST(TopicPart, OfAnyLengthHasAnArenaForEachPublisherSeat) {
  ring_request request{{"bytes", 0, 1, 1}, {.kind = ring_kind::topic_bytes, .capacity_bytes = 4096}};
  const auto one = plan_segment(request).parts[0];
  EXPECT_EQ(one.producer_seats, 1U);
  EXPECT_EQ(one.consumer_seats, 64U);
  EXPECT_EQ(one.body_bytes - arena_form_of(one).arena_offset, 4096U);
  request.options.kind = ring_kind::topic_many_bytes;
  request.options.producer_seats = 3;
  const auto many = plan_segment(request).parts[0];
  EXPECT_EQ(many.body_bytes - arena_form_of(many).arena_offset, 3 * 4096U);
  EXPECT_STREQ(part_kind_of(one).name, "topic-bytes");
  EXPECT_STREQ(part_kind_of(many).name, "topic-many-bytes");
  request.options.kind = ring_kind::topic_bytes;
  EXPECT_THAT(thrown_by([&] { (void)plan_segment(request); }),
              ThrewSaying(errc::bad_argument, "use topic-many-bytes for more"));
}

TEST(TopicPart, OfAnyLengthADescriptorThatNoCreatorWritesIsCorrupted) {
  const std::vector<std::function<void(part_descriptor&, arena_form&)>> forgeries = {
      [](auto& part, auto&) { part.flush_when = 1; },    [](auto& part, auto&) { part.producer_seats = 2; },
      [](auto&, auto& form) { form.arena_bytes *= 2; },  [](auto&, auto& form) { form.arena_offset -= 64; },
      [](auto&, auto& form) { form.inline_bytes = 40; },
  };
  const auto plan = plan_segment(topic_bytes_request(ring_kind::topic_bytes));
  expect_corrupted(plan, forgeries);
}

TEST(TopicPart, ADescriptorThatNoCreatorWritesIsCorrupted) {
  const auto plan = plan_segment(topic_request(ring_kind::topic));
  const std::vector<std::function<void(part_descriptor&)>> forgeries = {
      [](auto& part) { part.producer_seats = 2; },
      [](auto& part) { part.consumer_seats = 0; },
      [](auto& part) { part.consumer_seats = 4097; },
      [](auto& part) { part.flush_when = 1; },
      [](auto& part) {
        part.flush_when = 1;
        part.slots.checksum_offset = 8;
        part.slots.payload_offset = 16;
      },
      [](auto& part) { part.slots.capacity_slots = 12; },
      [](auto& part) { set_topic_form(part, {.drop_stalled_after_ns = 0, .wakes_watchers = 2}); },
      [](auto& part) { part.slots.capacity_slots *= 2; },
      [](auto& part) { part.slots.slot_stride_bytes = 8; },
      [](auto& part) { part.body_bytes -= 8; },
      [](auto& part) { part.seats_offset -= 128; },
  };
  expect_corrupted(plan, forgeries);
}

// ---- A look ------------------------------------------------------------------------------------------------------------

template <publishers Publishers>
struct looked_at {
  topic_rig<Publishers> rig;
  const part_kind& kind = part_kind_of(topic_ring<Publishers>::kind);

  [[nodiscard]] seat_report seat(std::uint32_t index) const {
    seat_report report;
    report.index = index;
    report.role = index < rig.view.producer_seats ? role::producer : role::consumer;
    report.state = state_of(rig.view.seats[index].state.load());
    kind.describe_seat(rig.view, report);
    return report;
  }
  [[nodiscard]] part_facts look() {
    std::vector<seat_report> seats;
    for (std::uint32_t i = 0; i < rig.view.producer_seats + rig.view.consumer_seats; ++i) seats.push_back(seat(i));
    const auto* const slots = rig.view.slots;
    part_descriptor part{};  // of a body that begins at 0
    part.kind = static_cast<std::uint32_t>(kind.tag);
    part_snapshot snapshot(rig.view, part, seats, [slots](std::uint64_t offset, std::span<std::byte> into) {
      std::memcpy(into.data(), slots + offset, into.size());
      return into.size();
    });
    return kind.look(snapshot, depth::slots);
  }
};

TEST(TopicLook, ASubscriberThatKeepsMessagesHasItsHandOnAllThatItHasNotReleased) {
  looked_at<publishers::one> now;
  now.rig.join(0);
  now.rig.join(1);
  now.rig.send_all(0, 6);
  for (std::uint64_t n = 0; n < 4; ++n) ASSERT_TRUE(now.rig.receives(0, n));
  ASSERT_TRUE(now.rig.receives(1, 0));
  const auto fast = now.seat(now.rig.seat_of(0)), slow = now.seat(now.rig.seat_of(1));
  ASSERT_EQ(slow.claims.size(), 1U);
  EXPECT_EQ(slow.claims[0].first, 1U);
  EXPECT_EQ(slow.claims[0].count, 5U);
  EXPECT_EQ(slow.messages, 1U);
  EXPECT_EQ(fast.claims[0].count, 2U);
  EXPECT_EQ(slow.lag, std::optional<std::uint64_t>(5));
  EXPECT_FALSE(slow.is_lossy);
  const auto facts = now.look();
  EXPECT_EQ(facts.tail, 6U);
  EXPECT_EQ(facts.head, 1U);
  EXPECT_EQ(facts.fill_slots, 5U);
  EXPECT_EQ(facts.published_slots, 5U);
  EXPECT_EQ(now.seat(0).messages, 6U);
}

TEST(TopicLook, WithoutASubscriberThatKeepsThemNoMessageWaits) {
  looked_at<publishers::one> now;
  now.rig.send_all(0, 20);
  EXPECT_EQ(now.look().fill_slots, 0U);
  EXPECT_EQ(now.look().tail, 20U);
}

TEST(TopicLook, AJoiningSubscriberIsShownAsOne) {
  looked_at<publishers::one> now;
  now.rig.send_all(0, 5);
  now.rig.keeper.sit(role::consumer, 0);
  topic_seat_of(now.rig.view, now.rig.seat_of(0)).keep = keep_word(2, true);
  const auto joining = now.seat(now.rig.seat_of(0));
  ASSERT_EQ(joining.claims.size(), 1U);
  EXPECT_FALSE(joining.claims[0].is_won);
}

TEST(TopicLook, AKeepThatNoSubscriberWritesIsShownWithinTheRing) {
  looked_at<publishers::one> now;
  now.rig.send_all(0, 20);
  now.rig.join(0);
  for (const auto from : {std::uint64_t{1} << 40, std::uint64_t{3}}) {
    topic_seat_of(now.rig.view, now.rig.seat_of(0)).keep = keep_word(from);
    EXPECT_LE(now.look().fill_slots, 8U);
    for (const auto& claim : now.seat(now.rig.seat_of(0)).claims) EXPECT_LE(claim.count, 8U);
  }
}

TEST(TopicLook, TheSubscriberThatAPublisherWaitsForIsNamed) {
  looked_at<publishers::one> now;
  now.rig.join(0);
  now.rig.join(2);
  now.rig.send_all(0, 8);
  for (std::uint64_t n = 0; n < 8; ++n) ASSERT_TRUE(now.rig.receives(0, n));
  now.rig.view.control->stalled_at[0] = now.rig.outs[0]->waits_for() + 1;
  const auto facts = now.look();
  ASSERT_EQ(facts.stalls.size(), 1U);
  EXPECT_EQ(facts.stalls[0].sequence, 0U);
  EXPECT_EQ(facts.stalls[0].holder, now.rig.seat_of(2));
}

TEST(TopicLook, TheSubscriberThatKeepsAFullArenaIsNamed) {
  topic_bytes_rig<publishers::one> rig;
  const auto& kind = part_kind_of(ring_kind::topic_bytes);
  rig.join(1);
  ASSERT_TRUE(rig.send(0, 1000));
  ASSERT_FALSE(rig.send(1, 1000));
  rig.view.control->stalled_at[0] = rig.outs[0]->writer.waits_for() + 1;
  rig.view.seats[0].parked = 1;
  std::vector<seat_report> seats;
  for (std::uint32_t i = 0; i < rig.view.producer_seats + rig.view.consumer_seats; ++i) {
    seat_report report;
    report.index = i;
    report.role = i < rig.view.producer_seats ? role::producer : role::consumer;
    report.state = state_of(rig.view.seats[i].state.load());
    report.is_parked = rig.view.seats[i].parked.load() != 0;
    kind.describe_seat(rig.view, report);
    seats.push_back(report);
  }
  const auto* const slots = rig.view.slots;
  auto part = plan_segment(rig.request).parts[0];
  part.body_offset = 0;
  part_snapshot snapshot(rig.view, part, seats, [slots](std::uint64_t offset, std::span<std::byte> into) {
    std::memcpy(into.data(), slots + offset, into.size());
    return into.size();
  });
  const auto facts = kind.look(snapshot, depth::slots);
  EXPECT_EQ(facts.published_bytes, 1000U);
  ASSERT_EQ(facts.stalls.size(), 1U);
  EXPECT_EQ(facts.stalls[0].sequence, 0U);
  EXPECT_EQ(facts.stalls[0].holder, rig.seat_of(1));
}

TEST(TopicLook, WhatIsStillThereLeavesOutWhatIsGone) {
  topic_bytes_rig<publishers::one> rig({.capacity_slots = 64, .inline_bytes = 48, .arena_bytes = 1024});
  for (std::uint64_t n = 0; n < 10; ++n) ASSERT_TRUE(rig.send(n, 500));
  const auto there = part_kind_of(ring_kind::topic_bytes).sequences_still_there(rig.view);
  EXPECT_EQ(there, (std::vector<std::uint64_t>{8, 9}));
}

TEST(TopicLook, ThePublisherThatLossySubscribersWaitForIsNamed) {
  looked_at<publishers::many> now;
  now.rig.publish_from(1);
  ASSERT_TRUE(now.rig.send(0));
  ASSERT_EQ(now.rig.outs[1]->try_claim(1), 1U);
  ASSERT_TRUE(now.rig.send(1));
  now.rig.view.control->stalled_at[1] = 1 + 1;
  const auto facts = now.look();
  EXPECT_EQ(facts.claimed_slots, 1U);
  ASSERT_EQ(facts.stalls.size(), 1U);
  EXPECT_EQ(facts.stalls[0].holder, 1U);
}

}  // namespace
}  // namespace sluice::detail::test
