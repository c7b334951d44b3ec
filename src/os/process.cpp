#include "os/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <string_view>
#include <vector>

#include "os/address_space.hpp"
#include "os/fd.hpp"
#include "os/file.hpp"
#include "os/own_page.hpp"
#include "os/proc_lines.hpp"
#include "sluice/detail/base/clock.hpp"
#include "sluice/error.hpp"

namespace sluice::os {
namespace {

std::string read_all_small(int file) {
  char buffer[2048];
  const auto length = ::read(file, buffer, sizeof buffer);
  return length > 0 ? std::string(buffer, static_cast<std::size_t>(length)) : std::string();
}

std::string read_small(const char* path, int directory = working_directory) {
  const auto file = fd::above_standard(::openat(directory, path, O_RDONLY | O_CLOEXEC));
  return file ? read_all_small(file.get()) : std::string();
}

struct stat_line {
  std::uint64_t pid = 0;
  char state = '?';
  std::uint64_t flags = 0;
  std::uint64_t threads = 0;
  std::uint64_t start = 0;
};

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  return problem == std::errc() && end != text.data() ? std::optional(value) : std::nullopt;
}

/// /proc/PID/stat. The command in the second field may hold blanks and brackets: fields are counted after the last ')'.
std::optional<stat_line> read_stat(const char* path, int directory = working_directory) {
  const auto text = read_small(path, directory);
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
    if (field == 9) line.flags = number(word).value_or(0);
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

/// Whether this thread has left its program for good. Flags are the kernel's (sched.h).
bool has_left_its_program(const stat_line& thread) noexcept {
  constexpr std::uint64_t exiting = 0x4;     // PF_EXITING: it is in do_exit(), from which no thread comes back
  constexpr std::uint64_t signaled = 0x400;  // PF_SIGNALED: it took its fatal signal, and dumps core or calls do_exit()
  // PF_IO_WORKER, PF_USER_WORKER: a thread of the kernel that works for this process. It goes on after its fatal signal.
  constexpr std::uint64_t worker = 0x10 | 0x4000;
  if (thread.state == 'Z' || thread.state == 'X' || (thread.flags & exiting) != 0) return true;
  return (thread.flags & signaled) != 0 && (thread.flags & worker) == 0;
}

/// The inode of a namespace, as the text of its link says: "pid:[4026531836]". Following the link would make one.
std::uint64_t namespace_in(const char* path) noexcept {
  char text[64];
  const auto length = ::readlink(path, text, sizeof text);
  const std::string_view link(text, length > 0 ? static_cast<std::size_t>(length) : 0);
  const auto bracket = link.find('[');
  return bracket == std::string_view::npos ? 0 : number(link.substr(bracket + 1)).value_or(0);
}

own_page* own_page_if_any() noexcept {
  try {
    return &own();
  } catch (const error&) {
    return nullptr;  // then nothing is remembered
  }
}

/// Whether /proc shows the pid namespace this process is in.
bool proc_is_ours() noexcept { return own_identity().is_in_proc; }

}  // namespace

process_identity own_identity() noexcept {
  const auto pid = static_cast<std::uint32_t>(::getpid());
  auto* const page = own_page_if_any();
  if (page != nullptr) {
    const auto known = page->identity.load(std::memory_order_acquire);  // OI
    // The pid as well: a child that shares our memory (CLONE_VM) has our page and is another process.
    if (pid_of(known) == pid)
      return {known, page->pid_namespace.load(std::memory_order_relaxed),
              page->time_namespace.load(std::memory_order_relaxed), true};
  }
  const auto line = read_stat("/proc/self/stat");
  const bool is_in_proc = line && line->pid == pid;
  const process_identity read{make_identity(pid, is_in_proc ? line->start : 0), namespace_in("/proc/self/ns/pid"),
                              time_namespace(), is_in_proc};
  if (page == nullptr || !is_in_proc) return read;
  page->pid_namespace.store(read.pid_namespace, std::memory_order_relaxed);  // OI publishes these
  page->time_namespace.store(read.time_namespace, std::memory_order_relaxed);
  page->identity.store(read.word, std::memory_order_release);  // OI
  return read;
}

identity_word self() noexcept { return own_identity().word; }

std::uint64_t time_namespace() noexcept { return namespace_in("/proc/self/ns/time"); }

boot_identity boot() noexcept {
  static std::atomic<std::uint64_t> known[2];  // a forked child's as well
  boot_identity id{{known[0].load(std::memory_order_relaxed), known[1].load(std::memory_order_relaxed)}};
  if (id.words[0] != 0 && id.words[1] != 0) return id;
  id = {};
  const auto file = fd::above_standard(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  constexpr auto procfs = 0x9fa0;  // linux/magic.h
  struct statfs filesystem {};
  if (!file || ::fstatfs(file.get(), &filesystem) != 0 || filesystem.f_type != procfs) return id;
  int digits = 0;
  for (const char c : read_all_small(file.get())) {
    const int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (value < 0 || digits == 32) continue;
    auto& word = id.words[digits++ / 16];
    word = word << 4 | static_cast<std::uint64_t>(value);
  }
  known[0].store(id.words[0], std::memory_order_relaxed);
  known[1].store(id.words[1], std::memory_order_relaxed);
  return id;
}

std::optional<std::uint64_t> boot_realtime_ns() noexcept {
  // "boottime  SECONDS NANOSECONDS": what this time namespace adds to the clock.
  const auto offsets = read_small("/proc/self/timens_offsets");
  long long seconds = 0, nanoseconds = 0;
  const auto at = offsets.find("boottime");
  if (at == std::string::npos ? time_namespace() != 0 || read_small("/proc/self/stat").empty()
                              : std::sscanf(offsets.c_str() + at, "boottime %lld %lld", &seconds, &nanoseconds) != 2)
    return std::nullopt;
  const auto since_start = static_cast<long long>(detail::boottime_now_ns()) - seconds * 1'000'000'000 - nanoseconds;
  return detail::realtime_now_ns() - static_cast<std::uint64_t>(since_start);
}

process_state state_of(identity_word word) noexcept {
  const auto pid = pid_of(word);
  if (pid == 0) return process_state::unknown;
  const auto handle = fd::above_standard(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
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
    return process_state::dead;  // the pid is another process's now
  if (line->state == 'Z' && line->threads <= 1) return process_state::dead;
  if (line->state == 'T' || line->state == 't') return process_state::stopped;
  return process_state::alive;
}

bool is_exiting(identity_word word, const std::string& proc) noexcept {
  try {
    // The directory stands for the process and not for its pid: nothing below can be another process's.
    const auto path = proc + "/" + std::to_string(pid_of(word));
    const auto process = open_directory(path);
    if (!process) return false;
    const auto main_thread = read_stat("stat", process->get());
    if (!main_thread || (start_of(word) != 0 && main_thread->start != start_of(word))) return false;
    if (!has_left_its_program(*main_thread)) return false;  // as of nearly all: the others need not be asked
    const auto threads = open_in(process->get(), "task", false, path + "/task");
    if (!threads) return false;
    std::vector<std::string> ended;
    for (auto& thread : names_in(threads->get(), path + "/task")) {
      const auto line = read_stat((thread + "/stat").c_str(), threads->get());
      if (!line) continue;  // it is gone, or the second list shows it
      if (!has_left_its_program(*line)) return false;
      ended.push_back(std::move(thread));
    }
    // Once more: a thread may have made another one after the list was read, and ended before it was looked at.
    const auto left = names_in(threads->get(), path + "/task");
    return !left.empty() && std::ranges::all_of(left, [&](const std::string& thread) {
      return std::ranges::find(ended, thread) != ended.end();
    });
  } catch (const std::exception&) {
    return false;  // hidden, or gone
  }
}

std::string backing_of(const void* address) {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  std::string backing;
  (void)find_line("/proc/self/maps", [&](std::string_view line) {
    std::uintptr_t begin = 0, end = 0;
    const auto dash = std::from_chars(line.data(), line.data() + line.size(), begin, 16);
    if (dash.ptr == line.data() + line.size()) return false;
    std::from_chars(dash.ptr + 1, line.data() + line.size(), end, 16);
    if (begin > at || at >= end) return false;
    backing = backing_in(line);
    return true;
  });
  return backing;
}

std::optional<bool> maps_backing(std::uint32_t pid, const std::string& backing) {
  const auto space = address_space::of(pid);
  return space ? space->maps(backing) : std::nullopt;
}

std::string command_of(std::uint32_t pid) {
  auto name = read_small(("/proc/" + std::to_string(pid) + "/comm").c_str());
  while (!name.empty() && name.back() == '\n') name.pop_back();
  return name;
}

std::uint64_t random_word() noexcept {
  std::uint64_t value = 0;
  if (::getrandom(&value, sizeof value, 0) != static_cast<ssize_t>(sizeof value))
    value = detail::realtime_now_ns() * 0x9e3779b97f4a7c15ULL + static_cast<std::uint64_t>(::getpid());
  return value;
}

}  // namespace sluice::os
