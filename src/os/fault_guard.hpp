#pragma once

// A file that is cut short while it is mapped sends SIGBUS to each thread that touches the missing pages: mmap(2). This guard
// turns that into a state. The handler looks whether the address lies in a guarded range; if so it marks the range lost,
// puts private zeroes in place of all of it and returns, and the access goes on. What it cannot do is wait, allocate,
// lock or throw.
//
// Chaining: every other SIGBUS goes to the handler that was there before, with the mask and flags that one asked for. A
// handler that the application installs later stands before ours, and either passes on what it does not know, as
// handlers do, or asks catch_fault(). A thread that blocks SIGBUS is ended by the kernel all the same.
//
// Fork: children inherit the handler, the ranges and the mappings; the words beside a range read zero in them.
//
// Edges
//   GU: a range's bounds and the handlers' count (seq_cst on both sides): either the handler sees that the range is gone,
//      or the thread that lets go of the range sees the handler, and waits before the addresses are used again.
//   GN: new block's store (release) -> handler's load (acquire): the block is whole when it is seen.
//   GP: a place's release (release) -> its next taker (acquire): no handler is in there any more.
//   GX: the loss is marked (release) -> a thread that finds the mark gone asks (acquire): lost, rather than forked.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice::os {

/// Whether `address` lies in a guarded range; if so that range is lost and reads as private zeroes from now on.
/// Async-signal-safe. For SIGBUS handlers.
bool catch_fault(const void* address) noexcept;

/// A mapping that is guarded while this lives. Goes before the mapping does.
class guarded_range {
 public:
  /// Installs the handler at first use in the process, for good.
  /// @param writable  whether the zeroes may be written to, as what they stand for.
  guarded_range(std::span<std::byte> bytes, bool writable);
  guarded_range(const guarded_range&) = delete;
  guarded_range& operator=(const guarded_range&) = delete;
  ~guarded_range();

  [[nodiscard]] bool is_lost() const noexcept;
  /// As a fault would, for a caller that finds in another way that the file is short.
  void lose() noexcept;
  /// A word for the owner's use that becomes zero when the range is lost, and is zero in every forked child.
  [[nodiscard]] std::atomic<std::uint64_t>& mark() const noexcept;

 private:
  struct place;
  struct words;
  struct block;
  friend bool catch_fault(const void* address) noexcept;
  place* place_;
  words* words_;
};

}  // namespace sluice::os
