#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "os/byte_lock.hpp"
#include "os/file.hpp"
#include "registry/directory.hpp"
#include "sluice/registry/attached_segment.hpp"
#include "sluice/seat/process_mark.hpp"

namespace sluice {

struct attached_segment::impl {
  segment memory;
  std::string what;
  std::string directory;  // empty: no name
  std::string name;
  os::file_facts facts;
  std::optional<os::byte_lock> presence;
  process_mark mark = process_mark::here();
  std::function<void(std::uint64_t)> on_removal;
  bool leaves_name = false;

  impl() = default;
  impl(const impl&) = delete;
  impl& operator=(const impl&) = delete;
  /// The last one out of an ephemeral segment takes the name along.
  ~impl();
};

/// The lock that says "attached". The caller holds the gate, or the file has no name yet.
[[nodiscard]] os::byte_lock join_presence(const detail::opened_file& opened, const std::string& what);

}  // namespace sluice
