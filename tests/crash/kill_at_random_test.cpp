// Producers and consumers under load, killed at random moments, again and again. A ledger in memory of its own
// knows what was published and what was read: nothing published is lost, nothing is torn, and what comes twice is marked.

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <random>
#include <vector>

#include "channel/channel_places.hpp"
#include "support/child_process.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t max_messages = 1 << 26;

struct ledger {
  std::atomic<std::uint64_t> begun;      // a number is taken here before it is sent: never sent twice, may stay unsent
  std::atomic<std::uint64_t> torn;       // messages whose bytes do not belong together
  std::atomic<std::uint64_t> unmarked;   // seen before, not marked
  std::atomic<std::uint64_t> marked;     // marked as delivered before
  std::atomic<std::uint64_t> strangers;  // numbers that were never sent
  std::atomic<std::uint64_t> out_of_order;
  std::atomic<std::uint64_t> highest_seen;
  std::atomic<std::uint64_t> lingers[2];    // by role: how often one said that it has something in its hands
  std::atomic<std::uint64_t> wanted_in[2];  // by role: the round in which one that says so waits to be killed; 0: none
  std::atomic<std::uint8_t> published[max_messages];  // after publish() returned
  std::atomic<std::uint8_t> seen[max_messages];       // before the release
};

class shared_ledger {
 public:
  shared_ledger()
      : at_(static_cast<ledger*>(::mmap(nullptr, sizeof(ledger), PROT_READ | PROT_WRITE,
                                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {}
  shared_ledger(const shared_ledger&) = delete;
  shared_ledger& operator=(const shared_ledger&) = delete;
  ~shared_ledger() { ::munmap(at_, sizeof(ledger)); }
  ledger* operator->() const { return at_; }

 private:
  ledger* at_;
};

int kills_wanted() {
  const char* asked = std::getenv("SLUICE_TEST_KILLS");
  return asked != nullptr ? std::atoi(asked) : 150;
}

template <class Place>
class KillAtRandom : public ::testing::Test {
 protected:
  using ring = typename Place::ring;
  static constexpr bool keeps_order = ring::kind == ring_kind::spsc;

  void produce(std::uint64_t seed) {
    auto out = place_->producer();
    std::mt19937_64 random(seed);
    for (;;) {
      const auto batch_size = 1 + random() % 4;
      auto batch = out.try_claim_batch(batch_size);
      if (batch.size() == 0) {
        if (auto slot = out.claim_for(20ms); !slot) continue;  // dropped: abandoned
        continue;
      }
      const auto used = random() % 8 == 0 ? random() % (batch.size() + 1) : batch.size();
      const auto first = ledger_->begun.fetch_add(used);
      if (first + used > max_messages) return;
      for (std::uint64_t i = 0; i < used; ++i) batch[i] = numbered::of(first + i);
      if (random() % 32 == 0) linger(role::producer);
      batch.publish(used);
      for (std::uint64_t i = 0; i < used; ++i) ledger_->published[first + i].store(1);
      if (random() % 64 == 0) ::sched_yield();
    }
  }

  /// Says that it has something in its hands, and keeps it for as long as the test wants to kill it so.
  void linger(role own) {
    const auto side = static_cast<std::uint32_t>(own);
    const auto round = ledger_->wanted_in[side].load();
    ++ledger_->lingers[side];
    while (round != 0 && ledger_->wanted_in[side].load() == round) ::sched_yield();
  }

  void check(const numbered& message, bool is_marked) {
    if (!message.is_whole()) {
      ++ledger_->torn;
      return;
    }
    if (message.number >= ledger_->begun.load()) {
      ++ledger_->strangers;
      return;
    }
    if (is_marked) ++ledger_->marked;
    if (ledger_->seen[message.number].exchange(1) != 0 && !is_marked) ++ledger_->unmarked;
    if (keeps_order && !is_marked) {
      if (message.number < ledger_->highest_seen.load()) ++ledger_->out_of_order;
      ledger_->highest_seen.store(message.number);
    }
  }

  void consume(std::uint64_t seed, bool until_empty) {
    auto in = place_->consumer();
    std::mt19937_64 random(seed);
    for (;;) {
      if (random() % 2 == 0) {
        auto batch = in.try_peek_batch(1 + random() % 4);
        for (std::uint64_t i = 0; i < batch.size(); ++i) check(batch[i], batch.was_delivered_before(i));
        if (random() % 32 == 0) linger(role::consumer);
        batch.release();
      } else if (auto got = in.peek_for(until_empty ? 1000ms : 20ms)) {
        check(*got, got.was_delivered_before());
        if (random() % 32 == 0) linger(role::consumer);
      } else if (until_empty) {
        return;
      }
      if (random() % 256 == 0) ::sched_yield();
    }
  }

  watchdog dog_{std::chrono::seconds(250)};
  Place place_{channel_options{.capacity_slots = 16,
                               .producer_seats = ring::kind == ring_kind::mpmc ? 3U : 0U,
                               .consumer_seats = ring::kind == ring_kind::mpmc ? 3U : 0U}};
  shared_ledger ledger_;
};
TYPED_TEST_SUITE(KillAtRandom, channel_places, place_names);

TYPED_TEST(KillAtRandom, LosesNothingTearsNothingAndMarksWhatComesTwice) {  // scenario 60
  const int kills = kills_wanted();
  std::mt19937_64 random(60);
  const std::size_t each_side = TestFixture::keeps_order ? 1 : 2;
  std::vector<child_process> producers(each_side), consumers(each_side);
  std::uint64_t seed = 0;
  const auto start_producer = [&] { return child_process::fork([this, s = ++seed] { this->produce(s); }); };
  const auto start_consumer = [&] { return child_process::fork([this, s = ++seed] { this->consume(s, false); }); };
  for (auto& child : producers) child = start_producer();
  for (auto& child : consumers) child = start_consumer();
  int killed_producers = 0, killed_consumers = 0;
  for (int i = 0; i < kills; ++i) {
    // A random stretch of work, up to a few milliseconds: where it ends is where the kill strikes.
    const auto until = monotonic_now_ns() + random() % 4'000'000;
    while (monotonic_now_ns() < until) ::sched_yield();
    const auto whom = random() % 8;
    // Every other kill waits until its victim fills a claim or reads a message.
    const std::size_t side = whom >= 4 ? 1 : 0;
    const auto before = this->ledger_->lingers[side].load();
    if (random() % 2 == 0) {
      this->ledger_->wanted_in[side] = static_cast<std::uint64_t>(i) + 1;
      while (this->ledger_->lingers[side].load() == before) ::sched_yield();
    }
    auto& producing = producers[random() % each_side];
    auto& consuming = consumers[random() % each_side];
    if (whom <= 4) {
      ASSERT_TRUE(producing.kill().was_killed()) << "a producer ended by itself";
      ++killed_producers;
    }
    if (whom >= 4) {  // 4: both at once
      ASSERT_TRUE(consuming.kill().was_killed()) << "a consumer ended by itself";
      ++killed_consumers;
    }
    this->ledger_->wanted_in[side] = 0;
    if (producing.is_reaped()) producing = start_producer();
    if (consuming.is_reaped()) consuming = start_consumer();
  }
  for (auto& child : producers) EXPECT_TRUE(child.kill().was_killed());
  for (auto& child : consumers) EXPECT_TRUE(child.kill().was_killed());
  // All are dead: what was published and not read is read now.
  auto last = child_process::fork([this] { this->consume(0, true); });
  EXPECT_TRUE(last.wait().is_success());

  const auto& book = this->ledger_;
  std::uint64_t published = 0, seen = 0, lost = 0;
  for (std::uint64_t i = 0; i < std::min(book->begun.load(), max_messages); ++i) {
    published += book->published[i].load();
    seen += book->seen[i].load();
    lost += book->published[i].load() != 0 && book->seen[i].load() == 0 ? 1U : 0U;
  }
  std::printf(
      "  %d producers and %d consumers killed; %llu messages published, %llu seen, %llu marked; "
      "%llu lost, %llu torn, %llu twice unmarked\n",
      killed_producers + static_cast<int>(each_side), killed_consumers + static_cast<int>(each_side),
      static_cast<unsigned long long>(published), static_cast<unsigned long long>(seen),
      static_cast<unsigned long long>(book->marked.load()), static_cast<unsigned long long>(lost),
      static_cast<unsigned long long>(book->torn.load()), static_cast<unsigned long long>(book->unmarked.load()));
  EXPECT_EQ(lost, 0U);
  EXPECT_EQ(book->torn.load(), 0U);
  EXPECT_EQ(book->unmarked.load(), 0U);
  EXPECT_EQ(book->strangers.load(), 0U);
  EXPECT_EQ(book->out_of_order.load(), 0U);
  EXPECT_GT(book->marked.load(), 0U) << "no process was killed with a message in its hands";
  EXPECT_GT(seen, static_cast<std::uint64_t>(kills)) << "they were killed before they did anything";

  // The channel is as good as new: all of its capacity, all of its seats.
  auto out = this->place_->producer();
  auto in = this->place_->consumer();
  for (int lap = 0; lap < 3; ++lap) {
    std::uint64_t sent = 0;
    while (out.send_for(numbered::of(sent), 300ms) == wait_result::ready) ++sent;
    EXPECT_EQ(sent, 16U);
    numbered got;
    for (std::uint64_t i = 0; i < sent; ++i) {
      ASSERT_EQ(in.receive_for(got, 1s), wait_result::ready);
      EXPECT_EQ(got, numbered::of(i));
    }
  }
}

}  // namespace
}  // namespace sluice::detail::test
