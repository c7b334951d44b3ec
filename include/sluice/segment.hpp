#pragma once

// Memory that processes share, of any kind: a file by name, a sealed memfd, anonymous, /dev/zero, any descriptor that can
// be mapped. Channels make their segments by themselves; this is for programs that choose, hand over or adopt memory.
//
//   auto memory = sluice::memfd_segment::create(1 << 20);
//   auto orders = sluice::channel<order>::create_in(memory);
//   sluice::offer(socket, memory);  // the other process: channel<order>::attach_in(sluice::accept(socket))
//
// Threads: copies of a segment are independent; the bytes are shared memory. Processes: a mapping is inherited by fork; an
// exec leaves it behind, and inheritable_descriptor() or offer() passes it on.
// Lifetime: unmapped with the last copy in this process; the bytes stay as long as a process maps them, or their file.
// Errors: each call says its own. A file that is cut short under a mapping becomes errc::truncated and no SIGBUS.
// Crash: the kernel takes back the mappings of a killed process; nothing is left but the file.

#include "sluice/detail/base/language.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "sluice/detail/layout/segment_header.hpp"
#include "sluice/options.hpp"

namespace sluice {

using detail::segment_header;
using detail::segment_kind;

namespace os {
class guarded_range;
}

/// The file behind a segment, for locks and names; descriptor -1 where there is none that can be locked.
struct segment_file {
  int descriptor = -1;
  std::string path;                // for errors
  std::uint64_t offset_bytes = 0;  // where in it the segment begins
  std::uint64_t length_bytes = 0;  // how much of it was asked for
  std::uint64_t device = 0;        // which file the descriptor meant, in case it is closed and used again
  std::uint64_t inode = 0;
};

/// What was obtained, beyond the bytes.
struct segment_placement {
  std::uint64_t page_bytes = detail::page_bytes;  // of the pages it is made of
  bool is_writable = true;
  bool is_shared = true;
  bool is_prefaulted = false;
  bool is_locked = false;
  bool is_guarded = false;  // against being cut short; a sealed memfd needs no guard
};

/// How far segment::flush() goes. msync(2).
enum class flush_mode {
  wait,    ///< MS_SYNC: what was written is on the disk when it returns
  begin,   ///< MS_ASYNC: not later than the kernel would anyway; Linux does nothing for it at once
  reread,  ///< MS_INVALIDATE: no mapping keeps bytes older than the file's; on Linux none ever does
};

/// Shared ownership of a mapping: the memory is unmapped when the last copy goes. The bytes stay with the other processes
/// that map them. No descriptor is needed to use them.
/// Threads: copies are independent; the bytes are shared memory.
class segment {
 public:
  segment() noexcept = default;
  /// For the kinds: `holder` unmaps. `guard`, if any, lives in it.
  segment(segment_kind kind, std::span<std::byte> bytes, std::shared_ptr<void> holder, segment_file file = {},
          const segment_placement& placement = {}, os::guarded_range* guard = nullptr)
      : kind_(kind),
        bytes_(bytes),
        holder_(std::move(holder)),
        file_(std::move(file)),
        placement_(placement),
        guard_(guard) {}

  /// All mapped bytes, in whole pages.
  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }
  [[nodiscard]] segment_kind kind() const noexcept { return kind_; }
  [[nodiscard]] const segment_file& file() const noexcept { return file_; }
  [[nodiscard]] bool has_file() const noexcept { return file_.descriptor >= 0; }
  [[nodiscard]] const segment_placement& placement() const noexcept { return placement_; }
  /// Only after validate_segment() or format_segment(). What was trusted; else what the shared bytes say now.
  [[nodiscard]] const segment_header& header() const noexcept {
    return trusted_ ? *trusted_ : *reinterpret_cast<const segment_header*>(bytes_.data());
  }
  /// Keeps a copy of a header that was checked: a peer that overwrites the shared one afterwards does not mislead this process.
  void trust(const segment_header& checked) { trusted_ = std::make_shared<const segment_header>(checked); }

