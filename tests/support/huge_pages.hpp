#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <fstream>
#include <string>

namespace sluice::detail::test {

/// A few pages of hugetlbfs for one test, taken from and given back to the kernel. Needs root and memory in one piece: a
/// test asks `has()` and says by GTEST_SKIP why it did not run.
class reserved_huge_pages {
 public:
  /// @param page_bytes  one of those in /sys/kernel/mm/hugepages.
  explicit reserved_huge_pages(int count, std::uint64_t page_bytes = std::uint64_t{2} << 20)
      : path_("/sys/kernel/mm/hugepages/hugepages-" + std::to_string(page_bytes / 1024) + "kB/nr_hugepages"),
        wanted_(count),
        lock_(::open(path_.c_str(), O_RDONLY | O_CLOEXEC)) {
    while (::flock(lock_, LOCK_EX) != 0 && errno == EINTR) {
    }
    before_ = now();
    set(count);
  }
  reserved_huge_pages(const reserved_huge_pages&) = delete;
  reserved_huge_pages& operator=(const reserved_huge_pages&) = delete;
  ~reserved_huge_pages() {
    set(before_);
    ::close(lock_);
  }

  [[nodiscard]] int now() const {
    int count = 0;
    std::ifstream(path_) >> count;
    return count;
  }
  [[nodiscard]] bool has() const { return now() >= wanted_; }
  /// For GTEST_SKIP.
  [[nodiscard]] std::string why_not() const {
    return std::to_string(wanted_) + " huge pages are not to be had: " + path_ + " says " + std::to_string(now()) +
           " (needs root, and memory in one piece)";
  }

 private:
  void set(int count) const { std::ofstream(path_) << count; }
  std::string path_;
  int wanted_;
  int lock_;  // on that very file: tests run beside each other, and there is one number for all
  int before_ = 0;
};

}  // namespace sluice::detail::test
