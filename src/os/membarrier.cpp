#include "os/membarrier.hpp"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sluice::os {
namespace {

// Before main(), while there is one thread: then it takes a microsecond. In a process with more the kernel waits until every
// processor has been through its scheduler, and a producer's seat would take 10 ms. Asked again, it is known.
[[maybe_unused]] const bool is_registered_early = membarrier_register();

}  // namespace

bool membarrier_register() noexcept {
  return ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0;
}

bool membarrier_global() noexcept { return ::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) == 0; }

}  // namespace sluice::os
