// Seeds row 17, scenarios 62 and 63: everything read from shared bytes is checked before it is used.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>

#include "sluice/detail/plan/segment_plan.hpp"
#include "support/expect_error.hpp"
#include "support/header_bytes.hpp"

namespace sluice::detail {
namespace {

using test::forge;
using test::formatted;
using test::header_in;
using test::Threw;
using test::ThrewSaying;
using test::thrown_by;

struct message {
  std::uint64_t words[8];
};

ring_request small_ring(ring_kind kind = ring_kind::mpmc) {
  ring_request request{identity_of<message>(), {}};
  request.options.kind = kind;
  request.options.capacity_slots = 8;
  if (kind == ring_kind::mpmc) {
    request.options.producer_seats = 3;
    request.options.consumer_seats = 2;
  }
  return request;
}

segment_plan two_rings() {
  const ring_request requests[] = {small_ring(), small_ring(ring_kind::spsc)};
  return plan_segment(requests);
}

test::thrown checking(std::span<const std::byte> bytes, std::uint64_t length) {
  return thrown_by([&] { validate_segment(bytes, length, "attach \"orders\""); });
}
test::thrown checking(std::span<const std::byte> bytes) { return checking(bytes, bytes.size()); }

TEST(Header, OfAFormattedSegmentIsValid) {
  EXPECT_FALSE(checking(formatted(plan_segment(small_ring()))).reason);
  EXPECT_FALSE(checking(formatted(plan_segment(small_ring(ring_kind::spsc)))).reason);
  EXPECT_FALSE(checking(formatted(two_rings())).reason);
}

TEST(Header, IsEnoughToCheckTheRestByLength) {
  const auto bytes = formatted(two_rings());
  EXPECT_FALSE(checking(std::span(bytes).first(header_bytes(2)), bytes.size()).reason);
}

TEST(Header, SaysWhatItWasMadeFrom) {
  segment_origin origin;
  origin.kind = segment_kind::zero;
  origin.lifetime = lifetime::ephemeral;
  origin.creator = 11;
  origin.creator_uid = 12;
  origin.created_realtime_ns = 13;
  origin.creation_id = 14;
  origin.boot_id[1] = 15;
  origin.pid_namespace = 16;
  origin.time_namespace = 17;
  const auto plan = two_rings();
  const auto header = header_in(formatted(plan, origin));
  EXPECT_EQ(header.kind, static_cast<std::uint32_t>(segment_kind::zero));
  EXPECT_EQ(header.lifetime, static_cast<std::uint32_t>(lifetime::ephemeral));
  EXPECT_EQ(header.creator, 11U);
  EXPECT_EQ(header.creator_uid, 12U);
  EXPECT_EQ(header.created_realtime_ns, 13U);
  EXPECT_EQ(header.creation_id, 14U);
  EXPECT_EQ(header.boot_id[1], 15U);
  EXPECT_EQ(header.pid_namespace, 16U);
  EXPECT_EQ(header.time_namespace, 17U);
  EXPECT_EQ(header.asked_bytes, plan.asked_bytes);
  EXPECT_EQ(header.mapped_bytes, plan.mapped_bytes);
  EXPECT_EQ(header.part_count, 2U);
}

TEST(Header, ChecksumIsTheXxh3OfAllBytesBeforeIt) {
  const auto bytes = formatted(two_rings());
  EXPECT_EQ(header_in(bytes).checksum, test::xxh3_of(std::span(bytes).first(offsetof(segment_header, checksum))));
}

TEST(Header, FormattingTouchesNothingBehindTheHeader) {
  const auto bytes = formatted(two_rings());
  EXPECT_TRUE(std::all_of(bytes.begin() + header_bytes(2), bytes.end(), [](auto b) { return b == std::byte{0}; }));
}

TEST(Header, OfAnEmptyFileIsHalfMade) { EXPECT_THAT(checking({}, 0), Threw(errc::half_made)); }

TEST(Header, OfZeroesIsHalfMade) {
  EXPECT_THAT(checking(std::vector<std::byte>(100)), Threw(errc::half_made));
  EXPECT_THAT(checking(std::vector<std::byte>(8192)), Threw(errc::half_made));
}

TEST(Header, OfAShortTextIsNotASegment) {
  EXPECT_THAT(checking(std::as_bytes(std::span("hello", 5))), Threw(errc::not_a_segment));
}

TEST(Header, OfALongTextIsNotASegment) {
  EXPECT_THAT(checking(std::vector<std::byte>(5000, std::byte{'x'})), Threw(errc::not_a_segment));
}

TEST(Header, CutOffBeforeItsEndIsNotASegment) {
  auto bytes = formatted(two_rings());
  bytes.resize(header_bytes(0) - 1);
  EXPECT_THAT(checking(bytes), Threw(errc::not_a_segment));
}

TEST(Header, OfAnotherVersionNamesBoth) {
  auto bytes = formatted(two_rings());
  forge(bytes, [](auto& header) { header.version = 41; });
  EXPECT_THAT(checking(bytes), ThrewSaying(errc::wrong_version, "41"));
}

TEST(Header, OfTheOtherByteOrderIsNamed) {
  auto bytes = formatted(two_rings());
  forge(bytes, [](auto& header) { header.magic = __builtin_bswap64(header.magic); });
  EXPECT_THAT(checking(bytes), Threw(errc::wrong_byte_order));
  bytes = formatted(two_rings());
  forge(bytes, [](auto& header) { header.byte_order = __builtin_bswap32(header.byte_order); });
  EXPECT_THAT(checking(bytes), Threw(errc::wrong_byte_order));
}

TEST(Header, OfAnotherWordSizeIsNamed) {
  auto bytes = formatted(two_rings());
  forge(bytes, [](auto& header) { header.word_bits = 32; });
  EXPECT_THAT(checking(bytes), ThrewSaying(errc::wrong_byte_order, "32"));
}

TEST(Header, WithAWrongChecksumIsCorrupted) {
  auto bytes = formatted(two_rings());
  bytes[offsetof(segment_header, checksum)] ^= std::byte{1};
  EXPECT_THAT(checking(bytes), ThrewSaying(errc::corrupted, "checksum"));
}

TEST(Header, EveryImmutableByteThatIsFlippedIsNoticed) {
  const auto good = formatted(two_rings());
  for (std::size_t at = 0; at < header_bytes(2); ++at) {
    if (at == offsetof(segment_header, gate_holder)) at = offsetof(segment_header, parts);
    auto bytes = good;
    bytes[at] ^= std::byte{0x10};
    ASSERT_TRUE(checking(bytes).reason) << "byte " << at;
  }
}

TEST(Header, TheGateHoldersHintIsNotChecked) {
  auto bytes = formatted(two_rings());
  for (std::size_t at = offsetof(segment_header, gate_holder); at < offsetof(segment_header, parts); ++at)
    bytes[at] = std::byte{0xff};
  EXPECT_FALSE(checking(bytes).reason);
}

TEST(Header, OfAFileCutShortIsTruncated) {  // seeds row 8, scenario 61
  const auto bytes = formatted(two_rings());
  EXPECT_THAT(checking(bytes, bytes.size() - 1), ThrewSaying(errc::truncated, "cut short"));
  EXPECT_THAT(checking(bytes, header_bytes(2)), Threw(errc::truncated));
}

TEST(Header, ErrorsSayWhere) { EXPECT_THAT(checking({}, 0), ThrewSaying(errc::half_made, "attach \"orders\"")); }

// ---- Descriptors of a hostile creator: the checksum is right ---------------------------------------------------------

struct forgery {
  const char* name;
  std::function<void(segment_header&)> change;
};
void PrintTo(const forgery& f, std::ostream* out) { *out << f.name; }

class ForgedHeader : public ::testing::TestWithParam<forgery> {};

TEST_P(ForgedHeader, WithACorrectChecksumIsCorrupted) {
  auto bytes = formatted(two_rings());
  forge(bytes, GetParam().change);
  ASSERT_FALSE(checking(bytes).reason == errc::corrupted && checking(bytes).text.find("checksum") != std::string::npos);
  EXPECT_THAT(checking(bytes), ThrewSaying(errc::corrupted, "cannot exist"));
}

#define FORGERY(name, statement)                 \
  forgery {                                      \
#name, [](segment_header & h) { statement; } \
  }

INSTANTIATE_TEST_SUITE_P(
    Scenario62, ForgedHeader,
    ::testing::Values(
        FORGERY(NoPart, h.part_count = 0), FORGERY(ManyParts, h.part_count = max_parts + 1),
        FORGERY(VeryManyParts, h.part_count = ~0U), FORGERY(AskedAboveMapped, h.asked_bytes = h.mapped_bytes + 1),
        FORGERY(AskedHuge, h.asked_bytes = ~0ULL), FORGERY(AskedTooSmall, h.asked_bytes = 1024),
        FORGERY(NoMessage, h.parts[0].message_bytes = 0), FORGERY(HugeMessage, h.parts[0].message_bytes = 1ULL << 40),
        FORGERY(MessageWraps, h.parts[0].message_bytes = ~0ULL - 7),
        FORGERY(AlignmentZero, h.parts[0].message_alignment = 0),
        FORGERY(AlignmentThree, h.parts[0].message_alignment = 3),
        FORGERY(AlignmentHuge, h.parts[0].message_alignment = 1U << 31),
        FORGERY(CapacityZero, h.parts[0].slots.capacity_slots = 0),
        FORGERY(CapacityOne, h.parts[0].slots.capacity_slots = 1),
        FORGERY(CapacitySeven, h.parts[0].slots.capacity_slots = 7),
        FORGERY(CapacityBeyondTheEnd, h.parts[1].slots.capacity_slots = 4096),
        FORGERY(CapacityWraps, h.parts[1].slots.capacity_slots = 1ULL << 63),
        FORGERY(StrideZero, h.parts[0].slots.slot_stride_bytes = 0),
        FORGERY(StrideTooSmall, h.parts[0].slots.slot_stride_bytes -= 8),
        FORGERY(StrideNotOfWords, h.parts[0].slots.slot_stride_bytes += 4),
        FORGERY(StrideWraps, h.parts[0].slots.slot_stride_bytes = 1ULL << 62),
        FORGERY(PayloadOverTheWord, h.parts[0].slots.payload_offset = 0),
        FORGERY(PayloadNotAligned, h.parts[0].slots.payload_offset = 9),
        FORGERY(PayloadFarAway, h.parts[0].slots.payload_offset = 1ULL << 40),
        FORGERY(PayloadWraps, h.parts[0].slots.payload_offset = ~0ULL - 7),
        FORGERY(ControlInTheHeader, h.parts[0].control_offset = 896; h.parts[0].seats_offset = 896 + 768),
        FORGERY(ControlNotAligned, h.parts[0].control_offset += 64; h.parts[0].seats_offset += 64),
        FORGERY(ControlBeyondTheEnd, h.parts[0].control_offset = 1ULL << 40;
                h.parts[0].seats_offset = (1ULL << 40) + 768),
        FORGERY(ControlWraps, h.parts[0].control_offset = ~0ULL - 127; h.parts[0].seats_offset = 640),
        FORGERY(SeatsElsewhere, h.parts[0].seats_offset += 128),
        FORGERY(SeatsNotBehindControl, h.parts[0].seats_offset = 0),
        FORGERY(SlotsOverControl, h.parts[0].body_offset = h.parts[0].control_offset),
        FORGERY(SlotsOverTheHeader, h.parts[0].body_offset = 0), FORGERY(SlotsNotAligned, h.parts[0].body_offset += 8),
        FORGERY(SlotsBeyondTheEnd, h.parts[0].body_offset = h.mapped_bytes - 64),
        FORGERY(BodyOfAnotherSize, h.parts[0].body_bytes -= 8), FORGERY(BodyWraps, h.parts[0].body_bytes = ~0ULL - 7),
        FORGERY(SlotsFarBeyondTheEnd, h.parts[0].body_offset = 1ULL << 63),
        FORGERY(NoProducerSeat, h.parts[0].producer_seats = 0), FORGERY(NoConsumerSeat, h.parts[0].consumer_seats = 0),
        FORGERY(ManyProducerSeats, h.parts[0].producer_seats = ~0U),
        FORGERY(SeatsReachTheSlots, h.parts[0].consumer_seats = 100),
        FORGERY(TypeNameNotTerminated,
                std::fill(std::begin(h.parts[0].type_name), std::end(h.parts[0].type_name), 'x')),
        FORGERY(FlushOfNoKind, h.parts[0].flush_when = 3),
        FORGERY(FlushEveryNone, h.parts[0].flush_when = 2; h.parts[0].slots.checksum_offset = 8),
        FORGERY(FlushOnCloseEverySome, h.parts[1].flush_when = 1; h.parts[1].flush_messages = 7;
                h.parts[1].slots.payload_offset = 16; h.parts[1].slots.checksum_offset = 8),
        FORGERY(ChecksumWithoutFlush, h.parts[0].slots.checksum_offset = 8),
        FORGERY(DurableWithoutAChecksum, h.parts[0].flush_when = 1),
        FORGERY(ChecksumOverTheMessage, h.parts[0].flush_when = 1; h.parts[0].slots.checksum_offset = 8),
        FORGERY(ChecksumOverTheWord, h.parts[0].flush_when = 1; h.parts[0].slots.checksum_offset = 4),
        FORGERY(ChecksumWraps, h.parts[0].flush_when = 1; h.parts[0].slots.checksum_offset = ~0ULL - 7),
        FORGERY(RingsShareControl, h.parts[1] = h.parts[0]),
        FORGERY(RingsShareSlots, h.parts[1].body_offset = h.parts[0].body_offset),
        FORGERY(SlotsOfOneOverControlOfTheOther, h.parts[0].body_offset = h.parts[1].control_offset)),
    [](const auto& row) { return row.param.name; });

TEST(Header, OfAPartThatOnlyALaterBuildKnowsSaysSo) {
  for (const std::uint32_t kind : {0U, 77U}) {
    auto bytes = formatted(two_rings());
    forge(bytes, [&](auto& header) { header.parts[1].kind = kind; });
    EXPECT_THAT(checking(bytes), ThrewSaying(errc::wrong_kind, "part 1 is of kind " + std::to_string(kind)));
  }
  auto bytes = formatted(two_rings());
  forge(bytes, [&](auto& header) { header.part_count = 3; });  // the third is nothing but zeroes
  EXPECT_THAT(checking(bytes), ThrewSaying(errc::wrong_kind, "part 2 is of kind 0"));
}

TEST(Header, ControlOfAHostileCreatorCannotLieFarBehindTheBeginning) {
  // Looking at a segment copies what lies before the end of its seats. In a sparse file that could be terabytes.
  auto bytes = formatted(plan_segment(small_ring()));
  constexpr std::uint64_t far = 1ULL << 40;
  forge(bytes, [](auto& header) {
    auto& ring = header.parts[0];
    ring.control_offset += far;
    ring.seats_offset += far;
    ring.body_offset += far;
    header.asked_bytes += far;
    header.mapped_bytes += far;
  });
  EXPECT_THAT(checking(bytes, bytes.size() + far), Threw(errc::corrupted));
}

/// Whatever passes the checks must be usable without leaving the segment.
void expect_inside(const segment_header& header, std::uint64_t length) {
  for (std::uint32_t i = 0; i < header.part_count; ++i) {
    const auto& ring = header.parts[i];
    ASSERT_LE(ring.seats_offset + sizeof(seat) * (ring.producer_seats + ring.consumer_seats), length);
    ASSERT_LE(ring.body_offset + (ring.slots.capacity_slots - 1) * ring.slots.slot_stride_bytes +
                  ring.slots.payload_offset + ring.message_bytes,
              length);
  }
}

TEST(HeaderFuzz, RandomBytesAreNamedAndNeverAccepted) {  // scenario 62
  std::mt19937_64 random(20241);
  std::vector<std::byte> bytes(4096);
  for (int round = 0; round < 5'000; ++round) {
    for (auto& byte : bytes) byte = static_cast<std::byte>(random());
    bytes.resize(round % 3 == 0 ? random() % 1024 : 4096);
    ASSERT_TRUE(checking(bytes).reason);
    bytes.resize(4096);
  }
}

TEST(HeaderFuzz, AMutatedHeaderIsNamedOrUnchanged) {  // scenario 62
  std::mt19937_64 random(20242);
  const auto good = formatted(two_rings());
  for (int round = 0; round < 30'000; ++round) {
    auto bytes = std::vector(good.begin(), good.begin() + header_bytes(2));
    for (auto changes = 1 + random() % 4; changes > 0; --changes)
      bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    if (checking(bytes, good.size()).reason) continue;
    ASSERT_TRUE(std::equal(bytes.begin(), bytes.begin() + offsetof(segment_header, gate_holder), good.begin()));
    ASSERT_TRUE(std::equal(bytes.begin() + offsetof(segment_header, parts), bytes.end(),
                           good.begin() + offsetof(segment_header, parts)));
  }
}

TEST(HeaderFuzz, ASealedMutationThatIsAcceptedStaysInsideTheSegment) {  // scenario 62, seeds row 17
  std::mt19937_64 random(20243);
  const auto good = formatted(two_rings());
  int accepted = 0;
  const std::uint64_t interesting[] = {
      0,          1,          2,     7,         8,           64,          127,
      128,        640,        1024,  4096,      1ULL << 31,  1ULL << 32,  1ULL << 48,
      1ULL << 62, 1ULL << 63, ~0ULL, ~0ULL - 7, ~0ULL - 127, good.size(), good.size() - 64};
  for (int round = 0; round < 30'000; ++round) {
    auto bytes = std::vector(good.begin(), good.begin() + header_bytes(2));
    auto header = header_in(bytes);
    for (auto changes = 1 + random() % 3; changes > 0; --changes) {
      // The words from part_count on and those of the descriptors, not the line of the hint between them.
      auto at = 28 + random() % ((header_bytes(2) - 28 - 72 - 8) / 4) * 4;
      if (at >= offsetof(segment_header, directory_checksum)) at += 256 - offsetof(segment_header, directory_checksum);
      const auto value = random() % 2 == 0 ? interesting[random() % std::size(interesting)] : random() % good.size();
      std::memcpy(reinterpret_cast<std::byte*>(&header) + at, &value, random() % 2 == 0 ? 4 : 8);
    }
    test::seal(bytes, header);
    const auto outcome = checking(bytes, good.size());
    if (outcome.reason) continue;
    ++accepted;
    expect_inside(header_in(bytes), good.size());
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(accepted, 0) << "else the loop shows nothing";
}

// ---- What a channel asks of a ring -----------------------------------------------------------------------------------

test::thrown asking(std::size_t index, ring_kind kind, const type_identity& type) {
  const auto header = header_in(formatted(two_rings()));
  return thrown_by([&] { require_ring(header, index, kind, type, "attach \"orders\""); });
}

TEST(RingOfASegment, IsAcceptedAsItWasMade) {
  EXPECT_FALSE(asking(0, ring_kind::mpmc, identity_of<message>()).reason);
  EXPECT_FALSE(asking(1, ring_kind::spsc, identity_of<message>()).reason);
}

TEST(RingOfASegment, ThatDoesNotExistIsWrongKind) {
  EXPECT_THAT(asking(2, ring_kind::mpmc, identity_of<message>()), Threw(errc::wrong_kind));
}

TEST(RingOfASegment, OfAnotherKindNamesBoth) {
  EXPECT_THAT(asking(0, ring_kind::spsc, identity_of<message>()), ThrewSaying(errc::wrong_kind, "mpmc"));
}

TEST(RingOfASegment, OfAnotherTypeNamesBoth) {
  const auto outcome = asking(0, ring_kind::mpmc, identity_of<double>());
  EXPECT_THAT(outcome, ThrewSaying(errc::wrong_type, "message"));
  EXPECT_THAT(outcome, ThrewSaying(errc::wrong_type, "f64"));
}

TEST(RingOfASegment, OfATypeWithOtherFieldsIsRefusedAndSaysWhatDiffers) {
  auto same = identity_of<message>();
  auto differs = [&](auto change) {
    auto other = same;
    change(other);
    return asking(0, ring_kind::mpmc, other);
  };
  EXPECT_THAT(differs([](auto& other) { other.layout_hash = other.layout_hash + 1; }),
              ThrewSaying(errc::wrong_type, "other fields"));
  EXPECT_THAT(differs([](auto& other) { other.hash += 1; }), ThrewSaying(errc::wrong_type, "another version"));
  EXPECT_THAT(differs([](auto& other) { other.message_bytes *= 2; }), ThrewSaying(errc::wrong_type, "another size"));
  EXPECT_FALSE(differs([](auto& other) { other.layout_hash = 0; }).reason) << "of a language that tells no fields";
}

TEST(RingOfASegment, ViewPointsWhereTheDescriptorSays) {
  auto bytes = formatted(two_rings());
  const auto header = header_in(bytes);
  const auto view = view_ring(bytes, header.parts[0]);
  EXPECT_EQ(reinterpret_cast<std::byte*>(view.control), bytes.data() + header.parts[0].control_offset);
  EXPECT_EQ(reinterpret_cast<std::byte*>(view.seats), bytes.data() + header.parts[0].seats_offset);
  EXPECT_EQ(view.slots, bytes.data() + header.parts[0].body_offset);
  EXPECT_EQ(view.capacity(), 8U);
  EXPECT_EQ(view.producer_seats, 3U);
  EXPECT_EQ(view.first_seat(role::consumer), 3U);
  EXPECT_EQ(view.seat_count(role::consumer), 2U);
}

}  // namespace
}  // namespace sluice::detail
