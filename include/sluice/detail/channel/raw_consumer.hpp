#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <utility>

#include "sluice/detail/channel/endpoint.hpp"
#include "sluice/detail/channel/slot_reach.hpp"

namespace sluice::detail {

/// Reads slots of a ring whose message size is known at run time only. consumer<T> is this with a type.
/// One thread at a time; moving it is allowed while nothing is peeked; one that was moved from throws misuse. Its seat is the process's that made it: after fork
/// the child gets wrong_process.
/// Killed at any instruction: what was peeked and not released is delivered again, marked as such, to the next consumer.
template <ring Ring, wait_strategy Wait>
class raw_consumer : public endpoint<Ring, typename Ring::consumer, role::consumer, Wait> {
  using base = endpoint<Ring, typename Ring::consumer, role::consumer, Wait>;
  using base::lent_, base::loans_, base::mark_, base::polls_before_clock_, base::ring_;

 protected:
  using base::control_, base::owner_, base::owner;

 public:
  using base::is_lending;

  template <class... How>
  raw_consumer(const attached_segment& attached, std::uint32_t ring_index, Wait wait = {}, const How&... how)
      : base(attached, ring_index, std::move(wait), how...), reach_(owner_->ring(), owner_->descriptor()) {
    if constexpr (has_bell<Ring>) joined();
  }
  raw_consumer(raw_consumer&&) noexcept = default;
  raw_consumer& operator=(raw_consumer&&) = delete;
  ~raw_consumer() { leave(); }

  /// Up to `count` of the oldest messages, without waiting and without removing them; how many. 0: empty.
  /// @throws error wrong_process.
  [[nodiscard, gnu::always_inline]] std::uint64_t try_peek(std::uint64_t count = 1) {
    if (!mark_.is_here()) [[unlikely]]
      owner().require_here();
    if (count == 0) [[unlikely]]
      return 0;
    const auto peeked = peek(count);
    if constexpr (Ring::mends) {
      if (peeked == 0 && --polls_before_clock_ == 0) [[unlikely]]
        return mend_and_peek(count);
    }
    return peeked;
  }

  /// The `i`-th peeked message, message_bytes() long; stays until released.
  [[nodiscard]] const std::byte* peeked(std::uint64_t i = 0) const noexcept { return ring_.peeked(i); }
  /// Whether a consumer that died may have seen the `i`-th peeked message already.
  [[nodiscard]] bool was_delivered_before(std::uint64_t i = 0) const noexcept { return ring_.was_delivered_before(i); }

  /// How a message is reached from its slot.
  [[nodiscard]] const slot_reach<Ring>& reach() const noexcept { return reach_; }

  /// Hands the first `count` peeked slots back to the producers. Wakes those that sleep.
  /// False: it did nothing. In a forked child, the message is the parent's; or the segment was lost (its file was cut
  /// short) and what was read of the messages before this call may be zeroes.
  [[gnu::always_inline]] bool release(std::uint64_t count = 1) noexcept {
    std::atomic_signal_fence(std::memory_order_acquire);  // fault_guard.hpp GX: the messages are read before the mark
    if (!mark_.is_here()) [[unlikely]] {
      if (lent_ == lending::plain) lent_ = lending::kept;
      return false;
    }
    std::uint64_t waiting_seats = 0;
    for (std::uint64_t i = 0; waits_for_messages && i < count; ++i) waiting_seats |= reach_.waiting_seats(peeked(i));
    ring_.release(count);
    pay_debts();
    if (must_wake(*control_, role::producer)) [[unlikely]]
      wake_producers(count, waiting_seats);
    if constexpr (shares_its_end) {
      if (control_->closed.load(std::memory_order_relaxed) != 0) [[unlikely]]  // after must_wake()'s M
        pass_on_the_end();
    }
    return true;
  }

  /// Waits until at least one of up to `count` messages is there.
  /// @return ready: `peeked_count` says how many; closed: and everything was delivered; peer_gone: all producers died
  ///         and the ring is empty; timed_out. A deadline of `never` waits for ever.
  ///         interrupted: a stop was requested, or a signal came where end_waits_on_signals() asked for it.
  /// @throws error wrong_process; corrupted: the shared counters contradict each other; not_found, once for each handle and
  ///         when no message is left: the name leads to another file by now, or was removed and no producer lives. It is
  ///         noticed within a second.
  [[nodiscard]] wait_result peek_until(std::uint64_t deadline_ns, std::uint64_t count, std::uint64_t& peeked_count,
                                       const stop_signal& stop = {}) {
    if ((peeked_count = try_peek(count)) != 0) [[likely]]
      return wait_result::ready;
    return wait_for_message(
        deadline_ns, [&] { return (peeked_count = peek(count)) != 0; }, stop);
  }
  /// Whether the channel was closed and nothing is left: what a wait would call `closed`. Not while anything is lent.
  [[nodiscard]] bool is_finished() {
    if (!owner().is_closed() || is_lending() || lent_ == lending::kept) return false;
    const bool is_finished = try_peek(1) == 0 && conclude([&] { return peek(1) != 0; }) == wait_result::closed;
    if (ring_.is_open()) lent_ = lending::kept;
    return is_finished;
  }

