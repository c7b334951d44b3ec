#pragma once

// A ring as a look sees it: a copy of its control and seats, and slots that are read one by one when they are asked for.
// Nothing is mapped that could be cut short, and no byte is changed.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "sluice/detail/layout/ring_view.hpp"
#include "sluice/detail/layout/segment_header.hpp"
#include "sluice/detail/seat/seat_table.hpp"
#include "sluice/inspect.hpp"

namespace sluice::detail {

/// A look must not take seconds, however large the ring.
inline constexpr std::uint64_t max_slots_looked_at = 1U << 14;

class part_snapshot {
 public:
  /// Reads bytes of the segment from `offset` on; fewer when it ends before. @throws error when the read fails.
  using reader = std::function<std::size_t(std::uint64_t offset, std::span<std::byte> into)>;

  /// @param ring  of the copy: its slots are never touched.
  part_snapshot(const ring_view& ring, const part_descriptor& part, std::vector<seat_report> seats, reader read)
      : ring_(ring), part_(part), seats_(std::move(seats)), read_(std::move(read)) {}

  [[nodiscard]] const ring_view& ring() const noexcept { return ring_; }
  [[nodiscard]] const part_descriptor& part() const noexcept { return part_; }
  [[nodiscard]] const std::vector<seat_report>& seats() const noexcept { return seats_; }

  /// The slot at `sequence` as its word says, without its message; where the ring's consumer writes no words, a published
  /// word of an older lap is a free slot. Words of neighbours are read with one system call.
  [[nodiscard]] slot_report slot(std::uint64_t sequence);
  /// Where its payload lies in the segment.
  [[nodiscard]] std::uint64_t payload_offset(std::uint64_t sequence) const noexcept {
    return offset_of(sequence) + ring_.payload_offset;
  }
  [[nodiscard]] std::size_t read(std::uint64_t offset, std::span<std::byte> into) { return read_(offset, into); }

 private:
  [[nodiscard]] std::uint64_t offset_of(std::uint64_t sequence) const noexcept {
    return part_.body_offset + (sequence & ring_.mask) * ring_.stride_bytes;
  }
  /// Empty: the segment ends before it.
  [[nodiscard]] std::optional<std::uint64_t> word_at(std::uint64_t offset);
  void read_from(std::uint64_t offset);

  ring_view ring_;
  part_descriptor part_;
  std::vector<seat_report> seats_;
  reader read_;
  std::uint64_t begin_ = 0;  // of the run that was read last
  std::vector<std::byte> run_;
};

}  // namespace sluice::detail
