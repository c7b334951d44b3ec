// Topics of messages of any length between threads, which is what the thread sanitizer looks at, and between processes that
// are killed while they publish.

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <random>
#include <thread>

#include "ring/numbered_bytes.hpp"
#include "ring/topic_bytes_rig.hpp"
#include "support/child_process.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

constexpr bytes_sizes sizes{.capacity_slots = 32, .inline_bytes = 48, .arena_bytes = 2048};
constexpr std::uint64_t of_publisher = std::uint64_t{1} << 40;

/// Claims more than it needs, as a serializer does.
template <class Side>
bool try_send(Side& out, std::uint64_t number) {
  const auto length = numbered_bytes::length_of(number);
  const auto room = out.writer.try_claim(out.slots, length + number % 64);
  if (room.data() == nullptr) return false;
  numbered_bytes::write(room.first(length), number);
  while (!out.writer.publish(out.slots, length)) std::this_thread::yield();
  return true;
}

/// What one reader has seen: of each publisher's numbers each is greater than the one before.
struct seen_messages {
  std::uint64_t count = 0, wrong = 0;
  std::array<std::uint64_t, 3> next{};
  bool are_consecutive = true;

  void note(std::span<const std::byte> message) {
    std::uint64_t number = 0;
    if (!numbered_bytes::is_whole(message, number) || number / of_publisher >= next.size()) {
      ++wrong;
      return;
    }
    auto& expected = next[number / of_publisher];
    if (number % of_publisher < expected) ++wrong;
    are_consecutive &= number % of_publisher == expected;
    expected = number % of_publisher + 1;
    ++count;
  }
};

template <publishers Publishers>
void run_threads(std::uint32_t publishing) {
  const watchdog dog(std::chrono::seconds(250));
  constexpr std::uint64_t of_each = 8'000;
  using rig_of = topic_bytes_rig<Publishers>;
  rig_of rig(sizes);
  rig.outs.clear();
  for (std::uint32_t i = 1; i < publishing; ++i) rig.keeper.sit(role::producer, i);
  for (std::uint32_t i = 0; i < 2; ++i) rig.join(i);
  const auto coming = rig.keeper.sit(role::consumer, 2);
  auto reader = rig.read();
  std::array<seen_messages, 2> kept;
  seen_messages read, joined;
  std::atomic<bool> is_over = false;

  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < 2; ++i)
    threads.emplace_back([&, i] {
      auto& in = *rig.ins[i];
      while (kept[i].count + kept[i].wrong < publishing * of_each) {
        const auto peeked = in.try_peek(1 + kept[i].count % 3);
        if (peeked == 0) std::this_thread::yield();
        for (std::uint64_t k = 0; k < peeked; ++k) kept[i].note(rig.bytes.message(in.peeked(k)));
        in.release(peeked);
      }
      in.leave();
    });
  threads.emplace_back([&] {
    std::vector<std::byte> message;
    while (reader.next_sequence() < publishing * of_each) {
      if (read.count % 64 == 63) reader.skip_to_newest();
      if (reader.try_receive(message))
        read.note(message);
      else
        std::this_thread::yield();
    }
  });
  // Comes and goes: whatever it is told it can have, it gets.
  threads.emplace_back([&] {
    for (std::uint64_t turn = 0; !is_over; ++turn) {
      typename rig_of::subscriber in(rig.view, coming, turn % 2 == 0 ? history::all() : history::none());
      for (int polls = 0; polls < 40; ++polls) {
        if (in.try_peek(1) == 0) {
          std::this_thread::yield();
          continue;
        }
        std::uint64_t number = 0;
        if (!numbered_bytes::is_whole(rig.bytes.message(in.peeked(0)), number)) ++joined.wrong;
        in.release(1);
      }
      in.leave();
    }
  });
  std::vector<std::thread> senders;
  for (std::uint32_t i = 0; i < publishing; ++i)
    senders.emplace_back([&, i] {
      for (std::uint64_t n = 0; n < of_each;) {
        typename rig_of::publisher_side out(rig.view, rig.bytes, i);
        for (const auto until = n + 500; n < until; ++n)
          while (!try_send(out, i * of_publisher + n)) std::this_thread::yield();
      }
    });
  for (auto& sender : senders) sender.join();
  for (std::size_t i = 0; i < 3; ++i) threads[i].join();
  is_over = true;
  threads[3].join();
  for (const auto& one : kept) {
    EXPECT_EQ(one.count, publishing * of_each);
    EXPECT_TRUE(one.are_consecutive);
    EXPECT_EQ(one.wrong, 0U);
  }
  EXPECT_EQ(read.wrong + joined.wrong, 0U);
  EXPECT_EQ(read.count + reader.lost(), publishing * of_each);
}

TEST(TopicBytesTraffic, EverySubscriberOfOnePublisherGetsEveryByteWhilePublishersFollowEachOther) {
  run_threads<publishers::one>(1);
}
TEST(TopicBytesTraffic, EverySubscriberOfThreePublishersGetsEveryByteWhilePublishersFollowEachOther) {
  run_threads<publishers::many>(3);
}

// ---- Processes that are killed -----------------------------------------------------------------------------------------

