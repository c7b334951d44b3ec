#pragma once

// What all commands share: the global options, and where names are looked up.

#include <string>

#include "exit_codes.hpp"
#include "sluice/registry.hpp"

namespace sluice::tools {

struct session {
  std::string directory;  // --dir; empty: SLUICE_DIR, or the default
  bool json = false;
  bool is_verbose = false;

  [[nodiscard]] registry where() const { return directory.empty() ? registry::standard() : registry(directory); }

  /// A name in the registry, or a path with a slash in it.
  [[nodiscard]] located_name find(const std::string& name) const {
    if (name.find('/') == std::string::npos) return {where(), segment_name(name)};
    if (!directory.empty())
      throw command_failure(exit_code::usage, "\"" + name + "\" is a path: give either --dir or a path, not both");
    return locate(name);
  }
};

}  // namespace sluice::tools
