#pragma once

// What memory a segment lies in, and what of it each participant's process obtained for itself: asked from outside.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sluice {

/// How much was to be learned of a process's own mappings.
enum class memory_sight {
  seen,
  not_mapped,    ///< it maps no such file: a seat that names the pid of another process
  not_readable,  ///< /proc/PID/smaps is closed to this user, or the pid is of another namespace
  not_in_time,   ///< the looks at all processes had taken a second
};

[[nodiscard]] const char* to_string(memory_sight value) noexcept;

/// What memory_options obtained in one process, all its mappings of the segment added up. proc(5), smaps.
struct process_memory {
  std::uint32_t pid = 0;
  memory_sight sight = memory_sight::not_readable;
  std::uint64_t page_bytes = 0;      // of hugetlbfs pages, more than the kernel's own
  std::uint64_t mapped_bytes = 0;    // addresses
  std::uint64_t resident_bytes = 0;  // touched or prefaulted: this process reaches so much without a fault
  std::uint64_t huge_bytes = 0;      // of which in huge pages, transparent ones too
  bool is_locked = false;            // mlock(2), all of it
  bool is_writable = false;
  bool is_shared = false;
};

struct memory_report {
  std::string filesystem;                         // "tmpfs", "ext4", "hugetlbfs"
  std::optional<bool> survives_reset;             // of the machine; empty: depends on what the filesystem lies on
  std::uint64_t page_bytes = 0;                   // of the file: huge on hugetlbfs
  std::uint64_t looked_at_bytes = 0;              // from its beginning, at most 4 GiB
  std::optional<std::uint64_t> in_memory_bytes;   // of those, by any process; empty: the kernel does not tell
  std::optional<std::vector<std::string>> seals;  // "seal": no other can be added; empty: the filesystem knows none
  std::vector<process_memory> processes;          // of living participants, at most 64
};

}  // namespace sluice
