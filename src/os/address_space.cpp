#include "os/address_space.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/proc_lines.hpp"

namespace sluice::os {

address_space::address_space(fd file, std::uint64_t device, std::uint64_t inode) noexcept
    : file_(std::move(file)), device_(device), inode_(inode) {}

address_space::~address_space() {
  if (file_ && !is_own_file()) (void)file_.release();
}

std::optional<address_space> address_space::of(std::uint32_t pid) noexcept {
  auto file = fd::above_standard(::open(("/proc/" + std::to_string(pid) + "/maps").c_str(), O_RDONLY | O_CLOEXEC));
  struct stat facts {};
  if (!file || ::fstat(file.get(), &facts) != 0) return std::nullopt;
  return address_space(std::move(file), facts.st_dev, facts.st_ino);
}

std::optional<bool> address_space::maps(const std::string& backing) const noexcept {
  if (backing.empty() || !is_own_file()) return std::nullopt;
  // Empty as well when the main thread alone has ended.
  return find_line(file_.get(), [&](std::string_view line) { return backing_in(line) == backing; });
}

bool address_space::is_lived_in() const noexcept {
  char first = 0;
  return is_own_file() && ::pread(file_.get(), &first, 1, 0) == 1;
}

bool address_space::is_own_file() const noexcept {
  struct stat facts {};
  return ::fstat(file_.get(), &facts) == 0 && facts.st_dev == device_ && facts.st_ino == inode_;
}

}  // namespace sluice::os