  /// Ends the channel for all participants; see raw_producer::close().
  void close() {
    owner().require_here();
    owner_->close();
  }

  /// Of a topic: the subscription that it was made for is none any more when it goes.
  void end_subscription() requires has_subscriptions<Ring> {
    owner().require_here();
    ring_.end_subscription();
  }

  /// @throws error wrong_process; truncated: the file was cut short.
  void require_here() const { owner().require_here(); }
  /// Whether a look at this moment would find no message, beside what is lent. Takes nothing.
  [[nodiscard]] bool is_empty() const {
    owner().require_here();
    return kept_count_ == 0 && !ring_.finds_something(is_lending());
  }
  // ---- Loans: single messages, at most max_open_loans at once, which end in any order. consumer<T> gives them out. ----

  /// The oldest message that is not lent; false: empty. @throws error misuse; and as try_peek().
  [[nodiscard, gnu::always_inline]] bool try_lend(const std::byte*& message) {
    if (lent_ != lending::plain || ring_.is_open()) [[unlikely]]
      return (message = try_lend_another()) != nullptr;
    if (try_peek(1) == 0) return false;
    message = peeked(0);
    return true;
  }

  /// Waits for one; as peek_until().
  [[nodiscard]] wait_result lend_until(std::uint64_t deadline_ns, const std::byte*& message,
                                       const stop_signal& stop = {}) {
    if (try_lend(message)) return wait_result::ready;
    const bool is_second = is_lending();
    const auto take = [&] {
      message = is_second ? peek_another() : peek(1) != 0 ? peeked(0) : nullptr;
      return message != nullptr;
    };
    return wait_for_message(deadline_ns, take, stop);
  }

  /// False: it did nothing, as release().
  [[gnu::always_inline]] bool release_lent(const std::byte* message) noexcept {
    if (lent_ != lending::plain) [[unlikely]]
      return release_one(message);
    return release(1);
  }

  /// Ends the loan and leaves the message where it is: it is lent again before all others.
  void keep_lent(const std::byte* message) noexcept {
    if (lent_ == lending::plain) {
      lent_ = lending::kept;  // the ring hands out what is peeked again
      return;
    }
    if (!owner_) return end_retired();
    --loans_;
    kept_[kept_count_++] = message;
    if (kept_count_ == 2 && kept_[1] == peeked(0)) std::swap(kept_[0], kept_[1]);  // the older one first
    settle();
  }

  [[nodiscard]] bool was_lent_delivered_before(const std::byte* message) const noexcept {
    return lent_ == lending::several ? ring_.was_delivered_before_one(message) : ring_.was_delivered_before(0);
  }

  /// Up to `count` messages as a batch, which ends by release_batch(). @throws error misuse; and as try_peek().
  [[nodiscard]] std::uint64_t try_lend_batch(std::uint64_t count) {
    if (lent_ == lending::several && loans_ == 0) {  // what was kept comes by itself
      if (count == 0) return 0;
      (void)peek_another();
      return 1;
    }
    if (is_lending()) throw_lent(owner(), role::consumer, lent_ == lending::batch, 1, "peek at a batch");
    const auto peeked_count = try_peek(count);
    if (peeked_count != 0) lent_ = lending::batch;
    return peeked_count;
  }
  /// Waits for at least one of them; as peek_until().
  [[nodiscard]] wait_result lend_batch_until(std::uint64_t deadline_ns, std::uint64_t count,
                                             std::uint64_t& peeked_count, const stop_signal& stop) {
    if ((peeked_count = try_lend_batch(count)) != 0) return wait_result::ready;
    const auto result = peek_until(deadline_ns, count, peeked_count, stop);
    if (peeked_count != 0) lent_ = lending::batch;
    return result;
  }
  void release_batch(std::uint64_t count) noexcept {
    if (!owner_) return end_retired();
    if (lent_ == lending::several) {
      if (count == 0) return keep_lent(peeked(0));
      (void)release_one(peeked(0));
      return;
    }
    lent_ = lending::plain;
    if (count != 0) release(count);
    if (ring_.is_open()) lent_ = lending::kept;
  }

