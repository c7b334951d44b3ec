#pragma once

// The beginning of every segment: what it is, and a directory of its parts. Written once by its creator before another
// process can see it, then only read; one line of it alone changes (see `Mutable part`). docs/format.md has the same
// tables in words. Everything here is input from a stranger until validate_segment() of segment_plan.hpp has seen it.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "sluice/detail/base/cache_line.hpp"
#include "sluice/detail/layout/seat.hpp"

namespace sluice::detail {

inline constexpr std::uint64_t segment_magic = 0x31474553'494c5321ULL;  // "!SLISEG1" in memory, lowest byte first
inline constexpr std::uint32_t format_version = 2;
inline constexpr std::uint32_t byte_order_mark = 0x01020304;
inline constexpr std::uint32_t word_bits_mark = 8 * sizeof(std::size_t);

enum class segment_kind : std::uint32_t { file = 1, anonymous = 2, zero = 3, memfd = 4, adopted = 5 };
enum class ring_kind : std::uint32_t {
  spsc = 1,
  mpmc = 2,
  spsc_bytes = 17,  ///< the same rings with messages of any length
  mpmc_bytes = 18,
  topic = 19,        ///< every subscriber sees every message; one publisher
  topic_many = 20,   ///< the same with many
  topic_bytes = 21,  ///< the same two with messages of any length
  topic_many_bytes = 22,
  latest = 23,         ///< the newest value; one writer
  table = 24,          ///< the newest value of each key; many writers, one for a key
  service = 34,        ///< requests in an mpmc ring, and desks for the replies
  service_bytes = 50,  ///< the same with requests of any length
};

/// Whether the name outlives the participants.
enum class lifetime : std::uint32_t {
  persistent = 0,  ///< stays until it is removed; unread messages wait for the next consumer
  ephemeral = 1,   ///< removed by the last participant that leaves in order; when that one was killed, left to sweep
};

[[nodiscard]] const char* to_string(segment_kind kind) noexcept;
[[nodiscard]] const char* to_string(ring_kind kind) noexcept;
[[nodiscard]] const char* to_string(lifetime value) noexcept;

/// Whether every consumer gets every message.
[[nodiscard]] bool is_topic(ring_kind kind) noexcept;
/// Whether it holds the newest of each value and no messages.
[[nodiscard]] bool holds_values(ring_kind kind) noexcept;
/// What a participant of such a ring is called: "producer" or "consumer", of a topic "publisher" or "subscriber", where there
/// are values "writer" or "reader".
[[nodiscard]] const char* role_name(ring_kind kind, role whose) noexcept;

inline constexpr std::size_t type_name_bytes = 96;
inline constexpr std::size_t part_label_bytes = 32;
inline constexpr std::size_t max_parts = 64;

/// What a part of slots has in its descriptor as the bytes of its kind.
struct slot_form {
  std::uint64_t capacity_slots;     // power of two
  std::uint64_t slot_stride_bytes;  // from one slot to the next
  std::uint64_t payload_offset;     // of the message within its slot; the slot's word is at 0
  std::uint64_t checksum_offset;    // of the checksum within its slot; 0: not durable
  std::uint64_t reserved[18];
};

/// One part of a segment, such as a ring: docs/format.md, table 2. Offsets count from the first byte of the segment.
struct part_descriptor {
  std::uint32_t kind;               // ring_kind
  std::uint32_t message_alignment;  // power of two, at most 4096
  std::uint64_t message_bytes;      // sizeof(T)
  std::uint64_t type_hash;          // see type_identity.hpp
  std::uint64_t layout_hash;        // of the message's fields, see type_identity.hpp; 0: not known
  char type_name[type_name_bytes];  // for people; zero terminated, cut when longer
  char label[part_label_bytes];     // what the part is for, for people; zero terminated; empty where there is one
  std::uint32_t producer_seats;
  std::uint32_t consumer_seats;
  std::uint64_t control_offset;  // ring_control, and behind it the control of the kind
  std::uint64_t seats_offset;    // seat[producer_seats + consumer_seats], producers first
  std::uint64_t body_offset;     // slots, or whatever the kind has
  std::uint64_t body_bytes;
  std::uint32_t flush_when;      // see durability.hpp; 0: not durable, and so is the next
  std::uint32_t flush_messages;  // with flush_when `every`: after so many of one producer
  slot_form slots;               // the bytes of the kind
};

/// The segment: docs/format.md, table 1. In the shared bytes the directory ends with the last part: see header_bytes(). A
/// copy has no more of it than that either, or a list of a thousand names would move 25 MB.
struct segment_header {
  segment_header() noexcept = default;
  inline segment_header(const segment_header& other) noexcept;
  inline segment_header& operator=(const segment_header& other) noexcept;
  ~segment_header() = default;

