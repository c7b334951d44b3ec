#include "cgroup.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>
#include <sstream>
#include <vector>

namespace sluice::tools {
namespace {

/// A mounted hierarchy of cgroups.
struct hierarchy {
  bool is_v2 = false;
  std::string cgroup;  // that is mounted: paths in /proc/PID/cgroup begin with it
  std::string place;   // where
};

/// Those that `controller` is in. proc_pid_mountinfo(5): "36 35 0:30 /cgroup /place options [tags] - type source super".
std::vector<hierarchy> mounted(const std::string& controller, const std::string& root) {
  std::vector<hierarchy> found;
  std::ifstream mounts(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    const auto separator = line.find(" - ");
    if (separator == std::string::npos) continue;
    std::istringstream before(line), after(line.substr(separator + 3));
    std::string number, parent, device, cgroup, place, type, source, options;
    if (!(before >> number >> parent >> device >> cgroup >> place) || !(after >> type >> source >> options)) continue;
    const bool is_v1 = type == "cgroup" && ("," + options + ",").find("," + controller + ",") != std::string::npos;
    if (is_v1 || type == "cgroup2") found.push_back({!is_v1, cgroup == "/" ? "" : cgroup, place});
  }
  return found;
}

/// A cgroup's folder and where its hierarchy begins.
struct place {
  bool is_v2 = false;
  std::string folder, top;
};

/// Where the process is: "4:freezer:/path" of v1, "0::/path" of v2 in proc_pid_cgroup(5).
std::vector<place> places_of(const std::string& process, const std::vector<hierarchy>& hierarchies,
                             const std::string& controller, const std::string& root) {
  std::vector<place> found;
  std::ifstream cgroups(root + "/proc/" + process + "/cgroup");
  for (std::string line; std::getline(cgroups, line);) {
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const auto controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const auto path = line.substr(second + 1);
    for (const auto& one : hierarchies) {
      const bool is_it =
          one.is_v2 ? controllers == ",," : controllers.find("," + controller + ",") != std::string::npos;
      if (is_it && path.starts_with(one.cgroup))
        found.push_back({one.is_v2, root + one.place + path.substr(one.cgroup.size()), root + one.place});
    }
  }
  return found;
}

bool has_line(const std::string& path, const std::string& wanted) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);)
    if (line == wanted) return true;
  return false;
}

/// Empty where the file is missing or says "max".
std::optional<std::uint64_t> number_in(const std::string& path) {
  std::ifstream in(path);
  std::string word;
  std::uint64_t value = 0;
  if (!(in >> word) || std::from_chars(word.data(), word.data() + word.size(), value).ec != std::errc{})
    return std::nullopt;
  return value;
}

}  // namespace

bool is_frozen(std::uint32_t pid) {
  static const auto hierarchies = mounted("freezer", "");  // once, however many processes a list shows
  const auto places = places_of(std::to_string(pid), hierarchies, "freezer", "");
  return std::any_of(places.begin(), places.end(), [](const place& one) {  // both tell of the cgroups above as well
    return one.is_v2 ? has_line(one.folder + "/cgroup.events", "frozen 1")
                     : has_line(one.folder + "/freezer.state", "FROZEN");
  });
}

memory_limit memory_limit_of_this(const std::string& root) {
  constexpr std::uint64_t unlimited_v1_bytes = std::uint64_t{1} << 62;  // what v1 says instead of "max" is near 2^63
  memory_limit least;
  for (auto one : places_of("self", mounted("memory", root), "memory", root))
    for (;;) {
      const auto most = number_in(one.folder + (one.is_v2 ? "/memory.max" : "/memory.limit_in_bytes"));
      const auto used = number_in(one.folder + (one.is_v2 ? "/memory.current" : "/memory.usage_in_bytes"));
      if (most && *most < unlimited_v1_bytes) {
        const auto left = *most - std::min(*most, used.value_or(0));
        if (left < least.available_bytes) least = {*most, left};
      }
      if (one.folder.size() <= one.top.size()) break;
      one.folder.erase(std::max(one.folder.rfind('/'), one.top.size()));
    }
  return least;
}

}  // namespace sluice::tools
