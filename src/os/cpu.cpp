#include "os/cpu.hpp"

#include <sched.h>
#include <unistd.h>

namespace sluice::os {

int usable_processors() noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 2;  // more than 1024 processors: surely not one
  const int count = CPU_COUNT(&set);
  return count > 0 ? count : 1;
}

int online_processors() noexcept {
  const long count = ::sysconf(_SC_NPROCESSORS_ONLN);
  return count > 0 ? static_cast<int>(count) : 1;
}

void yield() noexcept { ::sched_yield(); }

}  // namespace sluice::os
