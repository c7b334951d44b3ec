#pragma once

// What create, attach, remove and sweep share: the directory, and the gate of one name.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "os/byte_locks.hpp"
#include "os/fd.hpp"
#include "os/file.hpp"
#include "sluice/registry/registry.hpp"

namespace sluice::detail {

/// The registry's directory, checked; empty when it is missing and `make` is false.
[[nodiscard]] std::optional<os::fd> open_registry(const std::string& directory, bool is_default, bool make);

/// One name, opened.
struct opened_file {
  os::fd file;
  os::file_facts facts;
  std::string path;
};

/// Empty when there is no such name. What is no regular file is never opened: an open(2) would let the writer of a FIFO
/// go on, and rewind a tape. @throws error not_a_segment, which says what it is and what to do.
[[nodiscard]] std::optional<opened_file> open_name(int directory, const std::string& directory_path,
                                                   const std::string& name, bool writable);

/// In a directory that is sticky and writable for all, a file that neither this user nor the directory's owner owns may have
/// been made there to be found by others: refused, as the kernel's fs.protected_regular does.
/// @throws error no_permission.
void require_not_squatted(int directory, const std::string& directory_path, const opened_file& opened,
                          const std::string& what);

/// A description for locks on the file, its own.
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
[[nodiscard]] std::string who_uses(const opened_file& opened, const segment_info& info);

/// The shared locks on bytes that participants lock exclusively. @throws error when the kernel cannot be asked.
[[nodiscard]] std::vector<shared_lock_report> shared_locks_on(const opened_file& opened, const segment_header& header);

/// A name for a file that is still being built, where the filesystem cannot make one without a name. No legal name.
[[nodiscard]] std::string new_temporary();
[[nodiscard]] bool is_temporary(const std::string& name) noexcept;

/// How much of a segment is read. A list of a thousand names has no time for their slots.
enum class depth { records, slots };

/// Reads what `inspect` shows. Never throws for what is wrong with the file: that becomes its state.
[[nodiscard]] segment_info read_info(const opened_file& opened, const std::string& name, depth how_deep = depth::slots);

/// What inspect() adds to that. Never throws.
[[nodiscard]] memory_report look_at_memory(const opened_file& opened, const segment_info& info);

}  // namespace sluice::detail
