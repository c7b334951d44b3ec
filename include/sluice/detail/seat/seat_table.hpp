#pragma once

// The seats of one ring: taking one, leaving it, and telling the dead from the slow.
//
// Where the segment has a file, a seat is held by a kernel lock on one byte of it, which falls when the owner's address
// space goes, however it goes (see byte_locks.hpp); lock free means dead, lock held means alive, in any pid namespace.
// Where it has none (anonymous, /dev/zero), pid and start time decide, asked from the same pid namespace; what is
// unclear is alive.
//
// Invariants
//   1. No process writes into a seat but its owner and, once that is dead, the holder of the seat's lock.
//   2. A death is written down (taken -> dead) before anything of the dead is touched, and a dead seat is settled before
//      it is given to another process. Settling may be repeated from any point.
//   3. State words only go up: a generation that was dead once is dead for ever, whatever process sits there now.
//
// Edges
//   A: owner's state store (release) -> every state load (acquire): identity and cleared words are visible.
//   D: state change taken -> dead (acq_rel) -> state load under the lock (acquire): the verdict is visible.
//   L: mender word exchange (acq_rel) -> next mender's exchange (acq_rel): one mender's work is visible to the next.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/detail/layout/ring_view.hpp"
#include "sluice/detail/ring/seat_keeper.hpp"
#include "sluice/detail/seat/process_mark.hpp"
#include "sluice/inspect.hpp"
#include "sluice/segment.hpp"

namespace sluice::os {
class byte_locks;
}

namespace sluice::detail {

/// The other side of a ring, at one moment.
struct peer_count {
  std::uint32_t alive = 0;
  std::uint32_t dead = 0;  // died, and no process sits there since
  /// By seat of that side, the generation that died there and none follows; 0: none. Empty when there is no such seat.
  std::vector<std::uint64_t> deaths;
};

class seat_table;

/// A seat that this process holds. Leaves in order when it goes.
class held_seat {
 public:
  held_seat(held_seat&&) noexcept;
  held_seat& operator=(held_seat&&) noexcept;
  ~held_seat();

  [[nodiscard]] std::uint32_t index() const noexcept;

  /// At ticks: whether the seat is still this process's. Two system calls.
  /// @throws error misuse: the program closed the descriptor that the lock needs, and the seat is lost; or why it cannot
  ///         be told.
  void require_held(const std::string& what) const;

 private:
  friend class seat_table;
  struct impl;
  explicit held_seat(std::unique_ptr<impl> held) noexcept;
  std::unique_ptr<impl> impl_;
};

/// Where a look that locks nothing asks for the locks of others.
struct lock_sight {
  segment_file file;
  bool is_complete =
      true;  ///< false: an owner of a byte there lives, and one without a lock there may live all the same
};

/// Cheap to copy; refers to the segment and keeps it mapped. Threads: copies are independent.
class seat_table {
 public:
  /// @param ring_index  which ring of the segment.
  /// @param locks  what the attachment holds locks through; null: the table makes its own when a seat is taken.
  seat_table(segment memory, const ring_view& ring, std::uint32_t ring_index,
             std::shared_ptr<os::byte_locks> locks = nullptr);
  /// For report() alone.
  seat_table(segment memory, const ring_view& ring, std::uint32_t ring_index, lock_sight sight);

  /// Takes a seat of `own` for this process: one that is free, or else a dead owner's after settling it. None that is kept for a
  /// subscription.
  /// @throws error seat_taken, with the pids and states of the processes that sit there; or why no lock can be had.
  [[nodiscard]] held_seat take(role own, const seat_rules& kind, const std::string& where);
  /// The consumer's seat that is kept for this subscription; a free one, kept for it from now on, if there is none. Waits, for
  /// a second at most, while another process does this.
  /// @throws error as above; seat_taken as well: a living process sits there; not_found: none is kept, and one must be.
  [[nodiscard]] held_seat take_for(const seat_request& asked, const seat_rules& kind, const std::string& where);

  /// Proves deaths and counts. System calls: a few for each seat that is taken.
  [[nodiscard]] peer_count count(role whom);
  /// The same of what is known already, without a question: a death that was not noticed counts as alive.
  [[nodiscard]] peer_count known(role whom) const;

  /// Whether a living process sits there: one probe in the usual case.
  [[nodiscard]] bool has_living(role whom);

  /// After count(), has_living() or mending: throws when any of them could not ask about a seat, or not lock a dead
  /// one's, and so took it for alive. Once for each time. @throws error with the cause.
  void require_answers(const std::string& what);
  [[nodiscard]] bool lacks_answers() const noexcept;

  /// Whether the process that sits in a taken seat, or sat there, is gone; empty: that cannot be told. Changes nothing.
  [[nodiscard]] std::optional<bool> owner_is_gone(std::uint32_t seat_index) const noexcept;
  /// Every seat that was ever taken. Changes nothing.
  [[nodiscard]] std::vector<seat_report> report() const;

  /// What mending asks; valid as long as the table.
  [[nodiscard]] seat_keeper& keeper() noexcept;

 private:
  friend class held_seat;
  struct impl;
  std::shared_ptr<impl> impl_;
};

/// Offsets, beyond any file, of the bytes that are locked. docs/format.md, lock bytes.
inline constexpr std::uint64_t gate_lock_offset = std::uint64_t{1} << 62;
inline constexpr std::uint64_t presence_lock_offset = gate_lock_offset + 1;
/// Where a segment begins within a larger file, all of them lie this much further: each page has bytes of its own.
[[nodiscard]] constexpr std::uint64_t lock_shift(std::uint64_t segment_offset_bytes) noexcept {
  return segment_offset_bytes / page_bytes * 0x800000;
}
[[nodiscard]] constexpr std::uint64_t seat_lock_offset(std::uint32_t ring_index, std::uint32_t seat_index) noexcept {
  return gate_lock_offset + 0x10000 + std::uint64_t{ring_index} * 0x10000 + seat_index;
}
/// No seat, and no ring has so many: its byte is locked by the process that gives a seat the name of a subscription.
inline constexpr std::uint32_t naming_seat = 0xffff;

}  // namespace sluice::detail
