// Loans: two at once, handles that are moved under them, and what does not compile.

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "sluice/channel.hpp"
#include "sluice/detail/part/mpmc/mpmc_ring.hpp"
#include "sluice/stop_token.hpp"
#include "support/behind.hpp"
#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/is_there.hpp"
#include "support/pipe_signal.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;

struct wide {
  std::uint64_t words[64] = {};
  static wide of(std::uint64_t number) {
    wide message;
    for (auto& word : message.words) word = number;
    return message;
  }
  [[nodiscard]] std::uint64_t number() const { return words[0]; }
  [[nodiscard]] bool is_whole() const {
    for (const auto word : words)
      if (word != words[0]) return false;
    return true;
  }
};

template <class Ring>
class Loans : public ::testing::Test {
 protected:
  using link = channel<wide, Ring>;
  void send(std::uint64_t from, std::uint64_t to) {
    for (auto i = from; i <= to; ++i) ASSERT_TRUE(out_->try_send(wide::of(i)));
  }
  std::vector<std::uint64_t> rest() {
    std::vector<std::uint64_t> numbers;
    while (const auto got = in_->try_receive()) numbers.push_back(got->number());
    return numbers;
  }
  watchdog dog_;
  link link_ = link::create_unnamed({.capacity_slots = 8});
  typename std::optional<producer<wide, Ring>> out_{link_.producer()};
  typename std::optional<consumer<wide, Ring>> in_{link_.consumer()};
};
using ring_kinds = ::testing::Types<spsc_ring, mpmc_ring>;
struct ring_names {
  template <class Ring>
  static std::string GetName(int) {
    return Ring::kind == ring_kind::spsc ? "Spsc" : "Mpmc";
  }
};
TYPED_TEST_SUITE(Loans, ring_kinds, ring_names);
using numbers = std::vector<std::uint64_t>;

// ---- Two at once -----------------------------------------------------------------------------------------------------

TYPED_TEST(Loans, TheObviousLoopGetsEachMessageOnceAndWhole) {
  constexpr std::uint64_t count = 20'000;
  std::thread sending([&] {
    for (std::uint64_t i = 1; i <= count; ++i) ASSERT_EQ(this->out_->send(wide::of(i)), wait_result::ready);
    this->out_->close();
  });
  std::uint64_t next = 1, torn = 0;
  for (auto got = this->in_->peek_for(10s); got; got = this->in_->peek_for(10s)) {
    torn += !got->is_whole();
    ASSERT_EQ(got->number(), next++);
  }
  sending.join();
  EXPECT_EQ(next, count + 1);
  EXPECT_EQ(torn, 0U);
  EXPECT_EQ(this->in_->status(), wait_result::closed);
  EXPECT_TRUE(this->out_->is_drained());
}

