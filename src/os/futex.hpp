#pragma once

#include <atomic>
#include <cstdint>

namespace sluice::os {

/// futex(2) FUTEX_WAIT, shared between processes: sleeps while `word` is `expected`, at most `timeout_ns`. May return
/// early for any reason; the caller looks again.
void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected, std::uint64_t timeout_ns) noexcept;

/// futex(2) FUTEX_WAKE, shared: how many of at most `count` sleepers were woken.
int futex_wake(std::atomic<std::uint32_t>& word, int count) noexcept;

}  // namespace sluice::os
