// Dies at every instruction of every operation with messages of any length.

#include <gtest/gtest.h>

#include "crash/tracer_bytes.hpp"
#include "crash/tracer_workbench.hpp"

#if SLUICE_TRACES

namespace sluice::detail::test::tracer {
namespace {

using spsc = traced_bytes<spsc_bytes_ring>;
using mpmc = traced_bytes<mpmc_bytes_ring>;

template <class Ring>
operation<Ring> sends_one(std::uint64_t length, bool publishes = true) {
  return [=](cast<Ring>& all, receipts&) { all.producers[0]->send(all.new_id(0), length, publishes); };
}

/// What a producer does in either ring, from its seat 0; `send(all, count)` is another's work where there is another.
template <class Ring>
std::vector<scene<Ring>> producer_scenes(std::uint32_t sender, std::uint32_t holder) {
  const auto holding = [=](std::uint64_t count) { return [=](cast<Ring>& all) { all.send(sender, count); }; };
  const auto its_own = [=](std::uint64_t count) { return [=](cast<Ring>& all) { all.send(0, count); }; };
  const auto with_a_long_one = [](cast<Ring>& all) {
    if (!all.producers[0]->send(all.sent.emplace_back(all.new_id(0)), 150)) throw std::logic_error("no room");
  };
  const auto with_one_that_was_released = [=](cast<Ring>& all) {  // 448 bytes are left behind it
    if (!all.producers[0]->send(all.new_id(0), 560)) throw std::logic_error("no room");
    if (all.consumers[holder]->try_peek(1) != 1) throw std::logic_error("nothing to release");
    all.consumers[holder]->release(1);
  };
  const auto succeeds = [](const operation<Ring>& then) {
    return [=](cast<Ring>& all, receipts& seen) {
      all.construct(0);
      then(all, seen);
    };
  };
  return {
      {"a short message", 0, {}, sends_one<Ring>(40), 1, 0},
      {"a long message", 0, its_own(1), sends_one<Ring>(150), 1, 0},
      {"a long message into the last slot", 0, its_own(3), sends_one<Ring>(150), 1, 0},
      {"a long message, the ring full", 0, holding(4), sends_one<Ring>(150)},
      {"a message that needs all of the arena", 0, {}, sends_one<Ring>(900), 1, 0},
      {"a message for which the arena has no room", 0, with_a_long_one, sends_one<Ring>(900)},
      {"a message where the last one was released", 0,
       [=](cast<Ring>& all) {
         if (!all.producers[0]->send(all.new_id(0), 900)) throw std::logic_error("no room");
         if (all.consumers[holder]->try_peek(1) != 1) throw std::logic_error("nothing to release");
         all.consumers[holder]->release(1);
       },
       sends_one<Ring>(900), 1, 0},
      {"one that begins anew, before the arena's end", 0, with_one_that_was_released, sends_one<Ring>(400), 1, 0},
      {"one that fits just before the arena's end", 0, with_one_that_was_released, sends_one<Ring>(378), 1, 0},
      {"beside one that a slow consumer holds", 0,
       [=](cast<Ring>& all) {
         all.send(0, 2);
         all.hold(holder);
       },
       sends_one<Ring>(180), 1, 0},
      {"fill a long one and abandon", 0, its_own(1), sends_one<Ring>(150, false)},
      {"fill a short one and abandon", 0, its_own(1), sends_one<Ring>(40, false)},
      {"a batch of 3", 0, {}, sends<Ring>(0, 3, 3), 3, 0},
      {"a batch that does not fit", 0, its_own(2), sends<Ring>(0, 3, 3), 2, 0},
      {"abandon 2 of 3", 0, its_own(1), sends<Ring>(0, 3, 1), 1, 0},
      {"succeed and send", 0, its_own(3), succeeds(sends_one<Ring>(150)), 1, 0},
      {"succeed, and send one that needs all while a long one is there", 0, with_a_long_one,
       succeeds(sends_one<Ring>(900))},
      {"succeed beside a slow consumer", 0,
       [=](cast<Ring>& all) {
         all.send(0, 3);
         all.hold(holder);
       },
       succeeds(sends_one<Ring>(250)), 1, 0},
  };
}

template <class Ring>
std::vector<scene<Ring>> consumer_scenes(std::uint32_t sender, std::uint32_t consumer) {
  const auto holding = [=](std::uint64_t count) { return [=](cast<Ring>& all) { all.send(sender, count); }; };
  return {
      {"peek", consumer, holding(2), receives<Ring>(consumer, 1, 0), 0, 1},
      {"receive", consumer, holding(2), receives<Ring>(consumer, 1, 1), 0, 1},
      {"receive a batch of 3", consumer, holding(4), receives<Ring>(consumer, 3, 3), 0, 3},
      {"release 1 of 3", consumer, holding(4), receives<Ring>(consumer, 3, 1), 0, 3},
  };
}

TEST(TracedBytes, SpscProducersKeepThePromiseAtEveryInstruction) {
  workbench<spsc> bench;
  expect_kept(bench, producer_scenes<spsc>(0, 1));
}

TEST(TracedBytes, SpscConsumersKeepThePromiseAtEveryInstruction) {
  workbench<spsc> bench;
  expect_kept(bench, consumer_scenes<spsc>(0, 1));
}

TEST(TracedBytes, MpmcProducersKeepThePromiseAtEveryInstruction) {
  workbench<mpmc> bench;
  auto scenes = producer_scenes<mpmc>(2, 4);
  scenes.push_back({"publish a long one behind a living open claim", 0, [](auto& all) { all.claim(1, 1); },
                    sends_one<mpmc>(150), 1, 0});
  scenes.push_back(
      {"publish a long one behind a hole", 0, [](auto& all) { all.abandon(1, 2); }, sends_one<mpmc>(150), 1, 0});
  scenes.push_back({"leave with an open batch", 0,
                    [](auto& all) {
                      all.producers[0]->try_claim(2);
                      all.send(1);
                    },
                    [](cast<mpmc>& all, receipts&) { all.producers[0]->leave(); }});
  expect_kept(bench, scenes);
}

TEST(TracedBytes, MpmcConsumersKeepThePromiseAtEveryInstruction) {
  workbench<mpmc> bench;
  auto scenes = consumer_scenes<mpmc>(2, 3);
  scenes.push_back({"receive while another holds one of the same arena", 3,
                    [](cast<mpmc>& all) {
                      all.send(2, 3);
                      all.hold(4);
                    },
                    receives<mpmc>(3, 2, 2), 0, 2});
  scenes.push_back({"step over holes", 3,
                    [](cast<mpmc>& all) {
                      all.abandon(1, 2);
                      all.send(2);
                    },
                    receives<mpmc>(3, 2, 2), 0, 1});
  scenes.push_back({"leave with a message in hand", 3,
                    [](cast<mpmc>& all) {
                      all.send(2, 2);
                      if (all.consumers[3]->try_peek(1) != 1) throw std::logic_error("nothing to hold");
                    },
                    [](cast<mpmc>& all, receipts& seen) {
                      seen.note(read(all.consumers[3]->peeked(0)).id, false);
                      all.consumers[3]->leave();
                    },
                    0, 1});
  expect_kept(bench, scenes);
}

}  // namespace
}  // namespace sluice::detail::test::tracer

#endif
