#include "os/cpu.hpp"

#include <sched.h>
#include <unistd.h>

namespace sluice::os {

int online_processors() noexcept {
  const long count = ::sysconf(_SC_NPROCESSORS_ONLN);
  return count > 0 ? static_cast<int>(count) : 1;
}

void yield() noexcept { ::sched_yield(); }

}  // namespace sluice::os
