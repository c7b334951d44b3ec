#pragma once

// Kernel locks on bytes of a file, through one open file description of this process alone (F_OFD_SETLK, fcntl(2)). They
// fall when this process's address space goes: at exit, at kill -9, at exec.
//
// The description is held twice:
//   - by a descriptor, 3 or above. Every later lock and every probe uses it, so nothing has to be opened anew once
//     privileges were dropped, the root was changed, descriptors ran out or /proc is gone.
//   - by a mapping of one page, which forked children do not get. It holds the locks when the program closes descriptors
//     that it does not know (closefrom(3)); on overlayfs it does not, because a mapping there belongs to the file below.
// A child of fork(2) closes its copy of the descriptor at once: a lock does not outlive the process that took it.
//
// Locks of one description do not exclude each other, so this class does that itself: a byte that it holds is held for
// its other callers too. Two objects for one file exclude each other through the kernel.
//
// When the program closed the descriptor, the number may mean another file by now. Every call checks that, never uses
// nor closes a foreign file, and opens the same file anew where that is possible.
//
// Threads: any; one mutex for the process, under which no thread forks.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "os/fd.hpp"
#include "os/kept_descriptor.hpp"
#include "os/mapping.hpp"

namespace sluice::os {

enum class lock_mode { shared, exclusive };

/// What became of an attempt to lock a byte.
enum class lock_answer {
  locked,
  held,            ///< by another owner, or by this object already
  held_by_reader,  ///< a shared lock keeps an exclusive one out: a process may take it that can only read the file
};

/// The file whose bytes are locked, and how to find it again.
struct lockable_file {
  int descriptor = -1;  // open as that file when the locks are made; perhaps not later
  std::string path;     // for errors, and to open it again; relative to the working directory of now
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
};

class byte_locks {
 public:
  /// Opens a description of its own. @throws error when the file cannot be opened anew.
  explicit byte_locks(lockable_file file);
  byte_locks(const byte_locks&) = delete;
  byte_locks& operator=(const byte_locks&) = delete;
  ~byte_locks();

  /// Holds what is locked now and later by a mapping as well. `page` as page_bytes_of(file) says. @throws error.
  void anchor(std::uint64_t page);

  /// Locks in `shown`, too, what is locked from now on, as far as it can: for processes that may read that file and not
  /// open this one. It decides nothing. @param shown  perhaps holds some of the bytes already.
  void show_in(std::shared_ptr<byte_locks> shown);

  /// The file has another name from now on: the one by which it is found again.
  void is_named(const std::string& path);

  /// Tries once, without blocking. @throws error with the kernel's cause when the question could not be asked.
  [[nodiscard]] lock_answer try_lock(std::uint64_t offset, lock_mode mode);
  void unlock(std::uint64_t offset) noexcept;

  /// Whether a living owner holds the byte exclusively, this object included. Shared locks do not count. @throws error as
  /// try_lock().
  [[nodiscard]] bool has_owner(std::uint64_t offset);
  /// After try_lock() said held_by_reader: the pid of that reader, or 0 where the kernel does not tell it. @throws error as
  /// try_lock().
  [[nodiscard]] std::uint32_t reader_of(std::uint64_t offset);
  /// Whether this object holds the byte, as far as it knows. @throws error as try_lock(): it cannot know.
  [[nodiscard]] bool holds(std::uint64_t offset);

  /// Whether this is a forked child's copy of what its parent locked.
  [[nodiscard]] bool is_of_parent() const noexcept { return own_->is_of_parent(); }
  /// In a child that pthread_atfork(3) did not see, as after clone(2): the locks are the parent's.
  void forget() noexcept;

 private:
  struct locked_byte {
    std::uint64_t offset;
    lock_mode mode;
  };
  /// Locks of a description that lost its descriptor and is held by its mapping alone.
  struct anchored {
    mapping anchor;
    std::vector<locked_byte> bytes;
  };

  [[nodiscard]] lock_answer try_lock_here(std::uint64_t offset, lock_mode mode);
  void unlock_here(std::uint64_t offset) noexcept;
  int usable();
  void renew();
  [[nodiscard]] bool is_locked_here(std::uint64_t offset) const noexcept;

  lockable_file file_;
  std::unique_ptr<kept_descriptor> own_;
  std::uint64_t page_ = 0;  // of the anchor; 0: none asked for
  mapping anchor_;
  std::vector<locked_byte> bytes_;  // locked through own_
  std::vector<anchored> left_;
  std::shared_ptr<byte_locks> shown_;
};

/// Whether a shared lock on the byte keeps an exclusive one out; if so, the pid of its holder, or 0 where the kernel does not
/// tell it: a lock of an open file description (F_OFD_SETLK) has none. As is_locked().
[[nodiscard]] std::optional<std::uint32_t> shared_lock_at(int file, std::uint64_t offset);

/// Says which process holds a shared lock where only exclusive ones belong, and what to do. `pid` as shared_lock_at() has it,
/// `byte` as in "its gate".
[[nodiscard]] std::string shared_lock_text(const std::string& path, const std::string& byte, std::uint32_t pid);

/// Whether any process, this one included, holds any of `count` bytes from `offset` on. `mode` says which locks count:
/// exclusive, only those; shared, all. Only for a description that no lock is ever taken through. @throws error.
[[nodiscard]] bool is_locked(int file, std::uint64_t offset, std::uint64_t count, lock_mode mode);

}  // namespace sluice::os
