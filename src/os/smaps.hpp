#pragma once

// What a process, this one or another, has obtained of mapped memory for itself: /proc/PID/smaps, proc(5).

#include <cstdint>
#include <string>

namespace sluice::os {

/// Its mappings of one file, added up; those without any permission, which only hold a lock, are left out.
struct mapped_memory {
  enum class sight { seen, not_mapped, not_readable, not_in_time };
  sight how = sight::not_readable;
  std::uint64_t page_bytes = 0;      // the largest
  std::uint64_t mapped_bytes = 0;    // addresses
  std::uint64_t resident_bytes = 0;  // of which this process can reach so much without a fault
  std::uint64_t huge_bytes = 0;      // of which so much by entries for huge pages
  bool is_locked = false;            // all of it
  bool is_writable = false;          // any of it
  bool is_shared = false;            // any of it
};

/// @param backing     as backing_of() says.
/// @param until_ns    of monotonic_now_ns(): the kernel walks the page tables of a process for this, which may be large.
[[nodiscard]] mapped_memory memory_mapped_by(std::uint32_t pid, const std::string& backing, std::uint64_t until_ns);

}  // namespace sluice::os
