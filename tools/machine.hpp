#pragma once

// What `doctor` knows of a machine before it judges: plain facts, which travel as JSON, so that the machine of somebody
// else can be judged here.

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
  bool has_systemd = false;
  bool removes_ipc = true;  // RemoveIPC= of logind, whose default is yes
  bool lingers = false;     // the user's services outlive his sessions
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
  std::uint64_t dead_names = 0;  // what `clear --dead` would take
  std::uint64_t dead_bytes = 0;
  std::uint64_t broken_names = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(machine, kernel_release, has_proc, has_membarrier, has_futex_waitv, clock_source,
                                   shmem_huge_pages, huge_pages_total, huge_pages_free, memlock_bytes, open_files,
                                   file_size_bytes, has_systemd, removes_ipc, lingers, uid, first_user_uid, directory,
                                   is_default_directory, directory_exists, directory_is_link, directory_mode,
                                   directory_uid, directory_is_writable, is_tmpfs, filesystem_bytes, available_bytes,
                                   dead_names, dead_bytes, broken_names)

/// Asks the machine. Changes nothing, and makes no directory.
/// @param root  before every path of the system's own files; "" for the machine itself.
[[nodiscard]] machine look_at_machine(const session& common, const std::string& root);

}  // namespace sluice::tools
