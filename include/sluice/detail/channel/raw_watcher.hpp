#pragma once

#include <cstdint>
#include <utility>

#include "sluice/detail/channel/raw_lossy_reader.hpp"
#include "sluice/detail/channel/seat_list.hpp"
#include "sluice/detail/channel/waiting.hpp"
#include "sluice/detail/channel/watch_post.hpp"
#include "sluice/detail/part/topic/lossy_reader.hpp"

namespace sluice::detail {

/// Where a watcher reads: at a post, without a seat.
template <ring Ring, wait_strategy Wait>
class watching {
 public:
  using ring_type = Ring;

  watching(owned<watch_post> post, Wait wait, history wanted, resumes where)
      : post_(std::move(post)),
        ring_(post_->ring(), wanted, where, Ring::lie),
        mark_(post_->mark()),
        wait_(std::move(wait)) {}

  [[nodiscard]] peer_state peer() { return post_->peer(); }
  [[nodiscard]] seat_list seats() const { return post_->seats(); }
  [[nodiscard]] std::uint64_t capacity_slots() const noexcept { return post_->ring().capacity(); }
  [[noreturn]] void throw_too_short(std::uint64_t given, std::uint64_t bytes) const {
    post_->throw_too_short(given, bytes);
  }
  void end_waits_on_signals(bool is_wanted) noexcept { post_->place().end_on_signals(is_wanted); }

 protected:
  [[nodiscard]] slot_reach<Ring> reach_here() const { return {post_->ring(), post_->descriptor()}; }
  [[noreturn]] void throw_wrong_extent() const { post_->throw_wrong_extent(); }
  static void let_publishers_go_on() noexcept {}
  void require_here_slowly() const { post_->require_here(); }
  [[nodiscard]] bool tick_is_over() noexcept { return post_->tick_is_over(); }
  void tend() {
    while (ring_.step_over_the_dead([this](auto seat, auto state) { return post_->is_dead(seat, state); })) {
    }
  }
  void require_sound() const { post_->require_sound(); }
  void require_answers() const noexcept {}
  [[nodiscard]] bool is_closed() const noexcept { return post_->is_closed(); }
  [[nodiscard]] bool may_conclude() {
    const auto is_dead = [this](std::uint32_t seat, std::uint64_t state) { return post_->is_dead(seat, state); };
    return ring_.is_exhausted(is_dead) && post_->sees_every_claim() && ring_.is_exhausted(is_dead);
  }
  /// Its sleeps may be shorter than a tick.
  template <class Look, class Tick>
  [[nodiscard]] wait_result wait_there(const Look& look, const Tick& tick, std::uint64_t deadline_ns,
                                       const stop_signal& stop) {
    const auto tick_if_due = [&](const auto& again) -> wait_answer {
      return tick_is_over() ? tick(again) : std::nullopt;
    };
    return wait_or_stop(wait_, post_->place(), look, tick_if_due, deadline_ns, stop);
  }
  template <class Look>
  [[nodiscard]] wait_answer ask_for_the_end(const Look& look) {
    return detail::ask_for_the_end(*post_, look);
  }

  owned<watch_post> post_;
  lossy_reader<Ring::how_many> ring_;
  process_mark mark_;
  std::uint32_t polls_before_clock_ = 1;
  Wait wait_;
};

/// A reader of a topic that no other process sees, through a mapping that is only read.
template <ring Ring, wait_strategy Wait>
using raw_watcher = raw_lossy_reader<watching<Ring, Wait>>;

}  // namespace sluice::detail
