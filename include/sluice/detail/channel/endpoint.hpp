#pragma once

// What raw_producer and raw_consumer have in common on the way of a message: the seat's owner, the mark, what is lent.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "sluice/detail/base/clock.hpp"
#include "sluice/detail/base/stop_signal.hpp"
#include "sluice/detail/channel/kept_attachment.hpp"
#include "sluice/detail/channel/lending.hpp"
#include "sluice/detail/channel/participant.hpp"
#include "sluice/detail/channel/seat_list.hpp"
#include "sluice/detail/channel/waiting.hpp"
#include "sluice/detail/ring/ring_concept.hpp"
#include "sluice/detail/wait/wait_strategy.hpp"

namespace sluice::detail {

struct access;

/// `Side` is Ring::producer or Ring::consumer. One thread at a time.
template <ring Ring, class Side, role Own, wait_strategy Wait>
class endpoint {
 public:
  /// Whether the handle may be used: not after fork in the child, and not when its segment is lost.
  [[nodiscard, gnu::always_inline]] bool is_here() const noexcept {
    return mark_.is_here() || (owner_ && owner_->is_here());
  }
  [[nodiscard]] std::size_t message_bytes() const { return owner().ring().message_bytes; }
  [[nodiscard]] std::uint64_t capacity_slots() const { return owner().ring().capacity(); }
  [[nodiscard]] peer_state peer() { return owner().peer(); }
  /// Which seat of the ring is this one's: seat_report::index.
  [[nodiscard]] std::uint32_t seat_index() const { return owner().seat_index(); }
  /// Every seat that was ever taken. System calls: a few for each.
  [[nodiscard]] seat_list seats() const { return owner().seats(); }
  /// How many messages were sent and not released, at about this moment.
  [[nodiscard]] std::uint64_t size_approx() const { return Ring::size_approx(owner().ring()); }

  /// Whether the handler of a signal ends a wait that sleeps with `interrupted`. Not so at first. A signal that comes
  /// while the wait polls, or in the moment before it sleeps, does not: give such waits a time-out as well.
  void end_waits_on_signals(bool is_wanted) { owner().place().end_on_signals(is_wanted); }

  /// Whether a loan or a batch is open.
  [[nodiscard, gnu::always_inline]] bool is_lending() const noexcept {
    return lent_ == lending::plain ? ring_.is_open() : lent_ != lending::kept;
  }

 protected:
  /// `how` is for the side itself, if it takes anything.
  template <class... How>
  endpoint(const attached_segment& attached, std::uint32_t ring_index, Wait wait, const How&... how)
      : owner_(
            new participant(attached, ring_index, Ring::kind, Own, seat_rules_of<Ring>, bell_of(), seat_for(how...))),
        ring_(owner_->ring(), owner_->seat_index(), how...),
        control_(owner_->ring().control),
        wait_(std::move(wait)) {
    owner_->require_sane(Ring::is_sane(owner_->ring()));
  }
  endpoint(endpoint&&) noexcept = default;
  endpoint& operator=(endpoint&&) = delete;
  ~endpoint() = default;

  [[nodiscard]] participant& owner() const {
    if (!owner_) [[unlikely]]
      throw_moved_from(Own);
    return *owner_;
  }

  /// Whether this handle, which ends on the heap, must stay because loans outlive it, which are void: the last of them
  /// deletes it. Its seat is left then, and its memory stays mapped.
  template <class Leave>
  [[nodiscard]] bool stays_for_its_loans(const Leave& leave) noexcept {
    if (!is_lending() || (lent_ == lending::several && loans_ == 0)) return false;
    if (lent_ != lending::several) loans_ = 1;
    lent_ = lending::several;
    leave_but_keep_memory(leave);
    return true;
  }

  /// Leaves the seat, in memory that stays mapped for loans that are void now.
  template <class Leave>
  void leave_but_keep_memory(const Leave& leave) noexcept {
    memory_of_loans_ = kept_attachment(owner_->attached());
    leave();
    owner_.reset();
  }

  /// Counts a loan more, beside what is open.
  void count_another() noexcept {
    loans_ = lent_ == lending::plain ? 2 : loans_ + 1;
    lent_ = lending::several;
  }

  /// As wait_or_stop().
  template <class Look, class Tick>
  [[nodiscard]] wait_result wait_at(sleeper& place, const Look& look, const Tick& tick, std::uint64_t deadline_ns,
                                    const stop_signal& stop) {
    return wait_or_stop(wait_, place, look, tick, deadline_ns, stop);
  }
  template <class Look>
  [[nodiscard]] wait_answer ask_for_the_end(const Look& look) {
    return detail::ask_for_the_end(*owner_, look);
  }

  /// Wakes consumers that sleep for what was published, or for `count` slots that will never hold anything.
  void wake_consumers(std::uint64_t count) const noexcept {
    if constexpr (has_bell<Ring>)
      ring_for_sleepers(owner_->ring(), role::consumer, Ring::bell(owner_->ring()));
    else
      wake_sleepers(owner_->ring(), role::consumer, count);
  }

  [[nodiscard]] static constexpr auto bell_of() noexcept -> std::atomic<std::uint32_t>& (*)(const ring_view&) {
    if constexpr (has_bell<Ring>)
      return &Ring::bell;
    else
      return nullptr;
  }

  /// What the side takes may ask for a certain seat.
  template <class... How>
  [[nodiscard]] static seat_request seat_for(const How&...) noexcept {
    return {};
  }
  template <class How>
  requires requires(const How& how) { how.seat; }
  [[nodiscard]] static seat_request seat_for(const How& how) noexcept { return how.seat; }

  owned<participant> owner_;
  Side ring_;
  ring_control* control_;  // these two are the owner's, kept near for the data path
  process_mark mark_ = owner_->mark();
  lending lent_ = lending::plain;
  std::uint32_t loans_ = 0;  // how many are open, of several
  std::uint32_t polls_before_clock_ = 1;
  Wait wait_;
  kept_attachment memory_of_loans_;  // that outlive the handle
};

}  // namespace sluice::detail
