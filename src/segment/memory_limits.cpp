#include "sluice/segment.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string_view>

#include "os/file.hpp"

namespace sluice {

using namespace detail;

namespace {

/// The number behind `key` at the beginning of a line. Empty: no such file, or no such line.
std::optional<std::uint64_t> number_in(const std::string& path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(key) && (key.empty() || line[key.size()] == ' ' || line[key.size()] == ':')) {
      const auto digits = line.find_first_of("0123456789", key.size());
      if (digits == std::string::npos) return std::nullopt;  // "max"
      return std::strtoull(line.c_str() + digits, nullptr, 10);
    }
  return std::nullopt;
}

/// How one version of cgroups calls things.
struct hierarchy {
  const char* root;
  const char* limit;
  const char* anonymous;
  const char* shared;
};
constexpr hierarchy v1{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "total_rss", "total_shmem"};
constexpr hierarchy v2{"/sys/fs/cgroup", "memory.max", "anon", "shmem"};

/// This process's own place: "/system.slice/x.service". Empty: none in this hierarchy.
std::optional<std::string> place_in(bool is_v1) {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {  // ID:CONTROLLERS:PATH
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const auto controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    if (is_v1 ? controllers.find(",memory,") != std::string::npos : controllers == ",,") return line.substr(second + 1);
  }
  return std::nullopt;
}

void look_at(const hierarchy& kind, std::string place, std::uint64_t swap_bytes, memory_limits& limits) {
  constexpr std::uint64_t as_good_as_none = std::uint64_t{1} << 62;
  for (;;) {  // from its own cgroup up to the root; one that is not visible here (a container) limits nothing by itself
    while (!place.empty() && place.back() == '/') place.pop_back();
    const auto folder = kind.root + place;
    const auto limit = number_in(folder + "/" + kind.limit, "");
    if (limit && *limit < as_good_as_none) {
      if (*limit < limits.cgroup_bytes) {
        limits.cgroup_bytes = *limit;
        limits.cgroup = folder + "/" + kind.limit;
      }
      const auto stat = folder + "/memory.stat";
      const auto used = number_in(stat, kind.anonymous).value_or(0) + number_in(stat, kind.shared).value_or(0);
      limits.available_bytes = std::min(limits.available_bytes, *limit - std::min(*limit, used) + swap_bytes);
    }
    const auto slash = place.rfind('/');
    if (slash == std::string::npos) return;
    place.resize(slash);
  }
}

}  // namespace

memory_limits memory_limits_here() {
  memory_limits limits;
  limits.file_bytes = os::file_limit_bytes();
  constexpr std::uint64_t kib = 1024;
  const auto swap = number_in("/proc/meminfo", "SwapFree").value_or(0) * kib;
  if (const auto free = number_in("/proc/meminfo", "MemAvailable")) limits.available_bytes = *free * kib + swap;
  if (auto place = place_in(true)) look_at(v1, std::move(*place), swap, limits);
  if (auto place = place_in(false)) look_at(v2, std::move(*place), swap, limits);
  return limits;
}

}  // namespace sluice
