#pragma once

// What a process that may only read a file can do to the locks of a segment.

#include <fcntl.h>

#include <cstdint>
#include <string>

namespace sluice::detail::test {

/// A descriptor for reading alone that holds a shared lock on `count` bytes of `path` from `byte` on, 0: on all of them; -1:
/// errno says why not.
/// @param command  F_OFD_SETLK: the descriptor's, without a pid; F_SETLK: the process's.
inline int open_with_shared_lock(const std::string& path, std::uint64_t byte, int command = F_OFD_SETLK,
                                 std::uint64_t count = 1) {
  const int reader = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct flock shared {};
  shared.l_type = F_RDLCK;
  shared.l_whence = SEEK_SET;
  shared.l_start = static_cast<off_t>(byte);
  shared.l_len = static_cast<off_t>(count);
  return ::fcntl(reader, command, &shared) == 0 ? reader : -1;
}

}  // namespace sluice::detail::test
