#include "sluice/detail/wait/wait_strategy.hpp"

#include <pthread.h>

#include "os/cpu.hpp"

namespace sluice::detail {

void yield_processor() noexcept { os::yield(); }

void cancellation_point() { ::pthread_testcancel(); }

}  // namespace sluice::detail
