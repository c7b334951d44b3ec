#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "os/byte_locks.hpp"
#include "os/file.hpp"
#include "registry/directory.hpp"
#include "sluice/detail/seat/process_mark.hpp"
#include "sluice/registry.hpp"

namespace sluice {

struct attached_segment::impl {
  segment memory;
  std::string what;
  std::string directory;  // from the root on; empty: no name
  std::string name;
  os::file_facts facts, directory_facts;
  std::shared_ptr<os::byte_locks> locks;  // presence, and all seats that this process holds; null: none can be held
  detail::process_mark mark = detail::process_mark::here();
  std::function<void(std::uint64_t)> on_removal;
  bool leaves_name = false;

  impl() = default;
  impl(const impl&) = delete;
  impl& operator=(const impl&) = delete;
  /// The last one out of an ephemeral segment takes the name along.
  ~impl();

  /// In a forked child: a presence of its own. @throws error.
  [[nodiscard]] std::shared_ptr<os::byte_locks> come_in_again() const;
};

}  // namespace sluice

namespace sluice::detail {

/// What locks on the segment's own file are held through; null where there is none. @throws error no_permission: the file
/// may not be opened anew.
[[nodiscard]] std::shared_ptr<os::byte_locks> own_locks_on(const segment& memory);

/// What the locks of a segment with a trusted header are held through, which was not found by its name; null where there
/// is no file. @throws error as above; and of lock_file_of().
[[nodiscard]] std::shared_ptr<os::byte_locks> locks_on(const segment& memory);

/// A participant writes, to memory that the machine's processes share. @throws error bad_argument: a read-only or private view, or
/// a file of a network.
void require_participant(const segment& memory, const std::string& what);

/// For names that come and go while a call looks.
inline constexpr int max_tries = 1000;

[[nodiscard]] inline std::string quoted(const segment_name& name) { return "\"" + name.str() + "\""; }

}  // namespace sluice::detail
