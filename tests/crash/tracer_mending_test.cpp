// Deaths after a death: a process that mends, takes a dead one's seat, or works beside what it left, dies as well, at
// every instruction, after every death there is.

#include <gtest/gtest.h>

#include <sstream>

#include "crash/tracer_workbench.hpp"
#include "sluice/detail/part/mpmc/mpmc_ring.hpp"
#include "support/watchdog.hpp"

#if SLUICE_TRACES

namespace sluice::detail::test::tracer {
namespace {

using mpmc = scene<mpmc_ring>;

// Producers 0 to 2, consumers 3 to 5; 0 and 3 die first.
std::vector<mpmc> first_deaths() {
  return {
      {"send", 0, {}, sends<mpmc_ring>(0, 1, 1), 1, 0},
      {"send a batch of 3", 0, {}, sends<mpmc_ring>(0, 3, 3), 3, 0},
      {"abandon 1 of 2 before a message", 0,
       [](cast<mpmc_ring>& all) {
         all.producers[0]->try_claim(2);
         all.send(1);
       },
       sends<mpmc_ring>(0, 2, 1), 1, 0},
      {"receive", 3, [](auto& all) { all.send(2, 2); }, receives<mpmc_ring>(3, 1, 1), 0, 1},
      {"receive a batch of 3", 3, [](auto& all) { all.send(2, 3); }, receives<mpmc_ring>(3, 3, 3), 0, 3},
      {"release 1 of 3, full", 3, [](auto& all) { all.send(2, 4); }, receives<mpmc_ring>(3, 3, 1), 0, 3},
      {"step over holes", 3,
       [](cast<mpmc_ring>& all) {
         all.abandon(1, 2);
         all.send(2);
       },
       receives<mpmc_ring>(3, 2, 2), 0, 1},
  };
}

/// What the second to die does, given the first.
using second_act = std::function<mpmc(std::uint32_t first, const cast<mpmc_ring>& all, const graves& dead)>;

operation<mpmc_ring> receives_and_mends(std::uint32_t seat, told_keeper keeper) {
  return [seat, keeper](cast<mpmc_ring>& all, receipts& seen) mutable {
    tick(*all.consumers[seat], keeper, [&](const message& m, bool was_marked) { seen.note(m.id, was_marked); });
  };
}

operation<mpmc_ring> succeeds(std::uint32_t seat, told_keeper keeper) {
  return [seat, keeper](cast<mpmc_ring>& all, receipts& seen) mutable {
    if (!take(all, seat, keeper)) return;
    if (all.is_producer(seat)) return sends<mpmc_ring>(seat, 1, 1)(all, seen);
    drain(*all.consumers[seat], [&](const message& m, bool was_marked) { seen.note(m.id, was_marked); });
  };
}

/// Steps through `second` after each distinct state in which each first death leaves the ring.
void expect_kept_after_each_death(const std::string& what, const second_act& second) {
  const watchdog limit(std::chrono::seconds(is_full() ? 1000 : 110));
  workbench<mpmc_ring> bench;
  std::ostringstream complaints;
  tally all;
  print_head();
  const auto starts = is_full() ? starts_of(capacity) : std::vector<std::uint64_t>{capacity + 2};
  for (const auto& first : first_deaths()) {
    tally row;
    for (const auto start : starts) {
      std::vector<aftermath<mpmc_ring>> states;
      bench.trace(first, start, complaints, &states);
      for (const auto& left : states)
        row += bench.trace_after(left, second(first.child, left.all, left.dead), complaints);
    }
    print_row(what + " after: " + first.name, row);
    EXPECT_GT(row.states, 0U) << first.name;
    all += row;
  }
  print_row("all", all);
  EXPECT_EQ(all.broken, 0U) << complaints.str();
}

TEST(TracedMending, AConsumerThatMendsMayDieAtEveryInstruction) {
  expect_kept_after_each_death("mend and receive", [](std::uint32_t, const auto& all, const graves& dead) {
    return mpmc{"mend and receive", 4, {}, receives_and_mends(4, {all.ring, dead}), any_number, any_number};
  });
}

TEST(TracedMending, ANewcomerOnADeadOnesSeatMayDieAtEveryInstruction) {
  expect_kept_after_each_death("succeed", [](std::uint32_t first, const auto& all, const graves& dead) {
    return mpmc{"succeed", first, {}, succeeds(first, {all.ring, dead}), any_number, any_number};
  });
}

TEST(TracedMending, AProducerBesideADeadOneMayDieAtEveryInstruction) {
  expect_kept_after_each_death("send 2", [](std::uint32_t, const auto&, const graves&) {
    return mpmc{"send 2", 1, {}, sends<mpmc_ring>(1, 2, 2), any_number, 0};
  });
}

TEST(TracedMending, AConsumerBesideADeadOneMayDieAtEveryInstruction) {
  expect_kept_after_each_death("receive 2", [](std::uint32_t, const auto&, const graves&) {
    return mpmc{"receive 2", 5, {}, receives<mpmc_ring>(5, 2, 2), 0, any_number};
  });
}

}  // namespace
}  // namespace sluice::detail::test::tracer

#endif
