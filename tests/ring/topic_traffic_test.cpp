// Topics between threads, which is what the thread sanitizer looks at, and between processes that are killed while they
// publish or read.

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <random>
#include <thread>

#include "ring/topic_rig.hpp"
#include "support/child_process.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

/// Begins with the number that its other bytes follow from.
constexpr std::uint64_t message_bytes = 104;

void write(std::byte* message, std::uint64_t number) {
  std::memcpy(message, &number, sizeof number);
  fill(message + 8, message_bytes - 8, number);
}
bool is_whole(const std::byte* message, std::uint64_t& number) {
  std::memcpy(&number, message, sizeof number);
  return is_message(message + 8, message_bytes - 8, number);
}

template <publishers Publishers>
ring_request request(std::uint32_t subscribers) {
  return topic_request(topic_ring<Publishers>::kind, 16, subscribers, message_bytes);
}

template <class Publisher>
bool try_send(Publisher& out, std::uint64_t number) {
  if (out.try_claim(1) == 0) return false;
  write(out.claimed(0), number);
  out.publish(1);
  return true;
}

/// What one reader has seen: of each publisher's numbers each is greater than the one before.
struct seen_messages {
  std::uint64_t count = 0, wrong = 0;
  std::array<std::uint64_t, 3> next{};
  bool are_consecutive = true;

  void note(const std::byte* message) {
    std::uint64_t number = 0;
    if (!is_whole(message, number) || number >> 40 >= next.size()) {
      ++wrong;
      return;
    }
    auto& expected = next[number >> 40];
    const auto of_publisher = number & ((std::uint64_t{1} << 40) - 1);
    if (of_publisher < expected) ++wrong;
    are_consecutive &= of_publisher == expected;
    expected = of_publisher + 1;
    ++count;
  }
};

template <publishers Publishers>
void run_threads(std::uint32_t publishing) {
  const watchdog dog(std::chrono::seconds(250));
  constexpr std::uint64_t of_each = 8'000;
  const callers_memory memory(request<Publishers>(4));
  const auto& view = memory.view();
  hand_keeper keeper(view);
  for (std::uint32_t i = 0; i < publishing; ++i) keeper.sit(role::producer, i);
  for (std::uint32_t i = 0; i < 4; ++i) keeper.sit(role::consumer, i);
  const auto first = view.first_seat(role::consumer);
  using subscriber = topic_subscriber<Publishers>;

  std::array<subscriber, 2> lossless{subscriber(view, first), subscriber(view, first + 1)};
  std::array<seen_messages, 2> kept;
  seen_messages read, lossy_seat, joined;
  lossy_reader<Publishers> reader(view);
  lossy_subscriber<Publishers> lossy(view, first + 2);
  std::atomic<bool> is_over = false;
  std::uint64_t gaps = 0;

  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < 2; ++i)
    threads.emplace_back([&, i] {
      while (kept[i].count < publishing * of_each) {
        const auto peeked = lossless[i].try_peek(1 + kept[i].count % 3);
        if (peeked == 0) std::this_thread::yield();
        for (std::uint64_t k = 0; k < peeked; ++k) kept[i].note(lossless[i].peeked(k));
        lossless[i].release(peeked);
      }
      lossless[i].leave();
    });
  threads.emplace_back([&] {
    std::array<std::byte, message_bytes> message;
    while (reader.next_sequence() < publishing * of_each) {
      if (reader.try_receive(message.data()))
        read.note(message.data());
      else
        std::this_thread::yield();
    }
  });
  threads.emplace_back([&] {
    std::array<std::byte, message_bytes> message;
    while (lossy.next_sequence() < publishing * of_each) {
      if (lossy_seat.count % 64 == 63) lossy.skip_to_newest();
      if (lossy.try_receive(message.data()))
        lossy_seat.note(message.data());
      else
        std::this_thread::yield();
    }
  });
  // Comes and goes: whatever it is told it can have, it gets.
  threads.emplace_back([&] {
    for (std::uint64_t turn = 0; !is_over; ++turn) {
      subscriber in(view, first + 3, turn % 2 == 0 ? history::all() : history::none());
      auto next = in.next_sequence();
      for (int polls = 0; polls < 40; ++polls) {
        if (in.try_peek(1) == 0) {
          std::this_thread::yield();
          continue;
        }
        std::uint64_t number = 0;
        if (!is_whole(in.peeked(0), number)) ++joined.wrong;
        if (Publishers == publishers::one && number != next++) ++gaps;
        in.release(1);
      }
      in.leave();
    }
  });
  std::vector<std::thread> senders;
  for (std::uint32_t i = 0; i < publishing; ++i)
    senders.emplace_back([&, i] {
      typename topic_ring<Publishers>::producer out(view, i);
      for (std::uint64_t n = 0; n < of_each; ++n)
        while (!try_send(out, std::uint64_t{i} << 40 | n)) std::this_thread::yield();
    });
  for (auto& sender : senders) sender.join();
  for (std::size_t i = 0; i < 4; ++i) threads[i].join();
  is_over = true;
  threads[4].join();
  for (const auto& one : kept) {
    EXPECT_EQ(one.count, publishing * of_each);
    EXPECT_TRUE(one.are_consecutive);
    EXPECT_EQ(one.wrong, 0U);
  }
  EXPECT_EQ(read.wrong + lossy_seat.wrong + joined.wrong, 0U);
  EXPECT_EQ(read.count + reader.lost(), publishing * of_each);
  EXPECT_EQ(lossy_seat.count + lossy.lost(), publishing * of_each);
  EXPECT_EQ(gaps, 0U);
}

