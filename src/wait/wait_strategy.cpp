#include "sluice/wait/wait_strategy.hpp"

#include "os/cpu.hpp"

namespace sluice::detail {

void yield_processor() noexcept { os::yield(); }

bool has_one_processor() noexcept { return os::online_processors() == 1; }

}  // namespace sluice::detail
