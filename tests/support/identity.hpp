#pragma once

// The processes that the shared bytes name, read without the library's help (docs/format.md).

#include <sys/stat.h>

#include <cstdint>
#include <fstream>
#include <string>

namespace sluice::detail::test {

/// The pid in an identity word: its upper 22 bits; the start time is below.
constexpr std::uint32_t pid_in(std::uint64_t identity) noexcept { return static_cast<std::uint32_t>(identity >> 42); }

/// The inode of this process's namespace of `kind`: "pid", "time".
inline std::uint64_t own_namespace(const std::string& kind) {
  struct stat s {};
  return ::stat(("/proc/self/ns/" + kind).c_str(), &s) == 0 ? s.st_ino : 0;
}

/// The name of this program as the kernel has it.
inline std::string own_command() {
  std::string name;
  std::getline(std::ifstream("/proc/self/comm"), name);
  return name;
}

}  // namespace sluice::detail::test
