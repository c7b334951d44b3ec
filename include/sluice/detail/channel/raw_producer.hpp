#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "sluice/detail/base/bytes.hpp"
#include "sluice/detail/channel/durable_publisher.hpp"
#include "sluice/detail/channel/endpoint.hpp"
#include "sluice/detail/wait/timed_bell.hpp"

namespace sluice::detail {

/// Fills slots of a ring whose message size is known at run time only. producer<T> is this with a type.
/// One thread at a time and one claim at a time: claiming again before publish() or abandon() gives the same slots again.
/// Moving it is allowed while no claim is open; one that was moved from throws misuse. Its seat is the process's that made it: after fork
/// the child gets wrong_process.
/// Killed at any instruction: claims are void, what was published is delivered, the seat goes to the next process that asks.
///
/// The mark never matches in a durable channel, in a topic that wakes watchers, and in what was found closed: every claim and
/// publish takes the slow path then, which asks the owner and `closed`, seals and flushes, or rings. Others pay nothing for
/// this.
template <ring Ring, wait_strategy Wait>
class raw_producer : public endpoint<Ring, typename Ring::producer, role::producer, Wait> {
  using base = endpoint<Ring, typename Ring::producer, role::producer, Wait>;
  using base::lent_, base::loans_, base::mark_, base::polls_before_clock_, base::ring_;

 protected:
  using base::control_, base::owner_, base::owner;

 public:
  using base::is_lending;

  raw_producer(const attached_segment& attached, std::uint32_t ring_index, Wait wait = {})
      : base(attached, ring_index, std::move(wait)), durable_(durable_publisher::of(*owner_)) {
    if constexpr (has_bell<Ring>) {
      wakes_watchers_ = Ring::wakes_watchers(owner_->descriptor());
      ring_.drop_stalled_after(Ring::drop_stalled_after_ns(owner_->descriptor()));
    }
    if (!has_short_way()) mark_ = process_mark::nowhere();
    owner_->open();
  }
  raw_producer(raw_producer&&) noexcept = default;
  raw_producer& operator=(raw_producer&&) = delete;
  ~raw_producer() { leave(); }

  /// Claims up to `count` slots without waiting; how many it got. They are filled through claimed() and then published or
  /// abandoned before the next claim. 0: full, or closed.
  /// @throws error wrong_process; of a durable channel, what the disk said at an earlier flush.
  [[nodiscard, gnu::always_inline]] std::uint64_t try_claim(std::uint64_t count = 1) {
    if (!mark_.is_here() && !may_claim()) [[unlikely]]
      return 0;
    return claim(count);
  }

  /// The message of the `i`-th claimed slot, message_bytes() long, aligned as the message type.
  [[nodiscard]] std::byte* claimed(std::uint64_t i = 0) const noexcept { return ring_.claimed(i); }

  /// Makes the first `count` claimed messages visible, in order, and abandons the rest. Wakes consumers that sleep.
  /// In a forked child: does nothing, the claim is the parent's.
  /// Blocks: of a durable channel, for the disk whenever a flush is due. They are visible before that.
  [[gnu::always_inline]] void publish(std::uint64_t count = 1) noexcept {
    if (!mark_.is_here()) [[unlikely]]
      return publish_slowly(count);
    ring_.publish(count);
    if (must_wake(*control_, role::consumer)) [[unlikely]]
      this->wake_consumers(count + (count == 0));  // what is abandoned lets others pass
  }

  /// Gives all claimed slots back unfilled; nothing of them is ever seen.
  void abandon() noexcept { publish(0); }

