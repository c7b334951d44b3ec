#pragma once

// Seats that are taken, left and died in by hand, all in one process: a death costs a function call, at any point.

#include <set>

#include "sluice/detail/ring/ring_concept.hpp"

namespace sluice::detail::test {

class hand_keeper final : public seat_keeper {
 public:
  explicit hand_keeper(const ring_view& ring) : ring_(ring) {}
  virtual ~hand_keeper() = default;

  /// Takes the `i`-th seat of a role.
  std::uint32_t sit(role whose, std::uint32_t i = 0) {
    const auto seat_index = ring_.first_seat(whose) + i;
    auto& state = ring_.seats[seat_index].state;
    dead_.erase(seat_index);
    state.store(seat_word(seat_state::taken, generation_of(state.load()) + 1));
    return seat_index;
  }
  /// Leaves in order. What is still in its hands is for others to settle, as if the owner had died.
  template <class Ring>
  void leave(std::uint32_t seat_index) {
    auto& own = ring_.seats[seat_index];
    const auto state = Ring::holds_something(ring_, seat_index) ? seat_state::dead : seat_state::free;
    if (state == seat_state::dead) own.left.store(generation_of(own.state.load()));
    own.state.store(seat_word(state, generation_of(own.state.load())));
  }
  /// Its owner is dead from here on, which is not noticed yet.
  void die(std::uint32_t seat_index) { dead_.insert(seat_index); }
  /// Its owner is dead: that is noticed, and the seat settled under its lock. False: one of these did not succeed.
  template <class Ring>
  [[nodiscard]] bool bury(std::uint32_t seat_index) {
    die(seat_index);
    if (!is_dead(seat_index, ring_.seats[seat_index].state.load()) || !try_lock(seat_index)) return false;
    const bool is_settled = Ring::settle(ring_, seat_index, *this);
    unlock(seat_index);
    return is_settled;
  }

  bool is_dead(std::uint32_t seat_index, std::uint64_t word) noexcept override {
    if (state_of(word) == seat_state::dead) return true;
    if (state_of(word) != seat_state::taken || !dead_.contains(seat_index)) return false;
    ring_.seats[seat_index].state.compare_exchange_strong(word, seat_word(seat_state::dead, generation_of(word)));
    return true;
  }
  bool try_lock(std::uint32_t seat_index) noexcept override { return locked_.insert(seat_index).second; }
  void unlock(std::uint32_t seat_index) noexcept override { locked_.erase(seat_index); }
  void record(repair_kind what, std::uint32_t, std::uint64_t, std::uint64_t count) noexcept override {
    if (what == repair_kind::hole) holes += count;
    if (what == repair_kind::redelivery) redeliveries += count;
    if (what == repair_kind::settled_seat) ++settled;
  }
  [[nodiscard]] bool holds_locks() const noexcept { return !locked_.empty(); }

  std::uint64_t holes = 0;
  std::uint64_t redeliveries = 0;
  std::uint64_t settled = 0;

 private:
  ring_view ring_;
  std::set<std::uint32_t> dead_;
  std::set<std::uint32_t> locked_;
};

}  // namespace sluice::detail::test
