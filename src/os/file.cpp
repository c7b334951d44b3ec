#include "os/file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>

#include "sluice/error.hpp"

namespace sluice::os {
namespace {

const char* kind_of(mode_t mode) noexcept {
  switch (mode & S_IFMT) {
    case S_IFREG: return "a regular file";
    case S_IFDIR: return "a directory";
    case S_IFLNK: return "a symbolic link";
    case S_IFIFO: return "a FIFO";
    case S_IFSOCK: return "a socket";
    case S_IFCHR:
    case S_IFBLK: return "a device";
    default: return "of an unknown kind";
  }
}

file_facts from(const struct stat& s) {
  file_facts facts;
  facts.device = s.st_dev;
  facts.inode = s.st_ino;
  facts.length_bytes = static_cast<std::uint64_t>(s.st_size);
  facts.resident_bytes = static_cast<std::uint64_t>(s.st_blocks) * 512;
  facts.block_bytes = static_cast<std::uint64_t>(s.st_blksize);
  facts.mode = s.st_mode & 07777;
  facts.uid = s.st_uid;
  facts.gid = s.st_gid;
  facts.names = s.st_nlink;
  facts.is_regular = S_ISREG(s.st_mode);
  facts.is_directory = S_ISDIR(s.st_mode);
  facts.kind = kind_of(s.st_mode);
  return facts;
}

/// Of the calling thread: /proc/self goes with the main thread, while others may run on.
std::string proc_path(int file) { return "/proc/thread-self/fd/" + std::to_string(file); }

template <class Call>
auto retried(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

template <class Call>
fd opened(Call call) {
  return fd::above_standard(retried(call));
}

}  // namespace

const int working_directory = AT_FDCWD;

std::uint32_t effective_uid() noexcept { return ::geteuid(); }

std::uint64_t kernel_page_bytes() noexcept { return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)); }

std::uint64_t page_bytes_of(int file) noexcept {
  constexpr auto hugetlbfs = 0x958458f6;  // linux/magic.h
  struct statfs s {};
  return ::fstatfs(file, &s) == 0 && s.f_type == hugetlbfs ? static_cast<std::uint64_t>(s.f_bsize)
                                                           : kernel_page_bytes();
}

std::uint64_t page_bytes_of(int file, const file_facts& facts) noexcept {
  const auto page = kernel_page_bytes();
  return facts.block_bytes <= page ? page : page_bytes_of(file);
}

std::uint64_t huge_page_bytes() {
  std::ifstream facts("/proc/meminfo");
  for (std::string line; std::getline(facts, line);)
    if (line.starts_with("Hugepagesize:")) return std::strtoull(line.c_str() + 13, nullptr, 10) * 1024;
  return 0;
}

fd duplicate(int file, bool survives_exec, const std::string& what) {
  const int copy = ::fcntl(file, survives_exec ? F_DUPFD : F_DUPFD_CLOEXEC, 3);
  if (copy >= 0) return fd(copy);
  if (errno == EBADF) throw error(errc::bad_argument, what + ": descriptor " + std::to_string(file) + " is not open");
  throw error::from_errno(errno, what + ": duplicate descriptor " + std::to_string(file));
}

file_facts facts_of(int file, const std::string& path) {
  struct stat s {};
  if (::fstat(file, &s) != 0) throw error::from_errno(errno, "fstat " + path);
  return from(s);
}

std::optional<file_facts> facts_of_name(int directory, const std::string& name) {
  struct stat s {};
  if (::fstatat(directory, name.c_str(), &s, AT_SYMLINK_NOFOLLOW) == 0) return from(s);
  if (errno == ENOENT) return std::nullopt;
  throw error::from_errno(errno, "stat " + name);
}

bool make_directory(const std::string& path, std::uint32_t mode) {
  if (::mkdir(path.c_str(), 0700) != 0) {
    if (errno == EEXIST) return false;
    throw error::from_errno(errno, "mkdir " + path);
  }
  // The umask may have taken something away, or the parent added something. To change it takes four more calls.
  struct stat made {};
  if (::fstatat(AT_FDCWD, path.c_str(), &made, AT_SYMLINK_NOFOLLOW) == 0 && (made.st_mode & 07777) == mode) return true;
  if (::fchmodat(AT_FDCWD, path.c_str(), mode, AT_SYMLINK_NOFOLLOW) != 0)
    throw error::from_errno(errno, "chmod " + path);
  return true;
}

std::optional<fd> open_directory(const std::string& path) {
  auto file = opened([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC); });
  if (file) return file;
  if (errno == ENOENT) return std::nullopt;
  if (errno == ENOTDIR || errno == ELOOP)
    throw error(errc::unsafe_directory,
                "open directory " + path + ": not a directory, or a symbolic link; name the directory itself");
  throw error::from_errno(errno, "open directory " + path);
}