  /// For a loan that is made: how many exceptions are passing, as far as that must be known. To ask takes three calls, which
  /// halved the rate of a stream of 64-byte messages. So a loan is taken to be made while none is, until one was kept: that
  /// may have been wrong, and from then on it is asked for as long as it is.
  [[nodiscard, gnu::always_inline]] int exceptions_to_note() noexcept { return kept_one_ ? passing_exceptions() : 0; }
  /// Ends a loan that goes out of scope and noted so many: released, or kept if more are passing now.
  void drop_lent(const std::byte* message, int exceptions) noexcept {
    if (std::uncaught_exceptions() <= exceptions) [[likely]] {
      release_lent(message);
    } else {
      kept_one_ = true;
      keep_lent(message);
    }
  }

  /// The handle ends before its loans do, which are void then; its memory stays mapped.
  void leave_before_its_loans() noexcept {
    this->leave_but_keep_memory([this] { leave(); });
  }

  /// Ends a handle on the heap. Loans that outlive it are void: the last of them deletes it.
  static void retire(raw_consumer* handle) noexcept {
    if (!handle->stays_for_its_loans([handle] { handle->leave(); })) delete handle;
  }

 private:
  /// A topic. While it joined it kept more than it does now, and a publisher may sleep for that.
  [[gnu::noinline]] void joined() {
    if (must_wake(*control_, role::producer)) owner_->wake_all_of(role::producer);
    const auto ns = Ring::drop_stalled_after_ns(owner_->descriptor());
    if (ns == 0) return;
    if constexpr (has_subscriptions<Ring>) ring_.end_subscription();  // none was there before: it is new
    leave();
    owner_->throw_would_be_dropped(ns);
  }
  friend struct access;
  /// Whether the end of one consumer may depend on what another one releases.
  static constexpr bool shares_its_end = Ring::mends && !has_bell<Ring>;
  static constexpr bool waits_for_messages = Ring::mends && requires { typename Ring::releases; };

  void leave() noexcept {
    if (!owner_ || !owner_->is_here()) return;
    ring_.leave();
    if constexpr (has_bell<Ring>) owner_->wake_all_of(role::producer);  // they may wait for what it had not released
  }

  [[gnu::noinline]] int passing_exceptions() noexcept {
    const int passing = std::uncaught_exceptions();
    kept_one_ = passing != 0;
    return passing;
  }

  [[nodiscard, gnu::noinline]] const std::byte* try_lend_another() {
    owner().require_here();
    if (lent_ == lending::batch || (lent_ == lending::several && loans_ == max_open_loans))
      throw_lent(*owner_, role::consumer, lent_ == lending::batch, max_open_loans, "peek at a message");
    if (lent_ == lending::kept) return lend_kept();
    const auto* message = peek_another();
    if constexpr (Ring::mends) {
      if (message == nullptr && owner_->tick_is_over() && mend()) message = peek_another();
    }
    return message;
  }

  /// More may be peeked than this: it ends like one of several.
  [[nodiscard]] const std::byte* lend_kept() {
    lent_ = lending::plain;
    if (try_peek(1) == 0) return nullptr;
    lent_ = lending::several;
    loans_ = 1;
    return peeked(0);
  }

  [[nodiscard]] const std::byte* peek_another() noexcept {
    const std::byte* message = nullptr;
    if (kept_count_ != 0) {
      message = std::exchange(kept_[0], kept_[1]);
      --kept_count_;
    } else {
      for (bool owed = true; message == nullptr && owed;) {  // again, once a dead consumer's seat was given back
        message = ring_.peek_another();
        owed = ring_.owes();
        pay_debts();
      }
    }
    if (message == nullptr) return nullptr;
    this->count_another();
    return message;
  }

  [[gnu::noinline]] bool release_one(const std::byte* message) noexcept {
    if (!owner_) {
      end_retired();
      return false;
    }
    std::atomic_signal_fence(std::memory_order_acquire);  // fault_guard.hpp GX: the message is read before the mark
    --loans_;
    if (!mark_.is_here()) return false;
    waiting_seats_ |=
        reach_.waiting_seats(message);  // where it is handed back with an older one, until that is released
    ring_.release_one(message);
    pay_debts();
    if (must_wake(*control_, role::producer)) wake_producers(1, waiting_seats_);
    if constexpr (shares_its_end) {
      if (control_->closed.load(std::memory_order_relaxed) != 0) pass_on_the_end();  // after must_wake()'s M
    }
    settle();
    return true;
  }

  /// Back to the usual way, as soon as the ring has nothing open but what the usual calls mean.
  void settle() noexcept {
    if (!ring_.is_plain()) return;
    if (loans_ == 0)
      lent_ = ring_.is_open() ? lending::kept : lending::plain;
    else if (ring_.is_single())
      lent_ = lending::plain;
    else
      return;
    kept_count_ = 0;  // it is the ring's first
    waiting_seats_ = 0;
  }

