#include "os/fd.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace sluice::os {

fd::~fd() {
  if (value_ >= 0) ::close(value_);  // after EINTR the descriptor is gone all the same: close(2)
}

fd fd::above_standard(int opened) noexcept {
  constexpr int first = 3;
  if (opened < 0 || opened >= first) return fd(opened);
  const int moved = ::fcntl(opened, F_DUPFD_CLOEXEC, first);
  const int problem = errno;
  ::close(opened);
  errno = problem;
  return fd(moved);
}

}  // namespace sluice::os
