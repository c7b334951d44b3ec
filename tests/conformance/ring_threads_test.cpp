// Every ring kind between threads: what the thread sanitizer looks at.

#include <gtest/gtest.h>

#include <random>
#include <thread>
#include <vector>

#include "conformance/ring_rig.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

// On a busy machine a thread that finds nothing waits for its next time slice: rings of a thousand slots carry many
// messages a turn, small ones fewer in all.
constexpr std::uint64_t messages = 1'000'000;
constexpr std::uint64_t few_messages = 10'000;

template <class Case>
class RingThreads : public ::testing::Test {
 protected:
  using rig_of = ring_rig<Case>;

  /// Sends messages 0 to `count` from one thread and checks their order and every byte in another. The pauses are asked
  /// for after each batch.
  template <class ProducerPause, class ConsumerPause>
  static void run(rig_of& rig, std::uint64_t count, std::uint64_t max_in_batch, ProducerPause producer_pause,
                  ConsumerPause consumer_pause) {
    std::thread producing([&] {
      std::mt19937_64 random(1);
      for (std::uint64_t sent = 0; sent < count;) {
        const auto asked = std::min(1 + random() % max_in_batch, count - sent);
        const auto claimed = rig.out->try_claim(asked);
        if (claimed == 0) std::this_thread::yield();
        for (std::uint64_t i = 0; i < claimed; ++i) rig.fill_claimed(i, sent + i);
        if (claimed != 0) rig.out->publish(claimed);
        sent += claimed;
        producer_pause(random);
      }
    });
    std::mt19937_64 random(2);
    std::uint64_t wrong = 0;
    for (std::uint64_t received = 0; received < count;) {
      const auto peeked = rig.peek(1 + random() % max_in_batch);
      if (peeked == 0) std::this_thread::yield();
      for (std::uint64_t i = 0; i < peeked; ++i) wrong += rig.peeked_is(i, received + i) ? 0U : 1U;
      if (peeked != 0) rig.release(peeked);
      received += peeked;
      consumer_pause(random);
    }
    producing.join();
    EXPECT_EQ(wrong, 0U);
    EXPECT_EQ(rig.peek(1), 0U);
    EXPECT_TRUE(rig.out->is_drained());
  }

  static void none(std::mt19937_64&) {}
  static void sometimes_long(std::mt19937_64& random) {
    if (random() % 64 == 0)
      for (int i = 0; i < 20; ++i) std::this_thread::yield();
  }
  watchdog dog_{std::chrono::seconds(250)};
};
TYPED_TEST_SUITE(RingThreads, rings_once, ring_case_names);

TYPED_TEST(RingThreads, AMillionMessagesOneByOneArriveInOrderWithEveryByte) {  // scenario 36
  typename TestFixture::rig_of rig(16, 1024);
  this->run(rig, messages, 1, TestFixture::none, TestFixture::none);
}

TYPED_TEST(RingThreads, AMillionMessagesInRandomBatchesArriveInOrderWithEveryByte) {  // scenario 30
  typename TestFixture::rig_of rig(24, 1024);
  this->run(rig, messages, 50, TestFixture::none, TestFixture::none);
}

TYPED_TEST(RingThreads, TwoSlotsAreEnough) {
  typename TestFixture::rig_of rig(100, 2);
  this->run(rig, few_messages, 3, TestFixture::none, TestFixture::none);
}

TYPED_TEST(RingThreads, ASlowConsumerHoldsTheProducerUpAndCorruptsNothing) {  // scenario 37
  typename TestFixture::rig_of rig(64, 16);
  this->run(rig, few_messages, 8, TestFixture::none, TestFixture::sometimes_long);
}

TYPED_TEST(RingThreads, ASlowProducerIsWaitedFor) {
  typename TestFixture::rig_of rig(64, 16);
  this->run(rig, few_messages, 8, TestFixture::sometimes_long, TestFixture::none);
}

TYPED_TEST(RingThreads, AbandonedClaimsInBetweenHoldNothingUp) {
  typename TestFixture::rig_of rig(8, 16);
  const std::uint64_t count = few_messages;
  std::thread producing([&] {
    std::mt19937_64 random(3);
    for (std::uint64_t sent = 0; sent < count;) {
      const auto claimed = rig.out->try_claim(1);
      if (claimed == 0) {
        std::this_thread::yield();
      } else if (random() % 3 == 0) {
        rig.out->publish(0);
      } else {
        rig.fill_claimed(0, sent++);
        rig.out->publish(1);
      }
    }
  });
  for (std::uint64_t received = 0; received < count;) {
    if (rig.peek(1) == 0) {
      std::this_thread::yield();
      continue;
    }
    EXPECT_TRUE(rig.peeked_is(0, received));
    rig.release(1);
    ++received;
  }
  producing.join();
}

}  // namespace
}  // namespace sluice::detail::test
