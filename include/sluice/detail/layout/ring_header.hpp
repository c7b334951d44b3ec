#pragma once

// What every part keeps in the shared bytes for its participants, whatever its kind, and the words of slots. The kind's own
// control follows. All zero is a valid, open, empty ring, so creating one touches no page but the first.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sluice/detail/base/cache_line.hpp"
#include "sluice/detail/layout/seat.hpp"

namespace sluice::detail {

/// How a waiter makes sure that it and a publisher do not miss each other: see parking.hpp.
enum class wake_mode : std::uint32_t {
  membarrier = 0,  ///< the waiter pays: membarrier(2) before it sleeps; publishing costs no fence
  fence = 1,       ///< a kernel without membarrier: every publish pays a full fence. Never set back.
};

/// One line of the repair log: docs/format.md, table 5.
struct repair_record {
  std::atomic<std::uint64_t> number;  // 1 for the first repair, written last; 0: never used
  std::atomic<std::uint64_t> realtime_ns;
  std::atomic<std::uint64_t> mender;         // process_identity word
  std::atomic<std::uint64_t> dead;           // process_identity word
  std::atomic<std::uint64_t> seat_and_what;  // seat index << 8 | repair_kind
  std::atomic<std::uint64_t> sequence;       // of the slot
};

enum class repair_kind : std::uint8_t { hole = 1, redelivery = 2, settled_seat = 3, takeover = 4 };

inline constexpr std::size_t repair_log_entries = 8;

/// docs/format.md, table 3.
struct alignas(cache_line_bytes) ring_control {
  // Read by every participant after every message, written only to park, to close or to change the mode.
  std::atomic<std::uint64_t> parked[2];  // by role: bit i stands for the seats i, i + 64, … that may be asleep
  std::atomic<std::uint32_t> mode;       // wake_mode
  // 1 after close(), until the next producer attaches. Even and not 0: open, and a producer that finishes looks for others.
  std::atomic<std::uint32_t> closed;
  // How registry::recover() found the ring, when it made this segment of one that a reset of the machine had left; else
  // zero. Never written again.
  std::atomic<std::uint64_t> recovered;              // sequences below this may have been delivered before
  std::atomic<std::uint64_t> recovered_torn;         // messages that did not fit their checksums
  std::atomic<std::uint64_t> recovered_missing;      // that never reached the disk
  std::atomic<std::uint64_t> recovered_realtime_ns;  // when
  // How often a participant could not ask whether another lives, or not lock a dead one's seat: for people.
  std::atomic<std::uint64_t> unanswered;

  alignas(cache_line_bytes) std::atomic<std::uint64_t> repairs;  // how many there were, in all
  std::atomic<std::uint64_t> holes;                              // claims of dead producers that became holes
  std::atomic<std::uint64_t> redelivered;                        // messages of dead consumers that were delivered again
  std::atomic<std::uint64_t> settled;                            // seats of the dead that came back
  // By the role that waits: the slot it cannot pass, plus one (0: none so far), and since when. Noted at ticks.
  std::atomic<std::uint64_t> stalled_at[2];
  std::atomic<std::uint64_t> stalled_since_realtime_ns[2];
  repair_record log[repair_log_entries];  // entry (number - 1) % repair_log_entries
};

/// What ring_control::closed says.
[[nodiscard]] constexpr bool says_closed(std::uint32_t closed) noexcept { return (closed & 1) != 0; }

static_assert(sizeof(repair_record) == 48, "docs/format.md, table 5");
static_assert(offsetof(ring_control, repairs) == 64 && offsetof(ring_control, log) == 128, "docs/format.md, table 3");
static_assert(sizeof(ring_control) == 512, "docs/format.md, table 3");
static_assert(std::is_standard_layout_v<ring_control>, "other processes compute these offsets");

// ---- Slot words ------------------------------------------------------------------------------------------------------
// A slot's first eight bytes say which lap of the ring it is in and what it holds: lap << 16 | seat << 2 | kind. Laps
// wrap after 2^48 of them; only neighbouring laps are ever compared.

enum class slot_kind : std::uint64_t {
  free = 0,       ///< to be filled in this lap
  published = 1,  ///< holds a message
  hole = 2,       ///< claimed but never published: stepped over
  taken = 3,      ///< adopted from the dead consumer in `seat`, being delivered again
};

inline constexpr unsigned lap_shift = 16;
inline constexpr std::uint64_t max_seats = 1U << 13;

[[nodiscard]] constexpr std::uint64_t slot_word(std::uint64_t lap, slot_kind kind,
                                                std::uint64_t seat_index = 0) noexcept {
  return lap << lap_shift | seat_index << 2 | static_cast<std::uint64_t>(kind);
}
[[nodiscard]] constexpr slot_kind kind_of(std::uint64_t word) noexcept { return static_cast<slot_kind>(word & 3); }
[[nodiscard]] constexpr std::uint64_t lap_of(std::uint64_t word) noexcept { return word >> lap_shift; }

}  // namespace sluice::detail
