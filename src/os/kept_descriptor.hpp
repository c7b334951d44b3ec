#pragma once

// A descriptor that stays open for as long as a segment is in use, in a program that may close it behind the library's
// back: closefrom(3), or a loop over all numbers. The number may then mean a file of the program, which must be neither
// used nor closed.
//
// Edges: none. The list of all of them is guarded by a mutex, under which no thread forks.

#include <atomic>
#include <cstdint>
#include <mutex>

#include "os/fd.hpp"

namespace sluice::os {

class kept_descriptor {
 public:
  enum class in_child { stays, closed };  ///< what a child of fork(2) does with its copy

  /// `file` is open as the file with that device and inode.
  kept_descriptor(fd file, std::uint64_t device, std::uint64_t inode, in_child what);
  kept_descriptor(const kept_descriptor&) = delete;
  kept_descriptor& operator=(const kept_descriptor&) = delete;
  /// Closes it, unless it means another file by now.
  ~kept_descriptor();

  [[nodiscard]] int get() const noexcept {
    return value_.load(std::memory_order_relaxed);
  }  // a number, nothing behind it
  /// Whether the number still means the file. Compares device and inode; of two descriptors that this library keeps for
  /// one file under one number in turn, the later one owns the number.
  [[nodiscard]] bool is_own() const noexcept;
  /// In a forked child: whether this was the parent's, and was closed here.
  [[nodiscard]] bool is_of_parent() const noexcept {
    return is_of_parent_.load(std::memory_order_relaxed);
  }  // one thread
  /// For a child that pthread_atfork(3) did not see: closes the copy and becomes the parent's.
  void leave_to_parent() noexcept;

 private:
  friend struct kept_descriptors;

  std::atomic<int> value_;
  std::uint64_t device_;
  std::uint64_t inode_;
  in_child in_child_;
  std::atomic<bool> is_of_parent_{false};
};

/// No thread of this process forks while this is locked. Not recursive.
[[nodiscard]] std::mutex& fork_gate();

}  // namespace sluice::os
