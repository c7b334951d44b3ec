#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/registry/registry.hpp"
#include "sluice/seat/seat_table.hpp"
#include "sluice/segment/segment.hpp"

namespace sluice {

/// A ring at one moment. The numbers are read one by one while it goes on.
struct ring_counts {
  std::uint64_t tail = 0;  // next sequence to publish (mpmc: to claim)
  std::uint64_t head = 0;  // next to release (mpmc: to claim for reading)
  std::uint64_t holes = 0, redelivered = 0, settled = 0;
  bool is_closed = false;
};

/// Looks at a segment through a mapping through which the kernel lets no process write: header, counters and seats, no
/// messages. Takes no seat and no lock, needs no more than permission to read, and keeps no process from removing the name.
/// Cheaper than registry::inspect() where a program looks often. Threads: copies are independent.
class observer {
 public:
  /// @throws error not_found; no_permission; and all of validate_segment().
  static observer attach(std::string_view name_or_path);
  static observer attach(const registry& where, const segment_name& name);
  /// For what has no name: a segment that was mapped with view::read_only.
  /// @throws error bad_argument: it can be written to.
  explicit observer(segment memory);

  [[nodiscard]] const segment_header& header() const noexcept { return memory_.header(); }
  [[nodiscard]] const segment& memory() const noexcept { return memory_; }

  /// @throws error truncated; bad_argument: there is no such ring.
  [[nodiscard]] ring_counts counts(std::uint32_t ring_index = 0) const;
  /// Those that were ever taken. System calls: a few for each. @throws error as counts().
  [[nodiscard]] std::vector<seat_report> seats(std::uint32_t ring_index = 0) const;

 private:
  [[nodiscard]] ring_view ring(std::uint32_t index) const;
  segment memory_;
  std::string what_;
};

}  // namespace sluice
