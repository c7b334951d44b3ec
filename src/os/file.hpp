#pragma once

// Files and names: open(2), linkat(2), renameat(2), unlinkat(2), fstat(2), fallocate(2), fsync(2). Every failure is a sluice::error that names
// what was tried on what, or a value where the caller expects it.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "os/fd.hpp"

namespace sluice::os {

/// In place of a directory's descriptor: names count from the working directory, absolute paths from the root.
extern const int working_directory;

struct file_facts {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t length_bytes = 0;
  std::uint64_t resident_bytes = 0;  // blocks in use
  std::uint64_t block_bytes = 0;     // what the file's blocks are counted in for reading and writing
  std::uint32_t mode = 0;            // permission bits
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t names = 0;  // that lead to it, in whatever directories
  bool is_regular = false;
  bool is_directory = false;
  const char* kind = "";  // "a regular file", "a FIFO", …

  [[nodiscard]] bool same_file(const file_facts& other) const noexcept {
    return device == other.device && inode == other.inode;
  }
};

[[nodiscard]] std::uint32_t effective_uid() noexcept;
[[nodiscard]] std::uint64_t kernel_page_bytes() noexcept;

/// @param facts_of throws when `file` is not open.
[[nodiscard]] file_facts facts_of(int file, const std::string& path);
/// Of a name in a directory, a symbolic link not followed. Empty when there is none.
[[nodiscard]] std::optional<file_facts> facts_of_name(int directory, const std::string& name);

/// mkdir(2) with exactly `mode`, whatever the umask; true when it was made by this call.
bool make_directory(const std::string& path, std::uint32_t mode);
/// O_DIRECTORY | O_NOFOLLOW; empty when it does not exist.
[[nodiscard]] std::optional<fd> open_directory(const std::string& path);
/// O_NOFOLLOW | O_CLOEXEC; empty when there is no such name.
[[nodiscard]] std::optional<fd> open_in(int directory, const std::string& name, bool writable, const std::string& path);
/// What mappings of this file are counted in: the kernel's page, or the huge page of hugetlbfs. With its facts no system
/// call is made for a file whose blocks are no larger than a page, because such a file cannot be on hugetlbfs.
[[nodiscard]] std::uint64_t page_bytes_of(int file) noexcept;
[[nodiscard]] std::uint64_t page_bytes_of(int file, const file_facts& facts) noexcept;
/// The kernel's own size of huge pages, as /proc/meminfo says; 0 where it has none.
[[nodiscard]] std::uint64_t huge_page_bytes();
/// Another descriptor for the same description. @throws error bad_argument: not open.
[[nodiscard]] fd duplicate(int file, bool survives_exec, const std::string& what);
/// The path from the root on, by which the file is found again after chdir(2); `path` itself where the working directory
/// has no name.
[[nodiscard]] std::string absolute(const std::string& path);
/// Where the file lies now, as the kernel knows it: /proc/PID/fd. @throws error: there is no /proc, or it is not open.
[[nodiscard]] std::string path_of(int file, const std::string& what);
/// A fresh open file description of the same file: through /proc, or by `path` where there is no /proc.
[[nodiscard]] fd reopen(int file, bool writable, const std::string& path);
/// The file that `path` led to when it had that device and inode. @throws error not_found: it leads elsewhere.
[[nodiscard]] fd reopen_path(const std::string& path, std::uint64_t device, std::uint64_t inode);

/// O_TMPFILE with exactly `mode`; empty where the filesystem has none, and where there is no /proc, through which alone a file
/// without a name can be opened once more and be given its name.
[[nodiscard]] std::optional<fd> open_unnamed(int directory, std::uint32_t mode, const std::string& path);
/// O_CREAT | O_EXCL with exactly `mode`, for filesystems without O_TMPFILE.
[[nodiscard]] fd create_in(int directory, const std::string& name, std::uint32_t mode, const std::string& path);
/// RLIMIT_FSIZE of this process; all ones: no limit.
[[nodiscard]] std::uint64_t file_limit_bytes() noexcept;
/// Takes the space now: no space is an error here and never a signal later. @throws error no_space, and above
/// RLIMIT_FSIZE before the kernel sends SIGXFSZ.
void allocate(int file, std::uint64_t bytes, const std::string& path);
/// Sets the length alone: space is found when a page is touched first, or not (SIGBUS).
void set_length(int file, std::uint64_t bytes, const std::string& path);

/// Whether this process may make and remove names in the directory.
[[nodiscard]] bool may_change_names(int directory) noexcept;

/// Gives an unnamed file its name; false when the name is taken.
[[nodiscard]] bool link_unnamed(int file, int directory, const std::string& name, const std::string& path);
/// renameat2(2) with RENAME_NOREPLACE; false when the new name is taken.
[[nodiscard]] bool rename_new(int directory, const std::string& from, const std::string& to, const std::string& path);
/// rename(2): `to` leads to what `from` led to, whatever it led to before.
void rename_over(int directory, const std::string& from, const std::string& to, const std::string& path);
/// False when there was no such name.
bool unlink_in(int directory, const std::string& name, const std::string& path);

/// Whether its filesystem lives in memory alone (tmpfs, ramfs, hugetlbfs), so that nothing of it survives a reset.
[[nodiscard]] bool is_in_memory(int file) noexcept;
/// fsync(2) of a file: its bytes and its length are on the disk afterwards; of a directory: its names.
void sync(int file, const std::string& path);
/// syncfs(2): all of the filesystem that the open file lies on.
void sync_filesystem(int file, const std::string& path);
/// fchown(2). @throws error no_permission: only root may.
void give_to(int file, std::uint32_t uid, std::uint32_t gid, const std::string& path);

/// pread(2) until `into` is full or the file ends; how many bytes were read.
[[nodiscard]] std::size_t read_at(int file, std::uint64_t offset, std::span<std::byte> into, const std::string& path);
/// pwrite(2) of all of `from`.
void write_at(int file, std::uint64_t offset, std::span<const std::byte> from, const std::string& path);

[[nodiscard]] std::vector<std::string> names_in(int directory, const std::string& path);

}  // namespace sluice::os
