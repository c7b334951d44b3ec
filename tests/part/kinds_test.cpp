// The table of kinds, and what a row says of seats whose words are input.

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "part/part_kind.hpp"
#include "sluice/detail/part/mpmc/mpmc_layout.hpp"
#include "sluice/detail/part/spsc/spsc_layout.hpp"
#include "support/seat_room.hpp"

namespace sluice::detail {
namespace {

using test::judged_by;
using test::seat_room;

TEST(PartKinds, EveryKindHasATagAndANameOfItsOwn) {
  std::set<std::string> names;
  std::set<std::uint32_t> tags;
  for (const auto* kind : part_kinds()) {
    const auto tag = static_cast<std::uint32_t>(kind->tag);
    EXPECT_TRUE(tags.insert(tag).second) << tag;
    EXPECT_TRUE(names.insert(kind->name).second) << kind->name;
    EXPECT_EQ(find_part_kind(tag), kind);
    EXPECT_STREQ(to_string(kind->tag), kind->name);
    for (const auto& limits : {kind->producers, kind->consumers}) EXPECT_LE(limits.unless_asked, limits.most);
  }
  EXPECT_FALSE(names.empty());
}

TEST(PartKinds, ParticipantsOfTopicsValuesAndServicesHaveNamesOfTheirOwn) {
  for (const auto* kind : part_kinds()) {
    const std::string name = kind->name;
    EXPECT_EQ(is_topic(kind->tag), name.starts_with("topic")) << name;
    EXPECT_EQ(holds_values(kind->tag), name == "latest" || name == "table") << name;
    const bool has_values = holds_values(kind->tag);
    const bool is_service = name.starts_with("service");
    EXPECT_STREQ(role_name(kind->tag, role::producer), is_topic(kind->tag) ? "publisher"
                                                       : has_values        ? "writer"
                                                       : is_service        ? "client"
                                                                           : "producer");
    EXPECT_STREQ(role_name(kind->tag, role::consumer), is_topic(kind->tag) ? "subscriber"
                                                       : has_values        ? "reader"
                                                       : is_service        ? "server"
                                                                           : "consumer");
  }
  EXPECT_STREQ(role_name(static_cast<ring_kind>(77), role::consumer), "consumer");
}

TEST(PartKinds, TagOfNoKindIsFoundNowhere) {
  EXPECT_EQ(find_part_kind(0), nullptr);
  EXPECT_EQ(find_part_kind(~0U), nullptr);
  EXPECT_STREQ(to_string(static_cast<ring_kind>(77)), "unknown");
}

struct described {
  explicit described(std::uint32_t seats, std::uint32_t index)
      : room(judged_by::process, seats), kind(part_kind_of(room.memory.memory().header().parts[0])) {
    report.index = index;
    report.role = index < room.ring.producer_seats ? role::producer : role::consumer;
  }
  const seat_report& now() {
    report.claims.clear();
    kind.describe_seat(room.ring, report);
    return report;
  }
  spsc_seat& spsc_words() { return spsc_seat_of(room.ring, report.index); }
  mpmc_seat& mpmc_words() { return mpmc_seat_of(room.ring, report.index); }

  seat_room room;
  const part_kind& kind;
  seat_report report;
};

TEST(PartKinds, SpscConsumerHoldsWhatItWasHandedAndDidNotRelease) {
  described one(1, 1);
  one.spsc_words().sequence = 5;
  one.spsc_words().peeked = 7;
  ASSERT_EQ(one.now().claims.size(), 1U);
  EXPECT_EQ(one.report.claims[0].first, 5U);
  EXPECT_EQ(one.report.claims[0].count, 2U);
  EXPECT_EQ(one.report.messages, 5U);
  one.spsc_words().peeked = 5;
  EXPECT_TRUE(one.now().claims.empty());
}

TEST(PartKinds, SpscSeatThatClaimsMoreThanTheRingIsShownWithTheRing) {
  described one(1, 1);
  one.spsc_words().peeked = ~std::uint64_t{0};
  ASSERT_EQ(one.now().claims.size(), 1U);
  EXPECT_EQ(one.report.claims[0].count, one.room.ring.capacity());
}

TEST(PartKinds, MpmcIntentsAreReadNearTheCounterOfTheirRole) {
  constexpr auto lap = std::uint64_t{1} << 48;  // an intent has no more bits of its position
  described one(2, 3);
  mpmc_control_of(one.room.ring).head = lap + 10;
  one.mpmc_words().intent = intent_word(8, 2, true);
  one.mpmc_words().second_intent = intent_word(11, 1, false);
  one.mpmc_words().messages = 4;
  ASSERT_EQ(one.now().claims.size(), 2U);
  EXPECT_EQ(one.report.claims[0].first, lap + 8);
  EXPECT_EQ(one.report.claims[0].count, 2U);
  EXPECT_TRUE(one.report.claims[0].is_won);
  EXPECT_EQ(one.report.claims[1].first, lap + 11);
  EXPECT_FALSE(one.report.claims[1].is_won);
  EXPECT_EQ(one.report.messages, 4U);
}

TEST(PartKinds, NoMoreSlotsAreLookedAtThanOneLookMayCost) {
  described one(2, 2);
  mpmc_control_of(one.room.ring).tail = 1U << 20;
  mpmc_control_of(one.room.ring).head = (1U << 20) - 3;
  for (std::uint32_t seat = 2; seat < 4; ++seat)
    mpmc_seat_of(one.room.ring, seat).intent = intent_word((1U << 20) - 8, max_claim, true);
  one.room.ring.seats[2].state = seat_word(seat_state::taken, 1);
  one.room.ring.seats[3].state = seat_word(seat_state::dead, 1);
  const auto looked_at = one.kind.sequences_of_interest(one.room.ring);
  ASSERT_EQ(looked_at.size(), 8U) << "five that were claimed before head, once each, and three from there to tail";
  EXPECT_EQ(looked_at.front(), (1U << 20) - 8);
  EXPECT_EQ(looked_at.back(), (1U << 20) - 1);
}

}  // namespace
}  // namespace sluice::detail