template <publishers Publishers>
void run_deaths() {
  const watchdog dog(std::chrono::seconds(250));
  using rules = topic_bytes_ring<Publishers>;
  const auto request = topic_bytes_request(rules::kind, sizes);
  const unnamed_memory<anonymous_segment> memory(request);
  const auto& view = memory.view();
  const bytes_view bytes(view, plan_segment(request).parts[0]);
  hand_keeper keeper(view);
  keeper.sit(role::producer);
  typename rules::consumer in(view, keeper.sit(role::consumer));
  lossy_bytes_reader<Publishers> reader(view, bytes);
  std::vector<std::byte> message;
  std::mt19937_64 random(5);
  std::uint64_t number = 0, wrong = 0, next = 0, read = 0, next_read = 0;
  const auto receive = [&] {
    if (in.try_peek(1) == 0) return false;
    wrong += numbered_bytes::is_whole(bytes.message(in.peeked(0)), number) && number >= next ? 0U : 1U;
    next = number + 1;
    in.release(1);
    if (random() % 4 == 0 && reader.try_receive(message)) {
      wrong += numbered_bytes::is_whole(message, number) && number >= next_read ? 0U : 1U;
      next_read = number + 1;
      ++read;
    }
    return true;
  };
  for (std::uint64_t death = 0; death < 40; ++death) {
    auto child = child_process::fork([&] {
      typename topic_bytes_rig<Publishers>::publisher_side out(view, bytes, 0);
      for (auto n = death << 32;; ++n)
        while (!try_send(out, n)) std::this_thread::yield();
    });
    for (auto left = 1 + random() % 300; left > 0;) left -= receive() ? 1U : 0U;
    child.kill();
    ASSERT_TRUE(keeper.template bury<rules>(0));
    keeper.sit(role::producer);
  }
  // The last one's messages are there, and beside them all of the arena can be used.
  typename topic_bytes_rig<Publishers>::publisher_side out(view, bytes, 0);
  while (receive()) {
  }
  EXPECT_EQ(wrong, 0U);
  EXPECT_GT(read, 0U);
  EXPECT_TRUE(out.writer.try_send(out.slots, message_of(1, sizes.arena_bytes)));
}

TEST(TopicBytesTraffic, PublishersThatAreKilledLeaveNothingTornAndNoSpaceLost) {
  run_deaths<publishers::one>();
  run_deaths<publishers::many>();
}

TEST(TopicBytesTraffic, SubscribersThatAreKilledHoldThePublishersArenaForATickAndNoLonger) {
  const watchdog dog(std::chrono::seconds(250));
  using rules = topic_bytes_ring<publishers::one>;
  const auto request = topic_bytes_request(rules::kind, sizes);
  const unnamed_memory<anonymous_segment> memory(request);
  const auto& view = memory.view();
  const bytes_view bytes(view, plan_segment(request).parts[0]);
  hand_keeper keeper(view);
  keeper.sit(role::producer);
  topic_bytes_rig<publishers::one>::publisher_side out(view, bytes, 0);
  std::uint64_t number = 0;
  for (int death = 0; death < 40; ++death) {
    const auto seat_index = keeper.sit(role::consumer, 1);
    auto child = child_process::fork([&] {
      for (;;) {  // joins, reads and leaves, again and again
        rules::consumer in(view, seat_index, history::all());
        for (int polls = 0; polls < 100; ++polls) in.release(in.try_peek(2));
        in.leave();
      }
    });
    for (auto until = number + 500; number != until;)
      if (try_send(out, number)) ++number;
    EXPECT_TRUE(child.kill().was_killed());
    keeper.die(seat_index);
    for (auto until = number + 100; number != until;) {
      if (try_send(out, number)) {
        ++number;
        continue;
      }
      (void)out.slots.mend(keeper);
      ASSERT_TRUE(try_send(out, number)) << "a dead subscriber keeps messages";
      ++number;
    }
    (void)keeper.is_dead(seat_index, view.seats[seat_index].state.load());
    ASSERT_TRUE(rules::settle(view, seat_index, keeper));
  }
}

TEST(TopicBytesTraffic, AReaderThroughAMappingThatItMayNotWriteToActsUponNoTornByte) {
  const watchdog dog(std::chrono::seconds(250));
  using rules = topic_bytes_ring<publishers::one>;
  const auto request = topic_bytes_request(rules::kind, sizes);
  const unnamed_memory<anonymous_segment> memory(request);
  const auto& view = memory.view();
  const bytes_view bytes(view, plan_segment(request).parts[0]);
  hand_keeper keeper(view);
  keeper.sit(role::producer);
  topic_bytes_rig<publishers::one>::publisher_side out(view, bytes, 0);
  constexpr std::uint64_t count = 20'000;
  auto child = child_process::fork([&] {
    const auto own = memory.bytes();
    if (::mprotect(own.data(), own.size(), PROT_READ) != 0) return 1;
    lossy_bytes_reader<publishers::one> in(view, bytes, history::all());
    std::vector<std::byte> message;
    const auto first = in.next_sequence();
    std::uint64_t read = 0, number = 0;
    while (in.next_sequence() != count) {
      if (!in.try_receive(message)) continue;
      if (!numbered_bytes::is_whole(message, number) || number != in.next_sequence() - 1) return 2;
      ++read;
    }
    return first + read + in.lost() == count && read != 0 ? 0 : 3;
  });
  for (std::uint64_t n = 0; n < count; ++n) {
    ASSERT_TRUE(try_send(out, n));
    if (n % 16 == 0) std::this_thread::yield();
  }
  EXPECT_TRUE(child.wait().is_success());
}

}  // namespace
}  // namespace sluice::detail::test
