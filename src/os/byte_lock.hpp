#pragma once

// Locks that the kernel drops when their holder's address space goes: at exit, at kill -9, at exec, and not before.
//
// An open-file-description lock (F_OFD_SETLK, fcntl(2)) belongs to an open file description and lives as long as
// anything refers to it. So each lock takes a fresh description, maps one page of the file through it, keeps that page
// out of forked children and closes the descriptor: then the mapping alone holds the lock. It survives closefrom(3), is
// not kept alive by a child, and does exclude another handle of the same process, which has a description of its own.

#include <cstdint>
#include <mutex>
#include <optional>

#include "os/fd.hpp"
#include "os/mapping.hpp"

namespace sluice::os {

enum class lock_mode { shared, exclusive };

class byte_lock {
 public:
  /// Tries once, without blocking, for the byte at `offset` of the file open as `file`; empty when another holds it.
  /// @param page  as page_bytes_of(file) says.
  /// @throws error when the file cannot be reopened or locked at all.
  static std::optional<byte_lock> try_lock(int file, std::uint64_t offset, lock_mode mode, std::uint64_t page);

  /// Whether anybody, this process included, holds any of `count` bytes from `offset` on (shared or exclusive). One
  /// system call: no lock is ever taken through `file` itself, so none is hidden from it.
  static bool is_held(int file, std::uint64_t offset, std::uint64_t count);

  byte_lock(byte_lock&&) noexcept = default;
  byte_lock& operator=(byte_lock&&) noexcept = default;

  /// In a forked child: the lock is the parent's.
  void forget() noexcept { anchor_.forget(); }

 private:
  friend class lock_session;
  explicit byte_lock(mapping anchor) noexcept : anchor_(std::move(anchor)) {}
  mapping anchor_;
};

/// A fresh description while its locks are being taken, for who needs more than one of them. Goes without keep(): all of
/// them fall. No thread of this process forks meanwhile, so make it short.
class lock_session {
 public:
  /// @throws error when the file cannot be reopened.
  explicit lock_session(int file);

  /// Tries once, without blocking; false when another holds it.
  [[nodiscard]] bool try_lock(std::uint64_t offset, lock_mode mode);
  void unlock(std::uint64_t offset);
  /// What is locked now stays so for as long as the result lives. `page` as page_bytes_of(file) says.
  [[nodiscard]] byte_lock keep(std::uint64_t page) &&;

 private:
  std::lock_guard<std::mutex> no_fork_;
  fd fresh_;
};

}  // namespace sluice::os