  /// Waits until at least one of up to `count` slots is claimed.
  /// @return ready: `claimed_count` says how many; closed; peer_gone: all consumers died and the ring is full;
  ///         timed_out. A deadline of `never` waits for ever.
  ///         interrupted: a stop was requested, or a signal came where end_waits_on_signals() asked for it.
  /// @throws error wrong_process; corrupted: the shared counters contradict each other; not_found, once for each handle and
  ///         while there is no room: the name leads to another file by now, or was removed and no consumer lives.
  [[nodiscard]] wait_result claim_until(std::uint64_t deadline_ns, std::uint64_t count, std::uint64_t& claimed_count,
                                        const stop_signal& stop = {}) {
    if ((claimed_count = try_claim(count)) != 0) [[likely]]
      return wait_result::ready;
    return wait_for_room(
        deadline_ns, [&] { return (claimed_count = claim(count)) != 0; }, stop);
  }

  // ---- For messages of any length, whose claims need more than a slot: raw_bytes_producer.hpp ------------------------

  /// What may be out of the ordinary where the mark says nowhere. False: closed. @throws error as try_claim().
  [[nodiscard, gnu::noinline]] bool may_claim() {
    owner().require_here();
    if (durable_) durable_->require_flushed();
    if (owner_->is_closed()) return false;
    if (has_short_way()) mark_ = owner_->mark();  // opened again
    return true;
  }
  /// Waits at `place` until `take` has claimed what it needs; as claim_until(). `waits_for` says what cannot be passed.
  template <class Take, class WaitsFor>
  [[nodiscard]] wait_result take_until(std::uint64_t deadline_ns, const Take& take, sleeper place,
                                       const WaitsFor& waits_for, const stop_signal& stop) {
    return wait_for_room(deadline_ns, take, place, waits_for, stop);
  }
  /// After a claim that found no room and asked no slot: the tick of callers that poll.
  template <class WaitsFor>
  void polled_in_vain(const WaitsFor& waits_for) noexcept {
    if constexpr (Ring::mends) {
      if (--polls_before_clock_ == 0) poll_full(waits_for());
    }
  }
  /// Of a topic: see only_publisher::take_bytes_of().
  [[nodiscard]] bool take_bytes_of(std::uint64_t sequence, std::uint64_t further) noexcept {
    return ring_.take_bytes_of(sequence, further);
  }
  /// What cannot be passed while there is no slot: a sequence, or nothing_to_wait_for(). For people.
  [[nodiscard]] std::uint64_t waits_for() const noexcept { return ring_.waits_for(); }
  /// The handle ends before its claim does, which is void then; its memory stays mapped.
  void leave_before_its_claim() noexcept {
    this->leave_but_keep_memory([this] { leave(); });
  }

  /// Whether everything published was released. False of a segment that is lost.
  [[nodiscard]] bool is_drained() const {
    const auto& here = owner();
    return ring_.is_drained() && here.is_here();  // the ring first: reading it is what shows a loss
  }

  /// Waits until everything published was released.
  /// @return ready; peer_gone: all consumers died and something is left; timed_out.
  /// @throws error as claim_until().
  [[nodiscard]] wait_result drain_until(std::uint64_t deadline_ns, const stop_signal& stop = {}) {
    return drain(deadline_ns, stop, [this] { return is_drained(); });
  }

  /// The sequence behind all that was published in this ring so far, by any producer that it ever had. Of an mpmc ring,
  /// what is claimed lies below it as well.
  [[nodiscard]] std::uint64_t position() const {
    owner().require_here();
    return ring_.position();
  }

  /// Whether everything below `position`, which position() returned earlier, was released. Looks at each slot once.
  [[nodiscard]] bool is_released_before(std::uint64_t position) const {
    const auto& here = owner();
    return ring_.first_unreleased(oldest_before(position), position) == position && here.is_here();
  }

  /// Waits until it was, whatever other producers publish meanwhile. As drain_until().
  [[nodiscard]] wait_result drain_before_until(std::uint64_t position, std::uint64_t deadline_ns,
                                               const stop_signal& stop = {}) {
    return drain(deadline_ns, stop, [this, position, from = oldest_before(position)]() mutable {
      from = ring_.first_unreleased(from, position);
      return from == position && owner_->is_here();
    });
  }

