// Simulates a reset of the machine at any moment. The file is copied while producers and consumers run; the file that
// another registry gets is mixed from several copies, page by page and sector by sector, as on a disk that lost power
// while it wrote. What is recovered from it is judged by what the processes noted.

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "channel/channel_places.hpp"
#include "sluice/channel.hpp"
#include "sluice/registry.hpp"
#include "sluice/ring.hpp"
#include "support/child_process.hpp"
#include "support/disk.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;

const segment_name name("orders");
constexpr std::uint64_t flush_every = 8;
constexpr std::uint64_t max_messages = 1 << 20;  // of one producer
constexpr std::size_t max_producers = 2;
constexpr unsigned producer_shift = 32;

/// What the processes did, noted outside the channel.
struct ledger {
  std::atomic<std::uint64_t> flushed[max_producers];             // so many messages of each are on the disk
  std::atomic<std::uint8_t> taken[max_producers][max_messages];  // a consumer is about to release it, or has
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

template <class Ring>
class Torn : public ::testing::Test {
 protected:
  using link = channel<numbered, Ring>;
  static constexpr std::size_t each_side = Ring::kind == ring_kind::spsc ? 1 : max_producers;

  void SetUp() override {
    if (!on_a_disk()) GTEST_SKIP() << "no folder on a disk: nothing there survives a reset";
    running_.emplace(*on_a_disk());
    reset_.emplace(*on_a_disk());
    made_.emplace(
        link::create(**running_, name, {.capacity_slots = 256, .durability = durability::every(flush_every)}));
    for (std::size_t i = 0; i < each_side; ++i) {
      children_.push_back(child_process::fork([this, i] { produce(i); }));
      children_.push_back(child_process::fork([this, i] { consume(i); }));
    }
  }
  void TearDown() override {
    for (auto& child : children_) EXPECT_TRUE(child.kill().was_killed()) << "it ended by itself";
  }

  void produce(std::uint64_t which) {
    auto out = made_->producer();
    for (std::uint64_t n = 0; n < max_messages; ++n) {
      if (out.send(numbered::of(which << producer_shift | n)) != wait_result::ready) return;
      if ((n + 1) % flush_every == 0) book_->flushed[which].store(n + 1);
    }
    for (;;) ::sched_yield();
  }
  /// Receives in bursts, so that the ring is now full and now empty.
  void consume(std::uint64_t which) {
    auto in = made_->consumer();
    std::minstd_rand random(static_cast<unsigned>(which) + 1);
    for (std::uint64_t burst = 0;; --burst) {
      if (burst == 0) {
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 30'000));
        burst = 1 + random() % 200;
      }
      auto slot = in.peek();
      if (!slot) return;
      book_->taken[slot->number >> producer_shift][slot->number & 0xffffffff].store(1);
      slot.release();
    }
  }

  /// The file of the running channel, read while others write to it.
  [[nodiscard]] image copy() const { return image_of(running_->path("orders")); }

  /// What must be there after a reset that comes now or later, unless it is taken meanwhile.
  [[nodiscard]] std::vector<std::uint64_t> flushed_by_now() const {
    std::vector<std::uint64_t> counts;
    for (std::size_t i = 0; i < each_side; ++i) counts.push_back(book_->flushed[i].load());
    return counts;
  }

