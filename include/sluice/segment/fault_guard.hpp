#pragma once

namespace sluice {

/// For an application with a SIGBUS handler of its own that was installed after the first segment was mapped and does not
/// pass on what it does not know: asks whether `address` (siginfo_t::si_addr) lies in a segment whose file was cut short.
/// True: the segment is lost and reads as zeroes, the next call on it says `truncated`; return from the handler.
/// Async-signal-safe. Where the application's handler was there first, or passes on, it need not be called.
[[nodiscard]] bool catch_segment_fault(const void* address) noexcept;

}  // namespace sluice
