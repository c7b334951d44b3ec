// Dies at every instruction of every operation at a latest value and at a table of them.

#include <gtest/gtest.h>

#include "crash/tracer_latest.hpp"

#if SLUICE_TRACES

namespace sluice::detail::test::tracer {
namespace {

std::function<void(table_cast&)> sets(table_key key, std::uint64_t count, bool publishes = true) {
  return [=](table_cast& all) {
    for (std::uint64_t i = 0; i < count; ++i) all.set(0, key, publishes);
  };
}

/// The seat's owner is dead; the child is the newcomer that takes it.
std::function<void(table_cast&)> succeeds_and_sets(table_key key, std::uint64_t count) {
  return [=](table_cast& all) {
    told_keeper keeper(all.view.ring(), all.dead);
    if (!take_seat(
            all.view.ring(), 0, keeper, [](std::uint32_t) { return true; }, [](std::uint32_t) {}))
      return;
    for (std::uint64_t i = 0; i < count; ++i) (void)all.set(0, key, keeper);
  };
}

/// What a writer left that died in a write, before the value was the newest.
void dies_in_a_write(table_cast& all, std::uint32_t seat, table_key key) {
  all.set(seat, key, false);
  all.die(seat);
}

std::vector<table_scene> scenes_of_one_value() {
  return {
      {"set", {}, sets(1, 1), 1},
      {"set again", [](table_cast& all) { all.set(0, 1); }, sets(1, 1), 1},
      {"set more often than there are slots", [](table_cast& all) { all.set(0, 1); }, sets(1, 6), 6},
      {"begin a value and drop it", [](table_cast& all) { all.set(0, 1); }, sets(1, 2, false)},
      {"succeed and set",
       [](table_cast& all) {
         all.set(0, 1);
         all.die(0);
       },
       succeeds_and_sets(1, 2), 2},
      {"succeed one that died in a write",
       [](table_cast& all) {
         all.set(0, 1);
         dies_in_a_write(all, 0, 1);
       },
       succeeds_and_sets(1, 1), 1},
      {"succeed one that died in the first write", [](table_cast& all) { dies_in_a_write(all, 0, 1); },
       succeeds_and_sets(1, 1), 1},
  };
}

TEST(TracedLatest, AWriterKeepsThePromiseAtEveryInstruction) {
  table_workbench(latest_kind).expect_kept(scenes_of_one_value());
}

TEST(TracedLatest, WritersOfATableKeepThePromiseAtEveryInstruction) {
  auto scenes = scenes_of_one_value();
  const auto others = [](table_cast& all) {
    all.set(1, 2);
    all.set(2, 3);
  };
  scenes.push_back({"add a key and set it", others, sets(7, 1), 1, 7});
  scenes.push_back({"add two keys", {}, [](table_cast& all) { sets(7, 1)(all), sets(8, 1)(all); }, 1, 8});
  scenes.push_back({"add a key where another died adding one",
                    [](table_cast& all) {
                      all.set(1, 2);
                      const table_key half = 0x0102030405060708;
                      const auto word = all.own_word(1);
                      latest_control_of(all.view.ring()).adding.store(word);
                      for (std::uint64_t i = 0; i < all.view.entries(); ++i)
                        if (!has_key(all.view.entry(i))) std::memcpy(all.view.key(i), &half, 3);
                      all.die(1);
                    },
                    sets(7, 1), 1, 7});
  scenes.push_back({"take a dead one's key over",
                    [](table_cast& all) {
                      all.set(1, 2);
                      all.set(1, 2);
                      all.die(1);
                    },
                    sets(2, 1), 1, 2});
  scenes.push_back({"take a key over whose writer died in a write",
                    [](table_cast& all) {
                      all.set(1, 2);
                      dies_in_a_write(all, 1, 2);
                    },
                    sets(2, 1), 1, 2});
  scenes.push_back({"set a key whose writer has left",
                    [](table_cast& all) {
                      all.set(1, 2);
                      auto& state = all.view.ring().seats[1].state;
                      state.store(seat_word(seat_state::free, generation_of(state.load())));
                    },
                    sets(2, 1), 1, 2});
  scenes.push_back({"succeed and set a key of a living one",
                    [](table_cast& all) {
                      all.set(1, 2);
                      all.die(0);
                    },
                    succeeds_and_sets(2, 1), 0, 2});
  table_workbench(table_kind).expect_kept(scenes);
}

}  // namespace
}  // namespace sluice::detail::test::tracer

#endif
