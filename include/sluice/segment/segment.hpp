#pragma once

// Mapped memory, whatever kind it is of. A kind is a file of its own (file_segment.hpp, anonymous_segment.hpp, …) that
// makes one of these; from then on it does not matter where the bytes come from.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "sluice/layout/segment_header.hpp"

namespace sluice {

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
  std::uint64_t page_bytes = sluice::page_bytes;  // of the pages it is made of
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

  /// Whether the file was cut short under this mapping, and private zeroes stand in its place: see fault_guard.hpp.
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

}  // namespace sluice
