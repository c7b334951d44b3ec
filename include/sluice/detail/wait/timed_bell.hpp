#pragma once

// Wakes sleepers that may only read, and so cannot say that they sleep. A publisher rings without being asked when a step of
// the coarse clock has passed since it rang last, and after each message while its last ringing woke a sleeper.
//
// Why no message is forgotten: a sleeper reads the bell, looks, and sleeps while the bell is as it was.
//   Published after its look, and rung for: the bell has changed, or the ringing wakes it.
//   Published after its look, and not rung for: there was a ringing less than a step before, and the sleeper, awake then,
//   had not begun to sleep yet. So it is in its first sleep, which ends within two steps.
// Where the clock stands still for longer than a step, as in a machine that is not given its processors, it may last for a tick.
// Source of the clock's steps: clock_getres(2), CLOCK_MONOTONIC_COARSE: 1 to 10 ms.

#include <atomic>
#include <cstdint>

namespace sluice::detail {

/// How long after a ringing a message may be published without another one: the first sleep of a reader.
[[nodiscard]] std::uint64_t longest_unrung_ns() noexcept;

/// One publisher's. One thread at a time.
class timed_bell {
 public:
  /// After a message. The coarse clock's price, and one system call for each of its steps, or while sleepers are woken.
  void published(std::atomic<std::uint32_t>& bell) noexcept;

 private:
  std::uint64_t rang_ns_ = 0;  // of the coarse clock
  bool woke_ = false;
};

}  // namespace sluice::detail