  /// Whether the file was cut short under this mapping, and private zeroes stand in its place: see catch_segment_fault().
  [[nodiscard]] bool is_lost() const noexcept;
  /// Looks at the file's length, where it can, and at the header. Two system calls at most.
  /// @throws error truncated: the file is shorter than what is mapped; no_space: a page was not to be had when it was
  ///         touched first (no_reserve); corrupted: another segment was written over this one.
  void require_whole(const std::string& what) const;
  /// Writes what was changed in memory back to the file. What lies on tmpfs, in a memfd or in no file has no disk to
  /// reach: nothing happens. Closing and unmapping promise nothing of the kind.
  /// @throws error in_use: reread of memory that is locked; or what the disk says (EIO): what was written may be lost.
  /// Blocks: wait, for the disk.
  void flush(flush_mode how = flush_mode::wait) const;
  /// A word that is zero once the segment is lost and in every forked child; null where nothing is guarded.
  [[nodiscard]] std::atomic<std::uint64_t>* mark() const noexcept;

 private:
  segment_kind kind_ = segment_kind::anonymous;
  std::span<std::byte> bytes_;
  std::shared_ptr<void> holder_;
  segment_file file_;
  segment_placement placement_;
  os::guarded_range* guard_ = nullptr;
  std::shared_ptr<const segment_header> trusted_;
};

/// Memory of a file, mapped MAP_SHARED: any process that may open the file shares it.
struct file_segment {
  static constexpr segment_kind kind = segment_kind::file;

  /// Makes `path` (which must not exist) with `mode` and takes all of its space now, unless no_reserve.
  /// @throws error already_exists; no_space; no_permission; not_found (no such directory).
  /// Blocks: no longer than the filesystem. Source: open(2), fallocate(2), mmap(2).
  static segment create(const std::string& path, std::uint64_t bytes, std::uint32_t mode = 0600,
                        const memory_options& how = {});

  /// Maps the whole of an existing file, read and write unless `how` says otherwise.
  /// @throws error not_found; no_permission; not_a_segment (a directory, a device, a symbolic link); half_made (empty).
  static segment attach(const std::string& path, const memory_options& how = {});
};

/// MAP_SHARED | MAP_ANONYMOUS: zeroed memory without a name, shared with the children that are forked afterwards and
/// gone with the last of them. An exec leaves it behind.
struct anonymous_segment {
  static constexpr segment_kind kind = segment_kind::anonymous;

  /// @throws error no_space: not that much memory. Source: mmap(2).
  static segment create(std::uint64_t bytes, const memory_options& how = {});
};

/// The same as anonymous_segment by the older way: /dev/zero is opened, mapped MAP_SHARED and closed again.
struct zero_segment {
  static constexpr segment_kind kind = segment_kind::zero;

  /// @throws error no_space; not_found or no_permission when there is no /dev/zero (a bare chroot). Source: zero(4).
  static segment create(std::uint64_t bytes, const memory_options& how = {});
};

/// A file without a name, sealed: no process can make it shorter or longer, and it goes with the last reference.
/// Forked children share it; so does any process that is handed its descriptor, across an exec or through a socket
/// (offer() and accept()). There is nothing to clean up, and /dev/shm need not be large.
struct memfd_segment {
  static constexpr segment_kind kind = segment_kind::memfd;

  /// All of its memory is taken now, unless no_reserve. @throws error no_space. Source: memfd_create(2), fcntl(2).
  static segment create(std::uint64_t bytes, const memory_options& how = {});

  /// Maps the whole of one, of which a duplicate of `descriptor` is kept; the caller's own may be closed.
  /// One that is not sealed is guarded instead.
  /// @throws error bad_argument: not open; not_a_segment: no regular file; half_made: empty; no_permission.
  static segment attach(int descriptor, const memory_options& how = {});
};

/// Memory of any descriptor that can be mapped: a region of a larger file, a device, a memfd of another program.
/// Where it is a regular file (a memfd is one), the dead are told by locks, each region with bytes of its own; else by
/// pid, as in anonymous memory.
struct adopted_segment {
  static constexpr segment_kind kind = segment_kind::adopted;

  /// Maps `bytes` from `offset_bytes` on, a multiple of the page size. A duplicate of `descriptor` is kept.
  /// The length of a file is the caller's affair: it must reach that far.
  /// @throws error bad_argument (not open; offset; no bytes); truncated; not_a_segment (cannot be mapped); no_permission.
  static segment map(int descriptor, std::uint64_t bytes, std::uint64_t offset_bytes = 0,
                     const memory_options& how = {});
};

