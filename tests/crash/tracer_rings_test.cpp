// Dies at every instruction of every operation at a ring.

#include <gtest/gtest.h>

#include <sstream>

#include "crash/tracer_workbench.hpp"
#include "sluice/detail/part/mpmc/mpmc_ring.hpp"
#include "sluice/detail/part/spsc/spsc_ring.hpp"
#include "support/watchdog.hpp"

#if SLUICE_TRACES

namespace sluice::detail::test::tracer {
namespace {

// ---- One producer (seat 0), one consumer (seat 1) ----------------------------------------------------------------------

using spsc = scene<spsc_ring>;

std::vector<spsc> spsc_scenes() {
  const auto holding = [](std::uint64_t count) { return [=](cast<spsc_ring>& all) { all.send(0, count); }; };
  return {
      {"spsc producer: send", 0, {}, sends<spsc_ring>(0, 1, 1), 1, 0},
      {"spsc producer: send a batch of 3", 0, {}, sends<spsc_ring>(0, 3, 3), 3, 0},
      {"spsc producer: send into the last slot", 0, holding(3), sends<spsc_ring>(0, 1, 1), 1, 0},
      {"spsc producer: a batch that does not fit", 0, holding(2), sends<spsc_ring>(0, 3, 3), 2, 0},
      {"spsc producer: full", 0, holding(4), sends<spsc_ring>(0, 1, 1), 0, 0},
      {"spsc producer: fill and abandon", 0, holding(1),
       [](cast<spsc_ring>& all, receipts&) {
         all.producers[0]->try_claim(1);
         fill(all.producers[0]->claimed(0), all.new_id(0));
         all.producers[0]->publish(0);
       }},
      {"spsc producer: abandon 1 of 3", 0, {}, sends<spsc_ring>(0, 3, 2), 2, 0},
      {"spsc producer: send while the consumer holds one", 0,
       [](cast<spsc_ring>& all) {
         all.send(0, 3);
         all.hold(1);
       },
       sends<spsc_ring>(0, 1, 1), 1, 0},
      {"spsc producer: is_drained, leave", 0, holding(2),
       [](cast<spsc_ring>& all, receipts&) {
         (void)all.producers[0]->is_drained();
         all.producers[0]->leave();
       }},
      {"spsc producer: succeed and send", 0, holding(2),
       [](cast<spsc_ring>& all, receipts&) {
         all.construct(0);
         all.producers[0]->try_claim(1);
         fill(all.producers[0]->claimed(0), all.new_id(0));
         all.producers[0]->publish(1);
       },
       1, 0},
      {"spsc consumer: peek", 1, holding(2), receives<spsc_ring>(1, 1, 0), 0, 1},
      {"spsc consumer: receive", 1, holding(2), receives<spsc_ring>(1, 1, 1), 0, 1},
      {"spsc consumer: receive a batch of 3", 1, holding(3), receives<spsc_ring>(1, 3, 3), 0, 3},
      {"spsc consumer: release 1 of 3", 1, holding(4), receives<spsc_ring>(1, 3, 1), 0, 3},
      {"spsc consumer: empty", 1, {}, receives<spsc_ring>(1, 1, 1), 0, 0},
      {"spsc consumer: receive from a full ring", 1, holding(4), receives<spsc_ring>(1, 4, 4), 0, 4},
      {"spsc consumer: release what it held", 1,
       [](cast<spsc_ring>& all) {
         all.send(0, 2);
         if (all.consumers[1]->try_peek(2) != 2) throw std::logic_error("nothing to hold");
       },
       receives<spsc_ring>(1, 2, 2), 0, 2},
      {"spsc consumer: succeed and receive", 1, holding(2),
       [](cast<spsc_ring>& all, receipts& seen) {
         all.construct(1);
         receives<spsc_ring>(1, 2, 2)(all, seen);
       },
       0, 2},
      {"spsc consumer: leave", 1, holding(1), [](cast<spsc_ring>& all, receipts&) { all.consumers[1]->leave(); }},
  };
}

/// Every way in which two claims of `producer` and two messages of `consumer` can end.
template <class Ring>
std::vector<scene<Ring>> scenes_of_two_loans(std::uint32_t producer, std::uint32_t consumer,
                                             std::function<void(cast<Ring>&, std::uint64_t)> send) {
  const auto holding = [=](std::uint64_t count) { return [=](cast<Ring>& all) { send(all, count); }; };
  std::vector<scene<Ring>> all;
  for (const auto order : {ends::older_first, ends::younger_first}) {
    const std::string name = order == ends::older_first ? ", older first" : ", younger first";
    for (const bool older : {true, false})
      for (const bool younger : {true, false})
        all.push_back({std::string("two claims, ") + (older ? "publish" : "abandon") + " and " +
                           (younger ? "publish" : "abandon") + name,
                       producer, holding(1), claims_two<Ring>(producer, order, older, younger),
                       std::uint64_t{older} + std::uint64_t{younger}, 0});
    all.push_back({"two messages" + name, consumer, holding(3), peeks_two<Ring>(consumer, order), 0, 2});
  }
  all.push_back(
      {"each message beside the last", consumer, holding(4), peeks_each_beside_the_last<Ring>(consumer), 0, 4});
  all.push_back(
      {"two claims, room for one", producer, holding(3), claims_two<Ring>(producer, ends::older_first, true, true)});
  all.push_back({"two messages, one there", consumer, holding(1), peeks_two<Ring>(consumer, ends::older_first), 0, 1});
  return all;
}

TEST(TracedSpscRing, KeepsThePromiseAtEveryInstruction) {
  workbench<spsc_ring> bench;
  expect_kept(bench, spsc_scenes());
}

TEST(TracedSpscRing, KeepsThePromiseWithTwoLoansAtEveryInstruction) {
  workbench<spsc_ring> bench;
  expect_kept(bench, scenes_of_two_loans<spsc_ring>(0, 1, [](auto& all, std::uint64_t count) { all.send(0, count); }));
}

// ---- Producers 0 to 2, consumers 3 to 5 --------------------------------------------------------------------------------

using mpmc = scene<mpmc_ring>;
using arrangement = std::function<void(cast<mpmc_ring>&)>;

arrangement holding(std::uint64_t count, std::uint32_t sender = 2) {
  return [=](cast<mpmc_ring>& all) { all.send(sender, count); };
}

/// The owner of `seat` is stopped between its announcement and its exchange, which will fail.
void announce(cast<mpmc_ring>& all, std::uint32_t seat, std::uint64_t count) {
  const auto& control = mpmc_control_of(all.ring);
  const auto position = (all.is_producer(seat) ? control.tail : control.head).load();
  mpmc_seat_of(all.ring, seat).intent.store(intent_word(position, count, false));
  all.losers.insert(seat);
}

/// A neighbour that has died with a claim, not noticed yet, is in its grave from the beginning.
std::vector<mpmc> mpmc_producer_scenes() {
  return {
      {"mpmc producer: send", 0, {}, sends<mpmc_ring>(0, 1, 1), 1, 0},
      {"mpmc producer: send a batch of 3", 0, {}, sends<mpmc_ring>(0, 3, 3), 3, 0},
      {"mpmc producer: send into the last slot", 0, holding(3), sends<mpmc_ring>(0, 1, 1), 1, 0},
      {"mpmc producer: a batch that does not fit", 0, holding(2), sends<mpmc_ring>(0, 3, 3), 2, 0},
      {"mpmc producer: full", 0, holding(4), sends<mpmc_ring>(0, 1, 1)},
      {"mpmc producer: abandon", 0, holding(1), sends<mpmc_ring>(0, 1, 0)},
      {"mpmc producer: abandon 2 of 3", 0, {}, sends<mpmc_ring>(0, 3, 1), 1, 0},
      {"mpmc producer: two sends, one after the other",
       0,
       {},
       [](cast<mpmc_ring>& all, receipts& seen) {
         sends<mpmc_ring>(0, 1, 1)(all, seen);
         sends<mpmc_ring>(0, 2, 2)(all, seen);
       },
       3,
       0},
      {"mpmc producer: send behind a living open claim", 0, [](auto& all) { all.claim(1, 1); },
       sends<mpmc_ring>(0, 2, 2), 2, 0},
      {"mpmc producer: publish before a living open claim", 0,
       [](cast<mpmc_ring>& all) {
         all.producers[0]->try_claim(2);
         all.claim(1, 1);
       },
       sends<mpmc_ring>(0, 2, 2), 2, 0},
      {"mpmc producer: send while a consumer holds one", 0,
       [](cast<mpmc_ring>& all) {
         all.send(1, 2);
         all.hold(3);
       },
       sends<mpmc_ring>(0, 2, 2), 2, 0},
      {"mpmc producer: claim 2, the first of them still held", 0,
       [](cast<mpmc_ring>& all) {
         all.send(1, 4);
         all.hold(4);
         for (int i = 0; i < 3; ++i) {
           all.consumers[5]->try_peek(1);
           all.consumers[5]->release(1);
           all.sent.pop_back();
         }
       },
       sends<mpmc_ring>(0, 2, 2)},
      {"mpmc producer: send behind an abandoned slot", 0, [](auto& all) { all.abandon(1, 2); },
       sends<mpmc_ring>(0, 2, 2), 2, 0},
      {"mpmc producer: leave with an open claim", 0,
       [](auto& all) {
         all.producers[0]->try_claim(2);
         all.send(1);
       },
       [](cast<mpmc_ring>& all, receipts&) { all.producers[0]->leave(); }},
      {"mpmc producer: lose, and claim again", 0, holding(1),
       [](cast<mpmc_ring>& all, receipts& seen) {
         // What it would do had another producer been quicker between its announcement and its exchange.
         mpmc_seat_of(all.ring, 0).intent.store(intent_word(mpmc_control_of(all.ring).tail.load() - 1, 1, false));
         mpmc_seat_of(all.ring, 0).intent.store(0);
         sends<mpmc_ring>(0, 1, 1)(all, seen);
       },
       1, 0},
      {"mpmc producer: is_drained", 0, holding(2),
       [](cast<mpmc_ring>& all, receipts&) { (void)all.producers[0]->is_drained(); }},
  };
}

std::vector<mpmc> mpmc_consumer_scenes() {
  return {
      {"mpmc consumer: peek", 3, holding(2), receives<mpmc_ring>(3, 1, 0), 0, 1},
      {"mpmc consumer: receive", 3, holding(2), receives<mpmc_ring>(3, 1, 1), 0, 1},
      {"mpmc consumer: receive a batch of 3", 3, holding(3), receives<mpmc_ring>(3, 3, 3), 0, 3},
      {"mpmc consumer: release 1 of 3", 3, holding(4), receives<mpmc_ring>(3, 3, 1), 0, 3},
      {"mpmc consumer: empty", 3, {}, receives<mpmc_ring>(3, 1, 1)},
      {"mpmc consumer: receive all of a full ring", 3, holding(4), receives<mpmc_ring>(3, 4, 4), 0, 4},
      {"mpmc consumer: receive twice", 3, holding(3),
       [](cast<mpmc_ring>& all, receipts& seen) {
         receives<mpmc_ring>(3, 1, 1)(all, seen);
         receives<mpmc_ring>(3, 2, 2)(all, seen);
       },
       0, 3},
      {"mpmc consumer: step over holes", 3,
       [](cast<mpmc_ring>& all) {
         all.abandon(1, 2);
         all.send(2);
       },
       receives<mpmc_ring>(3, 2, 2), 0, 1},
      {"mpmc consumer: receive up to a hole", 3,
       [](cast<mpmc_ring>& all) {
         all.send(2);
         all.abandon(1, 1);
         all.send(2);
       },
       receives<mpmc_ring>(3, 3, 3), 0, 1},
      {"mpmc consumer: receive before a living open claim", 3,
       [](cast<mpmc_ring>& all) {
         all.send(2, 2);
         all.claim(1, 1);
         all.send(2);
       },
       receives<mpmc_ring>(3, 3, 3), 0, 2},
      {"mpmc consumer: receive 2, the first of them not published", 3,
       [](cast<mpmc_ring>& all) {
         all.claim(1, 1);
         all.send(2);
       },
       receives<mpmc_ring>(3, 2, 2)},
      {"mpmc consumer: receive while another holds one", 3,
       [](cast<mpmc_ring>& all) {
         all.send(2, 3);
         all.hold(4);
       },
       receives<mpmc_ring>(3, 2, 2), 0, 2},
      {"mpmc consumer: receive before another holds one", 3,
       [](cast<mpmc_ring>& all) {
         all.send(2, 4);
         all.consumers[3]->try_peek(2);
         all.hold(4);
       },
       receives<mpmc_ring>(3, 2, 2), 0, 2},
      {"mpmc consumer: leave with a message in hand", 3,
       [](cast<mpmc_ring>& all) {
         all.send(2, 2);
         if (all.consumers[3]->try_peek(1) != 1) throw std::logic_error("nothing to hold");
       },
       [](cast<mpmc_ring>& all, receipts& seen) {
         seen.note(read(all.consumers[3]->peeked(0)).id, false);
         all.consumers[3]->leave();
       },
       0, 1},
  };
}

TEST(TracedMpmcRing, ProducersKeepThePromiseAtEveryInstruction) {
  workbench<mpmc_ring> bench;
  expect_kept(bench, mpmc_producer_scenes());
}

TEST(TracedMpmcRing, KeepsThePromiseWithTwoLoansAtEveryInstruction) {
  workbench<mpmc_ring> bench;
  auto scenes = scenes_of_two_loans<mpmc_ring>(0, 3, [](auto& all, std::uint64_t count) { all.send(2, count); });
  scenes.push_back({"a third claim beside the second",
                    0,
                    {},
                    [](cast<mpmc_ring>& all, receipts&) {
                      auto& producer = *all.producers[0];
                      const auto seal = [](std::byte*, std::uint64_t) {};
                      if (producer.try_claim(1) != 1) return;
                      auto* const older = producer.claimed(0);
                      fill(older, all.new_id(0));
                      auto* const younger = producer.claim_another();
                      fill(younger, all.new_id(0));
                      producer.settle_one(older, true, seal);
                      auto* const youngest = producer.claim_another();  // beside a claim with the second intent
                      fill(youngest, all.new_id(0));
                      producer.settle_one(youngest, true, seal);
                      producer.settle_one(younger, true, seal);
                    },
                    3,
                    0});
  scenes.push_back({"leave with two messages in hand", 3,
                    [](cast<mpmc_ring>& all) {
                      all.send(2, 3);
                      if (all.consumers[3]->try_peek(1) != 1 || all.consumers[3]->peek_another() == nullptr)
                        throw std::logic_error("nothing to hold");
                    },
                    [](cast<mpmc_ring>& all, receipts& seen) {
                      seen.note(read(all.consumers[3]->peeked(0)).id, false);
                      all.consumers[3]->leave();
                    },
                    0, 1});
  expect_kept(bench, scenes);
}

TEST(TracedMpmcRing, ConsumersKeepThePromiseAtEveryInstruction) {
  workbench<mpmc_ring> bench;
  expect_kept(bench, mpmc_consumer_scenes());
}

// What mpmc_ring.hpp says remains, exactly that and nothing more: the winner dies between its exchange and its mark
// while another that announced the same position is stopped. Then the living wait until that one goes on.
TEST(TracedMpmcRing, StallsOnlyBetweenExchangeAndMarkBesideAStoppedLoser) {
  const watchdog limit;
  workbench<mpmc_ring> bench;
  const std::vector<mpmc> scenes = {
      {"mpmc producer: send beside a stopped loser", 0, [](auto& all) { announce(all, 1, 1); },
       sends<mpmc_ring>(0, 1, 1), 1, 0},
      {"mpmc producer: batch of 3 beside a stopped loser", 0, [](auto& all) { announce(all, 1, 2); },
       sends<mpmc_ring>(0, 3, 3), 3, 0},
      {"mpmc consumer: receive beside a stopped loser", 3,
       [](cast<mpmc_ring>& all) {
         all.send(2, 2);
         announce(all, 4, 1);
       },
       receives<mpmc_ring>(3, 1, 1), 0, 1},
      {"mpmc consumer: batch of 3 beside a stopped loser", 3,
       [](cast<mpmc_ring>& all) {
         all.send(2, 4);
         announce(all, 4, 2);
       },
       receives<mpmc_ring>(3, 3, 3), 0, 3},
  };
  std::ostringstream complaints;
  print_head();
  for (const auto& now : scenes) {
    tally row;
    for (const auto start : starts_of(capacity)) row += bench.trace(now, start, complaints);
    print_row(now.name, row);
    EXPECT_EQ(row.broken, 0U) << complaints.str();
    EXPECT_EQ(row.remainders, starts_of(capacity).size())
        << now.name << ": one state in each run, the one after the exchange";
  }
}

// Does the tracer see anything? Vyukov's ring is this one without mending: a death between claim and publication ends it.
TEST(TracedMpmcRing, MpmcWithoutMendingIsWedged) {
  const watchdog limit;
  workbench<mpmc_ring> bench;
  const std::vector<mpmc> scenes = {
      {"no mending: send", 0, {}, sends<mpmc_ring>(0, 1, 1), 1, 0, false},
      {"no mending: send a batch of 3", 0, holding(1), sends<mpmc_ring>(0, 3, 3), 3, 0, false},
      {"no mending: receive", 3, holding(2), receives<mpmc_ring>(3, 1, 1), 0, 1, false},
  };
  print_head();
  for (const auto& now : scenes) {
    std::ostringstream complaints;
    const auto row = bench.trace(now, 3, complaints);
    print_row(now.name, row);
    EXPECT_GT(row.broken, 0U) << now.name;
    EXPECT_LT(row.broken, row.states) << now.name << ": before the claim and after publication nothing is owed";
  }
}

}  // namespace
}  // namespace sluice::detail::test::tracer

#endif