TYPED_TEST(Loans, TheObviousLoopOverAProducerThatIsAnotherProcess) {
  this->out_.reset();
  auto child = child_process::fork([&] {
    auto out = this->link_.producer();
    for (std::uint64_t i = 1; i <= 5'000; ++i)
      if (out.send(wide::of(i)) != wait_result::ready) return 1;
    out.close();
    return 0;
  });
  std::uint64_t next = 1;
  for (auto got = this->in_->peek_for(20s); got; got = this->in_->peek_for(20s)) {
    ASSERT_TRUE(got->is_whole());
    ASSERT_EQ(got->number(), next++);
  }
  EXPECT_EQ(next, 5'001U);
  EXPECT_TRUE(child.wait().is_success());
}

// Each holds its last message while it waits for one more.
TYPED_TEST(Loans, TwoObviousLoopsOverAClosedChannelBothEnd) {
  if constexpr (TypeParam::kind == ring_kind::mpmc) {
    this->send(1, 8);
    this->out_->close();
    std::atomic<std::uint64_t> seen = 0;
    const auto loop = [&](auto& in) {
      for (auto got = in.peek(); got; got = in.peek()) ++seen;
      EXPECT_EQ(in.status(), wait_result::closed);
    };
    std::thread other([&] {
      auto in = this->link_.consumer();
      loop(in);
    });
    loop(*this->in_);
    other.join();
    EXPECT_EQ(seen, 8U);
    EXPECT_TRUE(this->out_->is_drained());
  }
}

TYPED_TEST(Loans, AMessageReceivedBesideALoanIsTheNextOne) {
  this->send(1, 8);
  this->out_->close();
  numbers pairs;
  for (const auto& head : *this->in_) {
    wide body;
    ASSERT_EQ(this->in_->receive(body), wait_result::ready);
    pairs.insert(pairs.end(), {head.number(), body.number()});
  }
  EXPECT_EQ(pairs, (numbers{1, 2, 3, 4, 5, 6, 7, 8}));
}

TYPED_TEST(Loans, ManyMessagesCanBeReceivedBesideALoan) {
  this->send(1, 6);
  auto held = this->in_->try_peek();
  EXPECT_EQ(this->rest(), (numbers{2, 3, 4, 5, 6}));
  EXPECT_EQ(held->number(), 1U);
  EXPECT_TRUE(this->in_->empty());
  held.release();
  EXPECT_TRUE(this->out_->is_drained());
  this->send(7, 14);
  EXPECT_EQ(this->rest(), (numbers{7, 8, 9, 10, 11, 12, 13, 14})) << "no slot is lost";
}

TYPED_TEST(Loans, TwoMessagesAreReleasedInAnyOrder) {
  for (std::uint64_t round = 0; round < 30; ++round) {
    this->send(1, 3);
    auto older = this->in_->try_peek(), younger = this->in_->try_peek();
    EXPECT_EQ(older->number(), 1U);
    EXPECT_EQ(younger->number(), 2U);
    if (round % 2 == 0) older.release();
    younger.release();
    if (round % 2 != 0) older.release();
    EXPECT_EQ(this->rest(), (numbers{3}));
    EXPECT_TRUE(this->out_->is_drained());
  }
}

TYPED_TEST(Loans, AKeptMessageComesAgainBeforeTheOthers) {
  this->send(1, 4);
  auto older = this->in_->try_peek(), younger = this->in_->try_peek();
  younger.keep();
  older.keep();
  EXPECT_EQ(this->in_->try_peek()->number(), 1U);
  EXPECT_EQ(this->in_->try_peek()->number(), 2U);
  EXPECT_EQ(this->rest(), (numbers{3, 4}));
  EXPECT_TRUE(this->out_->is_drained());
}

TYPED_TEST(Loans, AKeptMessageComesAgainAfterYoungerOnesWereReleased) {
  this->send(1, 5);
  {
    auto kept = this->in_->try_peek();
    wide got;
    ASSERT_TRUE(this->in_->try_receive(got));
    EXPECT_EQ(got.number(), 2U);
    kept.keep();
  }
  EXPECT_EQ(this->in_->try_peek_batch(3)[0].number(), 1U);  // and dropped
  EXPECT_EQ(this->rest(), (numbers{1, 3, 4, 5}));
  EXPECT_TRUE(this->out_->is_drained());
}

TYPED_TEST(Loans, TheRestOfABatchComesAsTwoLoansAtOnce) {
  this->send(1, 6);
  {
    auto batch = this->in_->try_peek_batch(4);
    ASSERT_EQ(batch.size(), 4u);
    batch.release(1);
  }
  auto second = this->in_->try_peek();
  auto third = this->in_->try_peek();
  ASSERT_TRUE(second && third);
  EXPECT_EQ(second->number(), 2u);
  EXPECT_EQ(third->number(), 3u);
  third.release();
  second.release();
  EXPECT_EQ(this->rest(), (std::vector<std::uint64_t>{4, 5, 6}));
}

/// Any order of loans, kept loans, batches released in part and copies: each message is had once, the oldest first.
TYPED_TEST(Loans, AnyOrderOfCallsGetsEachMessageOnceAndTheOldestFirst) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const auto any_of = [&](unsigned count) { return random() % count; };
    std::set<std::uint64_t> waiting;  // sent, and neither lent nor released
    std::vector<std::pair<typename consumer<wide, TypeParam>::loan, std::uint64_t>> lent;
    std::uint64_t sent = 0, had = 0;
    const auto expect_oldest = [&](std::uint64_t number) {
      ASSERT_FALSE(waiting.empty());
      ASSERT_EQ(number, *waiting.begin());
    };
    const auto end_loan = [&](std::size_t which, bool keeps) {
      auto [loan, number] = std::move(lent[which]);
      lent.erase(lent.begin() + static_cast<std::ptrdiff_t>(which));
      ASSERT_TRUE(loan->is_whole());
      ASSERT_EQ(loan->number(), number);
      if (keeps) {
        loan.keep();
        waiting.insert(number);
      } else {
        loan.release();
        ++had;
      }
    };
    for (int step = 0; step < 6000; ++step) {
      while (any_of(3) != 0 && this->out_->try_send(wide::of(sent + 1))) waiting.insert(++sent);
      switch (any_of(5)) {
        case 0:
        case 1:
          if (lent.size() < max_open_loans) {
            auto loan = this->in_->try_peek();
            ASSERT_EQ(static_cast<bool>(loan), !waiting.empty());
            if (!loan) break;
            ASSERT_NO_FATAL_FAILURE(expect_oldest(loan->number()));
            waiting.erase(waiting.begin());
            const auto number = loan->number();
            lent.emplace_back(std::move(loan), number);
          }
          break;
        case 2:
          if (!lent.empty()) {
            ASSERT_NO_FATAL_FAILURE(end_loan(any_of(static_cast<unsigned>(lent.size())), any_of(3) == 0));
          }
          break;
        case 3:
          if (lent.empty()) {
            auto batch = this->in_->try_peek_batch(1 + any_of(5));
            ASSERT_EQ(batch.size() != 0, !waiting.empty());
            auto oldest = waiting.begin();
            for (std::uint64_t i = 0; i < batch.size(); ++i, ++oldest) ASSERT_EQ(batch[i].number(), *oldest);
            const auto released = any_of(static_cast<unsigned>(batch.size()) + 1);
            batch.release(released);
            for (unsigned i = 0; i < released; ++i, ++had) waiting.erase(waiting.begin());
          }
          break;
        case 4:
          if (lent.size() < max_open_loans) {
            wide message;
            const bool got = this->in_->try_receive(message);
            ASSERT_EQ(got, !waiting.empty());
            if (!got) break;
            ASSERT_NO_FATAL_FAILURE(expect_oldest(message.number()));
            waiting.erase(waiting.begin());
            ++had;
          }
          break;
      }
    }
    while (!lent.empty()) ASSERT_NO_FATAL_FAILURE(end_loan(0, false));
    for (const auto number : this->rest()) {
      ASSERT_NO_FATAL_FAILURE(expect_oldest(number));
      waiting.erase(waiting.begin());
      ++had;
    }
    ASSERT_TRUE(waiting.empty());
    ASSERT_EQ(had, sent);
    ASSERT_GT(sent, 1000u);
  }
}

