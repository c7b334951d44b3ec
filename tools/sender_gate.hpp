#pragma once

// Several `sluice send` on one mpmc channel: the last of them closes it. Two that end at once must not each leave it to
// the other, and none may close it over one that is just coming. So they come and leave one at a time.

#include <cstdint>
#include <functional>
#include <string>

#include "sluice/base/error.hpp"
#include "sluice/port.hpp"

namespace sluice::tools {

/// What senders lock: the segment's file or, where that has readers, its lock file. flock(2) lets every process that may
/// open a file keep all others out.
[[nodiscard]] segment_file gate_file(const segment& memory);

/// flock(2) on that file, which nothing else uses; it falls with the process. Programs that use the library do
/// not know it: one that makes its producer at the very moment in which the last sender closes finds itself closed.
class sender_gate {
 public:
  /// Waits for it, for as long as another sender is stopped while it holds it.
  /// @param look  called ten times a second with the time waited; may throw.
  /// @throws error when the file cannot be locked.
  sender_gate(const segment_file& file, const std::function<void(std::uint64_t waited_ns)>& look);
  sender_gate(const sender_gate&) = delete;
  sender_gate& operator=(const sender_gate&) = delete;
  ~sender_gate();

 private:
  int descriptor_ = -1;
};

/// "pid 4711 (sluice), stopped": the process that holds the gate of `file`, by /proc/locks. "another sender" where that
/// does not tell, as of a process in another pid namespace.
[[nodiscard]] std::string gate_holder_text(const segment_file& file);

/// Whether a living producer other than `self` sits in the ring.
[[nodiscard]] bool has_other_producers(const port& self);

}  // namespace sluice::tools
