// In a file of its own, so that what ThreadSanitizer is told to overlook is this function and nothing else.

#include "sluice/detail/part/copy_if_intact.hpp"

namespace sluice::detail {

__attribute__((noinline, no_sanitize("thread"))) bool copy_if_intact(std::byte* into, const std::byte* from,
                                                                     std::size_t bytes,
                                                                     const std::atomic<std::uint64_t>& word,
                                                                     std::uint64_t expected) noexcept {
#if SLUICE_COPIES_BY_HAND
  for (std::size_t i = 0; i < bytes; ++i) into[i] = const_cast<const volatile std::byte*>(from)[i];
#else
  if (bytes != 0) std::memcpy(into, from, bytes);  // both may be null for an empty message
#endif
  std::atomic_thread_fence(std::memory_order_acquire);  // topic_ring.hpp V
  return word.load(std::memory_order_relaxed) == expected;
}

}  // namespace sluice::detail