TYPED_TEST(Loans, TwoClaimsArePublishedInAnyOrderAndSeenInTheirs) {
  for (std::uint64_t round = 0; round < 30; ++round) {
    auto older = this->out_->try_claim(), younger = this->out_->try_claim();
    *older = wide::of(1);
    *younger = wide::of(2);
    if (round % 2 == 0) older.publish();
    younger.publish();
    if (round % 2 != 0) {
      EXPECT_FALSE(this->in_->try_receive().has_value()) << "the older one is not visible yet";
      older.publish();
    }
    EXPECT_EQ(this->rest(), (numbers{1, 2}));
    EXPECT_TRUE(this->out_->is_drained());
  }
}

TYPED_TEST(Loans, OfTwoClaimsEitherCanBeAbandonedAndTheOtherIsDelivered) {
  for (int round = 0; round < 32; ++round) {
    auto older = this->out_->try_claim(), younger = this->out_->try_claim();
    ASSERT_TRUE(older && younger);
    *older = wide::of(1);
    *younger = wide::of(2);
    const bool drops_older = (round & 1) != 0, drops_first = (round & 2) != 0;
    auto& dropped = drops_older ? older : younger;
    auto& sent = drops_older ? younger : older;
    if (drops_first) dropped.abandon();
    sent.publish();
    if (!drops_first) dropped.abandon();
    EXPECT_EQ(this->rest(), (numbers{drops_older ? 2U : 1U})) << round;
    EXPECT_TRUE(this->out_->is_drained());
  }
  this->send(1, 8);
  EXPECT_EQ(this->rest().size(), 8U) << "no slot is lost";
}

TYPED_TEST(Loans, AClaimAssignedOverAnUnpublishedOneIsDelivered) {
  for (std::uint64_t round = 1; round < 30; ++round) {
    auto slot = this->out_->try_claim();
    for (int i = 0; i < 20; ++i) {
      *slot = wide::of(666);
      slot = this->out_->try_claim();  // not good: once more
      ASSERT_TRUE(slot);
      while (this->in_->try_receive()) continue;  // mpmc: steps over what was abandoned
    }
    *slot = wide::of(round);
    slot.publish();
    EXPECT_EQ(this->rest(), (numbers{round}));
  }
}

