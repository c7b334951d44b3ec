#include "os/byte_lock.hpp"

#include <fcntl.h>
#include <pthread.h>

#include <cerrno>
#include <mutex>
#include <string>

#include "os/file.hpp"
#include "sluice/base/error.hpp"

namespace sluice::os {
namespace {

// A fork by another thread between the lock and MADV_DONTFORK would hand the lock to the child.
std::mutex& fork_gate() {
  static std::mutex gate;
  static const int registered =
      ::pthread_atfork([] { fork_gate().lock(); }, [] { fork_gate().unlock(); }, [] { fork_gate().unlock(); });
  (void)registered;
  return gate;
}

struct flock range(short type, std::uint64_t offset, std::uint64_t count) noexcept {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(offset);
  lock.l_len = static_cast<off_t>(count);
  return lock;
}

}  // namespace

lock_session::lock_session(int file) : no_fork_(fork_gate()), fresh_(reopen(file, true)) {}

bool lock_session::try_lock(std::uint64_t offset, lock_mode mode) {
  auto lock = range(mode == lock_mode::exclusive ? F_WRLCK : F_RDLCK, offset, 1);
  if (::fcntl(fresh_.get(), F_OFD_SETLK, &lock) == 0) return true;
  if (errno == EAGAIN || errno == EACCES) return false;
  throw error::from_errno(errno, "lock byte " + std::to_string(offset) + " of a segment");
}

void lock_session::unlock(std::uint64_t offset) {
  auto lock = range(F_UNLCK, offset, 1);
  if (::fcntl(fresh_.get(), F_OFD_SETLK, &lock) != 0)
    throw error::from_errno(errno, "unlock byte " + std::to_string(offset) + " of a segment");
}

byte_lock lock_session::keep(std::uint64_t page) && { return byte_lock(mapping::anchor(fresh_.get(), page)); }

std::optional<byte_lock> byte_lock::try_lock(int file, std::uint64_t offset, lock_mode mode, std::uint64_t page) {
  lock_session session(file);
  if (!session.try_lock(offset, mode)) return std::nullopt;
  return std::move(session).keep(page);
}

bool byte_lock::is_held(int file, std::uint64_t offset, std::uint64_t count) {
  auto lock = range(F_WRLCK, offset, count);
  if (::fcntl(file, F_OFD_GETLK, &lock) != 0) throw error::from_errno(errno, "look at the locks of a segment");
  return lock.l_type != F_UNLCK;
}

}  // namespace sluice::os
