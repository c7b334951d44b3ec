#pragma once

// What an observer sees of a segment: read with pread(2) from a descriptor opened for reading, so looking changes no
// byte, takes no seat, and cannot crash on a file that is cut short meanwhile. Nothing is mapped that could be touched.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sluice/base/error.hpp"
#include "sluice/layout/segment_header.hpp"
#include "sluice/part/facts.hpp"
#include "sluice/registry/memory_report.hpp"
#include "sluice/seat/seat_table.hpp"

namespace sluice {

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

}  // namespace sluice
