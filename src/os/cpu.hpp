#pragma once

namespace sluice::os {

/// How many processors the machine has in use: sysconf(3). At least 1.
[[nodiscard]] int online_processors() noexcept;

/// sched_yield(2).
void yield() noexcept;

}  // namespace sluice::os
