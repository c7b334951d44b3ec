// sluice doctor: checks a machine for what affects channels, and says what it costs and what to do about it.

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <fstream>
#include <memory>

#include "commands/commands.hpp"
#include "format.hpp"
#include "machine.hpp"
#include "output.hpp"

namespace sluice::tools {
namespace {

enum class severity { ok, note, warning, error };

const char* severity_name(severity value) {
  switch (value) {
    case severity::ok: return "ok";
    case severity::note: return "note";
    case severity::warning: return "warning";
    case severity::error: return "error";
  }
  return "unknown";
}

struct finding {
  const char* about;
  severity level = severity::ok;
  std::string what;
  std::string consequence = {};  // empty when it is ok
  std::string cure = {};
};

constexpr std::uint64_t mib = 1 << 20;
constexpr std::uint64_t small_bytes = 64 * mib;  // what a container's /dev/shm has by default

std::string limit_text(std::uint64_t value) { return value == unlimited ? "unlimited" : size_text(value); }

finding judge_proc(const machine& m) {
  if (m.has_proc) return {"proc", severity::ok, "/proc is mounted"};
  return {
      "proc", severity::warning, "/proc is not mounted",
      "a durable channel cannot be created, a death in memory without a file is not noticed, and processes are shown "
      "without their names",
      "mount -t proc proc /proc"};
}

finding judge_kernel(const machine& m) {
  unsigned major = 0, minor = 0;
  if (std::sscanf(m.kernel_release.c_str(), "%u.%u", &major, &minor) != 2)
    return {"kernel", severity::note, "the kernel's version is not known", "nothing, if it is 4.14 or newer",
            "uname -r"};
  if (major > 4 || (major == 4 && minor >= 14)) return {"kernel", severity::ok, "Linux " + m.kernel_release};
  return {"kernel", severity::error, "Linux " + m.kernel_release + " is older than 4.14",
          "fork cannot be noticed (MADV_WIPEONFORK): making a producer or consumer fails", "a newer kernel"};
}

finding judge_membarrier(const machine& m) {
  if (m.has_membarrier) return {"membarrier", severity::ok, "membarrier(2) GLOBAL_EXPEDITED works"};
  return {"membarrier", severity::warning, "membarrier(2) GLOBAL_EXPEDITED is refused",
          "rings run in fence mode: every publish pays a full fence",
          "Linux 4.16, or a seccomp profile that allows it"};
}

finding judge_waitv(const machine& m) {
  if (m.has_futex_waitv) return {"futex_waitv", severity::ok, "futex_waitv(2) works"};
  return {"futex_waitv", severity::note, "futex_waitv(2) is refused",
          "one thread cannot sleep on several channels with one system call",
          "Linux 5.16, or a seccomp profile that allows it"};
}

finding judge_clock(const machine& m) {
  constexpr const char* fast[] = {"tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"};
  if (std::find(std::begin(fast), std::end(fast), m.clock_source) != std::end(fast))
    return {"clock", severity::ok, "the clock source is " + m.clock_source};
  if (m.clock_source.empty())
    return {"clock", severity::note, "the clock source is not known", "reading the time may be slow",
            "look at /sys/devices/system/clocksource"};
  return {"clock", severity::warning, "the clock source is " + m.clock_source,
          "every look at the time may be a system call: waits and timeouts cost more",
          "find out why the kernel gave up tsc (dmesg); on a guest, the hypervisor's clock"};
}

finding judge_space(const machine& m) {
  const auto what = fmt::format("{} of {} are available below {}", size_text(m.available_bytes),
                                size_text(m.filesystem_bytes), m.directory);
  if (m.filesystem_bytes == 0)
    return {"space", severity::error, "no filesystem is found at " + m.directory, "creating fails",
            "make its parent directory, or name another one in SLUICE_DIR"};
  if (m.available_bytes < mib)
    return {"space", severity::error, what, "creating fails with no_space",
            "sluice list, sluice clear; mount -o remount,size=... of the tmpfs"};
  if (m.available_bytes < m.filesystem_bytes / 10)
    return {"space", severity::warning, what + ", less than a tenth", "creating may fail with no_space",
            "sluice list, sluice clear; mount -o remount,size=... of the tmpfs"};
  if (m.filesystem_bytes <= small_bytes)
    return {"space", severity::warning, what, "few and small channels only: creating more fails with no_space",
            "a container: --shm-size; else mount -o remount,size=..."};
  return {"space", severity::ok, what};
}

finding judge_memory_limit(const machine& m) {
  if (m.memory_max_bytes == unlimited) return {"memory_max", severity::ok, "no cgroup limits memory"};
  const auto what = fmt::format("the cgroup may use {} of memory, of which {} are left", size_text(m.memory_max_bytes),
                                size_text(m.memory_available_bytes));
  return {
      "memory_max", m.memory_available_bytes < small_bytes ? severity::warning : severity::note, what,
      "a channel in memory counts against it: creating a larger one fails with no_space, or the kernel ends a process",
      "a smaller capacity; memory.max, MemoryMax= of the unit, --memory of the container"};
}

finding judge_inodes(const machine& m) {
  constexpr std::uint64_t few = 64;
  if (m.inodes == 0) return {"inodes", severity::ok, "the filesystem does not limit the number of files"};
  const auto what = fmt::format("{} of {} files more fit below {}", m.available_inodes, m.inodes, m.directory);
  if (m.available_inodes >= few) return {"inodes", severity::ok, what};
  return {"inodes", m.available_inodes == 0 ? severity::error : severity::warning, what,
          "creating fails with no_space, however much room there is",
          "remove files there; mount -o remount,nr_inodes=... of the tmpfs"};
}

finding judge_filesystem(const machine& m) {
  if (m.is_overlay)
    return {"filesystem", severity::warning, m.directory + " is on an overlay filesystem, the root of a container",
            "channels are on a disk, and are gone with the container",
            "a directory on a tmpfs, such as below /dev/shm, or a volume"};
  if (m.is_tmpfs) return {"filesystem", severity::ok, m.directory + " is in memory"};
  return {"filesystem", severity::warning, m.directory + " is on a disk",
          "the kernel writes messages back to it, and stalls a process that touches a page while it is written",
          "a directory on a tmpfs, such as below /dev/shm or /run"};
}

finding judge_memlock(const machine& m) {
  const auto what = "memory that may be locked: " + limit_text(m.memlock_bytes);
  if (m.memlock_bytes >= small_bytes) return {"memlock", severity::ok, what};
  return {"memlock", severity::note, what,
          "memory_options::lock_in_memory of more than that, over all channels of a process, fails: no_space (not for "
          "root, nor with CAP_IPC_LOCK)",
          "ulimit -l, LimitMEMLOCK= of the unit"};
}

finding judge_prefault(const machine& m) {
  unsigned major = 0, minor = 0;
  if (std::sscanf(m.kernel_release.c_str(), "%u.%u", &major, &minor) != 2 || major > 5 || (major == 5 && minor >= 14))
    return {"prefault", severity::ok, "memory can be asked for before it is touched"};
  return {"prefault", severity::note, "Linux " + m.kernel_release + " is older than 5.14",
          "memory_options::prefault fails: bad_argument", "a newer kernel, or do without: the first lap faults"};
}

finding judge_open_files(const machine& m) {
  const auto what = "open files: " + (m.open_files == unlimited ? "unlimited" : std::to_string(m.open_files));
  if (m.open_files >= 256) return {"open_files", severity::ok, what};
  return {"open_files", severity::warning, what, "each segment that is attached takes one: attaching fails early",
          "ulimit -n, LimitNOFILE= of the unit"};
}

finding judge_file_size(const machine& m) {
  const auto what = "size of a file: " + limit_text(m.file_size_bytes);
  if (m.file_size_bytes == unlimited) return {"file_size", severity::ok, what};
  return {"file_size", m.file_size_bytes < small_bytes ? severity::warning : severity::note, what,
          "a larger segment cannot be created", "ulimit -f, LimitFSIZE= of the unit"};
}

finding judge_huge_pages(const machine& m) {
  if (m.huge_pages_free > 0)
    return {"huge_pages", severity::ok,
            fmt::format("{} of {} huge pages are free", m.huge_pages_free, m.huge_pages_total)};
  return {"huge_pages", severity::note,
          m.huge_pages_total == 0 ? std::string("no huge pages are reserved")
                                  : fmt::format("all {} huge pages are in use", m.huge_pages_total),
          "memory_options::huge: huge_pages::require fails (no_space), huge_pages::prefer gets ordinary or transparent "
          "ones",
          "sysctl vm.nr_hugepages"};
}

/// shmem_enabled is for memory without a name; a mounted tmpfs has an option of its own. "advise" is heard where pages come
/// at the first touch: in anonymous memory, and not in a memfd, whose pages are taken at creation.
finding judge_shmem_huge_pages(const machine& m) {
  const auto& mode = m.shmem_huge_pages;
  const auto what = "transparent huge pages of memory without a name: " + (mode.empty() ? "not known" : mode);
  if (mode == "always" || mode == "within_size" || mode == "advise" || mode == "force")
    return {"shmem_thp", severity::ok, what};
  return {
      "shmem_thp", severity::note, what,
      "memory_options::huge: without free huge pages, huge_pages::prefer gets ordinary ones, and large rings miss "
      "the TLB more often",
      "/sys/kernel/mm/transparent_hugepage/shmem_enabled: advise for anonymous segments, always for memfds too; for "
      "names mount -o remount,huge=always of the tmpfs"};
}

finding judge_remove_ipc(const machine& m) {
  const bool is_below_shm = m.directory.starts_with("/dev/shm/");
  if (!m.has_systemd) return {"remove_ipc", severity::ok, "no systemd, names are not removed at logout"};
  if (!m.removes_ipc) return {"remove_ipc", severity::ok, "RemoveIPC=no"};
  if (!is_below_shm) return {"remove_ipc", severity::ok, "RemoveIPC=yes does not reach " + m.directory};
  if (m.uid < m.first_user_uid) return {"remove_ipc", severity::ok, "RemoveIPC=yes spares system users as this one"};
  if (m.lingers) return {"remove_ipc", severity::ok, "RemoveIPC=yes, but this user lingers"};
  return {
      "remove_ipc", severity::warning, "RemoveIPC=yes, and this is no system user",
      "when the last session of this user ends, the user's names in /dev/shm go: attached processes do not notice, new "
      "ones make new channels, and the two groups do not meet",
      "loginctl enable-linger, RemoveIPC=no in logind.conf, or SLUICE_DIR elsewhere (RuntimeDirectory= of the unit)"};
}

finding judge_directory(const machine& m) {
  const auto what = [&] {
    return fmt::format("{}: mode {:04o}, user {}", m.directory, m.directory_mode, m.directory_uid);
  };
  const auto is_refused = [&](const std::string& why, const std::string& cure) {
    return finding{"directory", severity::error, what() + ": " + why,
                   "every command and program refuses it: unsafe_directory", cure};
  };
  if (!m.directory_exists)
    return {"directory", severity::ok, m.directory + " is not there yet: the first create makes it"};
  if (m.directory_is_link) return is_refused("a symbolic link", "name the directory itself");
  if (m.is_default_directory && m.directory_uid != m.uid)
    return is_refused(fmt::format("user {} owns it", m.directory_uid),
                      "ask that user why; remove it, or set SLUICE_DIR");
  if (m.is_default_directory && (m.directory_mode & 0077) != 0)
    return is_refused("others may enter it", "chmod 0700 " + m.directory);
  if ((m.directory_mode & 0002) != 0 && (m.directory_mode & 01000) == 0)
    return is_refused("every user may rename and remove in it", "chmod o-w, or chmod +t");
  if (!m.directory_is_writable)
    return {"directory", severity::warning, what() + ": not writable for this user", "creating fails: no_permission",
            "a group: chgrp, chmod 2770; or another SLUICE_DIR"};
  if ((m.directory_mode & 0020) != 0 && (m.directory_mode & 02000) == 0)
    return {"directory", severity::note, what() + ": shared with a group, without the set-group-id bit",
            "new channels belong to their creator's own group, and the others may not attach",
            "chmod g+s " + m.directory};
  return {"directory", severity::ok, what()};
}

finding judge_leftovers(const machine& m) {
  if (m.dead_names != 0)
    return {"leftovers", severity::warning,
            fmt::format("{} name(s) that only dead processes left, {}", m.dead_names, size_text(m.dead_bytes)),
            "they keep their memory until a program attaches, or they are cleared", "sluice clear --dead"};
  return {"leftovers", severity::ok, "no name that only dead processes left"};
}

finding judge_broken(const machine& m) {
  if (m.broken_names == 0 && m.skipped_names != 0)
    return {
        "broken", severity::ok,
        fmt::format("no name that cannot be attached to, of those that this user may look at; {} are another user's",
                    m.skipped_names)};
  if (m.broken_names != 0)
    return {"broken", severity::warning, fmt::format("{} name(s) that cannot be attached to", m.broken_names),
            "a program that attaches to one of them fails", "sluice list says why; sluice clear NAME"};
  return {"broken", severity::ok, "no name that cannot be attached to"};
}

constexpr finding (*judges[])(const machine&) = {judge_proc,
                                                 judge_kernel,
                                                 judge_membarrier,
                                                 judge_waitv,
                                                 judge_clock,
                                                 judge_directory,
                                                 judge_space,
                                                 judge_inodes,
                                                 judge_memory_limit,
                                                 judge_filesystem,
                                                 judge_remove_ipc,
                                                 judge_open_files,
                                                 judge_file_size,
                                                 judge_memlock,
                                                 judge_prefault,
                                                 judge_huge_pages,
                                                 judge_shmem_huge_pages,
                                                 judge_leftovers,
                                                 judge_broken};

struct doctor_options {
  std::string root;
  std::string facts;
};

machine facts_from(const std::string& path) {
  std::ifstream in(path);
  const auto read = nlohmann::json::parse(in, nullptr, false);
  try {
    const auto& facts = read.is_object() && read.contains("facts") ? read["facts"] : read;
    (void)facts.at("kernel_release");  // else it is the JSON of something else
    return facts.get<machine>();
  } catch (const nlohmann::json::exception& problem) {
    throw command_failure(exit_code::usage,
                          "doctor: read " + path + ": not what doctor --json prints: " + problem.what());
  }
}

void print(const finding& one) {
  print_line("{:<8} {:<12} {}", severity_name(one.level), one.about, one.what);
  if (one.level == severity::ok) return;
  print_line("{:<21} then: {}", "", one.consequence);
  print_line("{:<21} do:   {}", "", one.cure);
}

exit_code run(const session& common, const doctor_options& options) {
  const auto found = options.facts.empty() ? look_at_machine(common, options.root) : facts_from(options.facts);
  std::vector<finding> findings;
  for (const auto judge : judges) findings.push_back(judge(found));
  std::stable_sort(findings.begin(), findings.end(), [](const auto& a, const auto& b) { return a.level > b.level; });
  const auto worst = findings.front().level;
  if (common.json) {
    nlohmann::json list = nlohmann::json::array();
    for (const auto& one : findings)
      list.push_back({{"about", one.about},
                      {"severity", severity_name(one.level)},
                      {"what", one.what},
                      {"consequence", one.consequence},
                      {"cure", one.cure}});
    print_json({{"worst", severity_name(worst)}, {"findings", std::move(list)}, {"facts", found}});
  } else {
    for (const auto& one : findings) print(one);
  }
  return worst == severity::error     ? exit_code::unfit
         : worst == severity::warning ? exit_code::advised
                                      : exit_code::done;
}

}  // namespace

runner add_doctor(CLI::App& app, const session& common) {
  auto options = std::make_shared<doctor_options>();
  auto* root = app.add_option("--root", options->root,
                              "Read /proc, /sys, /etc and /run below DIR, as of a container or an image");
  root->type_name("DIR");
  app.add_option("--facts", options->facts, "Judge what doctor --json printed on another machine")
      ->excludes(root)
      ->type_name("FILE");
  app.footer(
      "ok and note: exit 0; a warning: 9 (it works, until it does not); an error: 10 (it does not work).\n"
      "Reads only, and makes no directory. Limits are those of the shell that calls it, not of your unit.");
  return [&common, options] { return run(common, *options); };
}

}  // namespace sluice::tools
