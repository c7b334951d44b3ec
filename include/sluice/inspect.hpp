#pragma once

// Looking at segments from outside: what is in them, which processes take part, what hangs and since when. Reads only; the
// tool prints what is declared here.
//
//   const auto quotes = sluice::observer::attach("quotes");  // mapped read-only: takes no seat, disturbs no process
//   for (const auto& seat : quotes.seats())
//     print(to_string(seat.role), seat.pid, to_string(seat.alive), seat.messages);
//
// Threads: any. Processes: needs no more than permission to read. Numbers are read one by one while the others go on.
// Bytes of shared memory are input: what contradicts itself is told as segment_info::problem, or thrown as errc::corrupted.
// Lifetime: reports are values; an observer keeps its mapping and keeps no process from removing the name.

#include "sluice/detail/base/language.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/detail/layout/durability.hpp"
#include "sluice/detail/layout/ring_view.hpp"
#include "sluice/detail/ring/seat_keeper.hpp"
#include "sluice/error.hpp"
#include "sluice/options.hpp"
#include "sluice/segment.hpp"

namespace sluice {

class registry;
class segment_name;

using detail::durability_of;
using detail::holds_values;
using detail::is_durable;
using detail::is_topic;
using detail::lifetime_of;
using detail::part_descriptor;
using detail::peer_of;
using detail::repair_kind;
using detail::role_name;
using detail::seat_state;
using detail::segment_header;
using detail::segment_kind;
using detail::slot_kind;
using detail::unknown_seat;
using detail::wake_mode;

/// What became of a participant. Exiting: its process runs no program any more, and the kernel still keeps the lock of
/// its seat, because it writes a core dump, frees the memory, or a child shares the memory (vfork(2)). The others treat
/// it as alive until the lock falls.
enum class liveness { alive, stopped, exiting, dead, unknown };

[[nodiscard]] const char* to_string(liveness value) noexcept;

/// Sequences in a row that a participant claimed and did not publish, or was handed and did not release.
struct claim_report {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  bool is_won = true;  // false: announced, and perhaps another's
};

/// One seat as others see it: for peers, for errors and for `inspect`.
struct seat_report {
  std::uint32_t index = 0;  // within its ring, producers first
  sluice::role role = role::producer;
  seat_state state = seat_state::free;
  std::uint64_t generation = 0;
  bool left_in_order =
      false;              // no process sits there and none died: also of a dead seat, whose messages are to be settled
  std::uint32_t pid = 0;  // as the owner saw itself
  liveness alive = liveness::unknown;
  std::string command;        // the owner's name, when it can be read
  std::string process_state;  // alive, stopped, dead or unknown, of the process alone
  std::uint64_t taken_realtime_ns = 0;
  bool same_pid_namespace = true;
  bool knows_pid_namespace = true;  // false: the owner had no /proc to tell it
  bool is_parked = false;
  std::uint64_t parks = 0;
  // What the seat's kind of ring knows: zero and empty until it was asked (report_seats() in src/part/part_kind.hpp).
  std::uint64_t messages = 0;        // published or released, over all owners
  std::uint64_t redelivered = 0;     // consumer: of those, delivered again
  std::uint64_t abandoned = 0;       // producer: claims given back
  std::optional<std::uint64_t> lag;  // subscriber of a topic that sits there: how many messages it is behind
  bool is_lossy = false;             // of those, one that holds up no publisher: overtaken instead,
  std::uint64_t lost = 0;            // by so many messages, over all owners
  bool was_dropped = false;  // it was lossless, and a publisher made it lossy because it held that up for too long
  std::string subscription;  // of a topic: the name that the seat is kept for, whether a process sits there or not
  std::vector<claim_report> claims;  // what it claimed last; an mpmc producer's may be published by now
};

/// "pid 4711 (feed, alive)": for errors. Says so when the pid is of another namespace, where it means another process.
[[nodiscard]] std::string process_text(const seat_report& seat);

/// One slot that holds something.
struct slot_report {
  std::uint64_t sequence = 0;
  slot_kind kind = slot_kind::free;
  std::uint32_t taken_seat = 0;     // of the dead consumer, when kind is taken
  std::uint64_t message_bytes = 0;  // all of it; 0 as well: nothing was read of it
  std::vector<std::byte> message;   // as it was when looked at: may be torn if it changed meanwhile
};

/// A participant waits for one slot, and the one that holds it takes its time.
struct stall_report {
  role waiting = role::producer;        // which side waits
  std::uint64_t sequence = 0;           // for this slot
  std::uint64_t since_realtime_ns = 0;  // noticed at the tick of one that waits
  std::optional<std::uint32_t> holder;  // the seat that holds it, when one says so
};

/// A participant has its hand on slots: claimed and not published, or peeked at and not released. One run of them.
struct hold_report {
  std::uint32_t seat_index = 0;
  std::uint64_t sequence = 0;  // of the first
  std::uint64_t count = 0;
  std::uint64_t waited_for_since_realtime_ns = 0;  // a participant waits for one of them; 0: none said so
};

/// A value of a part that holds the newest of each.
struct value_report {
  std::vector<std::byte> key;           // empty: the part has one value and no keys
  std::uint64_t version = 0;            // how many values were written; 0: none yet
  std::uint64_t written_ns = 0;         // when the newest was, on CLOCK_MONOTONIC to within a step of the coarse clock
  std::optional<std::uint32_t> writer;  // the seat that writes it; empty: none does now
};

struct part_facts {
  std::uint64_t tail = 0;        // next sequence to publish (mpmc: to claim)
  std::uint64_t head = 0;        // next sequence to release (mpmc: to claim for reading)
  std::uint64_t fill_slots = 0;  // tail - head, never above the capacity
  std::uint64_t published_slots = 0, hole_slots = 0, taken_slots = 0, claimed_slots = 0;  // of the oldest 16,384
  std::uint64_t published_bytes = 0;  // of the messages in published and taken ones; as looked at
  std::vector<hold_report> holds;     // of the same slots; an spsc producer's claims leave no trace
  std::vector<stall_report> stalls;   // what is being waited for now
  std::uint64_t keys = 0;             // of a table; 1 of a latest value that was written
  std::vector<value_report>
      values;  // of the first 16,384 keys, of a table not in a list; where there are messages, none
};

/// How much was to be learned of a process's own mappings.
enum class memory_sight {
  seen,
  not_mapped,    ///< it maps no such file: a seat that names the pid of another process
  not_readable,  ///< /proc/PID/smaps is closed to this user, or the pid is of another namespace
  not_in_time,   ///< the looks at all processes had taken a second
};

[[nodiscard]] const char* to_string(memory_sight value) noexcept;

/// What memory_options obtained in one process, all its mappings of the segment added up. proc(5), smaps.
struct process_memory {
  std::uint32_t pid = 0;
  memory_sight sight = memory_sight::not_readable;
  std::uint64_t page_bytes = 0;      // of hugetlbfs pages, more than the kernel's own
  std::uint64_t mapped_bytes = 0;    // addresses
  std::uint64_t resident_bytes = 0;  // touched or prefaulted: this process reaches so much without a fault
  std::uint64_t huge_bytes = 0;      // of which in huge pages, transparent ones too
  bool is_locked = false;            // mlock(2), all of it
  bool is_writable = false;
  bool is_shared = false;
};

struct memory_report {
  std::string filesystem;                         // "tmpfs", "ext4", "hugetlbfs"
  std::optional<bool> survives_reset;             // of the machine; empty: depends on what the filesystem lies on
  std::uint64_t page_bytes = 0;                   // of the file: huge on hugetlbfs
  std::uint64_t looked_at_bytes = 0;              // from its beginning, at most 4 GiB
  std::optional<std::uint64_t> in_memory_bytes;   // of those, by any process; empty: the kernel does not tell
  std::optional<std::vector<std::string>> seals;  // "seal": no other can be added; empty: the filesystem knows none
  std::vector<process_memory> processes;          // of living participants, at most 64
};

/// What is known of a process that shared words name by pid and start time.
enum class process_sight {
  here,               ///< it lives, and pid and start time are those of the words
  perhaps_here,       ///< a process with that pid lives; pid namespace or start time do not tell whether it is that one
  gone,               ///< it does not live any more; the pid may be another process's by now
  another_namespace,  ///< the pid is one of another pid namespace: here it means nothing, or another process
  not_checked,        ///< none lives here with that pid and start time, and its pid namespace is not known; or no /proc
};

[[nodiscard]] const char* to_string(process_sight value) noexcept;

/// Such a process, checked when it was looked at.
struct named_process {
  std::uint32_t pid = 0;  // as the process saw itself; 0: the words name none
  process_sight sight = process_sight::not_checked;
  bool is_stopped = false;
  std::string command;  // of a process that is here, or perhaps
};

/// "4711 (feed)", "4711 (feed, stopped)", "4711 (perhaps feed)", "4711 (gone)", "4711 (of another pid namespace)",
/// "4711 (not checked)".
[[nodiscard]] std::string pid_text(const named_process& process);

struct repair_report {
  std::uint64_t number = 0;
  repair_kind what = repair_kind::hole;
  std::uint64_t realtime_ns = 0;
  named_process mender;
  named_process dead;
  std::uint32_t seat_index = 0;
  std::uint64_t sequence = 0;
};

/// One ring: what its kind says of it, and what all have.
struct ring_info : part_facts {
  part_descriptor descriptor{};
  std::string type_name;
  // Messages of any length: the longest, which is also each producer's arena, and the longest that lies in its slot.
  std::uint64_t capacity_bytes = 0;  // 0: messages have one size
  topic_policy topic;                // of a topic
  value_policy value_form;           // of a part that holds values
  std::uint64_t inline_bytes = 0;
  bool is_closed = false;
  wake_mode mode = wake_mode::membarrier;
  std::uint64_t holes = 0, redelivered = 0, settled = 0;  // repairs in all
  std::uint64_t unanswered = 0;  // how often a participant could not tell whether another lives, or not mend
  std::uint64_t recovered = 0, recovered_torn = 0, recovered_missing = 0;  // by recover(), when it made this segment
  std::uint64_t recovered_realtime_ns = 0;                                 // 0: it did not
  std::vector<seat_report> seats;                                          // those that were ever taken
  std::vector<repair_report> repairs;                                      // the last few, oldest first
};

/// A shared lock on a byte of the file that participants lock exclusively: a process that may only read the file can hold it.
/// On the gate it may also be that of a process that attaches, or is stopped while it does. See docs/crash-safety.md.
struct shared_lock_report {
  std::string byte;       // "gate", "seat 3 of ring 0"
  std::uint32_t pid = 0;  // of its holder; 0: the kernel does not tell
};

/// In which condition a name was found.
enum class segment_state {
  live,    ///< at least one living process is attached
  idle,    ///< no process is attached: it waits; and none died there, or it is durable
  dead,    ///< no living process is attached; one died there, or it is ephemeral, or its creator left it half made
           ///< (then it has a `problem` and no rings): sweep removes it
  broken,  ///< cannot be attached; `problem` says why
};

[[nodiscard]] const char* to_string(segment_state value) noexcept;

struct segment_info {
  std::string name;
  std::string path;
  std::uint64_t device = 0, inode = 0;  // of the file: which one was looked at
  segment_state state = segment_state::broken;
  std::string problem;  // why it is broken, or half made
  errc problem_code = errc::corrupted;
  std::uint64_t length_bytes = 0;    // of the file
  std::uint64_t resident_bytes = 0;  // blocks it has
  std::uint32_t mode = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  bool is_in_use = false;                        // a living process is attached; true as well for broken ones
  bool is_of_another_boot = false;               // durable, and the next to attach recovers it
  segment_header header{};                       // when not broken
  named_process creator, gate_holder;            // likewise; of the header
  std::vector<ring_info> rings;                  // when not broken
  std::optional<memory_report> memory;           // from registry::inspect(); a list does not ask for it
  std::vector<shared_lock_report> shared_locks;  // the same
  std::string lock_file;  // when not broken: the name of the file beside it that holds its locks; empty: its own does
  bool shows_all_locks = true;  // false: this user may not open that, so whether a process lives may be unknown
};

/// Messages that were published and that no consumer has released: they go with the memory. Exact while no process is
/// attached, for a ring of which all slots were looked at; else an estimate from above.
[[nodiscard]] std::uint64_t undelivered_messages(const ring_info& ring) noexcept;
[[nodiscard]] std::uint64_t undelivered_messages(const segment_info& info) noexcept;

/// How many bytes they have. Of messages of any length only what was looked at, so nothing in a list.
[[nodiscard]] std::uint64_t undelivered_bytes(const ring_info& ring) noexcept;

/// A ring at one moment. The numbers are read one by one while it goes on.
struct ring_counts {
  std::uint64_t tail = 0;  // next sequence to publish (mpmc: to claim)
  std::uint64_t head = 0;  // next to release (mpmc: to claim for reading)
  std::uint64_t holes = 0, redelivered = 0, settled = 0;
  bool is_closed = false;
};

/// Looks at a segment through a mapping through which the kernel lets no process write: header, counters and seats, no
/// messages. Takes no seat and no lock, needs no more than permission to read, and keeps no process from removing the name.
/// Cheaper than registry::inspect() where a program looks often. Threads: copies are independent.
class observer {
 public:
  /// @throws error not_found; no_permission; and all of validate_segment().
  static observer attach(std::string_view name_or_path);
  static observer attach(const registry& where, const segment_name& name);
  /// For what has no name: a segment that was mapped with view::read_only.
  /// @throws error bad_argument: it can be written to.
  explicit observer(segment memory);

  [[nodiscard]] const segment_header& header() const noexcept { return memory_.header(); }
  [[nodiscard]] const segment& memory() const noexcept { return memory_; }

  /// @throws error truncated; bad_argument: there is no such ring.
  [[nodiscard]] ring_counts counts(std::uint32_t ring_index = 0) const;
  /// Those that were ever taken. System calls: a few for each. @throws error as counts().
  [[nodiscard]] std::vector<seat_report> seats(std::uint32_t ring_index = 0) const;

 private:
  [[nodiscard]] detail::ring_view ring(std::uint32_t index) const;
  segment memory_;
  std::string what_;
};

}  // namespace sluice