  /// Ends the channel: consumers get what was published and then `closed`; producers get `closed` at once. The next
  /// producer that attaches opens it again. Of a durable channel: it is on the disk when this returns.
  /// @throws error wrong_process; of a durable channel, what the disk says.
  void close() {
    owner().require_here();
    owner_->close();
    if (durable_) durable_->flush();
  }

  /// Has sent all that it has: leaves, and closes the channel unless another living producer takes part that has not
  /// finished. It has no seat afterwards, as if it had been moved from. Of a durable channel, what it sent is on the disk
  /// when this returns.
  /// @return whether the channel is closed now.
  /// @throws error misuse: a loan or a batch is open, and nothing has happened; wrong_process; of a durable channel, what
  ///         the disk says, after it has left.
  bool finish() {
    owner().require_sane(true);  // its seat is still its own
    require_nothing_lent("finish");
    leave();
    const bool is_closed = owner_->close_as_the_last();
    mark_ = process_mark::nowhere();
    const auto durable = std::move(durable_);
    owner_.reset();
    if (durable) durable->flush();
    return is_closed;
  }

  // ---- Loans: single slots, at most max_open_loans at once, which end in any order. producer<T> gives them out. -------

  /// A slot at once; false: full or closed. @throws error misuse; and as try_claim().
  [[nodiscard, gnu::always_inline]] bool try_lend(std::byte*& message) {
    if (lent_ != lending::plain || ring_.is_open()) [[unlikely]]
      return (message = try_lend_another()) != nullptr;
    if (try_claim(1) == 0) return false;
    message = claimed(0);
    return true;
  }

  /// Waits for one; as claim_until().
  [[nodiscard]] wait_result lend_until(std::uint64_t deadline_ns, std::byte*& message, const stop_signal& stop = {}) {
    if (try_lend(message)) return wait_result::ready;
    const bool is_second = is_lending();
    const auto take = [&] {
      message = is_second ? claim_another() : claim(1) != 0 ? claimed(0) : nullptr;
      return message != nullptr;
    };
    return wait_for_room(deadline_ns, take, stop);
  }

  [[gnu::always_inline]] void publish_lent(std::byte* message) noexcept {
    if (lent_ != lending::plain) [[unlikely]]
      return settle_lent(message, true);
    publish(1);
  }
  void abandon_lent(std::byte* message) noexcept {
    if (lent_ != lending::plain) return settle_lent(message, false);
    abandon();
  }

  /// Claims up to `count` slots as a batch, which ends by publish_batch(). @throws error misuse; and as try_claim().
  [[nodiscard]] std::uint64_t try_lend_batch(std::uint64_t count) {
    require_nothing_lent("claim a batch");
    const auto claimed_count = try_claim(count);
    if (claimed_count != 0) lent_ = lending::batch;
    return claimed_count;
  }
  /// Waits for at least one of them; as claim_until().
  [[nodiscard]] wait_result lend_batch_until(std::uint64_t deadline_ns, std::uint64_t count,
                                             std::uint64_t& claimed_count, const stop_signal& stop) {
    require_nothing_lent("claim a batch");
    const auto result = claim_until(deadline_ns, count, claimed_count, stop);
    if (claimed_count != 0) lent_ = lending::batch;
    return result;
  }
  void publish_batch(std::uint64_t count) noexcept {
    if (!owner_) return end_retired();
    lent_ = lending::plain;
    publish(count);
  }

  /// Before it sends by copy. @throws error misuse: a message would become visible before a claim that is older.
  [[gnu::always_inline]] void require_nothing_lent(const char* what) const {
    if (is_lending()) [[unlikely]]
      throw_what_is_lent(what);
  }

  /// Ends a handle on the heap. Loans that outlive it are void: the last of them deletes it.
  static void retire(raw_producer* handle) noexcept {
    if (!handle->stays_for_its_loans([handle] { handle->leave(); })) delete handle;
  }

