#include "describe.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "cgroup.hpp"
#include "format.hpp"
#include "sluice/inspect.hpp"

namespace sluice::tools {
namespace {

std::uint64_t age_ns(const value_report& value) {
  const auto now_ns =
      static_cast<std::uint64_t>(std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
  return now_ns - std::min(now_ns, value.written_ns);
}

nlohmann::json json_of(const claim_report& claim) {
  return {{"first", claim.first}, {"count", claim.count}, {"is_won", claim.is_won}};
}

nlohmann::json json_of(const ring_info& ring, const seat_report& seat) {
  nlohmann::json claims = nlohmann::json::array();
  for (const auto& claim : seat.claims) claims.push_back(json_of(claim));
  return {{"index", seat.index},
          {"role", role_text(ring, seat.role)},
          {"state", to_string(seat.state)},
          {"condition", condition_of(seat)},
          {"generation", seat.generation},
          {"pid", seat.pid},
          {"command", seat.command},
          {"same_pid_namespace", seat.same_pid_namespace},
          {"taken_realtime_ns", seat.taken_realtime_ns},
          {"is_parked", seat.is_parked},
          {"parks", seat.parks},
          {"claims", std::move(claims)},
          {"messages", seat.messages},
          {"redelivered", seat.redelivered},
          {"abandoned", seat.abandoned},
          {"lag", seat.lag ? nlohmann::json(*seat.lag) : nlohmann::json()},
          {"is_lossy", seat.is_lossy},
          {"was_dropped", seat.was_dropped},
          {"subscription", seat.subscription.empty() ? nlohmann::json() : nlohmann::json(seat.subscription)},
          {"lost", seat.lost}};
}

nlohmann::json json_of(const repair_report& repair) {
  const bool is_known = repair.seat_index != unknown_seat();
  return {{"number", repair.number},
          {"what", to_string(repair.what)},
          {"realtime_ns", repair.realtime_ns},
          {"mender_pid", repair.mender.pid},
          {"mender_process", to_string(repair.mender.sight)},
          {"dead_pid", is_known ? nlohmann::json(repair.dead.pid) : nlohmann::json()},
          {"dead_process", is_known ? nlohmann::json(to_string(repair.dead.sight)) : nlohmann::json()},
          {"seat_index", is_known ? nlohmann::json(repair.seat_index) : nlohmann::json()},
          {"sequence", repair.sequence}};
}

nlohmann::json json_of(const ring_info& ring, const stall_report& stall) {
  return {{"waiting", role_text(ring, stall.waiting)},
          {"sequence", stall.sequence},
          {"since_realtime_ns", stall.since_realtime_ns},
          {"holder_seat", stall.holder ? nlohmann::json(*stall.holder) : nlohmann::json()}};
}

nlohmann::json json_of(const ring_info& ring, const hold_report& hold) {
  const auto& seat = seat_of(ring, hold);
  return {{"seat", hold.seat_index},
          {"role", role_text(ring, seat.role)},
          {"pid", seat.pid},
          {"same_pid_namespace", seat.same_pid_namespace},
          {"condition", condition_of(seat)},
          {"sequence", hold.sequence},
          {"count", hold.count},
          {"waited_for_since_realtime_ns", hold.waited_for_since_realtime_ns}};
}

nlohmann::json json_of(const ring_info& ring, const value_report& value) {
  return {
      {"key", ring.value_form.key_bytes == 0 ? nlohmann::json() : nlohmann::json(key_text(ring.value_form, value.key))},
      {"version", value.version},
      {"age_ns", value.written_ns == 0 ? nlohmann::json() : nlohmann::json(age_ns(value))},
      {"writer_seat", value.writer ? nlohmann::json(*value.writer) : nlohmann::json()}};
}

nlohmann::json json_of(const ring_info& ring) {
  const auto& form = ring.descriptor;
  nlohmann::json holds = nlohmann::json::array(), stalls = nlohmann::json::array(), seats = nlohmann::json::array(),
                 repairs = nlohmann::json::array(), values = nlohmann::json::array();
  for (const auto& hold : ring.holds) holds.push_back(json_of(ring, hold));
  for (const auto& stall : ring.stalls) stalls.push_back(json_of(ring, stall));
  for (const auto& seat : ring.seats) seats.push_back(json_of(ring, seat));
  for (const auto& repair : ring.repairs) repairs.push_back(json_of(repair));
  for (const auto& value : ring.values) values.push_back(json_of(ring, value));
  return {{"kind", to_string(static_cast<ring_kind>(form.kind))},
          {"label", form.label},
          {"type_name", ring.type_name},
          {"type_hash", fmt::format("{:016x}", form.type_hash)},
          {"has_any_length", ring.capacity_bytes != 0},
          {"message_bytes", ring.capacity_bytes != 0 ? ring.capacity_bytes : form.message_bytes},
          {"inline_bytes", ring.inline_bytes},
          {"message_alignment", form.message_alignment},
          {"capacity_slots", form.slots.capacity_slots},
          {"slot_stride_bytes", form.slots.slot_stride_bytes},
          {"payload_offset", form.slots.payload_offset},
          {"control_offset", form.control_offset},
          {"seats_offset", form.seats_offset},
          {"slots_offset", form.body_offset},
          {"producer_seats", form.producer_seats},
          {"consumer_seats", form.consumer_seats},
          {"durability", to_string(durability_of(form))},
          {"drop_stalled_after_ns", ring.topic.drop_stalled_after_ns},
          {"wakes_watchers", ring.topic.wakes_watchers},
          {"keys", ring.keys},
          {"key_bytes", ring.value_form.key_bytes},
          {"slots_each", ring.value_form.slots_each},
          {"values", std::move(values)},
          {"checksum_offset", form.slots.checksum_offset},
          {"recovered", ring.recovered},
          {"recovered_torn", ring.recovered_torn},
          {"recovered_missing", ring.recovered_missing},
          {"recovered_realtime_ns", ring.recovered_realtime_ns},
          {"is_closed", ring.is_closed},
          {"wake_mode", to_string(ring.mode)},
          {"tail", ring.tail},
          {"head", ring.head},
          {"fill_slots", ring.fill_slots},
          {"published_slots", ring.published_slots},
          {"hole_slots", ring.hole_slots},
          {"taken_slots", ring.taken_slots},
          {"published_bytes", ring.published_bytes},
          {"claimed_slots", ring.claimed_slots},
          {"holes", ring.holes},
          {"redelivered", ring.redelivered},
          {"settled", ring.settled},
          {"unanswered", ring.unanswered},
          {"holds", std::move(holds)},
          {"stalls", std::move(stalls)},
          {"seats", std::move(seats)},
          {"repairs", std::move(repairs)}};
}

nlohmann::json json_of(const process_memory& process) {
  nlohmann::json value = {{"pid", process.pid}, {"sight", to_string(process.sight)}};
  if (process.sight != memory_sight::seen) return value;
  value.update({{"page_bytes", process.page_bytes},
                {"mapped_bytes", process.mapped_bytes},
                {"resident_bytes", process.resident_bytes},
                {"huge_bytes", process.huge_bytes},
                {"is_locked", process.is_locked},
                {"is_writable", process.is_writable},
                {"is_shared", process.is_shared}});
  return value;
}

nlohmann::json json_of(const memory_report& memory) {
  nlohmann::json processes = nlohmann::json::array();
  for (const auto& process : memory.processes) processes.push_back(json_of(process));
  return {{"filesystem", memory.filesystem},
          {"survives_reset", memory.survives_reset ? nlohmann::json(*memory.survives_reset) : nlohmann::json()},
          {"page_bytes", memory.page_bytes},
          {"looked_at_bytes", memory.looked_at_bytes},
          {"in_memory_bytes", memory.in_memory_bytes ? nlohmann::json(*memory.in_memory_bytes) : nlohmann::json()},
          {"seals", memory.seals ? nlohmann::json(*memory.seals) : nlohmann::json()},
          {"processes", std::move(processes)}};
}

}  // namespace

const char* condition_of(const seat_report& seat) {
  switch (seat.state) {
    case seat_state::free: return "left";
    case seat_state::taken:
      if (seat.alive == liveness::alive && seat.same_pid_namespace && is_frozen(seat.pid)) return "frozen";
      return to_string(seat.alive);
    case seat_state::dead: return seat.left_in_order ? "left" : "dead";
    case seat_state::settled: return seat.left_in_order ? "left" : "died";
  }
  return "unknown";
}

const char* role_text(const ring_info& ring, role whose) {
  return role_name(static_cast<ring_kind>(ring.descriptor.kind), whose);
}

std::string pid_text(const seat_report& seat) {
  return std::to_string(seat.pid) + (seat.same_pid_namespace    ? ""
                                     : seat.knows_pid_namespace ? " (of another pid namespace)"
                                                                : " (of a pid namespace that is not known)");
}

std::string occupant_text(const seat_report& seat) {
  return pid_text(seat) + (seat.command.empty() ? "" : " (" + seat.command + ")");
}

bool has_process(const seat_report& seat) { return seat.state == seat_state::taken && seat.alive != liveness::dead; }

bool is_of_interest(const seat_report& seat) {
  return !seat.subscription.empty() || (!seat.left_in_order && seat.state != seat_state::settled);
}

std::string participant_text(const ring_info& ring, const seat_report& seat) {
  const auto sitting = fmt::format("{} {} {}", role_text(ring, seat.role), occupant_text(seat), condition_of(seat));
  if (seat.subscription.empty()) return sitting;
  if (has_process(seat)) return fmt::format("{} for subscription \"{}\"", sitting, seat.subscription);
  return fmt::format("subscription \"{}\" without a process ({} {})", seat.subscription, pid_text(seat),
                     condition_of(seat));
}

const seat_report& seat_of(const ring_info& ring, const hold_report& hold) {
  const auto is_it = [&](const seat_report& seat) { return seat.index == hold.seat_index; };
  return *std::find_if(ring.seats.begin(), ring.seats.end(), is_it);
}

std::string participants_text(const ring_info& ring) {
  std::string text;
  for (const auto& seat : ring.seats) {
    if (is_of_interest(seat)) text += (text.empty() ? "" : ", ") + participant_text(ring, seat);
  }
  return text;
}

std::string participants_text(const segment_info& info) {
  std::string text;
  for (const auto& ring : info.rings) {
    const auto of_ring = participants_text(ring);
    text += (text.empty() || of_ring.empty() ? "" : ", ") + of_ring;
  }
  if (text.empty() && info.is_in_use) return "attached, no seat";
  return text.empty() ? "-" : text;
}

std::uint64_t unread_bytes(const segment_info& info) {
  std::uint64_t bytes = 0;
  for (const auto& ring : info.rings) bytes += undelivered_bytes(ring);
  return bytes;
}

const char* to_string(repair_kind kind) noexcept {
  switch (kind) {
    case repair_kind::hole: return "hole";
    case repair_kind::redelivery: return "redelivery";
    case repair_kind::settled_seat: return "settled_seat";
    case repair_kind::takeover: return "takeover";
  }
  return "unknown";
}

const char* to_string(slot_kind kind) noexcept {
  switch (kind) {
    case slot_kind::free: return "claimed";  // only those between head and tail are shown
    case slot_kind::published: return "published";
    case slot_kind::hole: return "hole";
    case slot_kind::taken: return "taken";
  }
  return "unknown";
}

const char* to_string(wake_mode mode) noexcept { return mode == wake_mode::membarrier ? "membarrier" : "fence"; }

std::string age_text(const value_report& value) { return value.written_ns == 0 ? "?" : duration_text(age_ns(value)); }

std::string key_text(const value_policy& form, std::span<const std::byte> key) {
  std::uint64_t number = 0;
  switch (form.keys) {
    case key_kind::text: {
      const std::string_view all(reinterpret_cast<const char*>(key.data()), key.size());
      return std::string(all.substr(0, all.find('\0')));
    }
    case key_kind::unsigned_number:
    case key_kind::signed_number: {
      if (key.size() > sizeof number) break;
      std::memcpy(&number, key.data(), key.size());
      const auto unused = 8 * (sizeof number - key.size());
      if (form.keys == key_kind::unsigned_number || unused >= 64) return std::to_string(number);
      return std::to_string(static_cast<std::int64_t>(number << unused) >> unused);
    }
    case key_kind::bytes: break;
  }
  std::string hex = "0x";
  for (const auto byte : key) hex += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  return hex;
}

std::string boot_id_text(const std::uint64_t (&words)[2]) {
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", words[0] >> 32, words[0] >> 16 & 0xffff, words[0] & 0xffff,
                     words[1] >> 48, words[1] & 0xffff'ffff'ffff);
}

nlohmann::json to_json(const segment_info& info) {
  nlohmann::json value = {{"name", info.name},
                          {"path", info.path},
                          {"state", to_string(info.state)},
                          {"length_bytes", info.length_bytes},
                          {"resident_bytes", info.resident_bytes},
                          {"mode", fmt::format("{:04o}", info.mode)},
                          {"uid", info.uid},
                          {"gid", info.gid},
                          {"is_in_use", info.is_in_use},
                          {"is_of_another_boot", info.is_of_another_boot}};
  if (!info.lock_file.empty()) {
    value["lock_file"] = info.lock_file;
    value["shows_all_locks"] = info.shows_all_locks;
  }
  if (info.memory) value["memory"] = json_of(*info.memory);
  for (const auto& lock : info.shared_locks) value["shared_locks"].push_back({{"byte", lock.byte}, {"pid", lock.pid}});
  if (info.state == segment_state::broken || info.rings.empty()) {  // or what a killed creator left
    value["problem"] = info.problem;
    value["problem_code"] = to_string(info.problem_code);
    return value;
  }
  const auto& header = info.header;
  value["header"] = {
      {"version", header.version},
      {"kind", to_string(static_cast<segment_kind>(header.kind))},
      {"lifetime", to_string(static_cast<lifetime>(header.lifetime))},
      {"ring_count", header.part_count},
      {"asked_bytes", header.asked_bytes},
      {"mapped_bytes", header.mapped_bytes},
      {"created_realtime_ns", header.created_realtime_ns},
      {"creation_id", fmt::format("{:016x}", header.creation_id)},
      {"creator_pid", info.creator.pid},
      {"creator_process", to_string(info.creator.sight)},
      {"creator_uid", header.creator_uid},
      {"boot_id", boot_id_text(header.boot_id)},
      {"pid_namespace", header.pid_namespace},
      {"time_namespace", header.time_namespace},
      {"checksum", fmt::format("{:08x}", header.checksum)},
      {"gate_holder_pid", info.gate_holder.pid},
      {"gate_holder_process",
       info.gate_holder.pid == 0 ? nlohmann::json() : nlohmann::json(to_string(info.gate_holder.sight))}};
  value["unread_messages"] = undelivered_messages(info);
  value["rings"] = nlohmann::json::array();
  for (const auto& ring : info.rings) value["rings"].push_back(json_of(ring));
  return value;
}

}  // namespace sluice::tools
