// The bytes as docs/format.md has them. A failure here means that two builds of different age no longer understand
// each other: raise format_version.

#include <gtest/gtest.h>

#include <cstring>

#include "sluice/layout/ring_header.hpp"
#include "sluice/layout/seat.hpp"
#include "sluice/layout/segment_header.hpp"
#include "sluice/seat/seat_table.hpp"

namespace sluice {
namespace {

TEST(Format, MagicReadsInMemoryAsItsName) {
  char text[9] = {};
  std::memcpy(text, &segment_magic, 8);
  EXPECT_STREQ(text, "!SLISEG1");
}

TEST(Format, OffsetsOfTheSegmentHeader) {
  EXPECT_EQ(offsetof(segment_header, magic), 0U);
  EXPECT_EQ(offsetof(segment_header, version), 8U);
  EXPECT_EQ(offsetof(segment_header, byte_order), 12U);
  EXPECT_EQ(offsetof(segment_header, word_bits), 16U);
  EXPECT_EQ(offsetof(segment_header, kind), 20U);
  EXPECT_EQ(offsetof(segment_header, lifetime), 24U);
  EXPECT_EQ(offsetof(segment_header, ring_count), 28U);
  EXPECT_EQ(offsetof(segment_header, asked_bytes), 32U);
  EXPECT_EQ(offsetof(segment_header, mapped_bytes), 40U);
  EXPECT_EQ(offsetof(segment_header, created_realtime_ns), 48U);
  EXPECT_EQ(offsetof(segment_header, creation_id), 56U);
  EXPECT_EQ(offsetof(segment_header, creator), 64U);
  EXPECT_EQ(offsetof(segment_header, creator_uid), 72U);
  EXPECT_EQ(offsetof(segment_header, boot_id), 80U);
  EXPECT_EQ(offsetof(segment_header, pid_namespace), 96U);
  EXPECT_EQ(offsetof(segment_header, time_namespace), 104U);
  EXPECT_EQ(offsetof(segment_header, rings), 128U);
  EXPECT_EQ(offsetof(segment_header, checksum), 632U);
  EXPECT_EQ(offsetof(segment_header, gate_holder), 640U);
  EXPECT_EQ(sizeof(segment_header), 704U);
}

TEST(Format, OffsetsOfTheRingDescriptor) {
  EXPECT_EQ(offsetof(ring_descriptor, kind), 0U);
  EXPECT_EQ(offsetof(ring_descriptor, message_alignment), 4U);
  EXPECT_EQ(offsetof(ring_descriptor, message_bytes), 8U);
  EXPECT_EQ(offsetof(ring_descriptor, capacity_slots), 16U);
  EXPECT_EQ(offsetof(ring_descriptor, slot_stride_bytes), 24U);
  EXPECT_EQ(offsetof(ring_descriptor, payload_offset), 32U);
  EXPECT_EQ(offsetof(ring_descriptor, control_offset), 40U);
  EXPECT_EQ(offsetof(ring_descriptor, seats_offset), 48U);
  EXPECT_EQ(offsetof(ring_descriptor, slots_offset), 56U);
  EXPECT_EQ(offsetof(ring_descriptor, producer_seats), 64U);
  EXPECT_EQ(offsetof(ring_descriptor, consumer_seats), 68U);
  EXPECT_EQ(offsetof(ring_descriptor, type_hash), 72U);
  EXPECT_EQ(offsetof(ring_descriptor, type_name), 80U);
  EXPECT_EQ(offsetof(ring_descriptor, flush_when), 176U);
  EXPECT_EQ(offsetof(ring_descriptor, flush_messages), 180U);
  EXPECT_EQ(offsetof(ring_descriptor, checksum_offset), 184U);
  EXPECT_EQ(sizeof(ring_descriptor), 224U);
}

TEST(Format, OffsetsOfTheRingControl) {
  EXPECT_EQ(offsetof(ring_control, parked), 0U);
  EXPECT_EQ(offsetof(ring_control, mode), 16U);
  EXPECT_EQ(offsetof(ring_control, closed), 20U);
  EXPECT_EQ(offsetof(ring_control, recovered), 24U);
  EXPECT_EQ(offsetof(ring_control, recovered_torn), 32U);
  EXPECT_EQ(offsetof(ring_control, recovered_missing), 40U);
  EXPECT_EQ(offsetof(ring_control, recovered_realtime_ns), 48U);
  EXPECT_EQ(offsetof(ring_control, tail), 64U);
  EXPECT_EQ(offsetof(ring_control, head), 128U);
  EXPECT_EQ(offsetof(ring_control, repairs), 192U);
  EXPECT_EQ(offsetof(ring_control, log), 256U);
  EXPECT_EQ(sizeof(ring_control), 640U);
}

TEST(Format, OffsetsOfTheSeat) {
  EXPECT_EQ(offsetof(seat, state), 0U);
  EXPECT_EQ(offsetof(seat, owner), 8U);
  EXPECT_EQ(offsetof(seat, mender), 16U);
  EXPECT_EQ(offsetof(seat, pid_namespace), 24U);
  EXPECT_EQ(offsetof(seat, taken_realtime_ns), 32U);
  EXPECT_EQ(offsetof(seat, futex), 40U);
  EXPECT_EQ(offsetof(seat, parked), 44U);
  EXPECT_EQ(offsetof(seat, parks), 48U);
  EXPECT_EQ(offsetof(seat, left), 56U);
  EXPECT_EQ(offsetof(seat, intent), 64U);
  EXPECT_EQ(offsetof(seat, sequence), 72U);
  EXPECT_EQ(offsetof(seat, peeked), 80U);
  EXPECT_EQ(offsetof(seat, messages), 88U);
  EXPECT_EQ(offsetof(seat, redelivered), 96U);
  EXPECT_EQ(offsetof(seat, abandoned), 104U);
  EXPECT_EQ(sizeof(seat), 128U);
  EXPECT_EQ(alignof(seat), 128U);
}

TEST(Format, TheOwnersLineOfASeatIsALineOfItsOwn) {
  EXPECT_EQ(offsetof(seat, intent) % cache_line_bytes, 0U);
  EXPECT_LT(offsetof(seat, left), cache_line_bytes);
}

TEST(Format, LockBytesOfTheRingsDoNotMeet) {
  EXPECT_LT(seat_lock_offset(0, 2 * 4096 - 1), seat_lock_offset(1, 0));
  EXPECT_GT(seat_lock_offset(0, 0), presence_lock_offset);
  EXPECT_NE(presence_lock_offset, gate_lock_offset);
  EXPECT_LT(seat_lock_offset(max_rings, 0), std::uint64_t{1} << 63) << "off_t is signed";
}

}  // namespace
}  // namespace sluice