/// Any order of claims, abandoned claims, batches published in part and copies: what was published comes once, what was not never.
TYPED_TEST(Loans, AnyOrderOfClaimsDeliversWhatWasPublishedOnce) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const auto any_of = [&](unsigned count) { return random() % count; };
    std::vector<std::pair<typename producer<wide, TypeParam>::loan, std::uint64_t>> claimed;
    std::set<std::uint64_t> published;  // and not received
    std::uint64_t next = 0, had = 0;
    const auto receive_all = [&] {
      for (wide message; this->in_->try_receive(message); ++had) {
        ASSERT_TRUE(message.is_whole());
        ASSERT_EQ(published.erase(message.number()), 1u) << message.number();
      }
    };
    const auto end_claim = [&](std::size_t which, bool publishes) {
      auto [loan, number] = std::move(claimed[which]);
      claimed.erase(claimed.begin() + static_cast<std::ptrdiff_t>(which));
      if (publishes) {
        published.insert(number);
        loan.publish();
      } else {
        loan.abandon();
      }
    };
    for (int step = 0; step < 6000; ++step) {
      switch (any_of(5)) {
        case 0:
        case 1:
          if (claimed.size() < max_open_loans) {
            if (auto slot = this->out_->try_claim()) {
              *slot = wide::of(++next);
              claimed.emplace_back(std::move(slot), next);
            }
          }
          break;
        case 2:
          if (!claimed.empty()) end_claim(any_of(static_cast<unsigned>(claimed.size())), any_of(3) != 0);
          break;
        case 3:
          if (claimed.empty()) {
            auto batch = this->out_->try_claim_batch(1 + any_of(4));
            const auto count = any_of(static_cast<unsigned>(batch.size()) + 1);
            for (unsigned i = 0; i < batch.size(); ++i) batch[i] = wide::of(++next);
            for (unsigned i = 0; i < count; ++i) published.insert(next - batch.size() + 1 + i);
            batch.publish(count);
            if (this->out_->try_send(wide::of(next + 1))) published.insert(++next);
          }
          break;
        case 4: ASSERT_NO_FATAL_FAILURE(receive_all()); break;
      }
    }
    while (!claimed.empty()) end_claim(0, true);
    ASSERT_NO_FATAL_FAILURE(receive_all());
    ASSERT_TRUE(published.empty()) << published.size() << " lost";
    ASSERT_GT(had, 500u);
  }
}

TYPED_TEST(Loans, TwoClaimsNeverTakeWhatIsNotRead) {
  this->send(1, 7);
  auto only = this->out_->try_claim();
  ASSERT_TRUE(only);
  EXPECT_FALSE(is_there(this->out_->try_claim())) << "there is room for one";
  EXPECT_FALSE(is_there(this->out_->claim_for(1ms)));
  EXPECT_EQ(this->out_->status(), wait_result::timed_out);
  *only = wide::of(8);
  only.publish();
  EXPECT_EQ(this->rest(), (numbers{1, 2, 3, 4, 5, 6, 7, 8}));
}

TYPED_TEST(Loans, ASecondClaimWaitsForRoom) {
  this->send(1, 7);
  auto older = this->out_->try_claim();
  std::thread receiving([&] { EXPECT_EQ(this->in_->try_receive()->number(), 1U); });
  auto younger = this->out_->claim();
  receiving.join();
  ASSERT_TRUE(younger);
  *older = wide::of(8);
  *younger = wide::of(9);
  younger.publish();
  older.publish();
  EXPECT_EQ(this->rest(), (numbers{2, 3, 4, 5, 6, 7, 8, 9}));
}

TYPED_TEST(Loans, AThirdIsMisuse) {
  this->send(1, 3);
  {
    auto a = this->in_->try_peek(), b = this->in_->try_peek();
    wide into;
    EXPECT_THAT(thrown_by([&] { (void)this->in_->try_peek(); }), ThrewSaying(errc::misuse, "2 loans of it are open"));
    EXPECT_THAT(thrown_by([&] { (void)this->in_->peek_for(1s); }), ThrewSaying(errc::misuse, "release one of them"));
    EXPECT_THAT(thrown_by([&] { (void)this->in_->try_receive(into); }), Threw(errc::misuse));
    EXPECT_THAT(thrown_by([&] { (void)this->in_->receive(into); }), Threw(errc::misuse));
    EXPECT_THAT(thrown_by([&] { (void)this->in_->try_peek_batch(2); }), Threw(errc::misuse));
    EXPECT_EQ(a->number(), 1U);
    EXPECT_EQ(b->number(), 2U);
  }
  EXPECT_EQ(this->rest(), (numbers{3}));
  auto a = this->out_->try_claim(), b = this->out_->try_claim();
  EXPECT_THAT(thrown_by([&] { (void)this->out_->try_claim(); }), ThrewSaying(errc::misuse, "2 loans of it are open"));
  EXPECT_THAT(thrown_by([&] { (void)this->out_->claim_for(1s); }), Threw(errc::misuse));
}

