// The end of a channel against a producer that is anywhere in its send: at each instruction another process closes and
// receives to the end, and then the producer goes on.

#include <gtest/gtest.h>

#include <chrono>

#include "crash/tracer.hpp"
#include "crash/tracer_trial.hpp"
#include "sluice/channel.hpp"
#include "sluice/part/mpmc/mpmc_ring.hpp"
#include "sluice/wait/park.hpp"
#include "support/behind.hpp"
#include "support/watchdog.hpp"

#if SLUICE_TRACES

namespace sluice::test::tracer {
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
      auto link = channel_type::template create_unnamed<>({.capacity_slots = capacity});
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

TYPED_TEST(TracedClosing, AProducerAnywhereInASendIsWaitedForOrRefused) { this->expect_exact(1, 1); }
TYPED_TEST(TracedClosing, AProducerAnywhereInABatchIsWaitedForOrRefused) { this->expect_exact(3, 2); }

}  // namespace
}  // namespace sluice::test::tracer

#endif
