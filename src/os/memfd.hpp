#pragma once

// Files that have no name and live as long as a descriptor or a mapping refers to them: memfd_create(2), and the seals of fcntl(2).

#include <optional>
#include <string>
#include <vector>

#include "os/fd.hpp"

namespace sluice::os {

/// @param name  for people, in /proc/PID/maps. @throws error no_space, or whatever the kernel says.
[[nodiscard]] fd create_memfd(const std::string& name, bool huge);

/// From now on no process can make it shorter or longer, nor take this back.
void seal_length(int memfd, const std::string& what);

/// Whether a seal says that the file cannot become shorter. False for what has no seals.
[[nodiscard]] bool cannot_shrink(int file) noexcept;

/// All its seals, in the words of fcntl(2) without F_SEAL_: "shrink", "grow". Empty: a file that cannot be sealed.
[[nodiscard]] std::optional<std::vector<std::string>> seals_of(int file);

}  // namespace sluice::os