std::optional<fd> open_in(int directory, const std::string& name, bool writable, const std::string& path) {
  const int flags = (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
  auto file = opened([&] { return ::openat(directory, name.c_str(), flags); });
  if (file) return file;
  if (errno == ENOENT) return std::nullopt;
  if (errno == ELOOP) throw error(errc::not_a_segment, "open " + path + ": a symbolic link, which is never followed");
  if (errno == EISDIR || errno == ENXIO || errno == ENODEV)  // a directory, a socket, a device without a driver
    throw error(errc::not_a_segment, "open " + path + ": not a regular file");
  throw error::from_errno(errno, "open " + path);
}

std::string absolute(const std::string& path) {
  std::error_code problem;
  auto from_root = path.starts_with('/') ? path : std::filesystem::absolute(path, problem).string();
  return problem ? path : from_root;
}

std::string path_of(int file, const std::string& what) {
  std::string path(4096, '\0');  // PATH_MAX
  const auto length = ::readlink(proc_path(file).c_str(), path.data(), path.size());
  if (length < 0) throw error::from_errno(errno, "find where " + what + " lies, through " + proc_path(file));
  path.resize(static_cast<std::size_t>(length));
  return path;
}

fd reopen(int file, bool writable, const std::string& path) {
  const int flags = (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC;
  const auto link = proc_path(file);
  auto fresh = opened([&] { return ::open(link.c_str(), flags); });
  if (fresh) return fresh;
  if (errno != ENOENT)  // else: no /proc, or one without threads
    throw error::from_errno(errno, "open " + path + " again, through " + link);
  const auto facts = facts_of(file, path);
  return reopen_path(path, facts.device, facts.inode);
}

fd reopen_path(const std::string& path, std::uint64_t device, std::uint64_t inode) {
  const auto tried = "open " + path + " again";
  if (!path.starts_with('/')) throw error(errc::not_found, tried + ": it has no name by which it could be found");
  auto fresh = opened([&] { return ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK); });
  if (!fresh) throw error::from_errno(errno, tried);
  const auto facts = facts_of(fresh.get(), path);
  if (facts.device != device || facts.inode != inode)
    throw error(errc::not_found, tried + ": the name leads to another file by now");
  return fresh;
}

namespace {

[[noreturn]] void throw_not_created(int errno_value, int directory, const std::string& what) {
  struct statvfs room {};
  if (errno_value == ENOSPC && directory >= 0 && ::fstatvfs(directory, &room) == 0 && room.f_files != 0 &&
      room.f_favail == 0)
    throw error(errc::no_space, what + ": its filesystem has no inodes left of " + std::to_string(room.f_files) +
                                    ": remove files there, or give it more (mount -o remount,nr_inodes= for a tmpfs)");
  throw error::from_errno(errno_value, what);
}

}  // namespace

std::optional<fd> open_unnamed(int directory, std::uint32_t mode, const std::string& path) {
  auto file = opened([&] { return ::openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600); });
  if (!file) {
    if (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL) return std::nullopt;
    throw_not_created(errno, directory, "create a file in " + path);
  }
  struct stat found {};
  if (::stat(proc_path(file.get()).c_str(), &found) != 0) return std::nullopt;
  if (::fchmod(file.get(), mode) != 0) throw error::from_errno(errno, "chmod a new file in " + path);
  return file;
}

fd create_in(int directory, const std::string& name, std::uint32_t mode, const std::string& path) {
  auto file = opened(
      [&] { return ::openat(directory, name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600); });
  if (!file) throw_not_created(errno, directory, "create " + path);
  if (::fchmod(file.get(), mode) != 0) throw error::from_errno(errno, "chmod " + path);
  return file;
}

std::uint64_t file_limit_bytes() noexcept {
  rlimit limit{};
  return ::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ? ~std::uint64_t{0} : limit.rlim_cur;
}

namespace {

void require_within_file_limit(std::uint64_t bytes, const std::string& what) {
  const auto limit = file_limit_bytes();
  if (bytes > limit)
    throw error(errc::no_space, what + ": no file of this process may be longer than " + std::to_string(limit) +
                                    " bytes; raise that (ulimit -f, LimitFSIZE= of the unit), or choose a smaller "
                                    "capacity");
}

/// fallocate(2) gives up what it has taken when a signal arrives, so it may never be done where signals arrive often. The
/// second try is not to be interrupted, except by SIGKILL.
int allocate_once(int file, std::uint64_t bytes) {
  const auto take = [&] { return ::fallocate(file, 0, 0, static_cast<off_t>(bytes)); };
  int result = take();
  if (result == 0 || errno != EINTR) return result;
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  result = take();
  const int problem = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = problem;
  return result;
}

}  // namespace