  /// Recovers from `bytes` and judges what is delivered.
  void judge(const image& bytes, const std::vector<std::uint64_t>& flushed) {
    std::vector<std::uint64_t> owed;  // all that was on the disk before the first copy and not taken after the last
    for (std::size_t i = 0; i < each_side; ++i)
      for (auto n = flushed[i] - std::min<std::uint64_t>(flushed[i], 1024); n < flushed[i]; ++n)
        if (book_->taken[i][n].load() == 0) owed.push_back(i << producer_shift | n);
    write_image(reset_->path("orders"), after_a_reset(bytes));
    const auto report = (*reset_)->recover(name).rings[0];
    kept_ += report.kept;
    torn_ += report.torn;
    missing_ += report.missing;
    owed_ += owed.size();
    ++rounds_;
    const auto found = link::attach(**reset_, name);
    auto in = found.consumer();
    std::vector<std::uint64_t> next(each_side, 0);
    std::vector<std::uint64_t> got;
    while (auto slot = in.try_peek()) {
      const auto from = slot->number >> producer_shift, n = slot->number & 0xffffffff;
      ASSERT_TRUE(slot->is_whole()) << "a torn message was delivered as good";
      ASSERT_TRUE(slot.was_delivered_before());
      ASSERT_LT(from, each_side);
      ASSERT_GE(n, next[from]) << "twice, or not in order";
      next[from] = n + 1;
      got.push_back(slot->number);
    }
    EXPECT_EQ(got.size(), report.kept);
    std::sort(got.begin(), got.end());
    for (const auto number : owed)
      ASSERT_TRUE(std::binary_search(got.begin(), got.end(), number))
          << "message " << (number & 0xffffffff) << " of producer " << (number >> producer_shift)
          << " was flushed and not taken, and is lost";
  }
  void say(const char* what) const {
    std::printf("  %d resets, %s: %llu messages kept, %llu of them owed, %llu torn, %llu missing\n", rounds_, what,
                static_cast<unsigned long long>(kept_), static_cast<unsigned long long>(owed_),
                static_cast<unsigned long long>(torn_), static_cast<unsigned long long>(missing_));
  }
  /// Gives the processes a random time to work.
  void let_them_work() {
    const auto until = monotonic_now_ns() + random_() % 3'000'000;
    while (monotonic_now_ns() < until) ::sched_yield();
  }

  watchdog dog_{120s};
  std::mt19937_64 random_{5};
  std::optional<temp_registry> running_, reset_;
  std::optional<link> made_;
  shared_ledger book_;
  std::vector<child_process> children_;
  int rounds_ = 0;
  std::uint64_t kept_ = 0, owed_ = 0, torn_ = 0, missing_ = 0;
};

struct ring_name {
  template <class Ring>
  static std::string GetName(int) {
    return to_string(Ring::kind);
  }
};
using rings = ::testing::Types<spsc_ring, mpmc_ring>;
TYPED_TEST_SUITE(Torn, rings, ring_name);

constexpr int rounds = 150;

TYPED_TEST(Torn, ACopyOfARunningChannelLosesNothingThatWasFlushedAndNotTaken) {
  for (int i = 0; i < rounds && !this->HasFatalFailure(); ++i) {
    this->let_them_work();
    const auto flushed = this->flushed_by_now();
    this->judge(this->copy(), flushed);
  }
  this->say("of one copy each");
  EXPECT_GT(this->owed_, 0U) << "nothing was at stake";
}

TYPED_TEST(Torn, PagesOfDifferentMomentsLoseNothingThatWasFlushedAndDeliverNothingTorn) {
  for (int i = 0; i < rounds && !this->HasFatalFailure(); ++i) {
    const auto flushed = this->flushed_by_now();
    std::vector<image> copies;
    for (int n = 0; n < 3; ++n) {
      copies.push_back(this->copy());
      this->let_them_work();
    }
    auto mixed = this->copy();
    // Pages and, in every fourth of them, sectors.
    for (std::size_t at = 0; at < mixed.size(); at += 4096) {
      const std::size_t step = this->random_() % 4 == 0 ? 512 : 4096;
      for (std::size_t part = at; part < at + 4096; part += step) {
        const auto& from = copies[this->random_() % copies.size()];
        if (this->random_() % 4 != 0)
          std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(part), step,
                      mixed.begin() + static_cast<std::ptrdiff_t>(part));
      }
    }
    this->judge(mixed, flushed);
  }
  this->say("of four copies mixed");
  EXPECT_GT(this->owed_, 0U) << "nothing was at stake";
  EXPECT_GT(this->torn_, 0U) << "no slot was torn: the mixing shows nothing";
}

TYPED_TEST(Torn, ADamagedPageIsReportedAndTheRestIsDelivered) {
  for (int i = 0; i < rounds / 3 && !this->HasFatalFailure(); ++i) {
    this->let_them_work();
    auto bytes = this->copy();
    const auto& ring = header_in(bytes).parts[0];
    const auto slots = bytes.size() - ring.body_offset;
    const auto at = ring.body_offset + this->random_() % (slots - 4096);
    for (std::size_t n = 0; n < 4096; ++n) bytes[at + n] ^= std::byte(this->random_() % 255 + 1);
    this->judge(bytes,
                std::vector<std::uint64_t>(TestFixture::each_side, 0));  // what was there is gone: nothing is owed
  }
  this->say("with a damaged page");
  EXPECT_GT(this->torn_, 0U);
  EXPECT_GT(this->kept_, 0U);
}

}  // namespace
}  // namespace sluice::detail::test
