#pragma once

#include <optional>

#include "segment/lock_file.hpp"
#include "sluice/detail/seat/seat_table.hpp"
#include "sluice/error.hpp"

namespace sluice::detail {

/// Where a process that takes no locks sees those of others.
struct readable_locks {
  std::optional<lock_file> file;  // kept open for `sight`
  lock_sight sight;

  [[nodiscard]] static readable_locks of(const segment& memory) {
    readable_locks seen{std::nullopt, {memory.file(), memory.header().lock_inode == 0}};
    if (seen.sight.is_complete || !memory.has_file()) return seen;
    try {
      seen.file = lock_file_of(memory, false);
      seen.sight = {{seen.file->file.get(), seen.file->path}, true};
    } catch (const error&) {
      // This process may not open it: what the segment's own file shows must do.
    }
    return seen;
  }
};

}  // namespace sluice::detail