  std::uint64_t magic;
  std::uint32_t version;              // format_version
  std::uint32_t byte_order;           // byte_order_mark
  std::uint32_t word_bits;            // word_bits_mark
  std::uint32_t kind;                 // segment_kind
  std::uint32_t lifetime;             // sluice::lifetime
  std::uint32_t part_count;           // 1 to max_parts
  std::uint64_t asked_bytes;          // what header and parts need
  std::uint64_t mapped_bytes;         // the same, in whole pages; a file is at least this long
  std::uint64_t created_realtime_ns;  // since the epoch
  std::uint64_t creation_id;          // random: tells two segments of one name apart
  std::uint64_t creator;              // process_identity word
  std::uint32_t creator_uid;
  std::uint32_t reserved0;
  std::uint64_t boot_id[2];      // of the kernel that ran at creation
  std::uint64_t pid_namespace;   // inode of the creator's /proc/self/ns/pid
  std::uint64_t time_namespace;  // inode of the creator's /proc/self/ns/time
  std::uint64_t lock_inode;      // of the file beside it that holds its kernel locks; 0: the segment's own file does
  std::uint64_t segment_inode;   // with that: of the segment's own file, which tells it from a copy; else 0
  std::uint64_t reserved1[6];
  std::uint64_t directory_checksum;  // XXH3 of the descriptors of all parts
  std::uint64_t checksum;            // XXH3 of every byte before it

  // Mutable part: a hint for people, never believed.
  std::uint64_t gate_holder;            // process_identity word of the process that holds the gate to remove or recover
  std::uint64_t gate_holder_namespace;  // inode of that process's /proc/self/ns/pid; 0: not said. Both by pwrite(2)
  std::uint64_t reserved2[6];

  part_descriptor parts[max_parts];
};

/// How long the header of a segment of so many parts is; the first part's control may follow.
[[nodiscard]] constexpr std::size_t header_bytes(std::size_t part_count) noexcept {
  return offsetof(segment_header, parts) + part_count * sizeof(part_descriptor);
}

inline segment_header::segment_header(const segment_header& other) noexcept { *this = other; }
inline segment_header& segment_header::operator=(const segment_header& other) noexcept {
  const auto count = other.part_count < max_parts ? other.part_count : max_parts;  // perhaps input
  if (this != &other) std::memcpy(static_cast<void*>(this), static_cast<const void*>(&other), header_bytes(count));
  return *this;
}

/// All that it may have, to read one into or to look at it.
[[nodiscard]] inline std::span<std::byte> bytes_of(segment_header& header) noexcept {
  return std::as_writable_bytes(std::span(&header, 1));
}

static_assert(sizeof(part_descriptor) == 384 && offsetof(part_descriptor, slots) == 208, "docs/format.md, table 2");
static_assert(offsetof(segment_header, lock_inode) == 112 && offsetof(segment_header, checksum) == 184 &&
                  offsetof(segment_header, gate_holder) == 192 && offsetof(segment_header, parts) == 256,
              "docs/format.md, table 1");
static_assert(sizeof(part_descriptor) % cache_line_bytes == 0 && sizeof(segment_header) == header_bytes(max_parts));
static_assert(std::is_standard_layout_v<segment_header>, "other processes compute these offsets");

}  // namespace sluice::detail
