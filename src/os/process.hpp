#pragma once

// The identity of a process, beyond its pid, and what became of it. proc(5), pidfd_open(2).

#include <cstdint>
#include <optional>
#include <string>

namespace sluice::os {

/// pid (22 bits) << 42 | start time in clock ticks since boot (42 bits): one word, so it is never read half old and
/// half new. Zero: no process.
using identity_word = std::uint64_t;

[[nodiscard]] constexpr std::uint32_t pid_of(identity_word word) noexcept {
  return static_cast<std::uint32_t>(word >> 42);
}
[[nodiscard]] constexpr std::uint64_t start_of(identity_word word) noexcept {
  return word & ((std::uint64_t{1} << 42) - 1);
}
[[nodiscard]] constexpr identity_word make_identity(std::uint32_t pid, std::uint64_t start) noexcept {
  return std::uint64_t{pid} << 42 | (start & ((std::uint64_t{1} << 42) - 1));
}

/// A process as others may know it. Namespaces are the inodes of /proc/self/ns/pid and time, 0 where unreadable: a pid
/// means nothing in another pid namespace, a start time nothing in another time namespace.
struct process_identity {
  identity_word word = 0;  ///< its start time is 0 where /proc does not show this pid namespace
  std::uint64_t pid_namespace = 0;
  std::uint64_t time_namespace = 0;  ///< in which the start time counts
  bool is_in_proc = false;           ///< whether /proc shows it under this pid
};

/// The calling process. Read once: none of it changes before the process forks, and a child reads its own. A process may
/// move itself to another time namespace (setns(2)); its start time then still counts in the one that stands here.
[[nodiscard]] process_identity own_identity() noexcept;
[[nodiscard]] identity_word self() noexcept;

/// The time namespace that the caller is in now, and in which /proc shows it start times.
[[nodiscard]] std::uint64_t time_namespace() noexcept;

/// /proc/sys/kernel/random/boot_id as two words; zeros where it cannot be read, which is asked again each time, and where
/// it is not the kernel's own: a container may have another file mounted there.
struct boot_identity {
  std::uint64_t words[2] = {0, 0};
};
[[nodiscard]] boot_identity boot() noexcept;
/// When the machine was started, by today's CLOCK_REALTIME: in nanoseconds since 1970. Empty when it cannot be told which
/// time namespace the clocks of this process count in.
[[nodiscard]] std::optional<std::uint64_t> boot_realtime_ns() noexcept;

enum class process_state { alive, stopped, dead, unknown };

/// What became of the process `word` names, asked from the same pid namespace. A process that ended and was not reaped
/// is dead; one whose main thread alone ended is not. What is unclear is `unknown`.
[[nodiscard]] process_state state_of(identity_word word) noexcept;

/// Whether no thread of the process `word` names runs its program any more, although the process is still there: it is
/// dumping core, its memory is being freed, or it was not reaped. Asked from the same pid namespace; unclear is no.
/// It is no proof that its memory is not written to any more: a child that shares the address space (vfork(2), CLONE_VM) is
/// another process, and the kernel may still complete input that was asked for. Nor can a thread that has only a fatal
/// signal pending be told from one that will run on. docs/decisions/0036-exiting-is-shown-not-acted-upon.md
/// @param proc  where proc(5) is mounted.
[[nodiscard]] bool is_exiting(identity_word word, const std::string& proc = "/proc") noexcept;

/// What lies behind an address of this process, as proc(5) names it in maps: "device inode". Empty when it cannot be told.
[[nodiscard]] std::string backing_of(const void* address);
/// Whether that process maps `backing` anywhere: after exec it does not. Empty when it cannot be told.
[[nodiscard]] std::optional<bool> maps_backing(std::uint32_t pid, const std::string& backing);

/// The command's name, for people; empty when it cannot be read.
[[nodiscard]] std::string command_of(std::uint32_t pid);

/// getrandom(2).
[[nodiscard]] std::uint64_t random_word() noexcept;

}  // namespace sluice::os
