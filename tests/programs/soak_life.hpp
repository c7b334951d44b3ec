#pragma once

// What the workers of a soak have in common: their luck, and the pauses and sudden deaths at the worst places.

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <thread>

#include "sluice/detail/base/clock.hpp"
#include "soak_ledger.hpp"

namespace soak {

/// xorshift64*: the standard engines cost more than the ring.
class dice {
 public:
  using result_type = std::uint64_t;
  explicit dice(std::uint64_t seed) noexcept : state_(mix(seed) | 1) {}
  std::uint64_t operator()() noexcept {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1dULL;
  }
  static constexpr std::uint64_t min() noexcept { return 0; }
  static constexpr std::uint64_t max() noexcept { return ~std::uint64_t{0}; }
  /// 0 to sides - 1.
  std::uint64_t roll(std::uint64_t sides) noexcept { return ((*this)() >> 32) * sides >> 32; }
  bool one_in(std::uint64_t sides) noexcept { return roll(sides) == 0; }

 private:
  std::uint64_t state_;
};

struct worker_context {
  const ledger& book;
  std::uint32_t place;        // of its role
  std::uint32_t incarnation;  // how many held the place before
  dice random;
  bool drops_privileges;  // once it has its seat
};

/// At the places where a death hurts: mostly nothing, now and then a pause, seldom the end.
inline void linger(dice& random) {
  const auto rolled = random.roll(65536);
  if (rolled >= 512) return;
  if (rolled == 0) {
    ::kill(::getpid(), SIGKILL);
  } else if (rolled < 4) {
    std::this_thread::sleep_for(std::chrono::microseconds(random.roll(300)));
  } else {
    const auto until = sluice::detail::monotonic_now_ns() + random.roll(20'000);
    while (sluice::detail::monotonic_now_ns() < until) {
    }
  }
}

inline std::chrono::microseconds some_time(dice& random) {
  return std::chrono::microseconds(random.one_in(8) ? random.roll(120'000) : random.roll(3'000));
}

}  // namespace soak
