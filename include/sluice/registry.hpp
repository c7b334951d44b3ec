#pragma once

// Names to segments, in a directory, without a daemon.
//
//   const sluice::registry names("/dev/shm/acme");
//   auto orders = sluice::channel<order>::create(names, sluice::segment_name("orders"));
//   for (const auto& segment : names.list()) print(segment.name, to_string(segment.state));
//   names.sweep();  // what only the dead left
//
// Threads and processes: any; a registry has no state but its directory. Lifetime: a name stays until it is removed, swept,
// or, of an ephemeral segment, left by its last participant. Errors: each call says its own; a name that cannot be trusted
// is refused.
//
// A segment is built whole in a file without a name and enters the directory by one linkat(2): a name is either absent
// or whole. Only the process that holds its gate takes a name away, and never while a living process is attached.
//
// Locks, all kernel-held and all on bytes of the segment's own file or, where its mode lets some users read that may not write,
// of a lock file beside it, which those users cannot open (byte_locks.hpp, docs/format.md):
//   gate      shared to attach, exclusive to remove; held for a few system calls only.
//   presence  shared, for as long as a process is attached.
//   seats     one each.
// attach = open, gate shared, does the name still lead to this file (else start again), presence, gate released.
// remove = open, gate exclusive, same question, no process present, unlink, gate released.
// recover = as remove, but the name leads to a new file afterwards, made of what is whole in the old one.
// The creator is present before the name exists. A process killed anywhere in this loses its locks and leaves nothing
// but a nameless file, which the kernel frees, or a whole segment.

#include "sluice/detail/base/language.hpp"

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/detail/base/clock.hpp"
#include "sluice/detail/base/stop_signal.hpp"
#include "sluice/detail/plan/segment_plan.hpp"
#include "sluice/inspect.hpp"
#include "sluice/options.hpp"
#include "sluice/segment.hpp"

namespace sluice {

using detail::require_ring;
using detail::segment_plan;

/// A legal name of a segment: 1 to 63 bytes of [A-Za-z0-9._-], the first a letter or a digit. Nothing of it can leave the
/// registry's directory or hide in it.
class segment_name {
 public:
  /// @throws error bad_name, which says what is wrong with it.
  explicit segment_name(std::string_view text);

  [[nodiscard]] static bool is_legal(std::string_view text) noexcept;
  [[nodiscard]] const std::string& str() const noexcept { return text_; }
  auto operator<=>(const segment_name&) const = default;

 private:
  std::string text_;
};

namespace os {
class byte_locks;
}

/// What the name of a segment leads to, of which this process is a participant.
enum class name_state : int {
  same,     ///< this segment
  removed,  ///< nothing: no new participant can come to this segment by that name
  other,    ///< another file: new participants meet there
  unknown,  ///< it has no name; or its directory is not where it was, or may not be looked into
};

[[nodiscard]] const char* to_string(name_state value) noexcept;

/// Shared ownership: copies refer to the same attachment. Threads: copies are independent.
class attached_segment {
 public:
  /// A segment without a name, to be shared by fork.
  static attached_segment unnamed(segment memory, std::string what);

  [[nodiscard]] const segment& memory() const noexcept;
  /// How errors call it: `"orders"`, or `anonymous segment`.
  [[nodiscard]] const std::string& what() const noexcept;

  /// Asks what the name leads to now, in the directory in which this process found it. A few system calls.
  [[nodiscard]] name_state name_now() const noexcept;

  /// After fork: makes this process a participant of its own, which it is not by inheritance. No cost otherwise.
  /// @throws error not_found: the name has been removed meanwhile.
  void join_here();

  /// This attachment does not take an ephemeral name along: for a caller that did not find what it wanted.
  void leave_name() noexcept;

  /// Calls `tell` when this attachment removes the name of an ephemeral segment, because it was the last one, with the
  /// number of undelivered messages that went with the name. `tell` runs in the destructor of the last copy: it must not
  /// throw, nor use this attachment.
  void on_removal(std::function<void(std::uint64_t undelivered_messages)> tell);

