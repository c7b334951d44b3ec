// A latest value, and a table of them, as cold code sees it: latest_values.hpp says what its words mean.

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

#include "part/part_kind.hpp"
#include "sluice/detail/base/bytes.hpp"
#include "sluice/detail/part/latest/latest_values.hpp"
#include "sluice/error.hpp"

namespace sluice::detail {

extern const part_kind latest_part;
extern const part_kind table_part;

namespace {

// Counts for people, and copies: nothing else is read on the word of these relaxed loads.

constexpr std::uint64_t default_slots = 4;
constexpr std::uint64_t max_slots = 1024;
constexpr std::uint64_t default_keys = 64;
constexpr std::uint64_t max_entries = 1U << 20;
constexpr std::uint64_t max_key_bytes = 1024;
constexpr std::uint32_t many_writers = 64;
constexpr std::uint32_t max_writers = 4096;
constexpr std::uint32_t many_readers = 64;
constexpr std::uint32_t max_readers = 4096;

/// So many entries that a search for a key that is not there ends soon, however many keys there are.
std::uint64_t entries_for(std::uint64_t keys) noexcept { return std::bit_ceil(keys + keys / 4 + 1); }
/// The most keys that lead to so many entries, or nearly.
std::uint64_t keys_in(std::uint64_t entries) noexcept { return std::max<std::uint64_t>(1, (entries - 1) * 4 / 5); }

/// What the sizes of value and key lead to; the creator chooses capacity, slots and keys.
void place(part_descriptor& part, latest_form& form) noexcept {
  form.value_offset = value_offset_for(part.message_alignment);
  form.value_stride = value_stride_for(part.message_bytes, part.message_alignment);
  form.slots_offset = round_up(sizeof(latest_entry) + form.key_bytes,
                               std::max<std::uint64_t>(cache_line_bytes, part.message_alignment));
  part.slots.slot_stride_bytes = form.slots_offset + form.slots_each * form.value_stride;
  part.slots.payload_offset = form.slots_offset + form.value_offset;
  part.body_bytes = part.slots.capacity_slots * part.slots.slot_stride_bytes;
}

void require_no_message_options(const part_descriptor& part, const ring_options& options) {
  if (options.capacity_bytes != 0 || options.inline_bytes != 0 || options.topic.drop_stalled_after_ns != 0)
    throw error(errc::bad_argument,
                "a latest value with capacity_bytes, inline_bytes or stalled subscribers: it holds values of one size, "
                "and no reader holds its writer up; leave that out");
  if (part.flush_when != 0)
    throw error(errc::bad_argument,
                "a durable latest value: its value is not kept over a reset of the machine; create it without "
                "durability, and let its writer set it anew");
}

template <bool HasKeys>
void form_values(part_descriptor& part, const ring_options& options) {
  require_no_message_options(part, options);
  latest_form form{};
  form.slots_each = options.values.slots_each != 0 ? options.values.slots_each : default_slots;
  if (!std::has_single_bit(form.slots_each) || form.slots_each < 2 || form.slots_each > max_slots)
    throw error(errc::bad_argument, std::to_string(form.slots_each) +
                                        " slots for each value: must be a power of two from 2 to " +
                                        std::to_string(max_slots));
  form.key_bytes = options.values.key_bytes;
  if ((form.key_bytes != 0) != HasKeys || form.key_bytes > max_key_bytes)
    throw error(errc::bad_argument, HasKeys ? "a table with keys of " + std::to_string(form.key_bytes) +
                                                  " bytes: must be 1 to " + std::to_string(max_key_bytes)
                                            : "a latest value with keys: it is one value; create a table");
  form.key_hash = options.values.key_hash;
  form.keys = static_cast<std::uint64_t>(options.values.keys);
  form.wakes_watchers = options.topic.wakes_watchers ? 1 : 0;
  const auto keys = options.capacity_slots != 0 ? options.capacity_slots : HasKeys ? default_keys : 1;
  if (HasKeys ? entries_for(std::min(keys, max_entries)) > max_entries : keys != 1)
    throw error(errc::bad_argument,
                HasKeys ? "a table of " + std::to_string(keys) + " keys: at most " + std::to_string(max_entries / 2)
                        : "a latest value with a capacity of " + std::to_string(keys) +
                              ": it is one value; leave the capacity out, or create a table");
  part.slots.capacity_slots = HasKeys ? entries_for(keys) : 1;
  place(part, form);
  set_latest_form(part, form);
}

template <bool HasKeys>
bool is_sane_form(const part_descriptor& part) noexcept {
  const auto& slots = part.slots;
  const auto form = latest_form_of(part);
  if (!std::has_single_bit(slots.capacity_slots) || slots.capacity_slots > max_entries || part.flush_when != 0 ||
      part.flush_messages != 0 || slots.checksum_offset != 0 || !std::has_single_bit(form.slots_each) ||
      form.slots_each < 2 || form.slots_each > max_slots || form.key_bytes > max_key_bytes || form.wakes_watchers > 1 ||
      form.keys > static_cast<std::uint64_t>(key_kind::signed_number) || (form.key_bytes != 0) != HasKeys ||
      (HasKeys ? slots.capacity_slots < 2 : slots.capacity_slots != 1 || form.key_hash != 0 || form.keys != 0))
    return false;
  auto placed = part;
  auto form_placed = form;
  place(placed, form_placed);
  return std::memcmp(&form, &form_placed, sizeof form) == 0 && placed.body_bytes == part.body_bytes &&
         placed.slots.slot_stride_bytes == slots.slot_stride_bytes &&
         placed.slots.payload_offset == slots.payload_offset;
}

void recall_form(const part_descriptor& part, ring_options& options) noexcept {
  const auto form = latest_form_of(part);
  options.capacity_slots = form.key_bytes == 0 ? 1 : keys_in(part.slots.capacity_slots);
  options.values = {form.slots_each, form.key_bytes, form.key_hash, static_cast<key_kind>(form.keys)};
  options.topic.wakes_watchers = form.wakes_watchers != 0;
}

part_cursors no_cursors(const ring_view&) noexcept { return {}; }

void describe_seat(const ring_view& ring, seat_report& report) {
  report.messages = words_of<latest_seat>(ring.seats[report.index]).values.load(std::memory_order_relaxed);
}

std::vector<std::uint64_t> no_sequences(const ring_view&) { return {}; }

/// The entry's words and its key; the time of its newest value, if no later one took its slot while this was read.
std::optional<value_report> look_at_entry(part_snapshot& part, const latest_form& form, std::uint64_t entry) {
  const auto at = part.part().body_offset + entry * part.part().slots.slot_stride_bytes;
  std::vector<std::byte> head(sizeof(latest_entry) + form.key_bytes);
  if (part.read(at, head) != head.size()) return std::nullopt;
  const auto word = [&](std::size_t offset) {
    std::uint64_t value = 0;
    std::memcpy(&value, head.data() + offset, sizeof value);
    return value;
  };
  value_report report;
  report.version = word(offsetof(latest_entry, newest));
  if (report.version == 0 && (form.key_bytes == 0 || word(offsetof(latest_entry, has_key)) == 0)) return std::nullopt;
  const auto owner = word(offsetof(latest_entry, owner));
  if (is_owner_there(part.ring(), owner)) report.writer = owner_seat(owner);
  report.key.assign(head.begin() + sizeof(latest_entry), head.end());
  std::uint64_t slot[2] = {};
  const auto slot_at = at + form.slots_offset + (report.version & (form.slots_each - 1)) * form.value_stride;
  if (report.version != 0 && part.read(slot_at, std::as_writable_bytes(std::span(slot))) == sizeof slot &&
      slot[0] == report.version)
    report.written_ns = slot[1];
  return report;
}

part_facts look(part_snapshot& part, depth how_deep) {
  part_facts facts;
  const auto form = latest_form_of(part.part());
  const bool looks_at_all = how_deep == depth::slots || form.key_bytes == 0;
  for (std::uint64_t i = 0; i < std::min(part.ring().capacity(), max_slots_looked_at) && looks_at_all; ++i)
    if (auto one = look_at_entry(part, form, i)) facts.values.push_back(std::move(*one));
  facts.keys =
      form.key_bytes == 0 ? facts.values.size() : latest_control_of(part.ring()).keys.load(std::memory_order_relaxed);
  return facts;
}

void read_nothing(part_snapshot&, const part_descriptor&, slot_report&, std::uint64_t) {}

template <bool HasKeys>
constexpr part_kind row{
    .tag = HasKeys ? table_kind : latest_kind,
    .name = HasKeys ? "table" : "latest",
    .holds_values = true,
    .producer_name = "writer",
    .consumer_name = "reader",
    .producers = HasKeys ? seat_limits{many_writers, max_writers} : seat_limits{1, 1},
    .consumers = {many_readers, max_readers},
    .for_more = HasKeys ? nullptr : "table",
    .control_bytes = sizeof(latest_control),
    .form = form_values<HasKeys>,
    .is_sane = is_sane_form<HasKeys>,
    .recall = recall_form,
    .bytes_in_slot = [](const part_descriptor& part) noexcept { return part.message_bytes; },
    .message_at = nullptr,  // of durable ones
    .cursors = no_cursors,
    .describe_seat = describe_seat,
    .sequences_of_interest = no_sequences,
    .look = look,
    .read_message = read_nothing,
    .recovery = nullptr,
};

}  // namespace

constinit const part_kind latest_part = row<false>;
constinit const part_kind table_part = row<true>;

}  // namespace sluice::detail
