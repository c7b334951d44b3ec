#pragma once

#include <atomic>
#include <cstdint>

namespace sluice::os {

/// How a sleep ended.
enum class sleep_end {
  woken,        ///< by futex_wake(), by nothing at all, or it did not begin because `word` was not `expected`
  timed_out,    ///< nothing came in the time given
  interrupted,  ///< a signal's handler ran
};

/// futex(2) FUTEX_WAIT, shared between processes: sleeps while `word` is `expected`, at most `timeout_ns`. May return
/// early for any reason; the caller looks again. @throws error what the kernel says, such as a filter's refusal.
sleep_end futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected, std::uint64_t timeout_ns);

/// futex(2) FUTEX_WAKE, shared: how many of at most `count` sleepers were woken.
int futex_wake(std::atomic<std::uint32_t>& word, int count) noexcept;

}  // namespace sluice::os