/// Memory of a file that can become longer and never moves. Addresses for `max_bytes` are kept from the beginning and
/// the file is extended below them, so every process that is attached sees new bytes at the offsets they have, and
/// no process maps anything anew. For logs and arenas: a ring never changes its size.
///
/// What lies behind the current length must not be touched: the kernel answers with SIGBUS. There is no guard, for a
/// missing page is nothing unusual here.
/// Threads and processes: any, all at once. A process killed while it grows leaves the old length or the new one.
class growable_segment {
 public:
  /// Makes `path` (which must not exist) with `bytes` to begin with, which may be 0.
  /// @throws error as file_segment::create(); bad_argument: more than `max_bytes`, or that is 0; no_space: not that
  ///         many addresses are left.
  static growable_segment create(const std::string& path, std::uint64_t bytes, std::uint64_t max_bytes,
                                 std::uint32_t mode = 0600);
  /// Each process chooses its own `max_bytes`. @throws error as file_segment::attach().
  static growable_segment attach(const std::string& path, std::uint64_t max_bytes);

  /// What is there now, as far as this process can reach: asks for the file's length, one system call. It begins at the
  /// same address every time.
  /// @throws error not_found, no_permission: the program closed the descriptor, and `path` does not lead to the file any
  ///         more, or may not be opened.
  [[nodiscard]] std::span<std::byte> bytes() const;
  [[nodiscard]] std::uint64_t max_bytes() const noexcept { return memory_.bytes().size(); }

  /// Extends to at least `bytes`, in whole pages, zeroed. Never shortens, even in a race.
  /// @throws error bad_argument: above max_bytes(); no_space: the filesystem is full; what was there is untouched.
  /// Blocks: no longer than the filesystem. Source: fallocate(2).
  void grow(std::uint64_t bytes) const;

 private:
  explicit growable_segment(segment memory) noexcept : memory_(std::move(memory)) {}
  segment memory_;
};

/// A duplicate of the segment's descriptor that survives exec, for the caller to pass on by its number and to close.
/// The other program attaches with memfd_segment::attach(number).
/// @throws error bad_argument: the segment has no descriptor (anonymous, /dev/zero, a device); not_found, no_permission: the
///         program closed the descriptor, and the file has no name to be opened anew by, or may not be.
[[nodiscard]] int inheritable_descriptor(const segment& memory);

/// Sends the segment's descriptor through a connected unix socket (SCM_RIGHTS). Blocks while the socket is full.
/// @throws error bad_argument: no descriptor, or no such socket; not_found: the other end is closed; and those of
///         inheritable_descriptor().
void offer(int socket, const segment& memory);

/// Waits for the next segment that is offered at the other end, and maps it.
/// @throws error not_found: the other end was closed; not_a_segment: something else came; truncated.
[[nodiscard]] segment accept(int socket, const memory_options& how = {});

/// For an application with a SIGBUS handler of its own that was installed after the first segment was mapped and does not
/// pass on what it does not know: asks whether `address` (siginfo_t::si_addr) lies in a segment whose file was cut short.
/// True: the segment is lost and reads as zeroes, the next call on it says `truncated`; return from the handler.
/// Async-signal-safe. Where the application's handler was there first, or passes on, it need not be called.
[[nodiscard]] bool catch_segment_fault(const void* address) noexcept;

inline constexpr std::uint64_t no_limit = ~std::uint64_t{0};

/// Of the calling process, now.
struct memory_limits {
  std::uint64_t file_bytes = no_limit;    ///< RLIMIT_FSIZE: no file longer than that
  std::uint64_t cgroup_bytes = no_limit;  ///< the tightest memory limit of its cgroup and of those above
  std::string cgroup;                     ///< the file that has this limit; empty: none has
  /// What can still be taken before the kernel ends processes: of the machine (MemAvailable and SwapFree), and of the
  /// cgroup what its anonymous and shared memory leaves, swap included.
  std::uint64_t available_bytes = no_limit;
};

/// Reads proc(5) and cgroups (v1, v2). What cannot be read limits nothing.
[[nodiscard]] memory_limits memory_limits_here();

}  // namespace sluice