TYPED_TEST(Loans, SendingByCopyBesideAClaimIsMisuse) {
  auto slot = this->out_->try_claim();
  const wide messages[2];
  EXPECT_THAT(thrown_by([&] { (void)this->out_->try_send(messages[0]); }), ThrewSaying(errc::misuse, "send with a"));
  EXPECT_THAT(thrown_by([&] { (void)this->out_->send(messages[0]); }), Threw(errc::misuse));
  EXPECT_THAT(thrown_by([&] { (void)this->out_->try_send(std::span<const wide>(messages)); }), Threw(errc::misuse));
  *slot = wide::of(1);
  slot.publish();
  EXPECT_EQ(this->rest(), (numbers{1}));
}

TYPED_TEST(Loans, ABatchAndALoanExcludeEachOther) {
  this->send(1, 4);
  {
    auto batch = this->in_->try_peek_batch(2);
    wide into;
    EXPECT_THAT(thrown_by([&] { (void)this->in_->try_peek(); }), ThrewSaying(errc::misuse, "a batch of it is open"));
    EXPECT_THAT(thrown_by([&] { (void)this->in_->try_receive(into); }), Threw(errc::misuse));
    EXPECT_THAT(thrown_by([&] { (void)this->in_->try_peek_batch(1); }), Threw(errc::misuse));
    batch.release();
    EXPECT_EQ(this->in_->try_peek()->number(), 3U);
    auto loan = this->in_->try_peek();
    EXPECT_THAT(thrown_by([&] { (void)this->in_->try_peek_batch(1); }),
                ThrewSaying(errc::misuse, "a loan of it is open"));
  }
  auto batch = this->out_->try_claim_batch(2);
  EXPECT_THAT(thrown_by([&] { (void)this->out_->try_claim(); }), Threw(errc::misuse));
  EXPECT_THAT(thrown_by([&] { (void)this->out_->try_send(wide()); }), Threw(errc::misuse));
  batch.publish(0);
  EXPECT_TRUE(this->out_->try_send(wide()));
}

// ---- Death with two loans --------------------------------------------------------------------------------------------

TYPED_TEST(Loans, ABatchIsWaitedForAndHasWhatIsThere) {
  auto none = this->in_->peek_batch_for(4, 1ms);
  EXPECT_EQ(none.size(), 0u);
  EXPECT_EQ(this->in_->status(), wait_result::timed_out);
  std::thread sender([&] { this->send(1, 3); });
  numbers got;
  while (got.size() < 3) {
    auto batch = this->in_->peek_batch(4);
    ASSERT_GE(batch.size(), 1u);
    for (std::uint64_t i = 0; i < batch.size(); ++i) got.push_back(batch[i].number());
    batch.release();
  }
  sender.join();
  EXPECT_EQ(got, (numbers{1, 2, 3}));
  EXPECT_EQ(this->in_->peek_batch(0).size(), 0u);
  this->out_->close();
  EXPECT_EQ(this->in_->peek_batch(4).size(), 0u);
  EXPECT_EQ(this->in_->status(), wait_result::closed);
}

TYPED_TEST(Loans, ABatchIsWaitedForAndHasTheRoomThereIs) {
  this->send(1, 8);
  EXPECT_EQ(this->out_->claim_batch_for(4, 1ms).size(), 0u);
  EXPECT_EQ(this->out_->status(), wait_result::timed_out);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(this->out_->claim_batch(4, stop.get_token()).size(), 0u);
  EXPECT_EQ(this->out_->status(), wait_result::interrupted);
  std::thread reader([&] { ASSERT_TRUE(this->in_->try_receive()); });
  {
    auto batch = this->out_->claim_batch(4);
    ASSERT_EQ(batch.size(), 1u);
    batch[0] = wide::of(9);
    EXPECT_THAT(thrown_by([&] { (void)this->out_->try_claim(); }), Threw(errc::misuse));
    batch.publish();
  }
  reader.join();
  EXPECT_EQ(this->rest(), (std::vector<std::uint64_t>{2, 3, 4, 5, 6, 7, 8, 9}));
}

TYPED_TEST(Loans, BothMessagesOfAConsumerThatDiesAreDeliveredAgainMarked) {
  this->in_.reset();
  this->send(1, 3);
  pipe_signal held;
  auto child = child_process::fork([&]() -> int {
    auto in = this->link_.consumer();
    auto a = in.try_peek(), b = in.try_peek();
    held.tell(a->number() * 10 + b->number());
    for (;;) ::pause();
  });
  EXPECT_EQ(held.wait(), 12U);
  child.kill();
  this->in_.emplace(this->link_.consumer());
  wide got;
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(this->in_->receive_for(got, 10s), wait_result::ready);
    EXPECT_EQ(this->in_->last_was_redelivered(), got.number() != 3);
    seen.insert(got.number());
  }
  EXPECT_EQ(seen, (std::set<std::uint64_t>{1, 2, 3}));
  EXPECT_TRUE(this->out_->is_drained());
}

