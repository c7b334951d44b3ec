#include <gtest/gtest.h>

#include <cstdint>

#include "sluice/detail/base/bytes.hpp"
#include "sluice/detail/plan/segment_plan.hpp"
#include "support/expect_error.hpp"

namespace sluice::detail {
namespace {

using test::Threw;
using test::ThrewSaying;
using test::thrown_by;

type_identity message_of(std::uint64_t bytes, std::uint32_t alignment) { return {"message", 1, bytes, alignment}; }

ring_request ring_of(std::uint64_t capacity, std::uint64_t bytes = 64, std::uint32_t alignment = 8) {
  ring_request request{message_of(bytes, alignment), {}};
  request.options.capacity_slots = capacity;
  return request;
}

test::thrown planning(const ring_request& request) {
  return thrown_by([&] { (void)plan_segment(request); });
}

TEST(Plan, AThousandSlotsOf64BytesMapAtMost144KiB) {
  const auto plan = plan_segment(ring_of(1024));
  EXPECT_LE(plan.mapped_bytes, 144U << 10);
  EXPECT_GE(plan.asked_bytes, 1024U * 64);
}

TEST(Plan, SaysWhatIsAskedAndWhatIsMapped) {  // seeds row 7
  const auto plan = plan_segment(ring_of(2, 8));
  EXPECT_EQ(plan.mapped_bytes, round_up(plan.asked_bytes, page_bytes));
  EXPECT_GT(plan.mapped_bytes, plan.asked_bytes) << "else this test shows nothing";
}

class CapacityOfScenario1 : public ::testing::TestWithParam<std::uint64_t> {};
TEST_P(CapacityOfScenario1, IsRefusedByName) {
  EXPECT_THAT(planning(ring_of(GetParam())), ThrewSaying(errc::bad_argument, "capacity"));
}
INSTANTIATE_TEST_SUITE_P(Bad, CapacityOfScenario1,
                         ::testing::Values(1, 3, 1000, 1023, (1ULL << 32) + 1, 1ULL << 33, 1ULL << 63, ~0ULL));

TEST(Plan, RefusalOfACapacityNamesTheNextGoodOne) {
  EXPECT_THAT(planning(ring_of(1000)), ThrewSaying(errc::bad_argument, "1024"));
}

TEST(Plan, TakesTheSmallestAndTheLargestCapacity) {
  EXPECT_EQ(plan_segment(ring_of(2)).parts[0].slots.capacity_slots, 2U);
  EXPECT_EQ(plan_segment(ring_of(1ULL << 32, 8)).parts[0].slots.capacity_slots, 1ULL << 32);
}

TEST(Plan, RefusesMoreThan64TiB) { EXPECT_THAT(planning(ring_of(1ULL << 32, 1ULL << 30)), Threw(errc::bad_argument)); }

TEST(Plan, ChoosesACapacityWhenNoneIsGiven) {
  auto request = ring_of(0);
  const auto small = plan_segment(request).parts[0].slots.capacity_slots;
  request.options.sized_for = footprint::throughput;
  const auto large = plan_segment(request).parts[0].slots.capacity_slots;
  EXPECT_EQ(small & (small - 1), 0U);
  EXPECT_GE(small, 8U);
  EXPECT_GT(large, small);
}

TEST(Plan, ChoosesFewSlotsForLargeMessagesAndARingThatAFirstCacheCannotHoldForThoseOfManyLines) {
  const auto bytes_for = [](std::uint64_t message_bytes) {
    const auto ring = plan_segment(ring_of(0, message_bytes)).parts[0];
    return ring.slots.capacity_slots * ring.slots.slot_stride_bytes;
  };
  EXPECT_LE(bytes_for(64), 64U << 10);
  EXPECT_GT(bytes_for(1024), 512U << 10);
  EXPECT_GT(bytes_for(4096), 512U << 10);
  EXPECT_EQ(plan_segment(ring_of(0, 1U << 20)).parts[0].slots.capacity_slots, 2U);
}

TEST(Plan, KeepsTheNextSlotOutOfReachOfAPrefetcherThatRunsOverTheEndOfAMessage) {
  const auto gap_after = [](std::uint64_t message_bytes, std::uint32_t alignment) {
    const auto ring = plan_segment(ring_of(8, message_bytes, alignment)).parts[0];
    return ring.slots.slot_stride_bytes - ring.slots.payload_offset - ring.message_bytes;
  };
  EXPECT_GE(gap_after(4096, 8), 960U);
  EXPECT_LT(gap_after(1024, 8), 64U);
  EXPECT_EQ(gap_after(4096, 4096), 0U) << "its word lies in a page of its own";
}

struct bad_message {
  std::uint64_t bytes;
  std::uint32_t alignment;
};
class MessageOfScenario2 : public ::testing::TestWithParam<bad_message> {};
TEST_P(MessageOfScenario2, IsRefusedByName) {
  EXPECT_THAT(planning(ring_of(8, GetParam().bytes, GetParam().alignment)), ThrewSaying(errc::bad_argument, "message"));
}
INSTANTIATE_TEST_SUITE_P(Bad, MessageOfScenario2,
                         ::testing::Values(bad_message{0, 1}, bad_message{12, 8}, bad_message{7, 2}, bad_message{8, 0},
                                           bad_message{12, 3}, bad_message{8192, 8192},
                                           bad_message{(1ULL << 30) + 8, 8}, bad_message{~0ULL, 1}));

TEST(Plan, TakesTheLargestMessageAndTheLargestAlignment) {
  EXPECT_EQ(plan_segment(ring_of(2, 1ULL << 30)).parts[0].message_bytes, 1ULL << 30);
  const auto plan = plan_segment(ring_of(2, 4096, 4096));
  EXPECT_EQ(plan.parts[0].body_offset % 4096, 0U);
  EXPECT_EQ(plan.parts[0].slots.payload_offset % 4096, 0U);
  EXPECT_EQ(plan.parts[0].slots.slot_stride_bytes % 4096, 0U);
}

TEST(Plan, AnSpscRingHasOneSeatASide) {
  const auto plan = plan_segment(ring_of(8));
  EXPECT_EQ(plan.parts[0].producer_seats, 1U);
  EXPECT_EQ(plan.parts[0].consumer_seats, 1U);
}

TEST(Plan, RefusesTwoProducerSeatsOfAnSpscRing) {
  auto request = ring_of(8);
  request.options.producer_seats = 2;
  EXPECT_THAT(planning(request), ThrewSaying(errc::bad_argument, "producer"));
}

TEST(Plan, RefusesTwoConsumerSeatsOfAnSpscRing) {
  auto request = ring_of(8);
  request.options.consumer_seats = 2;
  EXPECT_THAT(planning(request), ThrewSaying(errc::bad_argument, "consumer"));
}

TEST(Plan, AnMpmcRingTakesUpTo4096SeatsASide) {
  auto request = ring_of(8);
  request.options.kind = ring_kind::mpmc;
  request.options.producer_seats = 4096;
  EXPECT_EQ(plan_segment(request).parts[0].producer_seats, 4096U);
  EXPECT_EQ(plan_segment(request).parts[0].consumer_seats, 64U) << "what 0 stands for";
  request.options.consumer_seats = 4097;
  EXPECT_THAT(planning(request), ThrewSaying(errc::bad_argument, "consumer"));
}

TEST(Plan, RefusesAKindThatIsNone) {
  auto request = ring_of(8);
  request.options.kind = static_cast<ring_kind>(77);
  EXPECT_THAT(planning(request), ThrewSaying(errc::bad_argument, "kind"));
}

TEST(Plan, RefusesNoPartAndMoreThanTheDirectoryHolds) {
  const std::vector<ring_request> many(max_parts + 1, ring_of(8));
  EXPECT_THAT(thrown_by([&] { (void)plan_segment(std::span(many).first(0)); }), Threw(errc::bad_argument));
  EXPECT_THAT(thrown_by([&] { (void)plan_segment(many); }), ThrewSaying(errc::bad_argument, "64"));
  EXPECT_EQ(plan_segment(std::span(many).first(max_parts)).parts.size(), max_parts);
}

TEST(Plan, LabelOfAPartIsKeptWholeOrRefused) {
  auto request = ring_of(8);
  const std::string longest(part_label_bytes - 1, 'x');
  request.label = longest;
  EXPECT_EQ(plan_segment(request).parts[0].label, longest);
  const auto longer = longest + "x";
  request.label = longer;
  EXPECT_THAT(planning(request), ThrewSaying(errc::bad_argument, longer));
}

TEST(Plan, RefusesMoreSeatsInAllThanALookCopies) {
  auto request = ring_of(8);
  request.options.kind = ring_kind::mpmc;
  request.options.producer_seats = request.options.consumer_seats = 4096;
  const std::vector<ring_request> many(4, request);
  EXPECT_THAT(thrown_by([&] { (void)plan_segment(many); }), ThrewSaying(errc::bad_argument, "fewer seats"));
  EXPECT_EQ(plan_segment(std::span(many).first(3)).parts.size(), 3U);
}

TEST(Plan, PartsNeverOverlapAndEndWithinWhatIsAsked) {
  for (const std::uint64_t bytes : {1U, 2U, 8U, 56U, 64U, 1000U, 1023U, 1024U, 1025U, 5000U})
    for (const std::uint64_t capacity : {2U, 8U, 1024U})
      for (const auto kind : {ring_kind::spsc, ring_kind::mpmc}) {
        auto request = ring_of(capacity, bytes, 1);
        request.options.kind = kind;
        const ring_request two[] = {request, request};
        const auto plan = plan_segment(two);
        ASSERT_EQ(plan.parts.size(), 2U);
        std::uint64_t controls_end = header_bytes(2);
        for (const auto& ring : plan.parts) {
          EXPECT_GE(ring.control_offset, controls_end);
          EXPECT_EQ(ring.control_offset % alignof(seat), 0U);
          EXPECT_GE(ring.seats_offset, ring.control_offset + sizeof(ring_control));
          EXPECT_EQ(ring.seats_offset % alignof(seat), 0U);
          controls_end = ring.seats_offset + sizeof(seat) * (ring.producer_seats + ring.consumer_seats);
          EXPECT_GE(ring.slots.slot_stride_bytes, ring.slots.payload_offset + ring.message_bytes);
          EXPECT_EQ(ring.slots.slot_stride_bytes % 8, 0U) << "slot words are atomics";
          EXPECT_GE(ring.slots.payload_offset, 8U);
        }
        EXPECT_GE(plan.parts[0].body_offset, controls_end);
        const auto first_end = plan.parts[0].body_offset + capacity * plan.parts[0].slots.slot_stride_bytes;
        EXPECT_GE(plan.parts[1].body_offset, first_end);
        EXPECT_LE(plan.parts[1].body_offset + capacity * plan.parts[1].slots.slot_stride_bytes, plan.asked_bytes);
      }
}

TEST(Plan, CutsALongTypeNameAndTerminatesIt) {
  const std::string name(200, 'x');
  auto request = ring_of(8);
  request.type.name = name;
  const auto plan = plan_segment(request);
  EXPECT_EQ(std::string(plan.parts[0].type_name), name.substr(0, type_name_bytes - 1));
}

TEST(Plan, ASlotOfADurableRingHasItsChecksumBetweenWordAndMessage) {
  for (const std::uint64_t bytes : {1, 8, 64, 200, 256, 4096})
    for (const std::uint32_t alignment : {1, 8, 32, 64}) {
      if (bytes % alignment != 0) continue;
      auto request = ring_of(16, bytes, alignment);
      const auto plain = plan_segment(request).parts[0];
      request.options.durability = durability::every(3);
      const auto durable = plan_segment(request).parts[0];
      EXPECT_EQ(plain.slots.checksum_offset, 0U);
      EXPECT_EQ(durable.slots.checksum_offset, 8U);
      EXPECT_GE(durable.slots.payload_offset, 16U);
      EXPECT_EQ(durable.slots.payload_offset % alignment, 0U);
      EXPECT_GE(durable.slots.slot_stride_bytes, durable.slots.payload_offset + bytes);
      EXPECT_LE(durable.slots.slot_stride_bytes - plain.slots.slot_stride_bytes, std::max<std::uint64_t>(8, alignment));
      EXPECT_EQ(durability_of(durable), durability::every(3));
    }
}

TEST(RingMemory, OfTheCallerIsRefusedWhenTooShortOrNotAligned) {
  const auto request = ring_of(8);
  const auto needed = ring_memory_bytes(request);
  alignas(4096) static std::byte memory[1 << 16];
  ASSERT_LE(needed + 64, sizeof memory);
  EXPECT_NO_THROW((void)view_memory(std::span(memory, needed), request));
  EXPECT_THAT(thrown_by([&] { (void)view_memory(std::span(memory, needed - 1), request); }), Threw(errc::bad_argument));
  EXPECT_THAT(thrown_by([&] { (void)view_memory(std::span(memory + 64, needed), request); }),
              Threw(errc::bad_argument));
}

TEST(RingMemory, OfTheCallerHoldsAllPartsOfTheRing) {
  const auto request = ring_of(16);
  alignas(4096) static std::byte memory[1 << 16];
  const std::span given(memory, ring_memory_bytes(request));
  const auto view = view_memory(given, request);
  EXPECT_EQ(view.capacity(), 16U);
  EXPECT_EQ(view.lap_bits, 4U);
  EXPECT_EQ(reinterpret_cast<std::byte*>(view.control), given.data());
  EXPECT_LE(view.slot(15) + view.stride_bytes, given.data() + given.size());
  EXPECT_EQ(view.slot(16), view.slot(0)) << "sequences wrap around the ring";
  EXPECT_EQ(view.lap(16), 1U);
}

}  // namespace
}  // namespace sluice::detail
