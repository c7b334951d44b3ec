#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "sluice/segment/segment.hpp"

namespace sluice {

/// Memory of a file that can become longer and never moves. Addresses for `max_bytes` are kept from the beginning and
/// the file is extended below them, so every process that is attached sees new bytes at the offsets they have, and
/// no process maps anything anew. For logs and arenas: a ring never changes its size.
///
/// What lies behind the current length must not be touched: the kernel answers with SIGBUS. There is no guard, for a
/// missing page is nothing unusual here.
/// Threads and processes: any, all at once. A process killed while it grows leaves the old length or the new one.
class growable_segment {
 public:
  /// Makes `path` (which must not exist) with `bytes` to begin with, which may be 0.
  /// @throws error as file_segment::create(); bad_argument: more than `max_bytes`, or that is 0; no_space: not that
  ///         many addresses are left.
  static growable_segment create(const std::string& path, std::uint64_t bytes, std::uint64_t max_bytes,
                                 std::uint32_t mode = 0600);
  /// Each process chooses its own `max_bytes`. @throws error as file_segment::attach().
  static growable_segment attach(const std::string& path, std::uint64_t max_bytes);

  /// What is there now, as far as this process can reach: asks for the file's length, one system call. It begins at the
  /// same address every time.
  /// @throws error not_found, no_permission: the program closed the descriptor, and `path` does not lead to the file any
  ///         more, or may not be opened.
  [[nodiscard]] std::span<std::byte> bytes() const;
  [[nodiscard]] std::uint64_t max_bytes() const noexcept { return memory_.bytes().size(); }

  /// Extends to at least `bytes`, in whole pages, zeroed. Never shortens, even in a race.
  /// @throws error bad_argument: above max_bytes(); no_space: the filesystem is full; what was there is untouched.
  /// Blocks: no longer than the filesystem. Source: fallocate(2).
  void grow(std::uint64_t bytes) const;

 private:
  explicit growable_segment(segment memory) noexcept : memory_(std::move(memory)) {}
  segment memory_;
};

}  // namespace sluice
