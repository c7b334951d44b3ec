#include "sluice/plan/segment_plan.hpp"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "layout/checksum.hpp"
#include "part/part_kind.hpp"
#include "sluice/base/bytes.hpp"
#include "sluice/base/error.hpp"

namespace sluice {
namespace {

constexpr std::uint64_t max_message_bytes = 1ULL << 30;
constexpr std::uint64_t max_capacity_slots = 1ULL << 32;
constexpr std::uint64_t max_segment_bytes = 1ULL << 46;
constexpr std::uint32_t max_role_seats = 4096;

/// Header, control and seats of all rings lie before this: a look copies no more than that.
constexpr std::uint64_t max_records_bytes = 4U << 20;
static_assert(sizeof(segment_header) + max_rings * (sizeof(ring_control) + alignof(seat) +
                                                    std::uint64_t{2} * max_role_seats * sizeof(seat)) <=
              max_records_bytes);

/// From this size on the message begins on a line of its own, so that copies run at full width.
constexpr std::uint64_t own_line_from_bytes = 256;

/// A consumer that reads a message to its end has up to twenty lines behind it fetched as well, by the prefetcher; were
/// those the next slot's, its producer would have to ask for them back. From this size on a gap is worth its memory.
constexpr std::uint64_t gap_from_bytes = 4096;
constexpr std::uint64_t gap_bytes = 960;  // 4 KiB, gap and the word's line: 5 KiB

/// From this size on a ring for latency is made larger than a first-level cache.
constexpr std::uint64_t large_from_bytes = 1024;

constexpr std::string_view lock_file_prefix = ".sluice-locks-";
constexpr std::size_t lock_file_digits = 16;

std::string quantity(std::uint64_t value) { return std::to_string(value); }

/// A durable ring's slot has its checksum right after its word.
constexpr std::uint64_t durable_checksum_offset = sizeof(std::uint64_t);

std::uint64_t payload_offset_for(const type_identity& type, bool is_durable) {
  const auto before = (is_durable ? durable_checksum_offset : 0) + sizeof(std::uint64_t);
  if (type.message_bytes >= own_line_from_bytes)
    return std::max<std::uint64_t>(cache_line_bytes, type.message_alignment);
  return round_up(before, std::max<std::uint64_t>(sizeof(std::uint64_t), type.message_alignment));
}

std::uint64_t stride_for(const type_identity& type, bool is_durable) {
  const bool has_gap = type.message_bytes >= gap_from_bytes && type.message_alignment <= cache_line_bytes;
  const auto needed = payload_offset_for(type, is_durable) + type.message_bytes + (has_gap ? gap_bytes : 0);
  const auto step = std::max<std::uint64_t>(
      type.message_bytes >= own_line_from_bytes ? cache_line_bytes : sizeof(std::uint64_t), type.message_alignment);
  return round_up(needed, step);
}

std::uint64_t default_capacity(const type_identity& type, footprint sized_for, bool is_durable) {
  const auto slots = [&](std::uint64_t bytes, std::uint64_t at_least) {
    return std::max<std::uint64_t>(at_least, std::bit_floor(bytes / stride_for(type, is_durable)));
  };
  if (sized_for == footprint::throughput) return slots(4U << 20, 8);
  // Lines that another core changed come sooner from its second cache than from its first, which it must search: a
  // message of many lines is better off in a ring that the first cache cannot hold.
  return type.message_bytes < large_from_bytes ? slots(64U << 10, 8) : slots(1U << 20, 2);
}

void require_sane(const durability& value) {
  if (value.when == flush_when::every && value.messages == 0)
    throw error(errc::bad_argument, "durability of every 0 messages: must be 1 or more");
}

void require_sane(const type_identity& type) {
  if (type.message_bytes == 0 || type.message_bytes > max_message_bytes)
    throw error(errc::bad_argument,
                "message size " + quantity(type.message_bytes) + " bytes: must be 1 to " + quantity(max_message_bytes));
  if (!std::has_single_bit(type.message_alignment) || type.message_alignment > page_bytes)
    throw error(errc::bad_argument, "message alignment " + quantity(type.message_alignment) +
                                        ": must be a power of two up to " + quantity(page_bytes));
  if (type.message_bytes % type.message_alignment != 0)
    throw error(errc::bad_argument, "message size " + quantity(type.message_bytes) +
                                        ": must be a multiple of its alignment " + quantity(type.message_alignment));
}

std::uint32_t seats_for(const part_kind& kind, std::uint32_t asked, const char* whose) {
  if (asked == 0) return kind.default_seats;
  if (asked <= kind.max_seats) return asked;
  throw error(errc::bad_argument,
              quantity(asked) + " " + whose + " seats: " +
                  (kind.max_seats == 1 ? std::string("an ") + kind.name + " ring has one, use mpmc for more"
                                       : "at most " + quantity(kind.max_seats)));
}

const part_kind& kind_for(const ring_options& options) {
  if (const auto* kind = find_part_kind(static_cast<std::uint32_t>(options.kind))) return *kind;
  std::string known;
  for (const auto* kind : part_kinds()) known += (known.empty() ? "" : ", ") + std::string(kind->name);
  throw error(errc::bad_argument, "ring kind " + quantity(static_cast<std::uint32_t>(options.kind)) +
                                      ": there is none, the kinds are " + known);
}

/// Fills everything but the offsets.
ring_descriptor describe(const ring_request& request) {
  require_sane(request.type);
  const auto& options = request.options;
  const auto& kind = kind_for(options);
  require_sane(options.durability);
  const bool is_durable = !options.durability.is_none();
  const auto capacity = options.capacity_slots != 0 ? options.capacity_slots
                                                    : default_capacity(request.type, options.sized_for, is_durable);
  if (!std::has_single_bit(capacity) || capacity < 2 || capacity > max_capacity_slots)
    throw error(errc::bad_argument,
                "capacity " + quantity(capacity) + " slots: must be a power of two from 2 to " +
                    quantity(max_capacity_slots) +
                    (capacity < max_capacity_slots
                         ? " (the next one is " + quantity(std::bit_ceil(std::max<std::uint64_t>(2, capacity))) + ")"
                         : ""));
  ring_descriptor ring{};
  ring.kind = static_cast<std::uint32_t>(options.kind);
  ring.message_alignment = request.type.message_alignment;
  ring.message_bytes = request.type.message_bytes;
  ring.capacity_slots = capacity;
  ring.slot_stride_bytes = stride_for(request.type, is_durable);
  ring.payload_offset = payload_offset_for(request.type, is_durable);
  ring.producer_seats = seats_for(kind, options.producer_seats, "producer");
  ring.consumer_seats = seats_for(kind, options.consumer_seats, "consumer");
  ring.type_hash = request.type.hash;
  ring.layout_hash = request.type.layout_hash;
  ring.flush_when = static_cast<std::uint32_t>(options.durability.when);
  ring.flush_messages = options.durability.messages;
  if (is_durable) ring.checksum_offset = durable_checksum_offset;
  const auto name = request.type.name.substr(0, type_name_bytes - 1);
  std::copy(name.begin(), name.end(), ring.type_name);
  return ring;
}

std::uint64_t control_bytes(const ring_descriptor& ring) {
  return sizeof(ring_control) + sizeof(seat) * (std::uint64_t{ring.producer_seats} + ring.consumer_seats);
}

std::uint64_t slots_bytes(const ring_descriptor& ring) { return ring.capacity_slots * ring.slot_stride_bytes; }

/// Places control and seats at `at`; returns the end of them.
std::uint64_t place_control(ring_descriptor& ring, std::uint64_t at) {
  ring.control_offset = round_up(at, alignof(seat));
  ring.seats_offset = ring.control_offset + sizeof(ring_control);
  static_assert(sizeof(ring_control) % alignof(seat) == 0);
  return ring.control_offset + control_bytes(ring);
}

/// Places the slots at `at`; returns the end of them.
std::uint64_t place_slots(ring_descriptor& ring, std::uint64_t at) {
  ring.slots_offset = round_up(at, std::max<std::uint64_t>(2 * cache_line_bytes, ring.message_alignment));
  return ring.slots_offset + slots_bytes(ring);
}

std::uint64_t checksum_of_header(const segment_header& header) {
  return checksum_of(std::as_bytes(std::span(&header, 1)).first(offsetof(segment_header, checksum)));
}

[[noreturn]] void reject(errc code, const std::string& where, const std::string& why) {
  throw error(code, where + ": " + why);
}

/// Neither, or a rhythm that exists and room for a checksum between word and message. The payload's offset is checked.
bool is_sane_durability(const ring_descriptor& ring) {
  switch (static_cast<flush_when>(ring.flush_when)) {
    case flush_when::kernel_decides: return ring.flush_messages == 0 && ring.checksum_offset == 0;
    case flush_when::on_close:
    case flush_when::every:
      return (ring.flush_messages != 0) == (ring.flush_when == static_cast<std::uint32_t>(flush_when::every)) &&
             ring.checksum_offset >= sizeof(std::uint64_t) && ring.checksum_offset % sizeof(std::uint64_t) == 0 &&
             ring.checksum_offset <= ring.payload_offset - sizeof(std::uint64_t);
  }
  return false;
}

/// Offsets, counts and sizes that the checksum cannot vouch for when the creator itself was hostile.
bool is_sane(const ring_descriptor& ring, std::uint64_t length) {
  const auto within = [length](std::uint64_t offset, std::uint64_t size) {
    return offset <= length && size <= length - offset;
  };
  const auto* kind = find_part_kind(ring.kind);
  return kind != nullptr && ring.message_bytes >= 1 && ring.message_bytes <= max_message_bytes &&
         std::has_single_bit(ring.message_alignment) && ring.message_alignment <= page_bytes &&
         std::has_single_bit(ring.capacity_slots) && ring.capacity_slots >= 2 &&
         ring.capacity_slots <= max_capacity_slots && ring.payload_offset >= sizeof(std::uint64_t) &&
         ring.payload_offset <= 2 * page_bytes && ring.payload_offset % ring.message_alignment == 0 &&
         is_sane_durability(ring) && ring.slot_stride_bytes >= ring.payload_offset + ring.message_bytes &&
         ring.slot_stride_bytes <= 2 * max_message_bytes && ring.slot_stride_bytes % sizeof(std::uint64_t) == 0 &&
         ring.slot_stride_bytes % ring.message_alignment == 0 && ring.producer_seats >= 1 &&
         ring.producer_seats <= kind->max_seats && ring.consumer_seats >= 1 && ring.consumer_seats <= kind->max_seats &&
         ring.control_offset >= sizeof(segment_header) && ring.control_offset % alignof(seat) == 0 &&
         ring.seats_offset == ring.control_offset + sizeof(ring_control) &&
         within(ring.control_offset, control_bytes(ring)) &&
         ring.control_offset + control_bytes(ring) <= max_records_bytes &&
         ring.slots_offset >= ring.control_offset + control_bytes(ring) && ring.slots_offset % cache_line_bytes == 0 &&
         ring.slots_offset % ring.message_alignment == 0 && within(ring.slots_offset, slots_bytes(ring)) &&
         std::find(std::begin(ring.type_name), std::end(ring.type_name), '\0') != std::end(ring.type_name);
}

bool overlap(const ring_descriptor& a, const ring_descriptor& b) {
  const auto apart = [](std::uint64_t at, std::uint64_t size, std::uint64_t other, std::uint64_t other_size) {
    return at + size <= other || other + other_size <= at;
  };
  return !(apart(a.control_offset, control_bytes(a), b.control_offset, control_bytes(b)) &&
           apart(a.control_offset, control_bytes(a), b.slots_offset, slots_bytes(b)) &&
           apart(a.slots_offset, slots_bytes(a), b.control_offset, control_bytes(b)) &&
           apart(a.slots_offset, slots_bytes(a), b.slots_offset, slots_bytes(b)));
}

}  // namespace

segment_plan plan_segment(std::span<const ring_request> requests) {
  if (requests.empty() || requests.size() > max_rings)
    throw error(errc::bad_argument, quantity(requests.size()) + " rings in one segment: must be 1 or 2");
  segment_plan plan;
  for (const auto& request : requests) plan.rings.push_back(describe(request));
  std::uint64_t end = sizeof(segment_header);
  for (auto& ring : plan.rings) end = place_control(ring, end);  // all that is touched at attach lies together
  for (auto& ring : plan.rings) {
    if (ring.capacity_slots > max_segment_bytes / ring.slot_stride_bytes)
      throw error(errc::bad_argument, quantity(ring.capacity_slots) + " slots of " + quantity(ring.slot_stride_bytes) +
                                          " bytes: above the limit of 64 TiB");
    end = place_slots(ring, end);
  }
  plan.asked_bytes = end;
  plan.mapped_bytes = round_up(end, page_bytes);
  return plan;
}

segment_plan plan_segment(const ring_request& request) { return plan_segment(std::span(&request, 1)); }

segment_header format_segment(std::span<std::byte> bytes, const segment_plan& plan, const segment_origin& origin) {
  segment_header header{};
  header.version = format_version;
  header.byte_order = byte_order_mark;
  header.word_bits = word_bits_mark;
  header.kind = static_cast<std::uint32_t>(origin.kind);
  header.lifetime = static_cast<std::uint32_t>(origin.lifetime);
  header.ring_count = static_cast<std::uint32_t>(plan.rings.size());
  header.asked_bytes = plan.asked_bytes;
  header.mapped_bytes = plan.mapped_bytes;
  header.created_realtime_ns = origin.created_realtime_ns;
  header.creation_id = origin.creation_id;
  header.creator = origin.creator;
  header.creator_uid = origin.creator_uid;
  std::copy(std::begin(origin.boot_id), std::end(origin.boot_id), header.boot_id);
  header.pid_namespace = origin.pid_namespace;
  header.time_namespace = origin.time_namespace;
  header.lock_inode = origin.lock_inode;
  header.segment_inode = origin.segment_inode;
  std::copy(plan.rings.begin(), plan.rings.end(), header.rings);
  auto& written = *reinterpret_cast<segment_header*>(bytes.data());
  std::memcpy(&written, &header, sizeof header);
  header.magic = segment_magic;
  header.checksum = checksum_of_header(header);
  written.magic = header.magic;
  written.checksum = header.checksum;
  return header;
}

void validate_segment(std::span<const std::byte> bytes, std::uint64_t length, const std::string& where) {
  if (length < sizeof(segment_header) || bytes.size() < sizeof(segment_header)) {
    const auto is_zero = std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
    reject(is_zero ? errc::half_made : errc::not_a_segment, where,
           quantity(length) + " bytes are too few for a segment header of " + quantity(sizeof(segment_header)) +
               (is_zero ? ": the process that made it died before it was whole, or the file was cut short; remove it"
                        : ""));
  }
  // A private copy: no other process can change it between the check and the use.
  alignas(segment_header) std::byte copy[sizeof(segment_header)];
  std::memcpy(copy, bytes.data(), sizeof copy);
  const auto& header = *reinterpret_cast<const segment_header*>(copy);
  if (header.magic != segment_magic) {
    if (header.magic == 0 && header.version == 0)
      reject(errc::half_made, where,
             "no header: the process that made it died before it was whole, or the file was cut short; remove it");
    if (header.magic == __builtin_bswap64(segment_magic))
      reject(errc::wrong_byte_order, where, "made on a machine of the other byte order");
    reject(errc::not_a_segment, where, "does not begin with a segment header: not one of ours, or overwritten");
  }
  if (header.byte_order != byte_order_mark || header.word_bits != word_bits_mark)
    reject(errc::wrong_byte_order, where,
           "made by a build of another byte order or word size (" + quantity(header.word_bits) +
               " bits, this build has " + quantity(word_bits_mark) + ")");
  if (header.version != format_version)
    reject(errc::wrong_version, where,
           "has format version " + quantity(header.version) + ", this build reads " + quantity(format_version) +
               (header.version < format_version
                    ? ": an older build made it; let that build receive what is in it, then remove it (sluice clear "
                      "NAME) and create it anew"
                    : ": a newer build made it; rebuild this program with that version"));
  if (header.checksum != checksum_of_header(header))
    reject(errc::corrupted, where, "the header's checksum does not match: its bytes were overwritten");
  if (header.mapped_bytes > length)
    reject(errc::truncated, where,
           "the header says " + quantity(header.mapped_bytes) + " bytes, but there are " + quantity(length) +
               ": it was cut short; remove it and create it anew");
  bool sane = header.ring_count >= 1 && header.ring_count <= max_rings && header.asked_bytes <= header.mapped_bytes;
  for (std::size_t i = 0; sane && i < header.ring_count; ++i) sane = is_sane(header.rings[i], header.asked_bytes);
  if (!sane || (header.ring_count == 2 && overlap(header.rings[0], header.rings[1])))
    reject(errc::corrupted, where, "the header describes a ring that cannot exist");
}

bool is_intact(const segment_header& header) noexcept {
  return header.magic == segment_magic && header.byte_order == byte_order_mark && header.word_bits == word_bits_mark &&
         header.version == format_version && header.checksum == checksum_of_header(header);
}

std::string lock_file_name(std::uint64_t creation_id) {
  char text[lock_file_digits + 1];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(creation_id));
  return std::string(lock_file_prefix) + text;
}

