#pragma once

// Notices fork without a system call: one word in a page of this process alone that reads as zero in every forked child
// (MADV_WIPEONFORK), raw clone included.

#include <atomic>
#include <cstdint>
#include <string>

namespace sluice {
class segment;
}

namespace sluice::detail {

class process_mark {
 public:
  /// The mark of the calling process, made at first use. @throws error when the page cannot be had.
  static process_mark here();
  /// The same for one segment: it also goes when the segment is lost (segment.hpp), so one load asks both.
  /// @throws error truncated and its like: the segment is lost already.
  static process_mark here(const segment& memory, const std::string& what);
  /// A mark that never matches: it forces the slow path on every call, at no cost to other handles.
  static process_mark nowhere() noexcept;

  process_mark(const process_mark&) noexcept = default;
  process_mark& operator=(const process_mark&) noexcept = default;
  /// The one that was moved from is nowhere, so a handle that was moved from goes its longer way and finds out.
  process_mark(process_mark&& other) noexcept : process_mark(other.page_, other.value_) { other = nowhere(); }
  ~process_mark() = default;

  /// Whether the caller is the process this mark was taken in: one load. After fork, false in the child; false as well
  /// once the segment it was taken for is lost.
  [[nodiscard]] bool is_here() const noexcept {
    return page_->load(std::memory_order_relaxed) == value_;
  }  // wiped by the kernel

 private:
  process_mark(const std::atomic<std::uint64_t>* page, std::uint64_t value) noexcept : page_(page), value_(value) {}
  const std::atomic<std::uint64_t>* page_;
  std::uint64_t value_;
};

}  // namespace sluice::detail
