#pragma once

// The only places where bytes are read that another process may be writing. ThreadSanitizer does not look at them; what C++
// says of them is in docs/decisions/0046-broadcast.md.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SANITIZE_THREAD__)
#define SLUICE_COPIES_BY_HAND 1  // its memcpy(3) reports what it reads, whatever function calls it
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SLUICE_COPIES_BY_HAND 1
#endif
#endif
#if !defined(SLUICE_COPIES_BY_HAND)
#define SLUICE_COPIES_BY_HAND 0
#endif

namespace sluice::detail {

/// Copies `bytes` and says whether they are what `word` was of, which it still is after the copy.
[[nodiscard]] bool copy_if_intact(std::byte* into, const std::byte* from, std::size_t bytes,
                                  const std::atomic<std::uint64_t>& word, std::uint64_t expected) noexcept;

/// The same for few bytes, whose number the compiler knows: a call would cost as much as they do.
template <std::size_t Bytes>
[[nodiscard, gnu::always_inline]] inline bool copy_if_intact(std::byte* into, const std::byte* from,
                                                             const std::atomic<std::uint64_t>& word,
                                                             std::uint64_t expected) noexcept {
  if constexpr (SLUICE_COPIES_BY_HAND || Bytes > 256) {
    return copy_if_intact(into, from, Bytes, word, expected);
  } else {
    std::memcpy(into, from, Bytes);
    std::atomic_thread_fence(std::memory_order_acquire);  // topic_ring.hpp V
    return word.load(std::memory_order_relaxed) == expected;
  }
}

}  // namespace sluice::detail
