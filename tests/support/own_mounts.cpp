#include "support/own_mounts.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace sluice::detail::test {
namespace {

bool make_private() { return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0; }

bool go_to_the_top() {
  struct stat before {};
  struct stat now {};
  if (::stat(".", &now) != 0) return false;
  do {
    before = now;
    if (::chdir("..") != 0 || ::stat(".", &now) != 0) return false;
  } while (now.st_ino != before.st_ino || now.st_dev != before.st_dev);
  return true;
}

}  // namespace

bool unshare_mounts() {
  if (::unshare(CLONE_NEWNS) != 0) return false;
  if (make_private()) return true;
  if (errno != EINVAL) return false;
  // A chroot whose root is no mount point: mount(2) changes at mount points alone whether others see what is mounted. The root of
  // all mounts is above. A process whose working directory lies outside of its root directory may go up to there.
  const int root = ::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0 || ::chroot("/proc") != 0 || ::fchdir(root) != 0) return false;
  const bool is_done = go_to_the_top() && ::chroot(".") == 0 && make_private();
  return ::fchdir(root) == 0 && ::chroot(".") == 0 && ::close(root) == 0 && is_done;
}

}  // namespace sluice::detail::test
