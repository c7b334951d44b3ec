#pragma once

#include <cstdint>
#include <string>

#include "os/fd.hpp"
#include "sluice/segment/segment.hpp"

namespace sluice {

/// Maps `bytes` of an open file, read and write, and keeps the descriptor for locks. `path` is for errors.
[[nodiscard]] segment map_file(os::fd file, std::uint64_t bytes, const std::string& path);

}  // namespace sluice