TEST(TopicTraffic, EverySubscriberOfOnePublisherGetsWhatItWasPromisedWhileOthersComeAndGo) {
  run_threads<publishers::one>(1);
}
TEST(TopicTraffic, EverySubscriberOfThreePublishersGetsWhatItWasPromisedWhileOthersComeAndGo) {
  run_threads<publishers::many>(3);
}

// ---- Processes that are killed -----------------------------------------------------------------------------------------

/// A process in a seat of a topic in shared memory.
template <publishers Publishers>
class between_processes : public ::testing::Test {
 protected:
  using rules = topic_ring<Publishers>;

  /// The child in that seat is killed; the seat is settled for the next.
  void kill(child_process& child, std::uint32_t seat_index) {
    EXPECT_TRUE(child.kill().was_killed());
    ASSERT_TRUE(keeper_.template bury<rules>(seat_index));
  }

  watchdog dog_{std::chrono::seconds(250)};
  unnamed_memory<anonymous_segment> memory_{request<Publishers>(4)};
  ring_view view_ = memory_.view();
  hand_keeper keeper_{view_};
};
using TopicProcessesOfOne = between_processes<publishers::one>;
using TopicProcessesOfMany = between_processes<publishers::many>;

TEST_F(TopicProcessesOfOne, PublishersThatAreKilledWhileTheyPublishLeaveNothingTornAndNoGap) {
  const auto seat_index = keeper_.sit(role::consumer);
  topic_subscriber<publishers::one> in(view_, seat_index);
  lossy_reader<publishers::one> reader(view_);
  std::array<std::byte, message_bytes> message;
  std::mt19937_64 random(7);
  std::uint64_t next = 0, wrong = 0, read = 0, number = 0;
  for (int death = 0; death < 60; ++death) {
    keeper_.sit(role::producer);
    auto child = child_process::fork([&] {
      only_publisher out(view_, 0);
      for (auto n = out.position();; ++n)
        while (!try_send(out, n)) std::this_thread::yield();
    });
    const auto until = next + 200 + random() % 200;
    while (next < until) {
      if (in.try_peek(1) == 0) {
        std::this_thread::yield();
        continue;
      }
      wrong += is_whole(in.peeked(0), number) && number == next ? 0U : 1U;
      ++next;
      in.release(1);
      if (random() % 4 == 0 && reader.try_receive(message.data())) {
        wrong += is_whole(message.data(), number) && number == reader.next_sequence() - 1 ? 0U : 1U;
        ++read;
      }
    }
    kill(child, 0);
  }
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(read + reader.lost(), reader.next_sequence());
}

