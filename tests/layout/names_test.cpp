#include <gtest/gtest.h>

#include "sluice/detail/layout/durability.hpp"
#include "sluice/detail/layout/seat.hpp"
#include "sluice/detail/layout/segment_header.hpp"

namespace sluice::detail {
namespace {

TEST(Names, OfSegmentKindsAreTheirEnumerators) {
  EXPECT_STREQ(to_string(segment_kind::file), "file");
  EXPECT_STREQ(to_string(segment_kind::anonymous), "anonymous");
  EXPECT_STREQ(to_string(segment_kind::zero), "zero");
  EXPECT_STREQ(to_string(segment_kind::memfd), "memfd");
}

TEST(Names, OfRingKindsLifetimesRolesAndSeatsAreTheirEnumerators) {
  EXPECT_STREQ(to_string(ring_kind::spsc), "spsc");
  EXPECT_STREQ(to_string(ring_kind::mpmc), "mpmc");
  EXPECT_STREQ(to_string(lifetime::persistent), "persistent");
  EXPECT_STREQ(to_string(lifetime::ephemeral), "ephemeral");
  EXPECT_STREQ(to_string(role::producer), "producer");
  EXPECT_STREQ(to_string(role::consumer), "consumer");
  EXPECT_STREQ(to_string(seat_state::free), "free");
  EXPECT_STREQ(to_string(seat_state::taken), "taken");
  EXPECT_STREQ(to_string(seat_state::dead), "dead");
  EXPECT_STREQ(to_string(seat_state::settled), "settled");
}

TEST(Names, OfDurabilitiesSayWhenTheDiskHasIt) {
  EXPECT_EQ(to_string(durability::none()), "none");
  EXPECT_EQ(to_string(durability::on_close()), "on close");
  EXPECT_EQ(to_string(durability::every(1)), "every message");
  EXPECT_EQ(to_string(durability::every(1000)), "every 1000 messages");
}

TEST(Names, OfValuesThatAStrangerWroteAreUnknown) {
  EXPECT_STREQ(to_string(static_cast<segment_kind>(77)), "unknown");
  EXPECT_STREQ(to_string(static_cast<ring_kind>(0)), "unknown");
  EXPECT_STREQ(to_string(static_cast<lifetime>(9)), "unknown");
}

}  // namespace
}  // namespace sluice::detail
