#pragma once

#include <cstdint>
#include <utility>

#include "sluice/detail/channel/endpoint.hpp"
#include "sluice/detail/channel/raw_bytes_producer.hpp"
#include "sluice/detail/channel/raw_lossy_reader.hpp"
#include "sluice/detail/part/topic/lossy_reader.hpp"

namespace sluice::detail {

/// Where a lossy subscriber reads: at its seat.
template <ring Ring, wait_strategy Wait>
class lossy_seat : public endpoint<Ring, lossy_subscriber<Ring::how_many>, role::consumer, Wait> {
  using base = endpoint<Ring, lossy_subscriber<Ring::how_many>, role::consumer, Wait>;

 public:
  using ring_type = Ring;

  lossy_seat(const attached_segment& attached, std::uint32_t ring_index, Wait wait, history wanted, resumes where,
             holding what = holding::nothing)
      : base(attached, ring_index, std::move(wait), wanted, where, Ring::lie, what) {
    let_publishers_go_on();  // while it joined it kept more than it does now
  }
  lossy_seat(const lossy_seat&) = delete;
  lossy_seat& operator=(const lossy_seat&) = delete;
  ~lossy_seat() {
    if (!ring_.keeps_messages() || !owner_->is_here()) return;
    ring_.leave();
    owner_->wake_all_of(role::producer);
  }

  [[nodiscard]] bool was_dropped() const noexcept { return ring_.was_dropped(); }
  [[noreturn]] void throw_too_short(std::uint64_t given, std::uint64_t bytes) const {
    detail::throw_too_short(owner(), given, bytes);
  }

  /// Ends the topic for all participants; see raw_producer::close().
  void close() {
    owner().require_here();
    owner_->close();
  }

 protected:
  friend struct access;
  using base::control_, base::mark_, base::owner, base::owner_, base::polls_before_clock_, base::ring_;

  [[nodiscard]] slot_reach<Ring> reach_here() const { return {owner_->ring(), owner_->descriptor()}; }
  [[noreturn]] void throw_wrong_extent() const { detail::throw_wrong_extent(owner()); }
  /// After a release.
  void let_publishers_go_on() noexcept {
    if (ring_.keeps_messages() && must_wake(*control_, role::producer)) owner_->wake_all_of(role::producer);
  }
  void require_here_slowly() const { owner().require_here(); }
  [[nodiscard]] bool tick_is_over() noexcept { return owner_->tick_is_over(); }
  void tend() noexcept {
    if (ring_.mend(owner_->keeper()) != 0) owner_->wake_all_of(role::consumer);
  }
  void require_sound() { owner_->require_sane(Ring::is_sane(owner_->ring())); }
  void require_answers() { owner_->require_answers(); }
  [[nodiscard]] bool is_closed() const noexcept { return owner_->is_closed(); }
  [[nodiscard]] bool may_conclude() noexcept {
    auto& keeper = owner_->keeper();
    return ring_.is_exhausted(keeper) && owner_->sees_every_claim() && ring_.is_exhausted(keeper);
  }
  template <class Look, class Tick>
  [[nodiscard]] wait_result wait_there(const Look& look, const Tick& tick, std::uint64_t deadline_ns,
                                       const stop_signal& stop) {
    return this->wait_at(owner_->place(), look, tick, deadline_ns, stop);
  }
};

/// A lossy subscriber of a topic. Killed at any instruction: it holds up nothing, and its seat goes to the next that asks.
template <ring Ring, wait_strategy Wait>
using raw_lossy_subscriber = raw_lossy_reader<lossy_seat<Ring, Wait>>;

}  // namespace sluice::detail
