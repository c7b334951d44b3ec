#pragma once

// Mapped memory, whatever kind it is of. A kind is a file of its own (file_segment.hpp, anonymous_segment.hpp, …) that
// makes one of these; from then on nobody asks where the bytes come from.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "sluice/layout/segment_header.hpp"

namespace sluice {

/// The file behind a segment, for locks and names; descriptor -1 where there is none.
struct segment_file {
  int descriptor = -1;
  std::string path;  // for errors
};

/// Shared ownership of a mapping: the memory is unmapped when the last copy goes. The bytes stay with whoever else maps
/// them. No descriptor is needed to use them.
/// Threads: copies are independent; the bytes are shared memory.
class segment {
 public:
  segment() noexcept = default;
  /// For the kinds: `holder` unmaps.
  segment(segment_kind kind, std::span<std::byte> bytes, std::shared_ptr<void> holder, segment_file file = {})
      : kind_(kind), bytes_(bytes), holder_(std::move(holder)), file_(std::move(file)) {}

  /// All mapped bytes, in whole pages.
  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }
  [[nodiscard]] segment_kind kind() const noexcept { return kind_; }
  [[nodiscard]] const segment_file& file() const noexcept { return file_; }
  [[nodiscard]] bool has_file() const noexcept { return file_.descriptor >= 0; }
  /// Only after validate_segment() or format_segment(). What was trusted; else what the shared bytes say now.
  [[nodiscard]] const segment_header& header() const noexcept {
    return trusted_ ? *trusted_ : *reinterpret_cast<const segment_header*>(bytes_.data());
  }
  /// Keeps a copy of a header that was checked: a peer that overwrites the shared one afterwards misleads nobody here.
  void trust(const segment_header& checked) { trusted_ = std::make_shared<const segment_header>(checked); }

 private:
  segment_kind kind_ = segment_kind::anonymous;
  std::span<std::byte> bytes_;
  std::shared_ptr<void> holder_;
  segment_file file_;
  std::shared_ptr<const segment_header> trusted_;
};

}  // namespace sluice
