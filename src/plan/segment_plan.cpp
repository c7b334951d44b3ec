#include "sluice/detail/plan/segment_plan.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "layout/checksum.hpp"
#include "part/part_kind.hpp"
#include "part/slot_form.hpp"
#include "sluice/detail/base/bytes.hpp"
#include "sluice/error.hpp"

namespace sluice::detail {
namespace {

constexpr std::uint64_t max_segment_bytes = 1ULL << 46;

/// Header, control and seats of all parts lie before this: a look copies no more than that.
constexpr std::uint64_t max_records_bytes = 4U << 20;

std::string quantity(std::uint64_t value) { return std::to_string(value); }

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

std::uint32_t seats_for(const part_kind& kind, std::uint32_t asked, role whose) {
  const auto& limits = whose == role::producer ? kind.producers : kind.consumers;
  if (asked == 0) return limits.unless_asked;
  if (asked <= limits.most) return asked;
  const auto one = std::string("a ring of kind ") + kind.name + " has one" +
                   (kind.for_more != nullptr ? std::string(", use ") + kind.for_more + " for more" : "");
  throw error(errc::bad_argument, quantity(asked) + " " + role_name(kind.tag, whose) +
                                      " seats: " + (limits.most == 1 ? one : "at most " + quantity(limits.most)));
}

const part_kind& kind_for(const ring_options& options) {
  if (const auto* kind = find_part_kind(static_cast<std::uint32_t>(options.kind))) return *kind;
  std::string known;
  for (const auto* kind : part_kinds()) known += (known.empty() ? "" : ", ") + std::string(kind->name);
  throw error(errc::bad_argument, "ring kind " + quantity(static_cast<std::uint32_t>(options.kind)) +
                                      ": there is none, the kinds are " + known);
}

/// Fills everything but the offsets.
part_descriptor describe(const ring_request& request) {
  require_sane(request.type);
  const auto& options = request.options;
  const auto& kind = kind_for(options);
  require_sane(options.durability);
  part_descriptor part{};
  part.kind = static_cast<std::uint32_t>(kind.tag);
  part.message_alignment = request.type.message_alignment;
  part.message_bytes = request.type.message_bytes;
  part.type_hash = request.type.hash;
  part.layout_hash = request.type.layout_hash;
  const auto name = request.type.name.substr(0, type_name_bytes - 1);
  std::copy(name.begin(), name.end(), part.type_name);
  if (request.label.size() >= part_label_bytes)
    throw error(errc::bad_argument, "label \"" + std::string(request.label) + "\" of a part: at most " +
                                        quantity(part_label_bytes - 1) + " bytes");
  std::copy(request.label.begin(), request.label.end(), part.label);
  part.producer_seats = seats_for(kind, options.producer_seats, role::producer);
  part.consumer_seats = seats_for(kind, options.consumer_seats, role::consumer);
  part.flush_when = static_cast<std::uint32_t>(options.durability.when);
  part.flush_messages = options.durability.messages;
  kind.form(part, options);
  ring_options formed;
  kind.recall(part, formed);
  if (formed.topic != options.topic)
    throw error(errc::bad_argument,
                "a " + std::string(kind.name) +
                    " ring that wakes watchers or drops stalled subscribers: only topics do; create a "
                    "topic, or leave that out");
  if (!kind.holds_values && options.values != value_policy())
    throw error(errc::bad_argument, "a " + std::string(kind.name) +
                                        " ring with keys or slots for each value: only latest values and tables have "
                                        "them; create one of these, or leave that out");
  if (options.replies.bytes != 0 && formed.replies.bytes == 0)
    throw error(errc::bad_argument, "a " + std::string(kind.name) +
                                        " ring with replies: only services have them; make a service, or leave "
                                        "that out");
  if (part.body_bytes > max_segment_bytes)
    throw error(errc::bad_argument, "a " + std::string(kind.name) + " ring of " + quantity(part.body_bytes) +
                                        " bytes: above the limit of 64 TiB");
  return part;
}

std::uint64_t records_bytes(const part_descriptor& part, const part_kind& kind) {
  return sizeof(ring_control) + kind.control_bytes +
         sizeof(seat) * (std::uint64_t{part.producer_seats} + part.consumer_seats);
}
std::uint64_t records_bytes(const part_descriptor& part) { return records_bytes(part, part_kind_of(part)); }

/// Places control and seats at `at`; returns the end of them.
std::uint64_t place_records(part_descriptor& part, std::uint64_t at) {
  part.control_offset = round_up(at, alignof(seat));
  part.seats_offset = part.control_offset + sizeof(ring_control) + part_kind_of(part).control_bytes;
  return part.control_offset + records_bytes(part);
}

std::uint64_t body_alignment(const part_descriptor& part) {
  return std::max<std::uint64_t>(2 * cache_line_bytes, part.message_alignment);
}

/// Places the body at `at`; returns the end of it.
std::uint64_t place_body(part_descriptor& part, std::uint64_t at) {
  part.body_offset = round_up(at, body_alignment(part));
  return part.body_offset + part.body_bytes;
}

[[noreturn]] void reject(errc code, const std::string& where, const std::string& why) {
  throw error(code, where + ": " + why);
}

/// Offsets, counts and sizes that the checksum cannot vouch for when the creator itself was hostile.
bool is_sane(const part_descriptor& part, const segment_header& header) {
  const auto* kind = find_part_kind(part.kind);
  if (kind == nullptr) return false;
  const auto length = header.asked_bytes;
  const auto within = [length](std::uint64_t offset, std::uint64_t size) {
    return offset <= length && size <= length - offset;
  };
  const auto ends = [](const auto& text) {
    return std::find(std::begin(text), std::end(text), '\0') != std::end(text);
  };
  return part.message_bytes >= 1 && part.message_bytes <= max_message_bytes &&
         std::has_single_bit(part.message_alignment) && part.message_alignment <= page_bytes &&
         part.producer_seats >= 1 && part.producer_seats <= kind->producers.most && part.consumer_seats >= 1 &&
         part.consumer_seats <= kind->consumers.most && part.control_offset >= header_bytes(header.part_count) &&
         part.control_offset % alignof(seat) == 0 &&
         part.seats_offset == part.control_offset + sizeof(ring_control) + kind->control_bytes &&
         within(part.control_offset, records_bytes(part, *kind)) &&
         part.control_offset + records_bytes(part, *kind) <= max_records_bytes &&
         part.body_offset >= part.control_offset + records_bytes(part, *kind) &&
         part.body_offset % cache_line_bytes == 0 && part.body_offset % part.message_alignment == 0 &&
         within(part.body_offset, part.body_bytes) && kind->is_sane(part) && ends(part.type_name) && ends(part.label);
}

bool overlap(const part_descriptor& a, const part_descriptor& b) {
  const auto apart = [](std::uint64_t at, std::uint64_t size, std::uint64_t other, std::uint64_t other_size) {
    return at + size <= other || other + other_size <= at;
  };
  return !(apart(a.control_offset, records_bytes(a), b.control_offset, records_bytes(b)) &&
           apart(a.control_offset, records_bytes(a), b.body_offset, b.body_bytes) &&
           apart(a.body_offset, a.body_bytes, b.control_offset, records_bytes(b)) &&
           apart(a.body_offset, a.body_bytes, b.body_offset, b.body_bytes));
}

bool is_sane(const segment_header& header) {
  if (header.part_count < 1 || header.part_count > max_parts || header.asked_bytes > header.mapped_bytes) return false;
  for (std::size_t i = 0; i < header.part_count; ++i) {
    if (!is_sane(header.parts[i], header)) return false;
    for (std::size_t j = 0; j < i; ++j)
      if (overlap(header.parts[i], header.parts[j])) return false;
  }
  return true;
}

/// The directory's checksum fits: a later build made it, or a hostile one.
void require_known_kinds(const segment_header& header, const std::string& where) {
  for (std::size_t i = 0; i < header.part_count; ++i)
    if (find_part_kind(header.parts[i].kind) == nullptr)
      reject(errc::wrong_kind, where,
             "its part " + quantity(i) + " is of kind " + quantity(header.parts[i].kind) +
                 ", which this build does not know: made by a later version; rebuild this side with that one");
}

std::uint64_t directory_checksum_of(const segment_header& header) {
  return checksum_of(std::as_bytes(std::span(header.parts, header.part_count)));
}

std::uint64_t header_checksum_of(const segment_header& header) {
  return checksum_of(std::as_bytes(std::span(&header, 1)).first(offsetof(segment_header, checksum)));
}

}  // namespace

segment_plan plan_segment(std::span<const ring_request> requests) {
  if (requests.empty() || requests.size() > max_parts)
    throw error(errc::bad_argument,
                quantity(requests.size()) + " parts in one segment: must be 1 to " + quantity(max_parts));
  segment_plan plan;
  for (const auto& request : requests) plan.parts.push_back(describe(request));
  auto end = std::uint64_t{header_bytes(requests.size())};
  for (auto& part : plan.parts) end = place_records(part, end);  // all that is touched at attach lies together
  if (end > max_records_bytes)
    throw error(errc::bad_argument, "the seats of all parts take " + quantity(end) + " bytes: at most " +
                                        quantity(max_records_bytes) + "; create it with fewer seats or fewer parts");
  for (auto& part : plan.parts) end = place_body(part, end);
  if (end > max_segment_bytes)
    throw error(errc::bad_argument, quantity(end) + " bytes in all parts: above the limit of 64 TiB");
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
  header.part_count = static_cast<std::uint32_t>(plan.parts.size());
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
  std::copy(plan.parts.begin(), plan.parts.end(), header.parts);
  header.directory_checksum = directory_checksum_of(header);
  // The magic number last but one: what is half made has none.
  auto& written = *reinterpret_cast<segment_header*>(bytes.data());
  written = header;
  header.magic = segment_magic;
  header.checksum = header_checksum_of(header);
  written.magic = header.magic;
  written.checksum = header.checksum;
  return header;
}

void validate_segment(std::span<const std::byte> bytes, std::uint64_t length, const std::string& where) {
  constexpr auto shortest = header_bytes(0);
  if (length < shortest || bytes.size() < shortest) {
    const auto is_zero = std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
    reject(is_zero ? errc::half_made : errc::not_a_segment, where,
           quantity(length) + " bytes are too few for a segment header of " + quantity(shortest) +
               (is_zero ? ": the process that made it died before it was whole, or the file was cut short; remove it"
                        : ""));
  }
  // A private copy: no other process can change it between the check and the use.
  segment_header header{};
  std::memcpy(static_cast<void*>(&header), bytes.data(), std::min(bytes.size(), sizeof header));
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
  if (header.checksum != header_checksum_of(header))
    reject(errc::corrupted, where, "the header's checksum does not match: its bytes were overwritten");
  if (header.part_count <= max_parts && bytes.size() >= header_bytes(header.part_count) &&
      header.directory_checksum != directory_checksum_of(header))
    reject(errc::corrupted, where, "the checksum of the directory of parts does not match: its bytes were overwritten");
  if (header.mapped_bytes > length)
    reject(errc::truncated, where,
           "the header says " + quantity(header.mapped_bytes) + " bytes, but there are " + quantity(length) +
               ": it was cut short; remove it and create it anew");
  if (header.part_count <= max_parts) require_known_kinds(header, where);
  if (!is_sane(header) || bytes.size() < header_bytes(header.part_count))
    reject(errc::corrupted, where, "the header describes a part that cannot exist");
}

bool is_intact(const segment_header& header) noexcept {
  return header.magic == segment_magic && header.byte_order == byte_order_mark && header.word_bits == word_bits_mark &&
         header.version == format_version && header.checksum == header_checksum_of(header);
}

void require_ring(const segment_header& header, std::size_t index, ring_kind kind, const type_identity& type,
                  const std::string& where) {
  if (index >= header.part_count)
    reject(errc::wrong_kind, where,
           "has " + quantity(header.part_count) + " ring(s), ring " + quantity(index) + " was asked for");
  const auto& ring = header.parts[index];
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

ring_view view_ring(std::span<std::byte> bytes, const part_descriptor& descriptor) noexcept {
  ring_view view;
  view.control = reinterpret_cast<ring_control*>(bytes.data() + descriptor.control_offset);
  view.seats = reinterpret_cast<seat*>(bytes.data() + descriptor.seats_offset);
  view.slots = bytes.data() + descriptor.body_offset;
  view.mask = descriptor.slots.capacity_slots - 1;
  view.stride_bytes = descriptor.slots.slot_stride_bytes;
  view.payload_offset = descriptor.slots.payload_offset;
  view.message_bytes = part_kind_of(descriptor).bytes_in_slot(descriptor);
  view.lap_bits = static_cast<std::uint32_t>(std::countr_zero(descriptor.slots.capacity_slots));
  view.producer_seats = descriptor.producer_seats;
  view.consumer_seats = descriptor.consumer_seats;
  return view;
}

namespace {

part_descriptor place_in_memory(const ring_request& request) {
  if (!request.options.durability.is_none())
    throw error(errc::bad_argument,
                "a durable ring in memory of the caller's own: it has no disk; make a channel by name");
  auto ring = describe(request);
  place_body(ring, place_records(ring, 0));
  return ring;
}

}  // namespace

std::uint64_t ring_memory_bytes(const ring_request& request) {
  const auto ring = place_in_memory(request);
  return ring.body_offset + ring.body_bytes;
}

ring_view view_memory(std::span<std::byte> memory, const ring_request& request) {
  const auto ring = place_in_memory(request);
  const auto needed = ring.body_offset + ring.body_bytes;
  const auto alignment = std::max<std::uint64_t>(alignof(seat), ring.message_alignment);
  if (memory.size() < needed || reinterpret_cast<std::uintptr_t>(memory.data()) % alignment != 0)
    throw error(errc::bad_argument, "ring in memory of " + quantity(memory.size()) + " bytes: needs " +
                                        quantity(needed) + " bytes aligned to " + quantity(alignment));
  return view_ring(memory, ring);
}

}  // namespace sluice::detail
