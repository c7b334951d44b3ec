#pragma once

// What the control groups of a process say, of cgroup v1 and v2. Where /proc or the cgroup filesystem does not tell,
// nothing is frozen and nothing is limited.

#include <cstdint>
#include <string>

namespace sluice::tools {

/// Whether a process is frozen (the freezer of v1, cgroup.freeze of v2). The state in /proc/PID/status does not say so.
[[nodiscard]] bool is_frozen(std::uint32_t pid);

struct memory_limit {
  std::uint64_t max_bytes = ~std::uint64_t{0};        // of the cgroup, or of one above it, that has the least left
  std::uint64_t available_bytes = ~std::uint64_t{0};  // what is left of it
};

/// Of the caller. @param root  before every path; "" for the machine itself.
[[nodiscard]] memory_limit memory_limit_of_this(const std::string& root);

}  // namespace sluice::tools
