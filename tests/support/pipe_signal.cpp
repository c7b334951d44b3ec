#include "support/pipe_signal.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace sluice::detail::test {
namespace {

void close_end(int& end) {
  if (end >= 0) ::close(end);
  end = -1;
}

}  // namespace

pipe_signal::pipe_signal() {
  ::signal(SIGPIPE, SIG_IGN);
  if (::pipe2(ends_, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
}

pipe_signal::~pipe_signal() {
  only_tell();
  only_wait();
}

void pipe_signal::only_wait() { close_end(ends_[1]); }
void pipe_signal::only_tell() { close_end(ends_[0]); }

bool pipe_signal::tell(std::uint64_t value) {
  ssize_t written = 0;
  do written = ::write(ends_[1], &value, sizeof value);
  while (written < 0 && errno == EINTR);
  return written == static_cast<ssize_t>(sizeof value);
}

std::optional<std::uint64_t> pipe_signal::wait() {
  std::uint64_t value = 0;
  ssize_t got = 0;
  do got = ::read(ends_[0], &value, sizeof value);  // at most PIPE_BUF: never half a value
  while (got < 0 && errno == EINTR);
  if (got != static_cast<ssize_t>(sizeof value)) return std::nullopt;
  return value;
}

bool pipe_signal::was_told() const {
  pollfd event{ends_[0], POLLIN, 0};
  return ::poll(&event, 1, 0) == 1 && (event.revents & POLLIN) != 0;
}

}  // namespace sluice::detail::test
