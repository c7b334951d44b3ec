#include "sluice/wait/wait_strategy.hpp"

#include "os/cpu.hpp"

namespace sluice::detail {

void yield_processor() noexcept { os::yield(); }

}  // namespace sluice::detail
