#pragma once

// A segment in use by this process. While it lives, no sweep takes the name away; the last process to leave an
// ephemeral segment takes the name with it.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "sluice/plan/segment_plan.hpp"
#include "sluice/segment/segment.hpp"

namespace sluice {

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

}  // namespace sluice