 private:
  friend struct access;
  [[nodiscard]] bool has_short_way() const noexcept { return !durable_ && !wakes_watchers_; }
  [[nodiscard]] std::uint64_t oldest_before(std::uint64_t position) const {
    return position - lesser(position, owner().ring().capacity());
  }

  template <class IsDrained>
  [[nodiscard]] wait_result drain(std::uint64_t deadline_ns, const stop_signal& stop, IsDrained is_drained) {
    owner().require_here();
    const auto look = [&]() -> wait_answer { return is_drained() ? wait_answer(wait_result::ready) : std::nullopt; };
    if (const auto answer = look()) return *answer;
    auto place = owner_->place().that_waits_for(parked_for::drained);
    return this->wait_at(
        place, look, [this](const auto& again) { return this->tick(again); }, deadline_ns, stop);
  }

  void leave() noexcept {
    if (!owner_ || !owner_->is_here()) return;
    ring_.leave();
    if (durable_) durable_->flush_the_rest();
  }

  [[noreturn, gnu::noinline]] void throw_what_is_lent(const char* what) const {
    owner().require_here();
    throw_lent(owner(), role::producer, lent_ == lending::batch, 1, what);
  }

  [[nodiscard, gnu::noinline]] std::byte* try_lend_another() {
    owner().require_here();
    if (lent_ == lending::batch || !ring_.has_room_for_another())
      throw_lent(owner(), role::producer, lent_ == lending::batch, ring_.is_plain() ? 1 : max_open_loans,
                 "claim a slot");
    return may_claim() ? claim_another() : nullptr;
  }

  [[nodiscard]] std::byte* claim_another() noexcept {
    auto* const message = ring_.claim_another();
    std::atomic_signal_fence(std::memory_order_seq_cst);  // participant.hpp E
    if (!owner_->claim_stands()) {
      if (message != nullptr) (void)settle_in_ring(message, false);
      return nullptr;
    }
    if (message == nullptr) return nullptr;
    if (ring_.must_pass_on_wake_up()) wake_sleepers(owner_->ring(), role::producer, 1);
    this->count_another();
    return message;
  }

  [[gnu::noinline]] void settle_lent(std::byte* message, bool publishes) noexcept {
    if (!owner_) return end_retired();
    --loans_;
    if (!owner_->is_here()) return;
    const auto published = settle_in_ring(message, publishes);
    if (ring_.is_plain()) lent_ = lending::plain;
    if (durable_) durable_->published(published);
  }

  /// How many messages became visible.
  std::uint64_t settle_in_ring(std::byte* message, bool publishes) noexcept {
    const auto published = ring_.settle_one(message, publishes, [&](std::byte* sealed, std::uint64_t sequence) {
      if (durable_) durable_->seal(sealed, sequence);
    });
    if (must_wake(*control_, role::consumer)) this->wake_consumers(published + 1);
    return published;
  }

  void end_retired() noexcept {
    if (--loans_ == 0) delete this;
  }

  /// A claim that was made while the channel was being closed is given back: a consumer may have been told `closed`.
  /// A wake-up for room may have gone to a producer that found none in order yet: a claim passes one on.
  [[gnu::always_inline]] std::uint64_t claim(std::uint64_t count) noexcept {
    const auto claimed = ring_.try_claim(count);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // participant.hpp E
    if ((control_->closed.load(std::memory_order_relaxed) | control_->mode.load(std::memory_order_relaxed)) != 0 &&
        must_give_back(claimed)) [[unlikely]]
      return 0;
    if (claimed != 0 && ring_.must_pass_on_wake_up()) [[unlikely]]
      wake_sleepers(owner_->ring(), role::producer, 1);
    if constexpr (Ring::mends) {
      if (claimed == 0 && --polls_before_clock_ == 0) [[unlikely]]
        poll_full(ring_.waits_for());
    }
    return claimed;
  }

