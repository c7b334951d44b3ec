#include "part/service/service_form.hpp"

#include <algorithm>
#include <bit>
#include <string>

#include "part/bytes/bytes_form.hpp"
#include "part/slot_form.hpp"
#include "sluice/detail/base/bytes.hpp"
#include "sluice/detail/layout/durability.hpp"
#include "sluice/detail/part/bytes/bytes_layout.hpp"
#include "sluice/detail/part/service/service_layout.hpp"
#include "sluice/error.hpp"

namespace sluice::detail {
namespace {

constexpr std::uint32_t default_lanes = 4;
constexpr std::uint32_t default_reply_slots = 4;
constexpr std::uint64_t default_reply_bytes = 4096;  // of any length
constexpr std::uint32_t min_reply_slots = 2;         // a part that is being read, and the last reply
constexpr std::uint64_t max_reply_alignment = cache_line_bytes;

/// Of the factors: small enough that their product with 4096 seats stays below 2^64.
bool are_sane(const reply_form& form) noexcept {
  return form.lanes >= 1 && form.lanes <= max_lanes && std::has_single_bit(form.reply_slots) &&
         form.reply_slots >= min_reply_slots && form.reply_slots <= max_reply_slots && form.reply_bytes >= 1 &&
         form.reply_bytes <= max_message_bytes && form.payload_offset >= sizeof(reply_head) &&
         form.payload_offset <= cache_line_bytes && form.payload_offset % sizeof(std::uint64_t) == 0 &&
         form.reply_stride % cache_line_bytes == 0 && form.reply_stride >= form.payload_offset + form.reply_bytes &&
         form.lane_bytes % alignof(lane_head) == 0 &&
         form.lane_bytes >= sizeof(lane_head) + std::uint64_t{form.reply_slots} * form.reply_stride &&
         form.lane_bytes <= std::uint64_t{1} << 47 && form.desk_bytes % alignof(desk_head) == 0 &&
         form.desk_bytes >= sizeof(desk_head) + form.lanes * form.lane_bytes &&
         form.desk_bytes <= std::uint64_t{1} << 47;
}

std::string number(std::uint64_t value) { return std::to_string(value); }

/// What the options and the descriptor can be told wrong about before the ring is formed.
reply_form reply_form_for(const part_descriptor& part, const reply_policy& asked) {
  if (!durability_of(part).is_none())
    throw error(
        errc::bad_argument,
        "a durable service: the processes that wait for replies do not survive a reset of the machine; create it "
        "without durability");
  if (asked.bytes > max_message_bytes)
    throw error(errc::bad_argument,
                "a reply of " + number(asked.bytes) + " bytes: at most " + number(max_message_bytes));
  if (!std::has_single_bit(asked.alignment) || asked.alignment > max_reply_alignment)
    throw error(errc::bad_argument, "a reply aligned to " + number(asked.alignment) +
                                        ": must be a power of two up to " + number(max_reply_alignment));
  reply_form form{};
  form.lanes = asked.calls_in_flight != 0 ? asked.calls_in_flight : default_lanes;
  form.reply_slots = asked.reply_slots != 0 ? asked.reply_slots : default_reply_slots;
  if (form.lanes > max_lanes)
    throw error(errc::bad_argument, number(form.lanes) + " calls in flight of a client: at most " + number(max_lanes) +
                                        "; use several clients");
  if (!std::has_single_bit(form.reply_slots) || form.reply_slots < min_reply_slots ||
      form.reply_slots > max_reply_slots)
    throw error(errc::bad_argument, number(form.reply_slots) + " reply slots of a call: must be a power of two from " +
                                        number(min_reply_slots) + " to " + number(max_reply_slots));
  form.reply_bytes = asked.bytes != 0 ? asked.bytes : default_reply_bytes;
  form.payload_offset = static_cast<std::uint32_t>(round_up(sizeof(reply_head), asked.alignment));
  form.reply_stride = static_cast<std::uint32_t>(round_up(form.payload_offset + form.reply_bytes, cache_line_bytes));
  form.lane_bytes =
      round_up(sizeof(lane_head) + std::uint64_t{form.reply_slots} * form.reply_stride, alignof(lane_head));
  form.desk_bytes = sizeof(desk_head) + form.lanes * form.lane_bytes;
  return form;
}

/// Behind a ring that was formed.
void add_desks(part_descriptor& part, reply_form form) {
  form.desks_offset = round_up(part.body_bytes, alignof(desk_head));
  part.body_bytes = form.desks_offset + part.producer_seats * form.desk_bytes;
  set_reply_form(part, form);
}

/// What is before the desks. Its factors are not checked yet.
part_descriptor without_desks(const part_descriptor& part) noexcept {
  auto ring = part;
  ring.body_bytes = part.slots.capacity_slots * part.slots.slot_stride_bytes;
  return ring;
}
part_descriptor without_desks_of_bytes(const part_descriptor& part) noexcept {
  const auto arenas = arena_form_of(part);
  auto ring = part;
  ring.body_bytes = arenas.arena_offset + part.producer_seats * arenas.arena_bytes;
  return ring;
}

/// Given that the ring of `ring.body_bytes` is.
bool are_sane_desks(const part_descriptor& part, const part_descriptor& ring) noexcept {
  const auto form = reply_form_of(part);
  return are_sane(form) && durability_of(part).is_none() && form.desks_offset >= ring.body_bytes &&
         form.desks_offset <= part.body_bytes && form.desks_offset % alignof(desk_head) == 0 &&
         part.body_bytes - form.desks_offset == part.producer_seats * form.desk_bytes;
}

void recall_replies(const part_descriptor& part, ring_options& options) noexcept {
  const auto form = reply_form_of(part);
  options.replies = {form.reply_bytes, form.payload_offset, form.lanes, form.reply_slots};
}

}  // namespace

void form_service(part_descriptor& part, const ring_options& options) {
  const auto form = reply_form_for(part, options.replies);
  form_slots(part, options);
  add_desks(part, form);
}
void recall_service(const part_descriptor& part, ring_options& options) noexcept {
  recall_slots(part, options);
  recall_replies(part, options);
}
bool is_sane_service(const part_descriptor& part) noexcept {
  const auto ring = without_desks(part);
  return part.message_bytes >= sizeof(request_head) && are_sane_slots(ring) && are_sane_desks(part, ring);
}

void form_service_of_bytes(part_descriptor& part, const ring_options& options) {
  const auto form = reply_form_for(part, options.replies);
  form_bytes(part, options);
  add_desks(part, form);
}
void recall_service_of_bytes(const part_descriptor& part, ring_options& options) noexcept {
  recall_bytes(part, options);
  recall_replies(part, options);
}
bool is_sane_service_of_bytes(const part_descriptor& part) noexcept {
  const auto ring = without_desks_of_bytes(part);
  return are_sane_bytes(ring) && are_sane_desks(part, ring);
}

}  // namespace sluice::detail
