#pragma once

// SIGINT and SIGTERM as a question to ask, so that send and recv can give their seat back before they go.

namespace sluice::tools {

/// From now on SIGINT and SIGTERM are noted instead of ending the process, and end whatever system call blocks with
/// EINTR. A second one of the same kind ends the process at once. One that was ignored when the tool was started (nohup, a job in
/// the background of a shell) stays ignored. SIGPIPE is ignored: write(2) says EPIPE.
void catch_interrupts();

/// The signal that came, or 0.
[[nodiscard]] int interrupting_signal() noexcept;

}  // namespace sluice::tools
