#pragma once

// From what a user asks for to bytes: sizes first (so that they can be shown before anything is made), then the header.
// And back: from the bytes of a stranger to a ring_view, or a clear error.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/detail/layout/durability.hpp"
#include "sluice/detail/layout/ring_view.hpp"
#include "sluice/detail/layout/segment_header.hpp"
#include "sluice/detail/layout/type_identity.hpp"
#include "sluice/options.hpp"

namespace sluice::detail {

/// A ring to be made: what a user chose, and for which message.
struct ring_request {
  type_identity type;
  ring_options options;
  std::string_view label =
      {};  ///< what the part is for, where a segment has several: shown by inspect, at most 31 bytes
};

/// Where everything will lie. Nothing is made by making a plan.
struct segment_plan {
  std::vector<part_descriptor> parts;
  std::uint64_t asked_bytes = 0;
  std::uint64_t mapped_bytes = 0;
};

/// Computes offsets and sizes for 1 to max_parts rings.
/// @throws error bad_argument: capacity not a power of two, too small or too large; seats out of range; message of no
///         bytes, above 1 GiB, or with an alignment above 4096; durability of every 0 messages; a label that is too long.
[[nodiscard]] segment_plan plan_segment(std::span<const ring_request> requests);
[[nodiscard]] segment_plan plan_segment(const ring_request& request);

/// The process that makes a segment, as its header records it.
struct segment_origin {
  segment_kind kind = segment_kind::file;
  sluice::lifetime lifetime = sluice::lifetime::persistent;
  std::uint64_t creator = 0;
  std::uint32_t creator_uid = 0;
  std::uint64_t created_realtime_ns = 0;
  std::uint64_t creation_id = 0;
  std::uint64_t boot_id[2] = {0, 0};
  std::uint64_t pid_namespace = 0;
  std::uint64_t time_namespace = 0;
  std::uint64_t lock_inode = 0;     // of the file beside it that holds its kernel locks; 0: its own does
  std::uint64_t segment_inode = 0;  // with that: of its own file
};

/// Writes the header of `plan` into zeroed memory of at least plan.mapped_bytes; the rings are then ready and empty.
/// @return the header as it was written, which another process that has the memory cannot have changed.
segment_header format_segment(std::span<std::byte> bytes, const segment_plan& plan, const segment_origin& origin);

/// Checks every immutable byte before the first use.
/// @param bytes   what is mapped, or the beginning of it (at least a header's worth is needed to succeed).
/// @param length  how long the segment really is (the file's length).
/// @param where   named in the error: `attach "orders"`.
/// @throws error  half_made (all zero), not_a_segment, wrong_byte_order, wrong_version, wrong_kind (a part that only a
///                later build knows), corrupted (checksum, or offsets that no creator writes), truncated (shorter than
///                it says).
void validate_segment(std::span<const std::byte> bytes, std::uint64_t length, const std::string& where);

/// Whether this build's format wrote the header, and no byte of it has changed since: not that what it describes can exist.
[[nodiscard]] bool is_intact(const segment_header& header) noexcept;

/// Checks that ring `index` exists, is of `kind` and holds messages of `type`. @throws error wrong_type, wrong_kind.
void require_ring(const segment_header& header, std::size_t index, ring_kind kind, const type_identity& type,
                  const std::string& where);

/// Pointers into a validated segment.
[[nodiscard]] ring_view view_ring(std::span<std::byte> bytes, const part_descriptor& descriptor) noexcept;

/// Bytes a ring of its own needs in memory the caller owns; see view_memory(). @throws error bad_argument: durable.
[[nodiscard]] std::uint64_t ring_memory_bytes(const ring_request& request);

/// A ring in memory that the caller owns and keeps: zeroed, cache-line aligned, ring_memory_bytes() long, no header.
/// @throws error bad_argument when it is too short or not aligned.
[[nodiscard]] ring_view view_memory(std::span<std::byte> memory, const ring_request& request);

}  // namespace sluice::detail
