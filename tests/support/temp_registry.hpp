#pragma once

#include <string>

#include "sluice/registry.hpp"

namespace sluice::detail::test {

/// A private directory (mode 0700, mkdtemp), by default on tmpfs; removed with all that is in it by the process that
/// made it, and by no forked child.
class temp_directory {
 public:
  explicit temp_directory(const std::string& below = "/dev/shm");
  temp_directory(const temp_directory&) = delete;
  temp_directory& operator=(const temp_directory&) = delete;
  ~temp_directory();

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
  int made_by_;
};

/// A registry of its own for one test: `temp_registry names; names->create(…)`, `names.path("orders")`.
class temp_registry {
 public:
  explicit temp_registry(const std::string& below = "/dev/shm") : directory_(below), registry_(directory_.path()) {}

  [[nodiscard]] const registry& operator*() const noexcept { return registry_; }
  [[nodiscard]] const registry* operator->() const noexcept { return &registry_; }
  [[nodiscard]] const std::string& directory() const noexcept { return directory_.path(); }
  [[nodiscard]] std::string path(const std::string& name) const { return directory_ / name; }

 private:
  temp_directory directory_;
  registry registry_;
};

}  // namespace sluice::detail::test