TYPED_TEST(Loans, TheObviousLoopGetsWhatADeadConsumerHeld) {
  if constexpr (TypeParam::kind == ring_kind::mpmc) {
    this->send(1, 4);
    pipe_signal held;
    auto child = child_process::fork([&]() -> int {
      auto in = this->link_.consumer();
      auto a = in.try_peek(), b = in.try_peek();
      held.tell(1);
      for (;;) ::pause();
    });
    ASSERT_TRUE(held.is_told());
    numbers seen;
    for (auto got = this->in_->peek_for(10s); got;
         got = seen.size() == 4 ? this->in_->try_peek() : this->in_->peek_for(10s)) {
      EXPECT_EQ(got.was_delivered_before(), got->number() <= 2);
      seen.push_back(got->number());
      if (seen.size() == 2) child.kill();  // while this one is lent
    }
    EXPECT_EQ(seen, (numbers{3, 4, 1, 2}));
  }
}

// ---- By copy, and marked ---------------------------------------------------------------------------------------------

TYPED_TEST(Loans, ASpanSaysHowManyOfItWereDeliveredBefore) {
  this->send(1, 4);
  this->in_->try_peek_batch(2).release(0);
  this->in_.reset();  // leaves with two messages in its hands
  this->in_.emplace(this->link_.consumer());
  wide into[4];
  std::uint64_t count = 0, marked = 0;
  while (count < 4) {
    const auto got = this->in_->try_receive(std::span<wide>(into).subspan(count));
    ASSERT_NE(got, 0U);
    count += got;
    marked += this->in_->last_redelivered();
  }
  EXPECT_EQ(marked, 2U);
  for (std::uint64_t i = 0; i < 4; ++i) EXPECT_EQ(into[i].number(), i + 1);
  EXPECT_EQ(this->in_->try_receive(std::span<wide>(into)), 0U);
}

// A consumer that has inherited a message has one at hand before it looks at the ring.
TYPED_TEST(Loans, AnEmptySpanTakesNothingOfWhatWasInherited) {
  this->send(7, 7);
  this->in_->try_peek().keep();
  this->in_.reset();
  this->in_.emplace(this->link_.consumer());
  wide behind[2] = {wide::of(1), wide::of(1)};
  EXPECT_EQ(this->in_->try_receive(std::span<wide>(behind, 0)), 0U);
  EXPECT_EQ(behind[0].number(), 1U);
  EXPECT_EQ(this->in_->try_peek_batch(0).size(), 0U);
  EXPECT_EQ(raw_of(*this->in_).try_peek(0), 0U);
  EXPECT_EQ(this->out_->try_claim_batch(0).size(), 0U);
  EXPECT_EQ(raw_of(*this->out_).try_claim(0), 0U);
  EXPECT_EQ(this->rest(), (numbers{7}));
}

TYPED_TEST(Loans, EmptyTakesNothing) {
  EXPECT_TRUE(this->in_->empty());
  EXPECT_TRUE(this->out_->empty());
  this->send(1, 3);
  EXPECT_FALSE(this->out_->empty());
  EXPECT_EQ(this->out_->size_approx(), 3U);
  EXPECT_EQ(this->in_->size_approx(), 3U);
  numbers seen;
  while (!this->in_->empty()) seen.push_back(this->in_->try_receive()->number());
  EXPECT_EQ(seen, (numbers{1, 2, 3}));
  EXPECT_EQ(this->in_->size_approx(), 0U);
}

// ---- Handles that are moved ------------------------------------------------------------------------------------------

TYPED_TEST(Loans, AHandleThatWasMovedFromThrows) {
  auto out = std::move(*this->out_);
  auto in = std::move(*this->in_);
  wide message;
  EXPECT_THAT(thrown_by([&] { (void)this->out_->try_send(message); }), ThrewSaying(errc::misuse, "moved from"));
  EXPECT_THAT(thrown_by([&] { (void)this->out_->try_claim(); }), Threw(errc::misuse));
  EXPECT_THAT(thrown_by([&] { (void)this->out_->claim_for(1s); }), Threw(errc::misuse));
  EXPECT_THAT(thrown_by([&] { (void)this->out_->is_drained(); }), Threw(errc::misuse));
  EXPECT_THAT(thrown_by([&] { this->out_->close(); }), Threw(errc::misuse));
  EXPECT_THAT(thrown_by([&] { (void)this->out_->capacity_slots(); }), Threw(errc::misuse));
  EXPECT_THAT(thrown_by([&] { (void)this->in_->try_receive(message); }), ThrewSaying(errc::misuse, "moved from"));
  EXPECT_THAT(thrown_by([&] { (void)this->in_->try_peek(); }), Threw(errc::misuse));
  EXPECT_THAT(thrown_by([&] { (void)this->in_->receive_for(message, 1s); }), Threw(errc::misuse));
  EXPECT_THAT(thrown_by([&] { (void)this->in_->is_finished(); }), Threw(errc::misuse));
  EXPECT_THAT(thrown_by([&] { (void)this->in_->peer(); }), Threw(errc::misuse));
  EXPECT_TRUE(out.try_send(wide::of(1)));
  EXPECT_EQ(in.try_receive()->number(), 1U);
}

