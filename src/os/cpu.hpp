#pragma once

#include <cstdint>
#include <optional>

namespace sluice::os {

/// The processor that the calling thread may run on, if it is only one: sched_getaffinity(2), which respects cpusets of a
/// cgroup. Empty: several, or the kernel does not say.
[[nodiscard]] std::optional<std::uint32_t> only_processor() noexcept;

/// sched_yield(2).
void yield() noexcept;

}  // namespace sluice::os