  void end_retired() noexcept {
    if (--loans_ == 0) delete this;
  }

  /// `take` peeks; whether there was anything.
  template <class Take>
  [[gnu::noinline]] wait_result wait_for_message(std::uint64_t deadline_ns, const Take& take, const stop_signal& stop) {
    const auto look = [&]() -> wait_answer {
      if (take()) return wait_result::ready;
      return owner_->is_closed() ? conclude(take) : std::nullopt;
    };
    return this->wait_at(
        owner_->place(), look, [this](const auto& again) { return this->tick(again); }, deadline_ns, stop);
  }

  /// The tick of callers that poll and never wait. The clock costs as much as a poll, so a caller that polls in haste asks
  /// it at every eighth, and one that polls slowly each time.
  [[gnu::noinline]] std::uint64_t mend_and_peek(std::uint64_t count) {
    const auto now = monotonic_coarse_ns();
    polls_before_clock_ = now - asked_clock_ns_ < tick_ns / 8 ? 8 : 1;
    asked_clock_ns_ = now;
    if (!owner_->tick_is_over()) return 0;
    const bool changed = mend();
    owner_->require_answers();
    return changed ? peek(count) : 0;
  }

  /// Producers wait for room. A consumer that is never idle has no other tick, and what the producers wait for may be in
  /// the hands of a consumer that died.
  [[gnu::noinline]] void wake_producers(std::uint64_t count, std::uint64_t waiting_seats) noexcept {
    wake_sleepers(owner_->ring(), role::producer, count);
    if (waiting_seats != 0) wake_for_arenas(owner_->ring(), waiting_seats);
    if constexpr (Ring::mends) {
      if (owner_->tick_is_over()) mend();
    }
  }

  [[gnu::always_inline]] std::uint64_t peek(std::uint64_t count) noexcept {
    const auto peeked = ring_.try_peek(count);
    pay_debts();
    return peeked;
  }

  /// Of a channel that was seen closed: `closed` when nothing can come any more, no claim and no message that another
  /// consumer holds and may leave by its death. Those that die meanwhile are the tick's.
  /// A consumer that holds a loan while it waits does not wait for the loans of others: they may do the same.
  template <class Take>
  [[gnu::noinline]] wait_answer conclude(const Take& take) noexcept {
    auto& keeper = owner_->keeper();
    const bool holds_a_loan = is_lending();
    if (!ring_.is_exhausted(keeper, holds_a_loan) || !owner_->sees_every_claim() ||
        !ring_.is_exhausted(keeper, holds_a_loan))
      return std::nullopt;
    // Last, after the verdict: what was published before the close (K), and by one that is proven dead.
    if (take()) return wait_result::ready;
    if constexpr (shares_its_end) pass_on_the_end();
    return wait_result::closed;
  }

  /// The end of a closed channel may come with this consumer's last release: others looked before it, and sleep.
  [[gnu::noinline]] void pass_on_the_end() noexcept {
    if (ring_.waits_for() == nothing_to_wait_for()) owner_->wake_all_of(role::consumer);
  }

  bool mend() noexcept {
    const bool changed = ring_.mend(owner_->keeper());
    pay_debts();
    return changed;
  }

  void pay_debts() noexcept {
    if (ring_.owes()) [[unlikely]]
      pay();
  }

  [[gnu::noinline]] void pay() noexcept {
    const auto debt = ring_.owed();
    if (debt.producers != 0) wake_parked(owner_->ring(), role::producer, debt.producers);
    if (debt.consumers != 0 && must_wake(*control_, role::consumer)) this->wake_consumers(debt.consumers);
  }

  template <class Look>
  wait_answer tick(const Look& look) {
    owner_->require_sane(Ring::is_sane(owner_->ring()));
    mend();
    if (const auto answer = look()) return answer;
    owner_->note_stall(ring_.waits_for());
    return this->ask_for_the_end(look);
  }

  [[no_unique_address]] slot_reach<Ring> reach_;
  bool kept_one_ = false;  // a loan, because an exception was passing, since it was last seen that none is
  std::uint64_t asked_clock_ns_ = 0;
  std::uint32_t kept_count_ = 0;             // of several loans, how many were kept, to be lent again
  const std::byte* kept_[max_open_loans]{};  // oldest first
  std::uint64_t waiting_seats_ = 0;          // that wait for the release of one of several loans
};

/// Of the handle that has it.
template <class Ring, class Wait>
void dispose(raw_consumer<Ring, Wait>* handle) noexcept {
  raw_consumer<Ring, Wait>::retire(handle);
}

}  // namespace sluice::detail
