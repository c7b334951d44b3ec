#pragma once

// What create, attach, remove and sweep share: the directory, and the gate of one name.

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "os/byte_locks.hpp"
#include "os/fd.hpp"
#include "os/file.hpp"
#include "part/part_kind.hpp"
#include "segment/lock_file.hpp"
#include "sluice/detail/plan/segment_plan.hpp"
#include "sluice/error.hpp"
#include "sluice/registry.hpp"

namespace sluice::detail {

/// The registry's directory, checked; empty when it is missing and `make` is false.
[[nodiscard]] std::optional<os::fd> open_registry(const std::string& directory, bool is_default, bool make);

/// One name, opened.
struct opened_file {
  os::fd file;
  os::file_facts facts;
  std::string path;
  segment_header header{};                  // as it was when this was opened: input, not checked
  std::size_t header_read_bytes = 0;        // so many of it are there
  std::optional<lock_file> locks = {};      // what holds the kernel locks; empty: `file` does, or it cannot be had
  std::optional<error> locks_problem = {};  // why not

  /// Whether it is a segment that was copied, with the lock file's name, from another file: no process uses the copy.
  [[nodiscard]] bool is_copy() const noexcept { return is_intact(header) && detail::is_copy(header, facts.inode); }
  /// What to lock and to ask for locks. Where the lock file cannot be had it is the segment's own, in which processes that
  /// are attached hold their presence all the same.
  [[nodiscard]] os::lockable_file lockable() const { return locks ? locks->lockable() : itself(); }
  [[nodiscard]] os::lockable_file itself() const { return {file.get(), path, facts.device, facts.inode}; }
  /// Whether a byte that is free in lockable() has no owner.
  [[nodiscard]] bool shows_all_locks() const noexcept { return !locks_problem.has_value(); }
};

/// With its header, and the lock file that an intact header names: a missing one, and one that a process that only looks
/// may not open, is a `locks_problem`. Empty when there is no such name. What is no regular file is never opened: an open(2) would let the writer of a FIFO
/// go on, and rewind a tape. @throws error not_a_segment, which says what it is and what to do; no_permission.
[[nodiscard]] std::optional<opened_file> open_name(int directory, const std::string& directory_path,
                                                   const std::string& name, bool writable);

/// In a directory that is sticky and writable for all, a file that neither this user nor the directory's owner owns may have
/// been made there to be found by others: refused, as the kernel's fs.protected_regular does.
/// @throws error no_permission.
void require_not_squatted(int directory, const std::string& directory_path, const opened_file& opened,
                          const std::string& what);

/// A description for locks on lockable(), its own.
[[nodiscard]] std::unique_ptr<os::byte_locks> locks_on(const opened_file& opened);

/// Tries for the gate, once: held while the result lives. Null when another process holds it.
[[nodiscard]] std::unique_ptr<os::byte_locks> try_gate(const opened_file& opened, os::lock_mode mode);

/// Tries for the gate for about a second; @throws error in_use when a stopped process keeps it.
[[nodiscard]] std::unique_ptr<os::byte_locks> pass_gate(const opened_file& opened, os::lock_mode mode,
                                                        const std::string& what);

[[noreturn]] void throw_presence_is_refused(const std::string& what);

/// Comes in through the gate: holds it, asks whether `name` still leads to the file that was opened, and holds its
/// presence before it lets go of the gate. Null when the name leads elsewhere. @throws error in_use as pass_gate().
[[nodiscard]] std::shared_ptr<os::byte_locks> come_in(const opened_file& opened, int directory, const std::string& name,
                                                      const std::string& what);

/// The header, read and checked in a copy. @throws error all of validate_segment().
[[nodiscard]] segment_header checked_header(const opened_file& opened, const std::string& what);

/// Whether any living process is attached, this one included.
[[nodiscard]] bool is_attached_by_anybody(const opened_file& opened);

/// Takes the name away, and then the lock file. The caller holds the gate exclusively.
void unlink_name(int directory, const std::string& name, const opened_file& opened);
/// The lock file alone, of a segment that has lost its name.
void unlink_lock_file(int directory, const opened_file& opened) noexcept;

/// Which lock files the segments in a directory name.
class named_lock_files {
 public:
  named_lock_files(int directory, const std::string& directory_path);
  /// Whether a segment names the lock file of that user, or may, because this process may not read it.
  [[nodiscard]] bool may_have(std::uint64_t creation_id, std::uint32_t uid) const {
    return !is_whole_ || ids_.contains(creation_id) || unread_.contains(uid);
  }

 private:
  std::set<std::uint64_t> ids_;
  std::set<std::uint32_t> unread_;  // users of segments that cannot be read
  bool is_whole_ = true;            // false: what a name leads to could not be asked
};

/// Whether a process makes or removes the segment of an open lock file, or is attached to it.
[[nodiscard]] bool is_held(int lock_file);

/// The lock files among `names` that no segment in the directory names and that no process holds: what killed creators, and
/// killed removers of segments, left. What cannot be told is none.
[[nodiscard]] std::vector<std::string> left_lock_files(int directory, const std::string& directory_path,
                                                       const std::vector<std::string>& names);

/// Whether `name` still leads to the file that was opened.
[[nodiscard]] bool still_leads_to(int directory, const std::string& name, const os::file_facts& facts);

/// Says in the header which process holds the gate, for processes that wait for it in vain, and takes that back when it
/// goes. Only into a header that is one. The caller holds the gate, and for longer.
class gate_note {
 public:
  gate_note(const opened_file& opened, const segment_info& info);
  gate_note(const gate_note&) = delete;
  gate_note& operator=(const gate_note&) = delete;
  ~gate_note();

 private:
  void write(std::uint64_t holder, std::uint64_t pid_namespace) const noexcept;
  const opened_file& opened_;
  bool is_written_;
};

/// Looks for a process that shared words name. `pid_namespace` 0: not known; then only a process of this namespace with
/// that pid and start time is `here`. `time_namespace` is the one in which start times of the segment count.
[[nodiscard]] named_process look_at_named(std::uint64_t identity, std::uint64_t pid_namespace,
                                          std::uint64_t time_namespace);

/// "producer pid 4711 (feed, alive), …", for errors.
[[nodiscard]] std::string users_text(const opened_file& opened, const segment_info& info);

/// The shared locks on bytes that participants lock exclusively. @throws error when the kernel cannot be asked.
[[nodiscard]] std::vector<shared_lock_report> shared_locks_on(const opened_file& opened, const segment_header& header);

/// A name for a file that is still being built, where the filesystem cannot make one without a name. No legal name.
[[nodiscard]] std::string new_temporary();
[[nodiscard]] bool is_temporary(const std::string& name) noexcept;

/// Reads what `inspect` shows. Never throws for what is wrong with the file: that becomes its state.
[[nodiscard]] segment_info read_info(const opened_file& opened, const std::string& name, depth how_deep = depth::slots);

/// What inspect() adds to that. Never throws.
[[nodiscard]] memory_report look_at_memory(const opened_file& opened, const segment_info& info);

}  // namespace sluice::detail
