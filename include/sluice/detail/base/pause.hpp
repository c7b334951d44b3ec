#pragma once

namespace sluice::detail {

/// Tells the processor that this is a polling loop: `pause` on x86, `yield` on arm64.
inline void cpu_pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

}  // namespace sluice::detail
