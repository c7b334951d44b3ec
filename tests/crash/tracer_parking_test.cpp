// Dies at every instruction of going to sleep, sleeping, waking up and waking others.

#include <gtest/gtest.h>

#include <cstring>

#include "crash/tracer.hpp"
#include "sluice/detail/plan/segment_plan.hpp"
#include "sluice/detail/wait/parking.hpp"
#include "support/watchdog.hpp"

#if SLUICE_TRACES

namespace sluice::detail::test::tracer {
namespace {

// More consumers than an announcement word has bits: seats 0 and 64 share one.
constexpr std::uint32_t consumers = 66;
constexpr std::uint32_t first = 1;  // the one producer sits before them
constexpr std::uint64_t nap_ns = 2'000'000;

ring_request request() {
  return {identity_of<std::uint64_t>(),
          {.kind = ring_kind::mpmc, .capacity_slots = 4, .producer_seats = 1, .consumer_seats = consumers}};
}

struct parking_bench {
  twin_memory memory{ring_memory_bytes(request())};
  ring_view ring = view_memory(memory.own(), request());
  [[nodiscard]] sleeper place(std::uint32_t consumer) const { return {ring, role::consumer, first + consumer}; }
  [[nodiscard]] std::uint32_t wakes_of(std::uint32_t consumer) const {
    return ring.seats[first + consumer].futex.load();
  }
  [[nodiscard]] std::uint64_t announced() const { return ring.control->parked[1].load(); }

  /// Steps through `act`; after each change calls `check` with the memory as the death left it.
  tally trace(const std::function<void()>& act, const std::function<bool()>& check) {
    stepped_child child([&](const marks& here) {
      here.begin();
      act();
      here.end();
    });
    memory.part();
    tally row;
    const auto hold_trial = [&] {
      std::memcpy(memory.own().data(), memory.live().data(), memory.own().size());
      ++row.states;
      row.broken += !check();
    };
    hold_trial();
    watched_bytes shared(memory.live());
    for (bool goes_on = true; goes_on;) {
      goes_on = child.step();
      ++row.instructions;
      if (shared.have_changed()) hold_trial();
    }
    return row;
  }
};

/// Whether a wake-up reaches `living`, which sleeps and was not woken yet.
bool can_be_woken(const parking_bench& bench, std::uint32_t living) {
  const auto before = bench.wakes_of(living);
  wake_parked(bench.ring, role::consumer, 1);
  return bench.wakes_of(living) != before;
}

void expect_sleepers_death_hides_nobody(const char* what, std::uint32_t dying, std::uint32_t living) {
  const watchdog limit;
  parking_bench bench;
  auto other = bench.place(living);
  (void)other.announce();
  auto own = bench.place(dying);
  const auto row = bench.trace(
      [&] {
        own.sleep(own.announce(), nap_ns);
        own.retract();
      },
      [&] {
        if (!can_be_woken(bench, living)) return false;
        other.retract();
        // What the dead one announced costs one more wake-up at most, then nothing is left of it.
        wake_parked(bench.ring, role::consumer, consumers);
        return bench.announced() == 0 && bench.ring.control->mode.load() == 0;
      });
  print_head();
  print_row(what, row);
  EXPECT_GT(row.states, 3U);
  EXPECT_EQ(row.broken, 0U);
}

TEST(TracedParking, ASleepersDeathHidesNoOtherFromTheWaker) {
  expect_sleepers_death_hides_nobody("announce, sleep, retract beside a sleeper", 0, 1);
}

// A sleeper that cleared the bit before looking for others behind it would hide them by dying in between.
TEST(TracedParking, ASleepersDeathHidesNoOtherThatSharesItsBit) {
  expect_sleepers_death_hides_nobody("announce, sleep, retract; same bit, later", 0, 64);
  expect_sleepers_death_hides_nobody("announce, sleep, retract; same bit, earlier", 64, 0);
}

// The wake-up that dies with the waker is lost, until the sleeper's own tick; the next one must not be.
void expect_wakers_death_costs_one_tick(const char* what, std::uint32_t one, std::uint32_t another) {
  const watchdog limit;
  parking_bench bench;
  auto first_sleeper = bench.place(one);
  auto second_sleeper = bench.place(another);
  (void)first_sleeper.announce();
  (void)second_sleeper.announce();
  const auto row = bench.trace([&] { wake_parked(bench.ring, role::consumer, 1); },
                               [&] {
                                 for (auto* place : {&first_sleeper, &second_sleeper}) {
                                   place->retract();  // the tick
                                   (void)place->announce();
                                 }
                                 if (!can_be_woken(bench, one)) return false;
                                 first_sleeper.retract();
                                 (void)second_sleeper.announce();
                                 if (!can_be_woken(bench, another)) return false;
                                 second_sleeper.retract();
                                 return bench.announced() == 0;
                               });
  print_head();
  print_row(what, row);
  EXPECT_GT(row.states, 3U);
  EXPECT_EQ(row.broken, 0U);
}

TEST(TracedParking, AWakersDeathCostsTheSleepersOneTick) {
  expect_wakers_death_costs_one_tick("wake one of two sleepers", 0, 1);
}

TEST(TracedParking, AWakersDeathCostsSleepersThatShareABitOneTick) {
  expect_wakers_death_costs_one_tick("wake one of two sleepers of one bit", 0, 64);
}

}  // namespace
}  // namespace sluice::detail::test::tracer

#endif
