#pragma once

// On which filesystem an open file lies: fstatfs(2), and what linux/magic.h and statfs(2) call it.

#include <optional>
#include <string>

namespace sluice::os {

struct filesystem_facts {
  std::string name;                    // "tmpfs"; "0x…" for one that is not known here
  std::optional<bool> survives_reset;  // empty: that depends on what lies below it, or is not known
  bool blocks_are_memory = false;      // the blocks of a file are its pages, in memory or swapped out
};

[[nodiscard]] filesystem_facts filesystem_of(int file);

}  // namespace sluice::os
