#pragma once

// What `doctor` knows of a machine before it judges: plain facts, which travel as JSON, so that another machine can
// be judged here.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "session.hpp"

namespace sluice::tools {

inline constexpr std::uint64_t unlimited = ~std::uint64_t{0};

struct machine {
  std::string kernel_release;
  bool has_proc = true;
  bool has_membarrier = true;  // GLOBAL_EXPEDITED
  bool has_futex_waitv = true;
  std::string clock_source;      // empty: not known
  std::string shmem_huge_pages;  // what is chosen in shmem_enabled; empty: not known
  std::uint64_t huge_pages_total = 0;
  std::uint64_t huge_pages_free = 0;
  std::uint64_t memlock_bytes = unlimited;  // the soft limits
  std::uint64_t open_files = unlimited;
  std::uint64_t file_size_bytes = unlimited;
  std::uint64_t memory_max_bytes = unlimited;  // of the cgroup that has the least left
  std::uint64_t memory_available_bytes = unlimited;
  bool has_systemd = false;
  bool removes_ipc = true;  // RemoveIPC= of logind, whose default is yes
  bool lingers = false;     // the user's services outlive the user's sessions
  std::uint64_t uid = 0;
  std::uint64_t first_user_uid = 1000;  // below it: system users

  std::string directory;  // of the registry
  bool is_default_directory = true;
  bool directory_exists = false;
  bool directory_is_link = false;
  std::uint64_t directory_mode = 0;  // permission bits
  std::uint64_t directory_uid = 0;
  bool directory_is_writable = true;
  bool is_tmpfs = true;  // the directory's filesystem, or that of the parent it will be made in
  std::uint64_t filesystem_bytes = 0;
  std::uint64_t available_bytes = 0;
  std::uint64_t inodes = 0;  // 0: the filesystem has no such limit
  std::uint64_t available_inodes = 0;
  bool is_overlay = false;
  std::uint64_t skipped_names = 0;  // another user's, which this one may not look at
  std::uint64_t dead_names = 0;     // what `clear --dead` would take
  std::uint64_t dead_bytes = 0;
  std::uint64_t broken_names = 0;
};
// Facts that an older doctor did not know keep the value that nothing is said against.
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(machine, kernel_release, has_proc, has_membarrier, has_futex_waitv,
                                                clock_source, shmem_huge_pages, huge_pages_total, huge_pages_free,
                                                memlock_bytes, open_files, file_size_bytes, memory_max_bytes,
                                                memory_available_bytes, has_systemd, removes_ipc, lingers, uid,
                                                first_user_uid, directory, is_default_directory, directory_exists,
                                                directory_is_link, directory_mode, directory_uid, directory_is_writable,
                                                is_tmpfs, filesystem_bytes, available_bytes, inodes, available_inodes,
                                                is_overlay, skipped_names, dead_names, dead_bytes, broken_names)

/// Asks the machine. Changes nothing, and makes no directory.
/// @param root  before every path of the system's own files; "" for the machine itself.
[[nodiscard]] machine look_at_machine(const session& common, const std::string& root);

}  // namespace sluice::tools
