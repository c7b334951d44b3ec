// The end of a channel against a producer that is anywhere in its send: at each instruction another process closes and
// receives to the end, and then the producer goes on.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "crash/tracer.hpp"
#include "crash/tracer_trial.hpp"
#include "sluice/channel.hpp"
#include "sluice/detail/part/mpmc/mpmc_ring.hpp"
#include "sluice/registry.hpp"
#include "sluice/segment.hpp"
#include "sluice/wait.hpp"
#include "support/behind.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

#if SLUICE_TRACES

namespace sluice::detail::test::tracer {
namespace {

template <class Ring>
class TracedClosing : public ::testing::Test {
 protected:
  using channel_type = channel<message, Ring>;

  /// Claims `count` and publishes `published` of them; how many it was given is told through shared memory.
  void expect_exact(std::uint64_t count, std::uint64_t published) {
    const watchdog limit(std::chrono::seconds(110));
    std::uint64_t told_closed_first = 0, places = 0;
    for (std::uint64_t instructions = 0;; ++instructions) {
      auto link = channel_type::create_unnamed({.capacity_slots = capacity});
      auto in = link.consumer();
      auto told = anonymous_segment::create(page_bytes);
      auto& sent = *reinterpret_cast<std::atomic<std::uint64_t>*>(told.bytes().data());
      stepped_child child([&](const marks& here) {
        auto out = link.template producer<park>();
        here.begin();
        const auto claimed = raw_of(out).try_claim(count);
        for (std::uint64_t i = 0; i < claimed; ++i) fill(raw_of(out).claimed(i), i + 1);
        if (claimed != 0) raw_of(out).publish(published);
        if (claimed != 0) sent.store(published);
        here.end();
      });
      bool is_over = false;
      for (std::uint64_t i = 0; i < instructions && !is_over; ++i) is_over = !child.step();
      in.close();
      std::uint64_t got = receive_all(in);
      const bool was_told_closed = in.is_finished();
      const auto got_before = got;
      while (child.run_past_system_call()) continue;
      got += receive_all(in);
      ASSERT_EQ(got, sent.load()) << "after " << instructions << " instructions";
      if (was_told_closed) {
        ASSERT_EQ(got, got_before) << "delivered after `closed`, " << instructions << " instructions";
      }
      ASSERT_TRUE(in.is_finished()) << "after " << instructions << " instructions";
      told_closed_first += was_told_closed && sent.load() == 0;
      ++places;
      if (is_over) break;
    }
    EXPECT_GT(told_closed_first, 0U);
    EXPECT_LT(told_closed_first, places);
  }

 private:
  template <class Consumer>
  static std::uint64_t receive_all(Consumer& in) {
    std::uint64_t got = 0;
    for (message m; in.try_receive(m); ++got) EXPECT_TRUE(is_whole(m));
    return got;
  }
};
using rings = ::testing::Types<spsc_ring, mpmc_ring>;
struct ring_names {
  template <class Ring>
  static std::string GetName(int) {
    return Ring::kind == ring_kind::spsc ? "Spsc" : "Mpmc";
  }
};
TYPED_TEST_SUITE(TracedClosing, rings, ring_names);

/// A producer anywhere in finish(), after it sent one message.
template <class Ring>
class TracedFinishing : public ::testing::Test {
 protected:
  using channel_type = channel<message, Ring>;

  /// At each instruction until it has closed or left, and some after that, `meanwhile` happens, in a channel of its own; how often that
  /// was. In a file: where there is none, to ask whether another lives takes ten thousand instructions.
  template <class Meanwhile>
  std::uint64_t at_each_instruction(bool has_other, const Meanwhile& meanwhile) {
    const watchdog limit(std::chrono::seconds(110));
    constexpr int places_after_it = 20;
    for (std::uint64_t instructions = 0, done = 0;; ++instructions) {
      channel_options few{.capacity_slots = capacity};
      if (Ring::kind == ring_kind::mpmc) few.producer_seats = 2, few.consumer_seats = 1;
      const temp_registry names;
      auto link = channel_type::create(*names, segment_name("stream"), few);
      auto in = link.consumer();
      std::optional<producer<message, Ring>> other;
      if (has_other) other.emplace(link.producer());
      stepped_child child([&](const marks& here) {
        auto out = link.template producer<park>();
        message sent;
        fill(reinterpret_cast<std::byte*>(&sent), 1);
        if (!out.try_send(sent)) return;
        here.begin();
        (void)out.finish();
        here.end();
      });
      bool is_over = false;
      for (std::uint64_t i = 0; i < instructions && !is_over; ++i) is_over = !child.step();
      message got;
      EXPECT_TRUE(in.try_receive(got));
      SCOPED_TRACE("after " + std::to_string(instructions) + " instructions");
      const auto& seat = details_of(in).ring().seats[has_other ? 1 : 0];
      done += details_of(in).is_closed() || state_of(seat.state.load()) != seat_state::taken;
      meanwhile(link, in, other, child);
      if (is_over || done > places_after_it || ::testing::Test::HasFailure()) return instructions;
    }
  }
};
TYPED_TEST_SUITE(TracedFinishing, rings, ring_names);

TYPED_TEST(TracedFinishing, AProducerThatIsKilledHasClosedOrIsDead) {
  std::uint64_t closed = 0;
  const auto places = this->at_each_instruction(false, [&](auto& link, auto& in, auto&, auto& child) {
    child.kill();
    const bool is_finished = in.is_finished();
    closed += is_finished;
    if (!is_finished) {
      ASSERT_EQ(in.peer(), peer_state::dead);
    }
    auto next = link.producer();
    message m;
    fill(reinterpret_cast<std::byte*>(&m), 2);
    ASSERT_TRUE(next.try_send(m));
    ASSERT_TRUE(in.try_receive(m));
    ASSERT_TRUE(next.finish());
    ASSERT_TRUE(in.is_finished());
  });
  EXPECT_GT(closed, 0U);
  EXPECT_LT(closed, places);
}

using TracedFinishingOfMany = TracedFinishing<mpmc_ring>;

TEST_F(TracedFinishingOfMany, AProducerThatComesIsNotClosedOver) {
  std::uint64_t closed_before = 0;
  const auto places = at_each_instruction(false, [&](auto& link, auto& in, auto&, auto& child) {
    closed_before += in.is_finished();
    auto next = link.producer();
    while (child.run_past_system_call()) continue;
    message m;
    fill(reinterpret_cast<std::byte*>(&m), 2);
    ASSERT_TRUE(next.try_send(m));
    ASSERT_TRUE(in.try_receive(m));
    ASSERT_FALSE(in.is_finished());
    ASSERT_TRUE(next.finish());
    ASSERT_TRUE(in.is_finished());
  });
  EXPECT_LT(closed_before, places);
}

TEST_F(TracedFinishingOfMany, OfTwoThatFinishOneCloses) {
  std::uint64_t other_closed = 0;
  const auto places = at_each_instruction(true, [&](auto&, auto& in, auto& other, auto& child) {
    other_closed += other->finish();
    while (child.run_past_system_call()) continue;
    ASSERT_TRUE(in.is_finished());
  });
  EXPECT_GT(other_closed, 0U);
  EXPECT_LT(other_closed, places);
}

TYPED_TEST(TracedClosing, AProducerAnywhereInASendIsWaitedForOrRefused) { this->expect_exact(1, 1); }
TYPED_TEST(TracedClosing, AProducerAnywhereInABatchIsWaitedForOrRefused) { this->expect_exact(3, 2); }

}  // namespace
}  // namespace sluice::detail::test::tracer

#endif
