#include "standard_streams.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace sluice::tools {

void fill_missing_streams() {
  for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; ++descriptor) {
    if (::fcntl(descriptor, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free number is this one, since those below it are open by now.
    int filler = ::open("/dev/null", O_PATH);
    if (filler < 0) filler = ::open("/", O_PATH);  // a chroot without /dev
    if (filler != descriptor) std::abort();        // no descriptor at all is to be had, and no text would get anywhere
  }
}

}  // namespace sluice::tools
