#pragma once

// What Boost.Interprocess cannot map: /dev/zero, and one page that exists only to hold a file open. mmap(2).

#include <cstddef>
#include <span>
#include <utility>

namespace sluice::os {

/// Owns a range of addresses: munmap(2) when it goes.
class mapping {
 public:
  mapping() noexcept = default;
  mapping(mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  mapping& operator=(mapping&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~mapping();

  /// MAP_SHARED of /dev/zero: zeroed pages that a forked child shares. @throws error.
  static mapping dev_zero(std::size_t bytes);
  /// The first page of `file`, never readable nor writable through it, and absent in forked children.
  static mapping anchor(int file);
  /// Private zeroed memory that reads as zero again in every forked child (MADV_WIPEONFORK).
  static mapping wiped_at_fork(std::size_t bytes);
  /// MAP_PRIVATE, read only: a look that can disturb nobody.
  static mapping private_view(int file, std::size_t bytes, const char* what);

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }
  /// Forgets the range without unmapping it: in a forked child, where it is not mapped.
  void forget() noexcept { bytes_ = {}; }

 private:
  explicit mapping(std::span<std::byte> bytes) noexcept : bytes_(bytes) {}
  std::span<std::byte> bytes_;
};

}  // namespace sluice::os