TYPED_TEST(Loans, AHandleAssignedToItselfKeepsItsSeat) {
  auto &same_out = *this->out_, &also_out = *this->out_;
  auto &same_in = *this->in_, &also_in = *this->in_;
  same_out = std::move(also_out);
  same_in = std::move(also_in);
  EXPECT_EQ(same_in.peer(), peer_state::alive);
  EXPECT_EQ(same_out.peer(), peer_state::alive);
  this->send(1, 1);
  EXPECT_EQ(this->rest(), (numbers{1}));
}

TYPED_TEST(Loans, AClaimGoesOnWhenItsProducerIsMoved) {
  std::vector<producer<wide, TypeParam>> all;
  all.push_back(std::move(*this->out_));
  auto slot = all[0].try_claim();
  *slot = wide::of(7);
  all.reserve(100);
  slot.publish();
  EXPECT_EQ(this->rest(), (numbers{7}));
}

TYPED_TEST(Loans, AMessageIsReleasedOnceWhenItsConsumerIsMoved) {
  this->send(1, 3);
  auto got = this->in_->try_peek();
  auto in = std::move(*this->in_);
  EXPECT_EQ(got->number(), 1U);
  got.release();
  EXPECT_EQ(in.try_receive()->number(), 2U);
  EXPECT_EQ(in.try_receive()->number(), 3U);
}

TYPED_TEST(Loans, ThatOutliveTheirHandleAreVoid) {
  this->send(1, 2);
  auto got = this->in_->try_peek(), also = this->in_->try_peek();
  auto claimed = this->out_->try_claim();
  *claimed = wide::of(666);
  this->in_.reset();
  this->out_.reset();
  this->in_.emplace(this->link_.consumer());
  this->out_.emplace(this->link_.producer());
  EXPECT_EQ(got->number(), 1U);
  claimed.publish();
  got.release();
  also.release();
  EXPECT_EQ(this->rest(), (numbers{1, 2}));
  this->send(3, 10);
  EXPECT_EQ(this->rest().size(), 8U);
}

// ---- Run-time handles ------------------------------------------------------------------------------------------------

TYPED_TEST(Loans, ARunTimeHandleForARingThatIsNotThereIsMisuse) {
  const auto attached = attach_unnamed(this->link_.memory());
  EXPECT_THAT(thrown_by([&] { raw_producer<TypeParam, park>(attached, 1); }), ThrewSaying(errc::misuse, "no ring 1"));
  EXPECT_THAT(thrown_by([&] { raw_consumer<TypeParam, park>(attached, 1); }), Threw(errc::misuse));
}

TYPED_TEST(Loans, ARunTimeHandleForARingOfTheOtherKindIsRefused) {
  using other = std::conditional_t<TypeParam::kind == ring_kind::spsc, mpmc_ring, spsc_ring>;
  this->out_.reset();
  this->in_.reset();
  const auto attached = attach_unnamed(this->link_.memory());
  EXPECT_THAT(thrown_by([&] { raw_producer<other, park>(attached, 0); }), Threw(errc::wrong_kind));
  EXPECT_THAT(thrown_by([&] { raw_consumer<other, park>(attached, 0); }), Threw(errc::wrong_kind));
}

TYPED_TEST(Loans, ARunTimeHandleReleasesNoMoreThanWasPeeked) {
  this->send(1, 4);
  auto& raw = raw_of(*this->in_);
  ASSERT_EQ(raw.try_peek(1), 1U);
  raw.release(3);
  raw.release(3);
  EXPECT_EQ(this->rest(), (numbers{2, 3, 4}));
  this->send(5, 12);
  EXPECT_EQ(this->rest().size(), 8U);
}