  /// For seat_table: what this process locks bytes through; null where there is no file. After join_here() its own.
  [[nodiscard]] std::shared_ptr<os::byte_locks> locks() const;

 private:
  friend class registry;
  friend attached_segment format_unnamed(segment memory, const segment_plan& plan);
  friend attached_segment attach_unnamed(segment memory);
  struct impl;
  static attached_segment unnamed(segment memory, std::string what, std::shared_ptr<os::byte_locks> locks);
  explicit attached_segment(std::shared_ptr<impl> attached) noexcept : impl_(std::move(attached)) {}
  std::shared_ptr<impl> impl_;
};

/// Writes the header of `plan` into fresh zeroed memory and attaches to it: a segment without a name.
/// @throws error bad_argument: too short, or not zero where the segment is to be: bytes of another program.
[[nodiscard]] attached_segment format_unnamed(segment memory, const segment_plan& plan);

/// Attaches to memory that another process has formatted: what was inherited, handed over or adopted.
/// @throws error  all of validate_segment(); no_permission: its file may not be opened anew here, so no other process
///                could be judged; bad_argument: a read-only or private view.
[[nodiscard]] attached_segment attach_unnamed(segment memory);

/// How a new segment's name and file are to be.
struct naming {
  sluice::lifetime lifetime = sluice::lifetime::persistent;  ///< a durable segment is persistent, whatever this says
  std::uint32_t mode = 0600;   ///< permissions of the file, whatever the umask. chmod(2) later moves no locks
  memory_options memory = {};  ///< how this process maps it
};

/// What became of one name that sweep found.
enum class sweep_outcome {
  would_remove,  ///< a dry run: only the dead left it
  removed,
  spared,  ///< found before, and not any more what only the dead left
  failed,  ///< it could not be looked at, or not be removed
};

struct sweep_result {
  std::string name;
  std::string why;  ///< why it was, would be, or could not be removed
  sweep_outcome outcome = sweep_outcome::failed;
  std::uint64_t device = 0, inode = 0;     ///< of the file that was found
  std::uint64_t creation_id = 0;           ///< of the segment in it; 0: none could be read
  std::uint64_t undelivered_messages = 0;  ///< that went, or would go, with the name
};

/// What recover() found in one ring.
struct ring_recovery {
  std::uint64_t kept = 0;     ///< whole, and will be delivered: marked, since a consumer may have had them before
  std::uint64_t torn = 0;     ///< did not fit their checksums: not delivered
  std::uint64_t missing = 0;  ///< claimed or published, and not to be found on the disk
};

struct recovery_report {
  std::vector<ring_recovery> rings;
};

/// A directory of segments. Holds no state of its own: any number of these, in any processes, agree.
/// Threads: any. Blocks: never longer than a stopped process holds a gate, and then at most a second.
class registry {
 public:
  /// The directory from SLUICE_DIR, or /dev/shm/sluice-<uid>. A set-user-ID program ignores SLUICE_DIR, which is its
  /// caller's (secure_getenv(3)). Nothing is made or checked before the first use.
  static registry standard();

  /// @param directory  where the names are; made with mode 0700 when it is missing (its parent must exist).
  explicit registry(std::string directory);

  [[nodiscard]] const std::string& directory() const noexcept { return directory_; }

  /// Makes a segment, whole, and attaches to it.
  /// @throws error already_exists; no_space; no_permission; unsafe_directory.
  attached_segment create(const segment_name& name, const segment_plan& plan, const naming& how = {}) const;

  /// Attaches to an existing one, after every immutable byte was checked. When the machine was started anew since it was
  /// made: a durable one is recovered first, another is refused.
  /// @throws error not_found; in_use (a stopped process holds the gate); corrupted (a reset, not durable); and all of
  ///         validate_segment().
  attached_segment attach(const segment_name& name, const memory_options& how = {}) const;

