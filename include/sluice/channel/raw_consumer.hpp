#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>

#include "sluice/channel/participant.hpp"
#include "sluice/ring/ring_concept.hpp"
#include "sluice/wait/wait_strategy.hpp"

namespace sluice {

/// Reads slots of a ring whose message size is known at run time only. consumer<T> is this with a type.
/// One thread at a time; moving it is allowed while nothing is peeked. Its seat is the process's that made it: after fork
/// the child gets wrong_process.
/// Killed at any instruction: what was peeked and not released is delivered again, marked as such, to the next consumer.
template <ring Ring, wait_strategy Wait>
class raw_consumer {
 public:
  raw_consumer(attached_segment attached, std::uint32_t ring_index, Wait wait = {})
      : owner_(std::make_unique<participant>(std::move(attached), ring_index, role::consumer, &Ring::settle)),
        ring_(owner_->ring(), owner_->seat_index()),
        control_(owner_->ring().control),
        wait_(std::move(wait)) {
    owner_->require_sane(Ring::is_sane(owner_->ring()));
  }
  raw_consumer(raw_consumer&&) noexcept = default;
  raw_consumer& operator=(raw_consumer&& other) noexcept {
    raw_consumer old(std::move(*this));
    std::destroy_at(this);
    return *std::construct_at(this, std::move(other));
  }
  ~raw_consumer() {
    if (owner_ && owner_->is_here()) ring_.leave();
  }

  [[nodiscard]] std::size_t message_bytes() const noexcept { return owner_->ring().message_bytes; }
  [[nodiscard]] std::uint64_t capacity_slots() const noexcept { return owner_->ring().capacity(); }

  /// Up to `count` of the oldest messages, without waiting and without removing them; how many. 0: empty.
  /// @throws error wrong_process.
  [[nodiscard, gnu::always_inline]] std::uint64_t try_peek(std::uint64_t count = 1) {
    if (!mark_.is_here()) [[unlikely]]
      owner_->require_here();
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

  /// Hands the first `count` peeked slots back to the producers. Wakes those that sleep.
  /// False: it did nothing. In a forked child, the message is the parent's; or the segment was lost (its file was cut
  /// short) and what was read of the messages before this call may be zeroes.
  [[gnu::always_inline]] bool release(std::uint64_t count = 1) noexcept {
    std::atomic_signal_fence(std::memory_order_acquire);  // fault_guard.hpp GX: the messages are read before the mark
    if (!mark_.is_here()) [[unlikely]]
      return false;
    ring_.release(count);
    pay_debts();
    if (must_wake(*control_, role::producer)) [[unlikely]]
      wake_producers(count);
    if constexpr (Ring::mends) {
      if (control_->closed.load(std::memory_order_relaxed) != 0) [[unlikely]]  // after must_wake()'s M
        pass_on_the_end();
    }
    return true;
  }

  /// Waits until at least one of up to `count` messages is there.
  /// @return ready: `peeked_count` says how many; closed: and everything was delivered; peer_gone: all producers died
  ///         and the ring is empty; timed_out. A deadline of `never` waits for ever.
  ///         interrupted: a stop was requested, or a signal came where end_waits_on_signals() asked for it.
  /// @throws error wrong_process; corrupted: the shared counters contradict each other.
  [[nodiscard]] wait_result peek_until(std::uint64_t deadline_ns, std::uint64_t count, std::uint64_t& peeked_count,
                                       const std::stop_token& stop = {}) {
    if ((peeked_count = try_peek(count)) != 0) [[likely]]
      return wait_result::ready;
    return wait_for_message(deadline_ns, count, peeked_count, stop);
  }
  /// Whether the handler of a signal ends a wait that sleeps with `interrupted`. Not so at first. A signal that comes
  /// while the wait polls, or in the moment before it sleeps, does not: give such waits a time-out as well.
  void end_waits_on_signals(bool is_wanted) noexcept { owner_->place().end_on_signals(is_wanted); }

  /// Whether the channel was closed and nothing is left: what a wait would call `closed`.
  [[nodiscard]] bool is_finished() {
    std::uint64_t peeked = 0;
    return owner_->is_closed() && try_peek(1) == 0 && conclude(1, peeked) == wait_result::closed;
  }

  /// Ends the channel for everybody; see raw_producer::close().
  void close() {
    owner_->require_here();
    owner_->close();
  }

  [[nodiscard]] peer_state peer() { return owner_->peer(); }
  [[nodiscard]] participant& details() noexcept { return *owner_; }

 private:
  [[gnu::noinline]] wait_result wait_for_message(std::uint64_t deadline_ns, std::uint64_t count,
                                                 std::uint64_t& peeked_count, const std::stop_token& stop) {
    const auto look = [&](bool) -> wait_answer {
      if ((peeked_count = peek(count)) != 0) return wait_result::ready;
      if (owner_->is_closed())
        if (const auto end = conclude(count, peeked_count)) return end;
      return stop.stop_requested() ? wait_answer(wait_result::interrupted) : std::nullopt;
    };
    const std::stop_callback wakes(stop, [this]() noexcept { owner_->place().wake(); });
    return wait_.wait(
        owner_->place(), look, [&] { return tick(look); }, deadline_ns);
  }

  /// The tick of those who poll and never wait. The clock costs as much as a poll, so who polls in haste asks it at every
  /// eighth, and who polls slowly each time.
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
  [[gnu::noinline]] void wake_producers(std::uint64_t count) noexcept {
    wake_sleepers(owner_->ring(), role::producer, count);
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
  [[gnu::noinline]] wait_answer conclude(std::uint64_t count, std::uint64_t& peeked_count) noexcept {
    auto& keeper = owner_->keeper();
    if (!ring_.is_exhausted(keeper) || !owner_->sees_every_claim() || !ring_.is_exhausted(keeper)) return std::nullopt;
    // Last, after the verdict: what was published before the close (K), and by one that is proven dead.
    if ((peeked_count = peek(count)) != 0) return wait_result::ready;
    pass_on_the_end();
    return wait_result::closed;
  }

  /// The end of a closed channel may come with this consumer's last release: others looked before it, and sleep.
  [[gnu::noinline]] void pass_on_the_end() noexcept {
    if (ring_.waits_for() == nothing_to_wait_for()) wake_all(owner_->ring(), role::consumer);
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
    const auto debt = ring_.owed(owner_->keeper());
    if (debt.producers != 0) wake_parked(owner_->ring(), role::producer, debt.producers);
    if (debt.consumers != 0) wake_parked(owner_->ring(), role::consumer, debt.consumers);
  }

  template <class Look>
  wait_answer tick(const Look& look) {
    owner_->require_sane(Ring::is_sane(owner_->ring()));
    mend();
    if (const auto answer = look(true)) return answer;
    owner_->note_stall(ring_.waits_for());
    if (!owner_->peer_has_died()) return std::nullopt;
    // Once more, after the verdict: what the dead published up to the end comes first, and the death stays news.
    if (const auto answer = look(true)) return answer;
    owner_->death_was_told();
    return wait_result::peer_gone;
  }

  std::unique_ptr<participant> owner_;
  typename Ring::consumer ring_;
  ring_control* control_;  // these two are the owner's, kept near for the data path
  process_mark mark_ = owner_->mark();
  std::uint32_t polls_before_clock_ = 1;
  std::uint64_t asked_clock_ns_ = 0;
  Wait wait_;
};

}  // namespace sluice
