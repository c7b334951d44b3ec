// How latest values and tables lie in their parts: what is planned, what of a descriptor is believed, what a look shows.

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "part/forged.hpp"
#include "part/part_kind.hpp"
#include "sluice/detail/channel/key_text.hpp"
#include "sluice/detail/part/latest/latest_values.hpp"
#include "sluice/detail/plan/segment_plan.hpp"
#include "support/expect_error.hpp"
#include "support/header_bytes.hpp"

namespace sluice::detail::test {
namespace {

constexpr std::uint64_t key_bytes = 24;

ring_request one_value(std::uint64_t message_bytes = 64, std::uint32_t alignment = 8) {
  ring_request request{{"value", 7, message_bytes, alignment}, {.kind = latest_kind}};
  return request;
}
ring_request keyed(std::uint64_t keys = 12) {
  auto request = one_value();
  request.options.kind = table_kind;
  request.options.capacity_slots = keys;
  request.options.values = {8, key_bytes, 4711, key_kind::text};
  return request;
}
part_descriptor planned(const ring_request& request) { return plan_segment(request).parts[0]; }

TEST(LatestPart, AValueHasFourSlotsOnLinesOfTheirOwn) {
  const auto part = planned(one_value());
  const auto form = latest_form_of(part);
  EXPECT_EQ(part.slots.capacity_slots, 1U);
  EXPECT_EQ(form.slots_each, 4U);
  EXPECT_EQ(form.slots_offset, 64U);
  EXPECT_EQ(form.value_offset, 16U);
  EXPECT_EQ(form.value_stride, 128U);
  EXPECT_EQ(part.slots.payload_offset, 80U);
  EXPECT_EQ(part.body_bytes, 64U + 4 * 128U);
  EXPECT_EQ(part.producer_seats, 1U);
  EXPECT_EQ(part.consumer_seats, 64U);
  EXPECT_EQ(latest_form_of(planned(one_value(4096, 256))).value_offset, 256U);
}

TEST(LatestPart, ATableHasRoomForMoreKeysThanWereAskedFor) {
  const auto part = planned(keyed(100));
  EXPECT_EQ(part.slots.capacity_slots, 128U);
  EXPECT_EQ(part.slots.slot_stride_bytes, 128U + 8 * 128U) << "head and key, and the slots";
  EXPECT_EQ(planned(keyed(103)).slots.capacity_slots, 256U) << "a search for a key that is not there must end soon";
  EXPECT_EQ(planned(keyed(1)).slots.capacity_slots, 2U);
}

TEST(LatestPart, OptionsComeBackFromTheDescriptorTheyMade) {
  auto waking = keyed(5);
  waking.options.topic.wakes_watchers = true;
  for (const auto& request : {one_value(), keyed(), keyed(1), keyed(2), keyed(100), keyed(101), keyed(1000), waking}) {
    const auto part = planned(request);
    ring_request again{request.type, {.kind = request.options.kind}};
    part_kind_of(part).recall(part, again.options);
    const auto same = planned(again);
    EXPECT_EQ(std::memcmp(&part, &same, sizeof part), 0) << request.options.capacity_slots;
  }
}

TEST(LatestPart, WhatCannotBeIsRefused) {
  const auto refused = [](ring_request request, const std::function<void(ring_options&)>& change) {
    change(request.options);
    return thrown_by([&] { (void)plan_segment(request); });
  };
  EXPECT_THAT(refused(one_value(), [](auto& o) { o.capacity_slots = 2; }), ThrewSaying(errc::bad_argument, "table"));
  EXPECT_THAT(refused(one_value(), [](auto& o) { o.values.key_bytes = 8; }), ThrewSaying(errc::bad_argument, "table"));
  EXPECT_THAT(refused(one_value(), [](auto& o) { o.producer_seats = 2; }),
              ThrewSaying(errc::bad_argument, "writer seats"));
  EXPECT_THAT(refused(one_value(), [](auto& o) { o.values.slots_each = 3; }), Threw(errc::bad_argument));
  EXPECT_THAT(refused(one_value(), [](auto& o) { o.durability = durability::on_close(); }),
              ThrewSaying(errc::bad_argument, "durable"));
  EXPECT_THAT(refused(one_value(), [](auto& o) { o.topic.drop_stalled_after_ns = 1; }), Threw(errc::bad_argument));
  EXPECT_THAT(refused(one_value(), [](auto& o) { o.capacity_bytes = 4096; }), Threw(errc::bad_argument));
  EXPECT_THAT(refused(keyed(), [](auto& o) { o.values.key_bytes = 0; }), ThrewSaying(errc::bad_argument, "1 to 1024"));
  EXPECT_THAT(refused(keyed(), [](auto& o) { o.values.key_bytes = 1025; }), Threw(errc::bad_argument));
  EXPECT_THAT(refused(keyed(), [](auto& o) { o.capacity_slots = 1ULL << 40; }), Threw(errc::bad_argument));
  auto ring = one_value();
  ring.options.kind = ring_kind::spsc;
  EXPECT_THAT(refused(ring, [](auto& o) { o.values.slots_each = 8; }),
              ThrewSaying(errc::bad_argument, "keys or slots"));
}

TEST(LatestPart, ADescriptorThatNoCreatorWritesIsCorrupted) {
  using forgery = std::function<void(part_descriptor&, latest_form&)>;
  const auto forge_all = [](const ring_request& request, const std::vector<forgery>& forgeries) {
    expect_corrupted_form<latest_form_of, set_latest_form>(plan_segment(request), forgeries);
  };
  const std::vector<forgery> of_both = {
      [](auto&, auto& form) { form.slots_offset = 0; },
      [](auto&, auto& form) { form.slots_offset = ~0ULL; },
      [](auto&, auto& form) { form.slots_each = 0; },
      [](auto&, auto& form) { form.slots_each = 1; },
      [](auto&, auto& form) { form.slots_each = 3; },
      [](auto&, auto& form) { form.slots_each *= 2; },
      [](auto&, auto& form) { form.slots_each = 1ULL << 63; },
      [](auto&, auto& form) { form.value_stride = 64; },
      [](auto&, auto& form) { form.value_stride = ~0ULL; },
      [](auto&, auto& form) { form.value_offset = 0; },
      [](auto&, auto& form) { form.value_offset = ~0ULL; },
      [](auto&, auto& form) { form.wakes_watchers = 2; },
      [](auto&, auto& form) { form.keys = 4; },
      [](auto&, auto& form) { form.key_bytes = ~0ULL; },
      [](auto& part, auto&) { part.slots.capacity_slots = 0; },
      [](auto& part, auto&) { part.slots.capacity_slots = 3; },
      [](auto& part, auto&) { part.slots.capacity_slots = 1ULL << 63; },
      [](auto& part, auto&) { part.slots.slot_stride_bytes += 64; },
      [](auto& part, auto&) { part.slots.payload_offset = 8; },
      [](auto& part, auto&) { part.slots.checksum_offset = 8; },
      [](auto& part, auto&) { part.body_bytes -= 64; },
      [](auto& part, auto&) { part.flush_when = 1; },
  };
  forge_all(one_value(), of_both);
  forge_all(keyed(), of_both);
  forge_all(one_value(),
            {[](auto&, auto& form) { form.key_bytes = 8; }, [](auto& part, auto&) { part.slots.capacity_slots = 2; },
             [](auto& part, auto&) { part.producer_seats = 2; }});
  forge_all(keyed(),
            {[](auto&, auto& form) { form.key_bytes = 0; }, [](auto& part, auto&) { part.slots.capacity_slots = 1; }});
}

struct looked_at {
  explicit looked_at(const ring_request& request)
      : plan(plan_segment(request)), bytes(formatted(plan)), view(view_ring(bytes, plan.parts[0]), plan.parts[0]) {
    view.ring().seats[0].state = seat_word(seat_state::taken, 3);
  }
  std::uint64_t add(const char* text) {
    std::byte key[key_bytes] = {};
    std::memcpy(key, text, std::strlen(text));
    const auto entry = add_key(view, key, owner_word(0, 3), no_deaths);
    return take_entry(view, entry.entry, owner_word(0, 3), no_deaths).entry;
  }
  void set(std::uint64_t entry, std::uint64_t now_ns) {
    const auto slots = view.slots(entry);
    const auto version = next_version(slots);
    (void)begin_value(slots, version);
    publish_value(slots, version, now_ns);
  }
  part_facts now(depth how_deep) {
    const auto& part = plan.parts[0];
    part_snapshot snapshot(view.ring(), part, {}, [&](std::uint64_t offset, std::span<std::byte> into) {
      const auto count = offset < bytes.size() ? std::min(into.size(), bytes.size() - offset) : 0;
      std::memcpy(into.data(), bytes.data() + offset, count);
      return count;
    });
    return part_kind_of(part).look(snapshot, how_deep);
  }

