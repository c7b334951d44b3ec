#pragma once

#include <memory>
#include <string>

#include "support/small_filesystem.hpp"

namespace sluice::detail::test {

/// An overlay over a tmpfs, as the root filesystem of a container is one. Mounted while this lives; needs root.
class overlay {
 public:
  /// Null where mounting is refused.
  static std::unique_ptr<overlay> mount();

  overlay(const overlay&) = delete;
  overlay& operator=(const overlay&) = delete;
  ~overlay();
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  overlay() = default;
  std::unique_ptr<small_filesystem> below_;
  std::string path_;
};

}  // namespace sluice::detail::test
