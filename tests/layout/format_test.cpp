// The bytes as docs/format.md has them. A failure here means that two builds of different age no longer understand
// each other: raise format_version.

#include <gtest/gtest.h>

#include <cstring>

#include "sluice/detail/layout/ring_header.hpp"
#include "sluice/detail/layout/seat.hpp"
#include "sluice/detail/layout/segment_header.hpp"
#include "sluice/detail/part/mpmc/mpmc_layout.hpp"
#include "sluice/detail/part/spsc/spsc_layout.hpp"
#include "sluice/detail/seat/seat_table.hpp"

namespace sluice::detail {
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
  EXPECT_EQ(offsetof(segment_header, part_count), 28U);
  EXPECT_EQ(offsetof(segment_header, asked_bytes), 32U);
  EXPECT_EQ(offsetof(segment_header, mapped_bytes), 40U);
  EXPECT_EQ(offsetof(segment_header, created_realtime_ns), 48U);
  EXPECT_EQ(offsetof(segment_header, creation_id), 56U);
  EXPECT_EQ(offsetof(segment_header, creator), 64U);
  EXPECT_EQ(offsetof(segment_header, creator_uid), 72U);
  EXPECT_EQ(offsetof(segment_header, boot_id), 80U);
  EXPECT_EQ(offsetof(segment_header, pid_namespace), 96U);
  EXPECT_EQ(offsetof(segment_header, time_namespace), 104U);
  EXPECT_EQ(offsetof(segment_header, lock_inode), 112U);
  EXPECT_EQ(offsetof(segment_header, segment_inode), 120U);
  EXPECT_EQ(offsetof(segment_header, directory_checksum), 176U);
  EXPECT_EQ(offsetof(segment_header, checksum), 184U);
  EXPECT_EQ(offsetof(segment_header, gate_holder), 192U);
  EXPECT_EQ(offsetof(segment_header, gate_holder_namespace), 200U);
  EXPECT_EQ(offsetof(segment_header, parts), 256U);
  EXPECT_EQ(header_bytes(1), 640U);
  EXPECT_EQ(header_bytes(2), 1024U);
  EXPECT_EQ(sizeof(segment_header), header_bytes(max_parts));
}

TEST(Format, OffsetsOfThePartDescriptor) {
  EXPECT_EQ(offsetof(part_descriptor, kind), 0U);
  EXPECT_EQ(offsetof(part_descriptor, message_alignment), 4U);
  EXPECT_EQ(offsetof(part_descriptor, message_bytes), 8U);
  EXPECT_EQ(offsetof(part_descriptor, type_hash), 16U);
  EXPECT_EQ(offsetof(part_descriptor, layout_hash), 24U);
  EXPECT_EQ(offsetof(part_descriptor, type_name), 32U);
  EXPECT_EQ(offsetof(part_descriptor, label), 128U);
  EXPECT_EQ(offsetof(part_descriptor, producer_seats), 160U);
  EXPECT_EQ(offsetof(part_descriptor, consumer_seats), 164U);
  EXPECT_EQ(offsetof(part_descriptor, control_offset), 168U);
  EXPECT_EQ(offsetof(part_descriptor, seats_offset), 176U);
  EXPECT_EQ(offsetof(part_descriptor, body_offset), 184U);
  EXPECT_EQ(offsetof(part_descriptor, body_bytes), 192U);
  EXPECT_EQ(offsetof(part_descriptor, flush_when), 200U);
  EXPECT_EQ(offsetof(part_descriptor, flush_messages), 204U);
  EXPECT_EQ(offsetof(part_descriptor, slots), 208U);
  EXPECT_EQ(offsetof(slot_form, capacity_slots), 0U);
  EXPECT_EQ(offsetof(slot_form, slot_stride_bytes), 8U);
  EXPECT_EQ(offsetof(slot_form, payload_offset), 16U);
  EXPECT_EQ(offsetof(slot_form, checksum_offset), 24U);
  EXPECT_EQ(sizeof(slot_form), 176U);
  EXPECT_EQ(sizeof(part_descriptor), 384U);
}

TEST(Format, OffsetsOfTheRingControl) {
  EXPECT_EQ(offsetof(ring_control, parked), 0U);
  EXPECT_EQ(offsetof(ring_control, mode), 16U);
  EXPECT_EQ(offsetof(ring_control, closed), 20U);
  EXPECT_EQ(offsetof(ring_control, recovered), 24U);
  EXPECT_EQ(offsetof(ring_control, recovered_torn), 32U);
  EXPECT_EQ(offsetof(ring_control, recovered_missing), 40U);
  EXPECT_EQ(offsetof(ring_control, recovered_realtime_ns), 48U);
  EXPECT_EQ(offsetof(ring_control, unanswered), 56U);
  EXPECT_EQ(offsetof(ring_control, repairs), 64U);
  EXPECT_EQ(offsetof(ring_control, stalled_at), 96U);
  EXPECT_EQ(offsetof(ring_control, log), 128U);
  EXPECT_EQ(sizeof(ring_control), 512U);
}

TEST(Format, OffsetsOfTheControlOfTheKinds) {
  EXPECT_EQ(offsetof(spsc_control, head), 0U);
  EXPECT_EQ(sizeof(spsc_control), 128U);
  EXPECT_EQ(offsetof(mpmc_control, tail), 0U);
  EXPECT_EQ(offsetof(mpmc_control, head), 128U) << "processors fetch lines in pairs";
  EXPECT_EQ(offsetof(mpmc_control, handovers), 136U);
  EXPECT_EQ(sizeof(mpmc_control), 256U);
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
  EXPECT_EQ(offsetof(seat, own), 64U);
  EXPECT_EQ(offsetof(seat, only_processor), 120U);
  EXPECT_EQ(sizeof(seat), 128U);
  EXPECT_EQ(alignof(seat), 128U);
}

TEST(Format, OffsetsOfTheOwnWordsOfTheKinds) {
  EXPECT_EQ(offsetof(spsc_seat, sequence), 0U);
  EXPECT_EQ(offsetof(spsc_seat, peeked), 8U);
  EXPECT_EQ(offsetof(spsc_seat, redelivered), 16U);
  EXPECT_EQ(offsetof(spsc_seat, abandoned), 24U);
  EXPECT_EQ(offsetof(mpmc_seat, intent), 0U);
  EXPECT_EQ(offsetof(mpmc_seat, second_intent), 8U);
  EXPECT_EQ(offsetof(mpmc_seat, messages), 16U);
  EXPECT_EQ(offsetof(mpmc_seat, redelivered), 24U);
  EXPECT_EQ(offsetof(mpmc_seat, abandoned), 32U);
}

TEST(Format, TheOwnersLineOfASeatIsALineOfItsOwn) {
  EXPECT_EQ(offsetof(seat, own) % cache_line_bytes, 0U);
  EXPECT_LT(offsetof(seat, left), cache_line_bytes);
}

TEST(Format, LockBytesOfTheRingsDoNotMeet) {
  EXPECT_LT(seat_lock_offset(0, 2 * 4096 - 1), seat_lock_offset(1, 0));
  EXPECT_GT(seat_lock_offset(0, 0), presence_lock_offset);
  EXPECT_NE(presence_lock_offset, gate_lock_offset);
  EXPECT_LT(seat_lock_offset(max_parts, 0), std::uint64_t{1} << 63) << "off_t is signed";
}

}  // namespace
}  // namespace sluice::detail
