#pragma once

// What Boost.Interprocess cannot map: /dev/zero, anonymous memory with wishes, and one page that exists only to hold a
// file open. mmap(2).

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "sluice/error.hpp"

namespace sluice::os {

/// How a mapping may be asked for, beyond its bytes.
struct map_wishes {
  bool no_reserve = false;  ///< MAP_NORESERVE
  bool huge = false;        ///< MAP_HUGETLB, for memory without a file
  void* at = nullptr;       ///< MAP_FIXED_NOREPLACE: there or not at all
};
/// The flags of mmap(2) for them.
[[nodiscard]] int flags_for(const map_wishes& wishes) noexcept;
/// What a failed mmap(2) with these wishes says: the errno in words that fit, and what to do.
[[nodiscard]] error map_error(int errno_value, std::uint64_t bytes, const std::string& what, const map_wishes& wishes);

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
  static mapping dev_zero(std::size_t bytes, const map_wishes& wishes = {});
  /// MAP_SHARED | MAP_ANONYMOUS: the same without a device. @throws error.
  static mapping anonymous(std::size_t bytes, const map_wishes& wishes);
  /// The first page of `file`, never readable nor writable through it, and absent in forked children. `page` as
  /// page_bytes_of() says.
  static mapping anchor(int file, std::uint64_t page);
  /// Addresses of `file` that cannot be read or written: to ask of it what only a mapping is told. Reserves nothing.
  static mapping untouchable(int file, std::size_t bytes);
  /// Private zeroed memory that reads as zero again in every forked child (MADV_WIPEONFORK).
  static mapping wiped_at_fork(std::size_t bytes);
  /// MAP_PRIVATE, read only: a look that disturbs no process.
  static mapping private_view(int file, std::size_t bytes, const char* what);

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }
  /// Forgets the range without unmapping it: in a forked child, where it is not mapped.
  void forget() noexcept { bytes_ = {}; }

 private:
  explicit mapping(std::span<std::byte> bytes) noexcept : bytes_(bytes) {}
  std::span<std::byte> bytes_;
};

}  // namespace sluice::os
