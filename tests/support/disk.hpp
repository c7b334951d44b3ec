#pragma once

// A folder on a disk, and what a reset of the machine makes of a file there.

#include <sys/statfs.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "support/header_bytes.hpp"

namespace sluice::detail::test {

/// A folder on a disk, where pages become dirty and clean again; none if all are in memory.
inline std::optional<std::string> on_a_disk() {
  constexpr long tmpfs = 0x01021994;
  for (const char* folder : {"/var/tmp", "/tmp", "."}) {
    struct statfs facts {};
    if (::statfs(folder, &facts) == 0 && facts.f_type != tmpfs && ::access(folder, W_OK) == 0) return folder;
  }
  return std::nullopt;
}

/// KiB of the mapping at `address` that this process changed and that are not written back yet: proc(5), smaps.
inline std::uint64_t dirty_kib(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  std::ostringstream begin;
  begin << std::hex << reinterpret_cast<std::uintptr_t>(address) << '-';
  bool is_here = false;
  std::uint64_t kib = 0;
  for (std::string text; std::getline(maps, text);) {
    if (text.find('-') < text.find(' ') && text.find(':') > text.find(' ')) is_here = text.starts_with(begin.str());
    if (is_here && (text.starts_with("Private_Dirty:") || text.starts_with("Shared_Dirty:")))
      kib += std::stoull(text.substr(text.find(':') + 1));
  }
  return kib;
}

using image = std::vector<std::byte>;

inline image image_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  image bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

inline void write_image(const std::string& path, const image& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

/// As a machine that was started anew finds it: the header names another boot.
inline image after_a_reset(image bytes) {
  forge(bytes, [](segment_header& header) { header.boot_id[0] ^= 1; });
  return bytes;
}

}  // namespace sluice::detail::test
