#pragma once

// The file that holds a named segment's kernel locks where its mode lets some users read the segment and not write to it.
// Every process that may open a file may hold a shared lock on it, and so hold up what needs an exclusive one. Such a
// segment's locks therefore lie in a file of its own beside it, which those users cannot open:
// docs/decisions/0038-locks-that-readers-cannot-touch.md. It has no bytes.

#include <cstdint>
#include <string>

#include "os/byte_locks.hpp"
#include "os/fd.hpp"
#include "os/file.hpp"
#include "sluice/detail/layout/lock_file_name.hpp"
#include "sluice/detail/layout/segment_header.hpp"
#include "sluice/segment.hpp"

namespace sluice::detail {

/// Whether the mode lets a class of users read that may not write.
[[nodiscard]] bool has_readers(std::uint32_t mode) noexcept;
/// What the lock file beside a segment of that mode has: reading and writing, for each class that may do both there.
[[nodiscard]] std::uint32_t lock_file_mode(std::uint32_t mode) noexcept;

struct lock_file {
  os::fd file;
  os::file_facts facts;
  std::string path;

  [[nodiscard]] os::lockable_file lockable() const { return {file.get(), path, facts.device, facts.inode}; }
};

/// The lock file that an intact header names. @param uid  of the segment's file: the lock file must be of the same user.
/// @throws error corrupted: it is missing, or another file has its name; no_permission.
[[nodiscard]] lock_file open_lock_file(int directory, const std::string& directory_path, const segment_header& header,
                                       std::uint32_t uid, bool writable);

/// Whether a header that names a lock file was copied from another file into the one with that inode.
[[nodiscard]] bool is_copy(const segment_header& header, std::uint64_t inode) noexcept;

/// The lock file of a mapped segment with a trusted header that names one, looked for in the directory to which the
/// segment's descriptor leads. @throws error as open_lock_file(); corrupted: the segment is a copy.
[[nodiscard]] lock_file lock_file_of(const segment& memory, bool writable);

}  // namespace sluice::detail
