#include "machine.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/membarrier.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "cgroup.hpp"

namespace sluice::tools {
namespace {

namespace fs = std::filesystem;

std::string text_of(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string first_word_of(const std::string& text) {
  std::istringstream in(text);
  std::string word;
  in >> word;
  return word;
}

std::uint64_t number_in(const std::string& word, std::uint64_t otherwise) {
  std::uint64_t value = otherwise;
  std::from_chars(word.data(), word.data() + word.size(), value);
  return value;
}

/// The word after `key` in a file of lines "key value …".
std::string value_of(const std::string& text, const std::string& key) {
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(key)) return first_word_of(line.substr(key.size()));
  return {};
}

std::uint64_t limit_of(const std::string& limits, const std::string& name) {
  const auto soft = value_of(limits, name);
  return soft == "unlimited" ? unlimited : number_in(soft, unlimited);
}

/// "always [never] deny" -> "never".
std::string chosen_in(const std::string& text) {
  const auto begin = text.find('['), end = text.find(']');
  return begin == std::string::npos || end == std::string::npos ? "" : text.substr(begin + 1, end - begin - 1);
}

/// logind.conf(5): the main file, then the drop-ins by name; of those of one name /etc comes before /run before /usr/lib.
bool logind_removes_ipc(const std::string& root) {
  std::map<std::string, std::string> drop_ins;
  for (const char* place : {"/usr/lib", "/run", "/etc"}) {
    std::error_code ignored;
    for (const auto& one : fs::directory_iterator(root + place + "/systemd/logind.conf.d", ignored))
      if (one.path().extension() == ".conf") drop_ins[one.path().filename()] = one.path();
  }
  std::vector<std::string> files{root + "/etc/systemd/logind.conf"};
  for (const auto& [name, path] : drop_ins) files.push_back(path);
  bool removes = true;
  for (const auto& file : files) {
    std::istringstream in(text_of(file));
    for (std::string line; std::getline(in, line);) {
      line.erase(std::remove_if(line.begin(), line.end(), [](char c) { return c == ' ' || c == '\t'; }), line.end());
      if (!line.starts_with("RemoveIPC=")) continue;
      const auto value = line.substr(line.find('=') + 1);
      removes = value != "no" && value != "false" && value != "off" && value != "0" && value != "n" && value != "f";
    }
  }
  return removes;
}

std::string user_name(std::uint64_t uid) {
  const auto* user = ::getpwuid(static_cast<uid_t>(uid));
  return user == nullptr ? std::to_string(uid) : user->pw_name;
}

bool kernel_has_futex_waitv() {
#ifdef SYS_futex_waitv
  return ::syscall(SYS_futex_waitv, nullptr, 0, 0, nullptr, 0) == 0 || errno != ENOSYS;  // EINVAL: nothing to wait for
#else
  return false;
#endif
}

bool kernel_has_membarrier() {
  const auto commands = ::syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
  return commands > 0 && (commands & MEMBARRIER_CMD_GLOBAL_EXPEDITED) != 0;
}

void look_at_directory(machine& found) {
  struct stat facts {};
  if (::lstat(found.directory.c_str(), &facts) == 0) {
    found.directory_exists = true;
    found.directory_is_link = S_ISLNK(facts.st_mode);
    found.directory_mode = facts.st_mode & 07777;
    found.directory_uid = facts.st_uid;
    found.directory_is_writable = ::faccessat(AT_FDCWD, found.directory.c_str(), W_OK | X_OK, AT_EACCESS) == 0;
  }
  const auto place = found.directory_exists ? fs::path(found.directory) : fs::path(found.directory).parent_path();
  struct statfs space {};
  if (::statfs(place.c_str(), &space) != 0) return;
  found.is_tmpfs = space.f_type == TMPFS_MAGIC || space.f_type == RAMFS_MAGIC || space.f_type == HUGETLBFS_MAGIC;
  found.is_overlay = space.f_type == OVERLAYFS_SUPER_MAGIC;
  found.inodes = space.f_files;
  found.available_inodes = space.f_ffree;
  found.filesystem_bytes = space.f_blocks * static_cast<std::uint64_t>(space.f_bsize);
  found.available_bytes = space.f_bavail * static_cast<std::uint64_t>(space.f_bsize);
}

void look_at_names(machine& found, const registry& where) {
  try {
    for (const auto& one : where.list()) {
      found.dead_names += one.state == segment_state::dead;
      found.dead_bytes += one.state == segment_state::dead ? one.resident_bytes : 0;
      struct stat facts {};
      const bool is_others = one.state == segment_state::broken && one.problem_code == errc::no_permission &&
                             ::lstat(one.path.c_str(), &facts) == 0 && facts.st_uid != ::geteuid();
      found.skipped_names += is_others;
      found.broken_names += one.state == segment_state::broken && !is_others;
    }
  } catch (const error&) {
    // An unsafe directory, which its own facts show.
  }
}

}  // namespace

machine look_at_machine(const session& common, const std::string& root) {
  machine found;
  found.kernel_release = first_word_of(text_of(root + "/proc/sys/kernel/osrelease"));
  found.has_proc = !found.kernel_release.empty();
  found.has_membarrier = kernel_has_membarrier();
  found.has_futex_waitv = kernel_has_futex_waitv();
  found.clock_source =
      first_word_of(text_of(root + "/sys/devices/system/clocksource/clocksource0/current_clocksource"));
  found.shmem_huge_pages = chosen_in(text_of(root + "/sys/kernel/mm/transparent_hugepage/shmem_enabled"));
  const auto memory = text_of(root + "/proc/meminfo");
  found.huge_pages_total = number_in(value_of(memory, "HugePages_Total:"), 0);
  found.huge_pages_free = number_in(value_of(memory, "HugePages_Free:"), 0);
  const auto limits = text_of(root + "/proc/self/limits");
  found.memlock_bytes = limit_of(limits, "Max locked memory");
  found.open_files = limit_of(limits, "Max open files");
  found.file_size_bytes = limit_of(limits, "Max file size");
  const auto memory_now = memory_limit_of_this(root);
  found.memory_max_bytes = memory_now.max_bytes;
  found.memory_available_bytes = memory_now.available_bytes;
  std::error_code ignored;
  found.has_systemd = fs::exists(root + "/run/systemd/system", ignored);
  found.removes_ipc = logind_removes_ipc(root);
  found.uid = ::geteuid();
  found.lingers = fs::exists(root + "/var/lib/systemd/linger/" + user_name(found.uid), ignored);
  found.first_user_uid = number_in(value_of(text_of(root + "/etc/login.defs"), "UID_MIN"), found.first_user_uid);
  const auto where = common.where();
  const char* chosen = ::secure_getenv("SLUICE_DIR");
  found.directory = where.directory();
  found.is_default_directory = common.directory.empty() && (chosen == nullptr || *chosen == '\0');
  look_at_directory(found);
  look_at_names(found, where);
  return found;
}

}  // namespace sluice::tools
