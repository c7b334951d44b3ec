// Traffic of many threads that is not simply from here to there: messages that go round, readers that come and go.

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <optional>
#include <thread>
#include <vector>

#include "conformance/ring_rig.hpp"
#include "sluice/detail/part/mpmc/mpmc_ring.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

class MpmcTraffic : public ::testing::Test {
 protected:
  watchdog dog_{std::chrono::seconds(200)};
};

/// Goes round: its taker sends it on, with one hop more.
struct token {
  std::uint64_t number;
  std::uint64_t hops;
  std::uint64_t check;
  [[nodiscard]] std::uint64_t checked() const noexcept { return (number + 1) * 0x9e3779b97f4a7c15ULL ^ hops; }
};

TEST_F(MpmcTraffic, ConsumersThatSendOnIntoTheSameRingLoseAndTearNothing) {  // scenario 35
  constexpr std::uint64_t tokens = 3, hops_in_all = 60'000;
  constexpr std::uint32_t threads = 4;
  callers_memory memory(request_of(ring_kind::mpmc, sizeof(token), 4, 8));
  const auto& view = memory.view();
  hand_keeper keeper(view);
  std::atomic<std::uint64_t> hops{0}, torn{0};
  const auto send = [&](mpmc_ring::producer& out, token one) {
    one.check = one.checked();
    while (out.try_claim(1) == 0) std::this_thread::yield();
    std::memcpy(out.claimed(0), &one, sizeof one);
    out.publish(1);
  };
  std::vector<std::thread> all;
  for (std::uint32_t t = 0; t < threads; ++t)
    all.emplace_back([&, sends = keeper.sit(role::producer, t), takes = keeper.sit(role::consumer, t), t] {
      mpmc_ring::producer out(view, sends);
      mpmc_ring::consumer in(view, takes);
      if (t < tokens) send(out, {t, 0, 0});
      while (hops.load() < hops_in_all) {
        if (in.try_peek(1) == 0) {
          std::this_thread::yield();
          continue;
        }
        token taken{};
        std::memcpy(&taken, in.peeked(0), sizeof taken);
        in.release(1);
        if (taken.number >= tokens || taken.check != taken.checked()) ++torn;
        ++taken.hops;
        ++hops;
        send(out, taken);
      }
      out.leave();
      in.leave();
    });
  for (auto& thread : all) thread.join();
  EXPECT_EQ(torn.load(), 0U);

  mpmc_ring::consumer last(view, keeper.sit(role::consumer, 0));
  std::uint64_t hops_found = 0;
  std::vector<int> found(tokens, 0);
  while (last.try_peek(1) != 0) {
    token taken{};
    std::memcpy(&taken, last.peeked(0), sizeof taken);
    last.release(1);
    ASSERT_LT(taken.number, tokens);
    ++found[taken.number];
    hops_found += taken.hops;
  }
  EXPECT_EQ(found, std::vector<int>(tokens, 1)) << "each token is still there, once";
  EXPECT_EQ(hops_found, hops.load()) << "and each hop was made once";
}

template <class Case>
class ComingAndGoing : public ::testing::Test {
 protected:
  watchdog dog_{std::chrono::seconds(200)};
};
TYPED_TEST_SUITE(ComingAndGoing, rings_once, ring_case_names);

TYPED_TEST(ComingAndGoing, AConsumerBeginsAtTheOldestMessageThatItsPredecessorDidNotRelease) {  // scenario 38
  ring_rig<TypeParam> rig(24, 16);
  constexpr std::uint64_t messages = 20'000;
  std::thread producing([&] {
    for (std::uint64_t sent = 0; sent < messages;) {
      if (rig.send(sent))
        ++sent;
      else
        std::this_thread::yield();
    }
  });
  std::uint64_t next = 0, consumers = 1;
  bool is_right = true;
  while (next < messages && is_right) {
    if (rig.peek(3) == 0) {
      std::this_thread::yield();
      continue;
    }
    is_right = rig.peeked_is(0, next++);  // of up to three seen one is released
    rig.release(1);
    if (next % 7 == 0) {
      rig.consumer_leaves_and_successor_comes();
      ++consumers;
    }
  }
  EXPECT_TRUE(is_right) << "message " << next - 1 << " is another one, after " << consumers << " consumers";
  while (!is_right && rig.peek(16) != 0) rig.release(16);  // so that the producer ends
  producing.join();
  EXPECT_GT(consumers, 2'000U);
}

}  // namespace
}  // namespace sluice::detail::test
