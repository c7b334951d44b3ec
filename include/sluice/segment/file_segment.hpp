#pragma once

#include <cstdint>
#include <string>

#include "sluice/segment/memory_options.hpp"
#include "sluice/segment/segment.hpp"

namespace sluice {

/// Memory of a file, mapped MAP_SHARED: any process that may open the file shares it.
struct file_segment {
  static constexpr segment_kind kind = segment_kind::file;

  /// Makes `path` (which must not exist) with `mode` and takes all of its space now, unless no_reserve.
  /// @throws error already_exists; no_space; no_permission; not_found (no such directory).
  /// Blocks: no longer than the filesystem. Source: open(2), fallocate(2), mmap(2).
  static segment create(const std::string& path, std::uint64_t bytes, std::uint32_t mode = 0600,
                        const memory_options& how = {});

  /// Maps the whole of an existing file, read and write unless `how` says otherwise.
  /// @throws error not_found; no_permission; not_a_segment (a directory, a device, a symbolic link); half_made (empty).
  static segment attach(const std::string& path, const memory_options& how = {});
};

}  // namespace sluice
