// Messages of any length between threads, which is what the thread sanitizer looks at, and between processes that are
// killed while they send.

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <random>
#include <thread>

#include "ring/bytes_rig.hpp"
#include "ring/numbered_bytes.hpp"
#include "support/child_process.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

constexpr bytes_sizes sizes{.capacity_slots = 32, .inline_bytes = 48, .arena_bytes = 2048};

/// Claims more than it needs, as a serializer does.
template <class Ring>
bool try_send(typename bytes_rig<Ring>::producer_side& out, std::uint64_t number) {
  const auto length = numbered_bytes::length_of(number);
  const auto room = out.writer.try_claim(out.slots, length + number % 64);
  if (room.data() == nullptr) return false;
  numbered_bytes::write(room.first(length), number);
  while (!out.writer.publish(out.slots, length)) std::this_thread::yield();
  return true;
}

template <class Ring>
class BytesTraffic : public ::testing::Test {
 protected:
  watchdog dog_{std::chrono::seconds(250)};
};
struct names {
  template <class Ring>
  static std::string GetName(int) {
    return Ring::has_many_seats ? "Mpmc" : "Spsc";
  }
};
using rings = ::testing::Types<spsc_bytes_ring, mpmc_bytes_ring>;
TYPED_TEST_SUITE(BytesTraffic, rings, names);

TYPED_TEST(BytesTraffic, MessagesArriveInOrderWithEveryByteWhileProducersFollowEachOther) {
  constexpr std::uint64_t count = 60'000, of_one_owner = 500;
  bytes_rig<TypeParam> rig(sizes);
  std::thread producing([&] {
    for (std::uint64_t sent = 0; sent < count;) {
      if (sent % of_one_owner == of_one_owner - 1) rig.out.emplace(rig.view, rig.bytes, rig.producer_seat);
      while (!try_send<TypeParam>(*rig.out, sent)) std::this_thread::yield();
      ++sent;
    }
  });
  std::uint64_t wrong = 0;
  for (std::uint64_t received = 0; received < count;) {
    const auto peeked = rig.in->try_peek(1 + received % 5);
    if (peeked == 0) std::this_thread::yield();
    for (std::uint64_t i = 0; i < peeked; ++i) {
      std::uint64_t number = 0;
      wrong += numbered_bytes::is_whole(rig.peeked(i), number) && number == received + i ? 0U : 1U;
    }
    if (peeked != 0) rig.in->release(peeked);
    received += peeked;
  }
  producing.join();
  EXPECT_EQ(wrong, 0U);
}

TEST(MpmcBytesTraffic, EachMessageOfThreeProducersGoesToOneOfThreeConsumersWhole) {
  const watchdog dog(std::chrono::seconds(250));
  constexpr std::uint64_t of_each = 20'000, sides = 3;
  bytes_rig<mpmc_bytes_ring> rig(sizes);
  rig.out.reset();
  rig.in.reset();
  for (std::uint32_t i = 1; i < sides; ++i) {
    rig.keeper.sit(role::producer, i);
    rig.keeper.sit(role::consumer, i);
  }
  std::array<std::atomic<std::uint8_t>, sides * of_each> seen{};
  std::atomic<std::uint64_t> received = 0, wrong = 0;
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < sides; ++i) {
    threads.emplace_back([&, i] {
      bytes_rig<mpmc_bytes_ring>::producer_side out(rig.view, rig.bytes, i);
      for (std::uint64_t n = 0; n < of_each; ++n)
        while (!try_send<mpmc_bytes_ring>(out, i * of_each + n)) std::this_thread::yield();
    });
    threads.emplace_back([&, i] {
      mpmc_bytes_ring::consumer in(rig.view, rig.view.first_seat(role::consumer) + i);
      while (received.load() < sides * of_each) {
        if (in.try_peek(1) == 0) {
          std::this_thread::yield();
          continue;
        }
        std::uint64_t number = 0;
        if (!numbered_bytes::is_whole(rig.bytes.message(in.peeked(0)), number) || number >= seen.size() ||
            seen[number].fetch_add(1) != 0)
          ++wrong;
        in.release(1);
        ++received;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0U);
  EXPECT_EQ(received.load(), sides * of_each);
}

TYPED_TEST(BytesTraffic, ProducersThatAreKilledWhileTheySendLeaveNothingTornAndNoSpaceLost) {
  constexpr int deaths = 40;
  const auto request = bytes_request(TypeParam::kind, TypeParam::has_many_seats, sizes);
  const unnamed_memory<anonymous_segment> memory(request);
  const auto& view = memory.view();
  const bytes_view bytes(view, plan_segment(request).parts[0]);
  hand_keeper keeper(view);
  keeper.sit(role::producer);
  typename TypeParam::consumer in(view, keeper.sit(role::consumer));
  std::mt19937_64 random(5);
  std::uint64_t number = 0, wrong = 0, next = 0;
  const auto receive = [&] {
    if (in.try_peek(1) == 0) return false;
    wrong += numbered_bytes::is_whole(bytes.message(in.peeked(0)), number) && number >= next ? 0U : 1U;
    next = number + 1;
    in.release(1);
    return true;
  };
  for (std::uint64_t death = 0; death < deaths; ++death) {
    auto child = child_process::fork([&] {
      typename bytes_rig<TypeParam>::producer_side out(view, bytes, 0);
      for (auto n = death << 32;; ++n)
        while (!try_send<TypeParam>(out, n)) std::this_thread::yield();
    });
    for (auto left = 1 + random() % 300; left > 0;) left -= receive() ? 1U : 0U;
    child.kill();
    ASSERT_TRUE(keeper.template bury<TypeParam>(0));
    keeper.sit(role::producer);
  }
  // The last one's messages are there, and beside them all of the arena can be used.
  typename bytes_rig<TypeParam>::producer_side out(view, bytes, 0);
  while (receive()) {
  }
  EXPECT_EQ(wrong, 0U);
  EXPECT_TRUE(out.writer.try_send(out.slots, message_of(1, sizes.arena_bytes)));
}

}  // namespace
}  // namespace sluice::detail::test