  struct keeper final : seat_keeper {
    bool is_dead(std::uint32_t, std::uint64_t) noexcept override { return false; }
    bool try_lock(std::uint32_t) noexcept override { return true; }
    void unlock(std::uint32_t) noexcept override {}
    void record(repair_kind, std::uint32_t, std::uint64_t, std::uint64_t) noexcept override {}
  };
  segment_plan plan;
  std::vector<std::byte> bytes;
  latest_view view;
  keeper no_deaths;
};

TEST(LatestPart, ALookShowsVersionTimeAndWriterOfAValue) {
  looked_at one(one_value());
  EXPECT_EQ(one.now(depth::records).keys, 0U);
  EXPECT_TRUE(one.now(depth::slots).values.empty());
  (void)take_entry(one.view, 0, owner_word(0, 3), one.no_deaths);
  for (std::uint64_t i = 1; i < 10; ++i) one.set(0, i * 100);
  const auto facts = one.now(depth::records);
  EXPECT_EQ(facts.keys, 1U);
  ASSERT_EQ(facts.values.size(), 1U);
  EXPECT_EQ(facts.values[0].version, 9U);
  EXPECT_EQ(facts.values[0].written_ns, 900U);
  EXPECT_EQ(facts.values[0].writer, 0U);
  EXPECT_EQ(facts.fill_slots, 0U) << "a value is no message that waits";
  one.view.ring().seats[0].state = seat_word(seat_state::free, 3);
  EXPECT_FALSE(one.now(depth::slots).values[0].writer) << "it has left";
}

TEST(LatestPart, ALookShowsTheKeysOfATable) {
  looked_at one(keyed());
  one.set(one.add("speed"), 100);
  (void)one.add("mode");
  const auto facts = one.now(depth::slots);
  EXPECT_EQ(facts.keys, 2U);
  ASSERT_EQ(facts.values.size(), 2U);
  for (const auto& value : facts.values) {
    const auto* text = reinterpret_cast<const char*>(value.key.data());
    EXPECT_EQ(value.key.size(), key_bytes);
    EXPECT_EQ(value.version, std::string(text) == "speed" ? 1U : 0U) << text;
  }
  EXPECT_TRUE(one.now(depth::records).values.empty()) << "a list has no time for them";
  EXPECT_EQ(one.now(depth::records).keys, 2U);
}

TEST(LatestPart, KeysThatAreAlikeAreFoundByShortSearches) {
  const auto places = [](auto key_of) {
    std::set<std::uint64_t> different;
    for (std::uint64_t i = 0; i < 100; ++i) {
      const auto key = key_of(i);
      different.insert(hash_of_key(reinterpret_cast<const std::byte*>(&key), sizeof key) >> (64 - 7));
    }
    return different.size();
  };
  EXPECT_GT(places([](std::uint64_t i) { return i; }), 50U);
  EXPECT_GT(places([](std::uint64_t i) { return i << 56; }), 50U) << "the last byte counts";
  EXPECT_GT(places([](std::uint64_t i) { return static_cast<std::uint8_t>(i); }), 50U);
  EXPECT_GT(places([](std::uint64_t i) { return key_text<24>("setting." + std::to_string(i)); }), 50U);
  EXPECT_GT(places([](std::uint64_t i) { return key_text<11>(std::to_string(i) + ".setting"); }), 50U);
}

TEST(LatestPart, AnOwnerThatNoWriterCanBeHoldsNothing) {
  looked_at one(keyed());
  const auto entry = one.add("speed");
  one.view.entry(entry).owner = ~std::uint64_t{0};
  latest_control_of(one.view.ring()).adding = owner_word(max_seats - 1, 1);
  EXPECT_EQ(take_entry(one.view, entry, owner_word(0, 3), one.no_deaths).result, attempt::done);
  EXPECT_NE(one.add("mode"), no_entry);
}

}  // namespace
}  // namespace sluice::detail::test
