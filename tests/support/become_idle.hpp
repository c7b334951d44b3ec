#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "support/pipe_signal.hpp"

namespace sluice::detail::test {

/// In a forked child: exec of tests/programs/peer_idle, which tells `line` once it runs. Does not come back.
[[noreturn]] inline void become_idle(const pipe_signal& line) {
  const auto end = line.write_descriptor();
  ::fcntl(end, F_SETFD, 0);
  ::execl(SLUICE_PROGRAM_DIR "/peer_idle", "peer_idle", std::to_string(end).c_str(), nullptr);
  ::_exit(127);
}

}  // namespace sluice::detail::test
