#pragma once

// Which address space a process has. /proc/PID/maps, once open, keeps to the one that the process had then: it goes on to
// show that one for as long as a process lives in it, and nothing afterwards, whatever became of the process. proc(5).

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "os/fd.hpp"

namespace sluice::os {

class address_space {
 public:
  /// That of `pid` as it is now. Empty when it may not be looked at, or there is none.
  static std::optional<address_space> of(std::uint32_t pid) noexcept;
  address_space(address_space&&) noexcept = default;
  address_space& operator=(address_space&& other) noexcept {
    std::swap(file_, other.file_);
    std::swap(device_, other.device_);
    std::swap(inode_, other.inode_);
    return *this;
  }
  /// Closes its descriptor, unless the program closed it and the number means another file by now.
  ~address_space();

  /// Whether `backing` (backing_of() in process.hpp) is mapped anywhere in it. Empty when it cannot be told.
  [[nodiscard]] std::optional<bool> maps(const std::string& backing) const noexcept;
  /// Whether a process lives in it: false once its process has ended or become another program by exec. Two system calls
  /// that do not depend on how much is mapped. False as well when it cannot be told.
  [[nodiscard]] bool is_lived_in() const noexcept;

 private:
  address_space(fd file, std::uint64_t device, std::uint64_t inode) noexcept;
  [[nodiscard]] bool is_own_file() const noexcept;

  fd file_;
  std::uint64_t device_, inode_;
};

}  // namespace sluice::os