std::optional<std::uint64_t> creation_id_in(const std::string& name) noexcept {
  if (name.size() != lock_file_prefix.size() + lock_file_digits || !name.starts_with(lock_file_prefix) ||
      name.find_first_not_of("0123456789abcdef", lock_file_prefix.size()) != std::string::npos)
    return std::nullopt;
  return std::strtoull(name.c_str() + lock_file_prefix.size(), nullptr, 16);
}

void require_ring(const segment_header& header, std::size_t index, ring_kind kind, const type_identity& type,
                  const std::string& where) {
  if (index >= header.ring_count)
    reject(errc::wrong_kind, where,
           "has " + quantity(header.ring_count) + " ring(s), ring " + quantity(index) + " was asked for");
  const auto& ring = header.rings[index];
  if (ring.kind != static_cast<std::uint32_t>(kind))
    reject(
        errc::wrong_kind, where,
        std::string("is an ") + to_string(static_cast<ring_kind>(ring.kind)) + " ring, attached as " + to_string(kind));
  const auto refuse = [&](const std::string& difference) {
    reject(errc::wrong_type, where,
           std::string("holds messages of type \"") + ring.type_name + "\" (" + quantity(ring.message_bytes) +
               " bytes, aligned to " + quantity(ring.message_alignment) + "), not \"" + std::string(type.name) +
               "\" (" + quantity(type.message_bytes) + " bytes, aligned to " + quantity(type.message_alignment) +
               "): " + difference + "; build both sides from one definition");
  };
  const bool has_name = type.name.substr(0, type_name_bytes - 1) == ring.type_name;
  if (ring.message_bytes != type.message_bytes) refuse(has_name ? "another size" : "another name and size");
  if (ring.message_alignment != type.message_alignment)
    refuse(has_name ? "another alignment" : "another name and alignment");
  if (ring.type_hash != type.hash)
    refuse(has_name ? "another version in message_traits, or another way to say the name" : "another name");
  if (ring.layout_hash != 0 && type.layout_hash != 0 && ring.layout_hash != type.layout_hash)
    refuse("other fields, or in another order");
}

