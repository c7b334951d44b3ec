#pragma once

// What bounds the memory of a new segment, apart from its filesystem: asked before memory is taken, because the kernel
// answers afterwards with a signal (SIGXFSZ, the OOM killer).

#include <cstdint>
#include <string>

namespace sluice {

inline constexpr std::uint64_t no_limit = ~std::uint64_t{0};

/// Of the calling process, now.
struct memory_limits {
  std::uint64_t file_bytes = no_limit;    ///< RLIMIT_FSIZE: no file longer than that
  std::uint64_t cgroup_bytes = no_limit;  ///< the tightest memory limit of its cgroup and of those above
  std::string cgroup;                     ///< the file that has this limit; empty: none has
  /// What can still be taken before the kernel ends processes: of the machine (MemAvailable and SwapFree), and of the
  /// cgroup what its anonymous and shared memory leaves, swap included.
  std::uint64_t available_bytes = no_limit;
};

/// Reads proc(5) and cgroups (v1, v2). What cannot be read limits nothing.
[[nodiscard]] memory_limits memory_limits_here();

}  // namespace sluice
