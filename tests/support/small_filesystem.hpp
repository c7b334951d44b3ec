#pragma once

#include <memory>
#include <string>

namespace sluice::detail::test {

/// A filesystem of its own, mounted while this lives. Needs root: `make` gives nothing where that is refused, and the
/// test says so by GTEST_SKIP.
class small_filesystem {
 public:
  /// tmpfs of `kib` KiB.
  static std::unique_ptr<small_filesystem> tmpfs(unsigned kib);
  /// A filesystem of `type` without a device ("ramfs", "hugetlbfs", …).
  static std::unique_ptr<small_filesystem> of_type(const std::string& type, const std::string& options = "");

  small_filesystem(const small_filesystem&) = delete;
  small_filesystem& operator=(const small_filesystem&) = delete;
  ~small_filesystem();
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  small_filesystem() = default;
  std::string path_;
};

}  // namespace sluice::detail::test