ring_view view_ring(std::span<std::byte> bytes, const ring_descriptor& descriptor) noexcept {
  ring_view view;
  view.control = reinterpret_cast<ring_control*>(bytes.data() + descriptor.control_offset);
  view.seats = reinterpret_cast<seat*>(bytes.data() + descriptor.seats_offset);
  view.slots = bytes.data() + descriptor.slots_offset;
  view.mask = descriptor.capacity_slots - 1;
  view.stride_bytes = descriptor.slot_stride_bytes;
  view.payload_offset = descriptor.payload_offset;
  view.message_bytes = descriptor.message_bytes;
  view.lap_bits = static_cast<std::uint32_t>(std::countr_zero(descriptor.capacity_slots));
  view.producer_seats = descriptor.producer_seats;
  view.consumer_seats = descriptor.consumer_seats;
  return view;
}

namespace {

ring_descriptor place_in_memory(const ring_request& request) {
  if (!request.options.durability.is_none())
    throw error(errc::bad_argument,
                "a durable ring in memory of the caller's own: it has no disk; make a channel by name");
  auto ring = describe(request);
  place_slots(ring, place_control(ring, 0));
  return ring;
}

}  // namespace

std::uint64_t ring_memory_bytes(const ring_request& request) {
  const auto ring = place_in_memory(request);
  return ring.slots_offset + slots_bytes(ring);
}

ring_view view_memory(std::span<std::byte> memory, const ring_request& request) {
  const auto ring = place_in_memory(request);
  const auto needed = ring.slots_offset + slots_bytes(ring);
  const auto alignment = std::max<std::uint64_t>(alignof(seat), ring.message_alignment);
  if (memory.size() < needed || reinterpret_cast<std::uintptr_t>(memory.data()) % alignment != 0)
    throw error(errc::bad_argument, "ring in memory of " + quantity(memory.size()) + " bytes: needs " +
                                        quantity(needed) + " bytes aligned to " + quantity(alignment));
  return view_ring(memory, ring);
}

}  // namespace sluice