  /// The tick of callers that poll and never wait; see raw_consumer.
  [[gnu::noinline]] void poll_full(std::uint64_t waits_for) noexcept {
    polls_before_clock_ = 64;
    if (owner_->tick_is_over()) note_full(waits_for);
  }

  /// Whether a claim that has found the channel closed, or the ring in fence mode, does not stand; it is abandoned then.
  [[gnu::noinline]] bool must_give_back(std::uint64_t claimed) noexcept {
    if (owner_->claim_stands()) return false;
    mark_ = process_mark::nowhere();  // from now on `closed` is asked before the claim: one hole is enough
    if (claimed == 0) return true;
    ring_.publish(0);
    if (must_wake(*control_, role::consumer)) this->wake_consumers(1);
    return true;
  }

  [[gnu::noinline]] void publish_slowly(std::uint64_t count) noexcept {
    if (!owner_ || !owner_->is_here()) {
      if (lent_ == lending::plain) lent_ = lending::kept;
      return;
    }
    const auto run = durable_ ? ring_.claimed_run(count) : sequence_run{};
    for (std::uint64_t i = 0; i < run.count; ++i) durable_->seal(ring_.claimed(i), run.first + i);
    ring_.publish(count);
    if (must_wake(*control_, role::consumer)) this->wake_consumers(count + (count == 0));
    if constexpr (has_bell<Ring>)
      if (wakes_watchers_) bell_.published(Ring::bell(owner_->ring()));
    if (durable_) durable_->published(run.count);
  }

  /// `take` claims; whether it got any.
  template <class Take>
  [[nodiscard]] wait_result wait_for_room(std::uint64_t deadline_ns, const Take& take, const stop_signal& stop) {
    return wait_for_room(
        deadline_ns, take, owner_->place(), [this] { return ring_.waits_for(); }, stop);
  }
  template <class Take, class WaitsFor>
  [[gnu::noinline]] wait_result wait_for_room(std::uint64_t deadline_ns, const Take& take, sleeper& place,
                                              const WaitsFor& waits_for, const stop_signal& stop) {
    const auto look = [&]() -> wait_answer {
      if (owner_->is_closed()) return wait_result::closed;
      return take() ? wait_answer(wait_result::ready) : std::nullopt;
    };
    const auto full_tick = [&](const auto& again) {
      note_full(waits_for());
      return this->tick(again);
    };
    return this->wait_at(place, look, full_tick, deadline_ns, stop);
  }

  /// Where consumers take nothing away, what a producer cannot pass is its own to mend: a claim of another one that died, or
  /// what a dead consumer had not released.
  static constexpr bool mends_itself = requires(typename Ring::producer & one, seat_keeper& keeper) {
    one.mend(keeper);
  };
  void mend() noexcept {
    (void)ring_.mend(owner_->keeper());
    if constexpr (requires { ring_.owed_holes(); })
      if (ring_.owed_holes() != 0) owner_->wake_all_of(role::consumer);
  }

  /// Once a tick. What a producer cannot pass may be in the hands of a consumer that died, and only consumers mend.
  void note_full(std::uint64_t waits_for) noexcept {
    owner_->note_stall(waits_for);
    if constexpr (mends_itself)
      mend();
    else if constexpr (Ring::mends)
      owner_->ask_for_mending();
  }

  template <class Look>
  wait_answer tick(const Look& look) {
    owner_->require_sane(Ring::is_sane(owner_->ring()));
    return this->ask_for_the_end(look);
  }

  owned<durable_publisher> durable_;  // none: not durable
  bool wakes_watchers_ = false;
  timed_bell bell_;  // for those
};

/// Of the handle that has it.
template <class Ring, class Wait>
void dispose(raw_producer<Ring, Wait>* handle) noexcept {
  raw_producer<Ring, Wait>::retire(handle);
}

}  // namespace sluice::detail