TEST_F(TopicProcessesOfMany, PublishersThatAreKilledWhileTheyPublishHoldUpNoSubscriber) {
  topic_subscriber<publishers::many> in(view_, keeper_.sit(role::consumer));
  std::mt19937_64 random(9);
  std::array<std::uint64_t, 3> next{};
  std::uint64_t wrong = 0, number = 0;
  const auto publish_from = [&](std::uint32_t seat_index, std::uint64_t first) {
    keeper_.sit(role::producer, seat_index);
    return child_process::fork([&, seat_index, first] {
      one_of_many_publishers out(view_, seat_index);
      for (auto n = first;; ++n)
        while (!try_send(out, std::uint64_t{seat_index} << 40 | n)) std::this_thread::yield();
    });
  };
  std::array<child_process, 2> children{publish_from(0, 0), publish_from(1, 0)};
  for (std::uint32_t death = 0; death < 60; ++death) {
    for (auto left = 200 + random() % 200; left != 0;) {
      if (in.try_peek(1) == 0) {
        std::this_thread::yield();
        continue;
      }
      wrong += is_whole(in.peeked(0), number) && number >> 40 < next.size() ? 0U : 1U;
      auto& expected = next[number >> 40];
      wrong += (number & 0xff'ffff'ffff) >= expected ? 0U : 1U;
      expected = (number & 0xff'ffff'ffff) + 1;
      in.release(1);
      --left;
    }
    const auto dying = death % 2;
    kill(children[dying], dying);
    children[dying] = publish_from(dying, std::uint64_t{death + 1} << 20);
  }
  EXPECT_EQ(wrong, 0U);
}

TEST_F(TopicProcessesOfOne, SubscribersThatAreKilledHoldUpThePublisherForATickAndNoLonger) {
  keeper_.sit(role::producer);
  only_publisher out(view_, 0);
  std::uint64_t number = 0;
  for (int death = 0; death < 40; ++death) {
    const auto seat_index = keeper_.sit(role::consumer, 1);
    auto child = child_process::fork([&] {
      for (;;) {  // joins, reads and leaves, again and again
        topic_subscriber<publishers::one> in(view_, seat_index, history::all());
        for (int polls = 0; polls < 100; ++polls) in.release(in.try_peek(2));
        in.leave();
      }
    });
    for (auto until = number + 500; number != until;)
      if (try_send(out, number)) ++number;
    EXPECT_TRUE(child.kill().was_killed());
    keeper_.die(seat_index);
    for (auto until = number + 100; number != until;) {
      if (try_send(out, number))
        ++number;
      else
        ASSERT_TRUE(out.mend(keeper_)) << "a dead subscriber keeps messages";
    }
    ASSERT_TRUE(keeper_.is_dead(seat_index, view_.seats[seat_index].state.load()));
    ASSERT_TRUE(rules::settle(view_, seat_index, keeper_));
  }
}

TEST_F(TopicProcessesOfOne, AReaderThroughAMappingThatItMayNotWriteToReadsEverything) {
  keeper_.sit(role::producer);
  only_publisher out(view_, 0);
  constexpr std::uint64_t count = 20'000;
  auto child = child_process::fork([&] {
    const auto bytes = memory_.bytes();
    if (::mprotect(bytes.data(), bytes.size(), PROT_READ) != 0) return 1;
    lossy_reader<publishers::one> in(view_, history::all());
    std::array<std::byte, message_bytes> message;
    const auto first = in.next_sequence();
    std::uint64_t read = 0, number = 0;
    while (in.next_sequence() != count) {
      if (!in.try_receive(message.data())) continue;
      if (!is_whole(message.data(), number) || number != in.next_sequence() - 1) return 2;
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