  /// The same, and waits until the name exists: a look now, after 1 ms, and then at twice the distance up to 20 ms.
  /// @throws error not_found: not within `at_most`; interrupted: a stop was requested, and the name does not exist; and all
  ///         of attach(), at once.
  attached_segment attach_for(const segment_name& name, detail::timeout at_most, const memory_options& how = {},
                              const detail::stop_signal& stop = {}) const {
    return attach_before(detail::deadline_after(at_most), name, how, stop);
  }
  attached_segment attach_until(const segment_name& name, detail::time_limit when, const memory_options& how = {},
                                const detail::stop_signal& stop = {}) const {
    return attach_before(detail::deadline_at(when), name, how, stop);
  }
  /// The same, with a deadline of clock.hpp.
  attached_segment attach_before(std::uint64_t deadline_ns, const segment_name& name, const memory_options& how = {},
                                 const detail::stop_signal& stop = {}) const;

  /// Whichever of the two is possible; of racing creators one wins and the others attach. An existing segment keeps its
  /// own sizes, permissions and lifetime. @throws error wrong_kind: a ring is less durable than the plan's.
  attached_segment create_or_attach(const segment_name& name, const segment_plan& plan, const naming& how = {}) const;

  /// Makes a durable segment whole again that a reset of the machine left, from those messages that fit their checksums,
  /// in their order. attach() does it by itself; this tells what was found. Killed at any moment it leaves the old
  /// segment or the new one. Sequences begin anew.
  /// @throws error not_found; in_use, with pids; wrong_kind: not durable, so nothing can be told; no_space; no_permission
  ///         (another user's is recovered by root alone); and all of validate_segment().
  /// Blocks: for the disk, as long as it takes to read the old and write the new one.
  recovery_report recover(const segment_name& name) const;

  /// Takes the name away; the memory stays with the processes that are attached.
  /// @param force  even when a living process is attached, or when the file is not a segment of ours at all.
  /// @return how many undelivered messages went with the name.
  /// @throws error not_found; in_use, with the processes that use it; not_a_segment.
  std::uint64_t remove(const segment_name& name, bool force = false) const;

  /// The same, but only while the name leads to the segment that inspect() or list() described: what was made under the
  /// name since then stays.
  /// @throws error not_found: the name is gone or leads to another segment by now; and all of the above.
  std::uint64_t remove(const segment_info& looked_at, bool force = false) const;

  /// What attach() asks before it trusts a name: that no other user can have made it in a directory that is sticky and
  /// writable for all. @throws error no_permission; nothing when there is no such name.
  void require_own(const segment_name& name) const;

  /// Every name, sorted, and what killed creators left half made (`dead`). Reads only, and no slots: counts of
  /// slots by their state and holds are zero here, see inspect(). An empty list when there is no directory yet.
  [[nodiscard]] std::vector<segment_info> list() const;

  /// One name, and what memory it lies in, which list() does not ask. @throws error not_found.
  [[nodiscard]] segment_info inspect(const segment_name& name) const;

  /// The slots of a ring that hold something, of a topic also what every subscriber has read, oldest first, at most `limit` and at most 16,384, with at most
  /// `max_bytes_each` of each message. Reads only.
  [[nodiscard]] std::vector<slot_report> slots(const segment_name& name, std::size_t ring_index, std::size_t limit,
                                               std::uint64_t max_bytes_each = ~std::uint64_t{0}) const;

  /// Removes what only the dead left: names to which no living process is attached and which are ephemeral, or in which a
  /// process died; and the temporary files of killed creators, where the filesystem makes no file without a name. Never a
  /// legal name that is no whole segment, nor what a living process uses, even while another sweep runs. What another user
  /// keeps from this one is left to that user, and is no failure.
  std::vector<sweep_result> sweep(bool dry_run = false) const;

  /// The same, but only of `found`, which a dry run said before: a name that leads to another file by now, or that a
  /// process has attached to meanwhile, is spared. One answer for each of `found` that was to be removed.
  std::vector<sweep_result> sweep(const std::vector<sweep_result>& found) const;

 private:
  std::string directory_;
  bool is_default_ = false;
};

/// A name as users write it: `orders` in the standard registry, or any path with a slash in it.
struct located_name {
  registry where;
  segment_name name;
};

/// @throws error bad_name.
[[nodiscard]] located_name locate(std::string_view name_or_path);

}  // namespace sluice