void allocate(int file, std::uint64_t bytes, const std::string& path) {
  const auto what = "allocate " + std::to_string(bytes) + " bytes in " + path;
  if (bytes > static_cast<std::uint64_t>(INT64_MAX)) throw error(errc::bad_argument, what + ": too large");
  // Not posix_fallocate: where the filesystem cannot, glibc would write to every page instead of saying so.
  require_within_file_limit(bytes, what);
  if (allocate_once(file, bytes) == 0) return;
  if (errno == ENOSPC)
    throw error(errc::no_space,
                what + ": no space left; make room there, or choose a smaller capacity or another directory");
  if (errno == EFBIG || errno == EDQUOT)
    throw error(errc::no_space, what + ": above the limit for files or the quota there");
  if (errno == EOPNOTSUPP || errno == ENOSYS)
    throw error(errc::bad_argument, what +
                                        ": its filesystem cannot take space in advance (fallocate(2)), and a full disk "
                                        "would be a signal later; choose a directory on another filesystem, or ask for "
                                        "no_reserve, with which a page that cannot be had ends the segment");
  throw error::from_errno(errno, what);
}

void set_length(int file, std::uint64_t bytes, const std::string& path) {
  const auto what = "set " + path + " to " + std::to_string(bytes) + " bytes";
  if (bytes > static_cast<std::uint64_t>(INT64_MAX)) throw error(errc::bad_argument, what + ": too large");
  require_within_file_limit(bytes, what);
  if (retried([&] { return ::ftruncate(file, static_cast<off_t>(bytes)); }) == 0) return;
  if (errno == EFBIG) throw error(errc::no_space, what + ": above the limit for files; see ulimit -f");
  throw error::from_errno(errno, what);
}

bool may_change_names(int directory) noexcept { return ::faccessat(directory, ".", W_OK | X_OK, AT_EACCESS) == 0; }

bool link_unnamed(int file, int directory, const std::string& name, const std::string& path) {
  if (::linkat(AT_FDCWD, proc_path(file).c_str(), directory, name.c_str(), AT_SYMLINK_FOLLOW) == 0) return true;
  if (errno == EEXIST) return false;
  throw error::from_errno(errno, "link " + path);
}

bool rename_new(int directory, const std::string& from, const std::string& to, const std::string& path) {
  if (::syscall(SYS_renameat2, directory, from.c_str(), directory, to.c_str(), 1U /* RENAME_NOREPLACE */) == 0)
    return true;
  if (errno == EEXIST) return false;
  throw error::from_errno(errno, "rename to " + path);
}

void rename_over(int directory, const std::string& from, const std::string& to, const std::string& path) {
  if (::renameat(directory, from.c_str(), directory, to.c_str()) != 0)
    throw error::from_errno(errno, "rename over " + path);
}

bool unlink_in(int directory, const std::string& name, const std::string& path) {
  if (::unlinkat(directory, name.c_str(), 0) == 0) return true;
  if (errno == ENOENT) return false;
  throw error::from_errno(errno, "unlink " + path);
}

bool is_in_memory(int file) noexcept {
  constexpr unsigned long in_memory[] = {0x01021994, 0x858458f6, 0x958458f6};  // linux/magic.h: tmpfs, ramfs, hugetlbfs
  struct statfs s {};
  if (::fstatfs(file, &s) != 0) return false;
  return std::ranges::find(in_memory, static_cast<unsigned long>(s.f_type)) != std::end(in_memory);
}

void sync(int file, const std::string& path) {
  if (retried([&] { return ::fsync(file); }) != 0) throw error::from_errno(errno, "fsync " + path);
}

void sync_filesystem(int file, const std::string& path) {
  if (retried([&] { return ::syncfs(file); }) != 0) throw error::from_errno(errno, "syncfs " + path);
}

void give_to(int file, std::uint32_t uid, std::uint32_t gid, const std::string& path) {
  if (::fchown(file, uid, gid) != 0)
    throw error::from_errno(errno,
                            "give " + path + " to user " + std::to_string(uid) + ", group " + std::to_string(gid));
}

std::size_t read_at(int file, std::uint64_t offset, std::span<std::byte> into, const std::string& path) {
  std::size_t done = 0;
  while (done < into.size()) {
    const auto got = retried(
        [&] { return ::pread(file, into.data() + done, into.size() - done, static_cast<off_t>(offset + done)); });
    if (got < 0) throw error::from_errno(errno, "read " + path);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

void write_at(int file, std::uint64_t offset, std::span<const std::byte> from, const std::string& path) {
  for (std::size_t done = 0; done < from.size();) {
    const auto put = retried(
        [&] { return ::pwrite(file, from.data() + done, from.size() - done, static_cast<off_t>(offset + done)); });
    if (put < 0) throw error::from_errno(errno, "write " + path);
    done += static_cast<std::size_t>(put);
  }
}

std::vector<std::string> names_in(int directory, const std::string& path) {
  auto fresh = opened([&] { return ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (!fresh) throw error::from_errno(errno, "open directory " + path);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fresh.get()), ::closedir);
  if (!stream) throw error::from_errno(errno, "read directory " + path);
  (void)fresh.release();  // the stream owns it now
  std::vector<std::string> names;
  for (errno = 0; const auto* entry = ::readdir(stream.get()); errno = 0) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  if (errno != 0) throw error::from_errno(errno, "read directory " + path);
  return names;
}

}  // namespace sluice::os
