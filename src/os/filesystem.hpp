#pragma once

// On which filesystem an open file lies: fstatfs(2), and what linux/magic.h and statfs(2) call it.

#include <cstdint>
#include <optional>
#include <string>

namespace sluice::os {

struct filesystem_facts {
  std::string name;                    // "tmpfs"; "0x…" for one that is not known here
  std::optional<bool> survives_reset;  // empty: that depends on what lies below it, or is not known
  bool blocks_are_memory = false;      // the blocks of a file are its pages, in memory or swapped out
  bool is_network = false;             // of several machines: mappings are not one memory there
};

/// By what statfs(2) has as f_type.
[[nodiscard]] filesystem_facts filesystem_named_by(std::uint32_t magic);
[[nodiscard]] filesystem_facts filesystem_of(int file);

/// @throws error bad_argument: `path`, which `file` is open as, lies on a network filesystem. `what` is said first.
void require_local(int file, const std::string& path, const std::string& what);

}  // namespace sluice::os
