#pragma once

// Ends a test that hangs, loudly. A test never has a maximum time of its own; only this, which is generous.

#include <chrono>
#include <string>

namespace sluice::detail::test {

/// While it lives, a timer runs: when it is up, the whole process says what hung and aborts, after killing every child
/// process that child_process.hpp knows of. One per test, in its first line. Threads: none of its own (a POSIX timer),
/// so it may live across fork; a forked child does not inherit the timer.
class watchdog {
 public:
  explicit watchdog(std::chrono::seconds limit = std::chrono::seconds(60));
  watchdog(const watchdog&) = delete;
  watchdog& operator=(const watchdog&) = delete;
  ~watchdog();
};

}  // namespace sluice::detail::test
