#include "os/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string_view>
#include <vector>

#include "os/clock.hpp"
#include "os/fd.hpp"

namespace sluice::os {
namespace {

std::string read_small(const char* path) {
  const fd file(::open(path, O_RDONLY | O_CLOEXEC));
  if (!file) return {};
  char buffer[2048];
  const auto length = ::read(file.get(), buffer, sizeof buffer);
  return length > 0 ? std::string(buffer, static_cast<std::size_t>(length)) : std::string();
}

struct stat_line {
  std::uint64_t pid = 0;
  char state = '?';
  std::uint64_t threads = 0;
  std::uint64_t start = 0;
};

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  return problem == std::errc() && end != text.data() ? std::optional(value) : std::nullopt;
}

/// /proc/PID/stat. The command in the second field may hold blanks and brackets: fields are counted after the last ')'.
std::optional<stat_line> read_stat(const char* path) {
  const auto text = read_small(path);
  const auto bracket = text.rfind(')');
  if (bracket == std::string::npos) return std::nullopt;
  stat_line line;
  const auto pid = number(text);
  if (!pid) return std::nullopt;
  line.pid = *pid;
  std::string_view rest = std::string_view(text).substr(bracket + 1);
  for (int field = 3; field <= 22; ++field) {
    const auto begin = rest.find_first_not_of(' ');
    if (begin == std::string_view::npos) return std::nullopt;
    const auto end = std::min(rest.find(' ', begin), rest.size());
    const auto word = rest.substr(begin, end - begin);
    if (field == 3) line.state = word[0];
    if (field == 20) line.threads = number(word).value_or(0);
    if (field == 22) {
      const auto start = number(word);
      if (!start) return std::nullopt;
      line.start = *start;
    }
    rest.remove_prefix(end);
  }
  return line;
}

std::string stat_path(std::uint32_t pid) { return "/proc/" + std::to_string(pid) + "/stat"; }

std::uint64_t inode_of(const char* path) noexcept {
  struct stat s {};
  return ::stat(path, &s) == 0 ? s.st_ino : 0;
}

struct map_line {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::string backing;
};

/// Lines of /proc/PID/maps: "begin-end permissions offset device inode path". What is mapped all the while is in it:
/// the kernel's filesystems/proc.rst.
std::vector<map_line> read_maps(const std::string& path) {
  std::vector<map_line> lines;
  std::ifstream maps(path);
  for (std::string text; std::getline(maps, text);) {
    std::istringstream words(text);
    map_line line;
    char dash = 0;
    std::string permissions, offset, device, inode;
    words >> std::hex >> line.begin >> dash >> line.end >> permissions >> offset >> device >> inode;
    if (!words) return {};
    line.backing = device + " " + inode;
    lines.push_back(std::move(line));
  }
  return lines;
}

/// Whether /proc shows the pid namespace this process is in.
bool proc_is_ours() noexcept {
  const auto own = read_stat("/proc/self/stat");
  return own && own->pid == static_cast<std::uint64_t>(::getpid());
}

}  // namespace

identity_word self() noexcept {
  const auto pid = static_cast<std::uint32_t>(::getpid());
  const auto own = read_stat("/proc/self/stat");
  return make_identity(pid, own && own->pid == pid ? own->start : 0);
}

std::uint64_t pid_namespace() noexcept { return inode_of("/proc/self/ns/pid"); }
std::uint64_t time_namespace() noexcept { return inode_of("/proc/self/ns/time"); }

boot_identity boot() noexcept {
  boot_identity id;
  int digits = 0;
  for (const char c : read_small("/proc/sys/kernel/random/boot_id")) {
    const int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (value < 0 || digits == 32) continue;
    auto& word = id.words[digits++ / 16];
    word = word << 4 | static_cast<std::uint64_t>(value);
  }
  return id;
}

process_state state_of(identity_word word) noexcept {
  const auto pid = pid_of(word);
  if (pid == 0) return process_state::unknown;
  const fd handle(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!handle) {
    if (errno == ESRCH || (::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH)) return process_state::dead;
  } else {
    pollfd event{handle.get(), POLLIN, 0};
    if (::poll(&event, 1, 0) == 1 && (event.revents & POLLIN) != 0) return process_state::dead;  // ended, reaped or not
  }
  if (!proc_is_ours()) return process_state::unknown;
  const auto line = read_stat(stat_path(pid).c_str());
  if (!line) return process_state::unknown;  // hidden from us (hidepid), or it ended this very moment
  if (start_of(word) != 0 && line->start != start_of(word))
    return process_state::dead;  // the pid is somebody else's now
  if (line->state == 'Z' && line->threads <= 1) return process_state::dead;
  if (line->state == 'T' || line->state == 't') return process_state::stopped;
  return process_state::alive;
}

std::string backing_of(const void* address) {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  for (const auto& line : read_maps("/proc/self/maps"))
    if (line.begin <= at && at < line.end) return line.backing;
  return {};
}

std::optional<bool> maps_backing(std::uint32_t pid, const std::string& backing) {
  const auto lines = read_maps("/proc/" + std::to_string(pid) + "/maps");
  if (lines.empty() || backing.empty()) return std::nullopt;  // not ours to read, or its main thread alone has ended
  return std::any_of(lines.begin(), lines.end(), [&](const auto& line) { return line.backing == backing; });
}

std::string command_of(std::uint32_t pid) {
  auto name = read_small(("/proc/" + std::to_string(pid) + "/comm").c_str());
  while (!name.empty() && name.back() == '\n') name.pop_back();
  return name;
}

std::uint64_t random_word() noexcept {
  std::uint64_t value = 0;
  if (::getrandom(&value, sizeof value, 0) != static_cast<ssize_t>(sizeof value))
    value = realtime_ns() * 0x9e3779b97f4a7c15ULL + static_cast<std::uint64_t>(::getpid());
  return value;
}

}  // namespace sluice::os