TYPED_TEST(Loans, ARunTimeHandleThatWasMovedFromThrows) {
  raw_consumer<TypeParam, spin_then_park> raw = std::move(raw_of(*this->in_));
  EXPECT_THAT(thrown_by([&] { (void)raw_of(*this->in_).try_peek(1); }), Threw(errc::misuse));
  EXPECT_FALSE(raw_of(*this->in_).release(1));
  raw_producer<TypeParam, spin_then_park> out = std::move(raw_of(*this->out_));
  EXPECT_THAT(thrown_by([&] { (void)raw_of(*this->out_).try_claim(1); }), Threw(errc::misuse));
  raw_of(*this->out_).publish(1);
  EXPECT_EQ(raw.try_peek(1), 0U);
}

// ---- Threads that end with a loan, or in a wait ------------------------------------------------------------------------

// glibc unwinds such a thread without an exception that the language counts.
TYPED_TEST(Loans, AThreadThatExitsWithALoanReleasesItAsAReturnDoes) {
  this->send(1, 2);
  pthread_t thread{};
  const auto end = [](void* in) -> void* {
    auto got = static_cast<consumer<wide, TypeParam>*>(in)->try_peek();
    ::pthread_exit(nullptr);
  };
  ASSERT_EQ(::pthread_create(&thread, nullptr, end, &*this->in_), 0);
  ASSERT_EQ(::pthread_join(thread, nullptr), 0);
  EXPECT_EQ(this->rest(), (numbers{2}));
}

template <class Wait>
void* cancelled_in(Wait wait) {
  pthread_t thread{};
  EXPECT_EQ(::pthread_create(
                &thread, nullptr,
                [](void* call) -> void* {
                  (*static_cast<Wait*>(call))();
                  return nullptr;
                },
                &wait),
            0);
  EXPECT_EQ(::pthread_cancel(thread), 0);
  void* result = nullptr;
  EXPECT_EQ(::pthread_join(thread, &result), 0);
  return result;
}

TYPED_TEST(Loans, AThreadThatWaitsCanBeCancelled) {
  EXPECT_EQ(cancelled_in([&] { (void)this->in_->peek(); }), PTHREAD_CANCELED);
  this->send(1, 8);
  EXPECT_EQ(cancelled_in([&] { (void)this->out_->claim(); }), PTHREAD_CANCELED);
  EXPECT_EQ(this->rest().size(), 8U) << "both go on";
}

// ---- What does not compile ---------------------------------------------------------------------------------------------

template <class H>
concept lends_slots = requires(H&& handle) {
  std::forward<H>(handle).try_claim();
};
template <class H>
concept waits_for_slots = requires(H&& handle) {
  std::forward<H>(handle).claim_for(1s);
};
template <class H>
concept lends_slot_batches = requires(H&& handle) {
  std::forward<H>(handle).try_claim_batch(2);
};
template <class H>
concept lends_messages = requires(H&& handle) {
  std::forward<H>(handle).try_peek();
};
template <class H>
concept waits_for_messages = requires(H&& handle) {
  std::forward<H>(handle).peek_for(1s);
};
template <class H>
concept lends_message_batches = requires(H&& handle) {
  std::forward<H>(handle).try_peek_batch(2);
};
template <class L>
concept can_be_asked = requires(L&& loan) {
  std::forward<L>(loan) ? 1 : 0;
};

using out = producer<wide, spsc_ring>;
using in = consumer<wide, spsc_ring>;
template <class H>
concept shows_what_lies_behind = requires(H& handle) {
  handle.raw();
}
|| requires(H& handle) { handle.details(); };
static_assert(!shows_what_lies_behind<out> && !shows_what_lies_behind<in>);
static_assert(lends_slots<out&> && waits_for_slots<out&> && lends_slot_batches<out&>);
static_assert(lends_messages<in&> && waits_for_messages<in&> && lends_message_batches<in&>);
static_assert(!lends_slots<out> && !waits_for_slots<out> && !lends_slot_batches<out>, "a temporary lends nothing");
static_assert(!lends_messages<in> && !waits_for_messages<in> && !lends_message_batches<in>,
              "a temporary lends nothing");
static_assert(can_be_asked<in::loan&> && can_be_asked<const in::loan&> && can_be_asked<out::loan&>);
static_assert(!can_be_asked<in::loan>, "if (in.try_peek()) would take a message and drop it");
static_assert(!can_be_asked<out::loan>, "if (out.try_claim()) would take a slot and drop it");
static_assert(!std::is_copy_constructible_v<in::batch> && !std::is_copy_assignable_v<in::batch>);
static_assert(!std::is_copy_constructible_v<in::loan> && !std::is_copy_constructible_v<out::loan>);
static_assert(std::is_nothrow_move_constructible_v<in> && std::is_nothrow_move_assignable_v<out>);

}  // namespace
}  // namespace sluice::detail::test
