// sluice inspect: one segment, from its header down to the bytes of its messages.

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>

#include "arguments.hpp"
#include "commands/commands.hpp"
#include "describe.hpp"
#include "format.hpp"
#include "output.hpp"
#include "sluice/inspect.hpp"

namespace sluice::tools {
namespace {

constexpr std::size_t slots_shown_unasked = 16;

struct inspect_options {
  std::string name;
  bool with_slots = false;
  std::size_t slots = 0;   // of each ring
  std::size_t bytes = 64;  // of each message; 0: all
};

template <class... Arguments>
void line(const char* label, fmt::format_string<Arguments...> form, Arguments&&... arguments) {
  print_line("  {:<12} {}", label, fmt::format(form, std::forward<Arguments>(arguments)...));
}

void print_file(const segment_info& info) {
  print_line("{}: {}", info.name, to_string(info.state));
  line("path", "{}", info.path);
  line("file", "{} bytes long, {} allocated, mode {:04o}, user {}, group {}", info.length_bytes,
       size_text(info.resident_bytes), info.mode, info.uid, info.gid);
  line("in use", "{}", info.is_in_use ? "yes, a living process is attached" : "no");
  if (!info.lock_file.empty())
    line("lock file", "{}, which users that may only read cannot open{}", info.lock_file,
         info.shows_all_locks ? "" : "; nor can this process, which sees less: what is not proven is shown as unknown");
  for (const auto& lock : info.shared_locks)
    line("locks", "{}: a shared lock of {} that may only read the file keeps participants out; `fuser {}`", lock.byte,
         lock.pid == 0 ? "a process" : fmt::format("process {}", lock.pid), info.path);
  if (info.is_of_another_boot)
    line("reset", "the machine was started anew since: the next to attach recovers it, or `sluice recover`");
}

const char* sight_text(memory_sight sight) noexcept {
  switch (sight) {
    case memory_sight::seen: return "seen";
    case memory_sight::not_mapped: return "not mapped there";
    case memory_sight::not_readable: return "not readable";
    case memory_sight::not_in_time: return "not in time";
  }
  return "unknown";
}

std::string seals_text(const memory_report& memory) {
  const auto has = [&](const char* seal) {
    return memory.seals && std::find(memory.seals->begin(), memory.seals->end(), seal) != memory.seals->end();
  };
  auto text = !memory.seals           ? std::string("none, nor can there be any")
              : memory.seals->empty() ? std::string("none")
                                      : fmt::format("{}", fmt::join(*memory.seals, ", "));
  if (has("seal")) text += " (no more can be added)";
  if (!has("shrink")) text += "; a process that may write to it can cut it short";
  return text;
}

void print_memory(const segment_info& info, const memory_report& memory) {
  const auto& kept = memory.survives_reset;
  line("memory", "{}, {}; pages of {}, {}", memory.filesystem,
       !kept   ? "kept over a reset if what lies below it is"
       : *kept ? "kept over a reset as far as it was flushed"
               : "gone at a reset",
       size_text(memory.page_bytes),
       !memory.in_memory_bytes ? "how much is in memory is not told to this user"
                               : fmt::format("{} of {}{} in memory", size_text(*memory.in_memory_bytes),
                                             memory.looked_at_bytes < info.length_bytes ? "the first " : "",
                                             size_text(memory.looked_at_bytes)));
  line("seals", "{}", seals_text(memory));
}

/// The pid of a participant, as pid_text() has it for its seat.
std::string pid_text(const segment_info& info, std::uint32_t pid) {
  for (const auto& ring : info.rings)
    for (const auto& seat : ring.seats)
      if (seat.pid == pid && seat.state == seat_state::taken) return tools::pid_text(seat);
  return std::to_string(pid);
}

/// What memory_options obtained there.
void print_processes(const segment_info& info, const memory_report& memory) {
  if (memory.processes.empty()) return;
  table rows({{"MEMORY OF", true},
              {"VIEW"},
              {"PAGES", true},
              {"MAPPED", true},
              {"RESIDENT", true},
              {"IN HUGE", true},
              {"LOCKED"}});
  for (const auto& process : memory.processes) {
    const auto pid = pid_text(info, process.pid);
    if (process.sight != memory_sight::seen)
      rows.add({pid, sight_text(process.sight), "-", "-", "-", "-", "-"});
    else
      rows.add({pid,
                !process.is_shared    ? "private"
                : process.is_writable ? "shared"
                                      : "read-only",
                size_text(process.page_bytes), size_text(process.mapped_bytes), size_text(process.resident_bytes),
                size_text(process.huge_bytes), process.is_locked ? "yes" : "no"});
  }
  print_line("");
  print_lines(rows.text("  "));
}

void print_header(const segment_info& info) {
  const auto& header = info.header;
  line("format", "version {}, {} segment, {}, {} ring(s)", header.version,
       to_string(static_cast<segment_kind>(header.kind)), to_string(static_cast<lifetime>(header.lifetime)),
       header.part_count);
  line("size", "{} bytes asked ({}), {} mapped ({})", header.asked_bytes, size_text(header.asked_bytes),
       header.mapped_bytes, size_text(header.mapped_bytes));
  line("created", "{} by pid {}, user {}", time_text(header.created_realtime_ns), printable(pid_text(info.creator)),
       header.creator_uid);
  line("identity", "creation {:016x}, checksum {:08x}", header.creation_id, header.checksum);
  line("system", "boot {}, pid namespace {}, time namespace {}", boot_id_text(header.boot_id), header.pid_namespace,
       header.time_namespace);
  if (info.gate_holder.pid != 0) line("gate", "last taken by pid {}", printable(pid_text(info.gate_holder)));
}

/// Where the two sides of a ring of messages are.
void print_progress(const ring_info& ring) {
  const auto& form = ring.descriptor;
  line("positions", "tail {}, head {}, fill {} ({}%)", ring.tail, ring.head, ring.fill_slots,
       ring.fill_slots * 100 / form.slots.capacity_slots);
  const bool redelivers = !is_topic(static_cast<ring_kind>(form.kind));
  line("slot states", "{} published, {} claimed, {} holes{}", ring.published_slots, ring.claimed_slots, ring.hole_slots,
       redelivers ? fmt::format(", {} taken from a dead consumer", ring.taken_slots) : "");
  line("repaired", "{} holes, {}{} seats settled or taken over", ring.holes,
       redelivers ? fmt::format("{} redelivered, ", ring.redelivered) : "", ring.settled);
}

void print_ring(const ring_info& ring, std::size_t index) {
  const auto& form = ring.descriptor;
  print_line("");
  print_line("ring {}: {}{}", index, to_string(static_cast<ring_kind>(form.kind)), ring.is_closed ? ", closed" : "");
  if (form.label[0] != '\0') line("label", "{}", printable(form.label));
  line("type", "{} (hash {:016x})", ring.type_name, form.type_hash);
  if (ring.capacity_bytes != 0)
    line("message", "any length up to {} bytes, those up to {} in their slots", ring.capacity_bytes, ring.inline_bytes);
  else
    line("message", "{} bytes, aligned to {}", form.message_bytes, form.message_alignment);
  const bool has_values = holds_values(static_cast<ring_kind>(form.kind));
  if (has_values)
    line("values", "{} of {} place(s) of {} bytes, {} slots each{}", ring.keys, form.slots.capacity_slots,
         form.slots.slot_stride_bytes, ring.value_form.slots_each,
         ring.value_form.key_bytes == 0 ? "" : fmt::format(", keys of {} bytes", ring.value_form.key_bytes));
  else
    line("slots", "{} of {} bytes, the message at {}", form.slots.capacity_slots, form.slots.slot_stride_bytes,
         form.slots.payload_offset);
  line("offsets", "control {}, seats {} ({} + {}), slots {}", form.control_offset, form.seats_offset,
       form.producer_seats, form.consumer_seats, form.body_offset);
  line("wake-ups", "{}{}", to_string(ring.mode), ring.topic.wakes_watchers ? ", of watchers too" : "");
  if (ring.topic.drop_stalled_after_ns != 0)
    line("drops", "a subscriber that holds a publisher up for {} s becomes lossy",
         static_cast<double>(ring.topic.drop_stalled_after_ns) / 1e9);
  line(
      "durability", "{}{}", sluice::to_string(durability_of(form)),
      form.slots.checksum_offset == 0 ? "" : fmt::format(", checksums at {} of each slot", form.slots.checksum_offset));
  if (ring.recovered_realtime_ns != 0)
    line("recovered", "{}: {} messages kept, {} torn, {} missing", time_text(ring.recovered_realtime_ns),
         ring.recovered, ring.recovered_torn, ring.recovered_missing);
  if (!has_values) print_progress(ring);
  if (ring.unanswered != 0)
    line("unanswered", "{} times a participant could not tell whether another lives, or not mend; it was told why",
         ring.unanswered);
}

/// What a table holds, or the one value; the first few.
void print_values(const ring_info& ring) {
  constexpr std::size_t max_shown = 100;
  if (ring.values.empty()) return;
  table rows({{"KEY"}, {"VERSION", true}, {"AGE", true}, {"WRITER"}});
  for (std::size_t i = 0; i < std::min(ring.values.size(), max_shown); ++i) {
    const auto& value = ring.values[i];
    std::string writer = "-";
    for (const auto& seat : ring.seats)
      if (seat.index == value.writer) writer = fmt::format("{} {}", occupant_text(seat), condition_of(seat));
    rows.add({ring.value_form.key_bytes == 0 ? "-" : key_text(ring.value_form, value.key),
              std::to_string(value.version), value.version == 0 ? "-" : age_text(value), writer});
  }
  print_line("");
  print_lines(rows.text("  "));
  if (ring.values.size() > max_shown) print_line("  ... and {} more", ring.values.size() - max_shown);
}

/// The participants for which a side waits: of a topic, all subscribers that have not released that message.
std::vector<const seat_report*> holders_of(const ring_info& ring, const stall_report& stall) {
  const auto holds = [&](const seat_report& seat) {
    return seat.index == stall.holder ||
           (seat.lag && std::any_of(seat.claims.begin(), seat.claims.end(),
                                    [&](const auto& claim) { return stall.sequence - claim.first < claim.count; }));
  };
  std::vector<const seat_report*> holders;
  for (const auto& seat : ring.seats)
    if (holds(seat)) holders.push_back(&seat);
  return holders;
}

std::string holder_text(const ring_info& ring, const seat_report& seat) {
  if (!seat.subscription.empty()) return participant_text(ring, seat);
  return fmt::format("{} {} ({})", role_text(ring, seat.role), tools::pid_text(seat), condition_of(seat));
}

void print_stalls(const ring_info& ring) {
  for (const auto& stall : ring.stalls) {
    std::string held;
    for (const auto* seat : holders_of(ring, stall))
      held += (held.empty() ? ", held by " : ", ") + holder_text(ring, *seat);
    line("stalled", "a {} has waited for sequence {} for {}{}", role_text(ring, stall.waiting), stall.sequence,
         age_text(stall.since_realtime_ns), held);
  }
}

/// The first few: a ring can be held in thousands of pieces.
void print_holds(const ring_info& ring) {
  constexpr std::size_t max_shown = 20;
  for (std::size_t i = 0; i < std::min(ring.holds.size(), max_shown); ++i) {
    const auto& hold = ring.holds[i];
    const auto& seat = seat_of(ring, hold);
    line("held by", "{}: {}{}", participant_text(ring, seat),
         hold.count == 1 ? fmt::format("sequence {}", hold.sequence)
                         : fmt::format("sequences {} to {}", hold.sequence, hold.sequence + hold.count - 1),
         hold.waited_for_since_realtime_ns == 0
             ? ""
             : "; a participant has waited for that for " + age_text(hold.waited_for_since_realtime_ns));
  }
  if (ring.holds.size() > max_shown) line("held by", "... and {} more", ring.holds.size() - max_shown);
}

/// What a seat has its hand on.
std::string claims_text(const seat_report& seat) {
  std::string text;
  for (const auto& claim : seat.claims) {
    if (!text.empty()) text += ", ";
    text += fmt::format("{} from {}{}", claim.count, claim.first, claim.is_won ? "" : " (not won)");
  }
  return text.empty() ? "-" : text;
}

void print_seats(const ring_info& ring) {
  if (ring.seats.empty()) {
    line("seats", "never taken");
    return;
  }
  const bool of_topic = is_topic(static_cast<ring_kind>(ring.descriptor.kind));
  std::vector<table::column> columns{{"SEAT", true},  {"ROLE"},         {"STATE"},          {"PROCESS"},
                                     {"PID", true},   {"COMMAND"},      {"SINCE", true},    {"PARKED"},
                                     {"PARKS", true}, {"OWNERS", true}, {"MESSAGES", true}, {"LAST CLAIM", true}};
  if (of_topic)
    columns.insert(columns.end(), {{"BEHIND", true}, {"LOSSY"}, {"LOST", true}, {"SUBSCRIPTION"}, {"ABANDONED", true}});
  else
    columns.insert(columns.end(), {{"REDELIVERED", true}, {"ABANDONED", true}});
  table rows(std::move(columns));
  for (const auto& seat : ring.seats) {
    std::vector<std::string> row{std::to_string(seat.index),
                                 role_text(ring, seat.role),
                                 to_string(seat.state),
                                 condition_of(seat),
                                 tools::pid_text(seat),
                                 seat.command.empty() ? "-" : seat.command,
                                 age_text(seat.taken_realtime_ns),
                                 seat.is_parked ? "yes" : "no",
                                 std::to_string(seat.parks),
                                 std::to_string(seat.generation),
                                 std::to_string(seat.messages),
                                 claims_text(seat)};
    if (!of_topic)
      row.push_back(std::to_string(seat.redelivered));
    else if (seat.role == role::producer)
      row.insert(row.end(), 4, "-");
    else
      row.insert(row.end(), {seat.lag ? std::to_string(*seat.lag) : "-",
                             !seat.lag          ? "-"
                             : seat.was_dropped ? "dropped"
                             : seat.is_lossy    ? "yes"
                                                : "no",
                             std::to_string(seat.lost), seat.subscription.empty() ? "-" : seat.subscription});
    row.push_back(std::to_string(seat.abandoned));
    rows.add(std::move(row));
  }
  print_line("");
  print_lines(rows.text("  "));
}

void print_repairs(const ring_info& ring) {
  if (ring.repairs.empty()) return;
  table rows({{"REPAIR", true}, {"WHAT"}, {"WHEN"}, {"FOR PID"}, {"BY PID"}, {"SEAT", true}, {"SEQUENCE", true}});
  for (const auto& repair : ring.repairs) {
    const bool is_known = repair.seat_index != unknown_seat();
    rows.add({std::to_string(repair.number), to_string(repair.what), time_text(repair.realtime_ns),
              is_known ? pid_text(repair.dead) : "-", pid_text(repair.mender),
              is_known ? std::to_string(repair.seat_index) : "-", std::to_string(repair.sequence)});
  }
  print_line("");
  print_lines(rows.text("  "));
}

/// The participant that holds a slot now.
const seat_report* holder_of(const ring_info& ring, const slot_report& slot) {
  for (const auto& hold : ring.holds)
    if (slot.sequence - hold.sequence < hold.count) return &seat_of(ring, hold);
  return nullptr;
}

void print_slot(const ring_info& ring, const slot_report& slot) {
  const auto* holder = holder_of(ring, slot);
  print_line("  sequence {}: {}{}", slot.sequence, to_string(slot.kind),
             holder == nullptr ? "" : ", held by " + holder_text(ring, *holder));
  print_lines(hex_dump(slot.message, "    "));
  if (slot.message.size() < slot.message_bytes)
    print_line("    ... {} bytes more", slot.message_bytes - slot.message.size());
}

nlohmann::json json_of(const ring_info& ring, const slot_report& slot) {
  const auto* holder = holder_of(ring, slot);
  std::string hex;
  for (const auto byte : slot.message) hex += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  return {{"sequence", slot.sequence},
          {"state", to_string(slot.kind)},
          {"holder_pid", holder == nullptr ? nlohmann::json() : nlohmann::json(holder->pid)},
          {"holder_in_same_pid_namespace",
           holder == nullptr ? nlohmann::json() : nlohmann::json(holder->same_pid_namespace)},
          {"message_bytes", slot.message_bytes},
          {"message_hex", hex}};
}

exit_code run(const session& common, const inspect_options& options) {
  const auto located = common.find(options.name);
  const auto info = located.where.inspect(located.name);
  const auto is_broken = info.state == segment_state::broken;
  auto value = to_json(info);
  if (!common.json) {
    print_file(info);
    if (info.memory) print_memory(info, *info.memory);
    if (!is_broken) print_header(info);
    if (info.memory) print_processes(info, *info.memory);
  }
  for (std::size_t i = 0; i < info.rings.size(); ++i) {
    const auto& ring = info.rings[i];
    if (!common.json) {
      print_ring(ring, i);
      print_stalls(ring);
      print_holds(ring);
      print_seats(ring);
      print_values(ring);
      print_repairs(ring);
    }
    if (!options.with_slots) continue;
    const auto max_bytes = options.bytes == 0 ? std::numeric_limits<std::uint64_t>::max() : options.bytes;
    const auto slots = located.where.slots(located.name, i, options.slots, max_bytes);
    if (!common.json) {
      print_line("");
      print_line("  the oldest {} slot(s) that hold something:", slots.size());
    }
    value["rings"][i]["slots"] = nlohmann::json::array();
    for (const auto& slot : slots) {
      if (common.json)
        value["rings"][i]["slots"].push_back(json_of(ring, slot));
      else
        print_slot(ring, slot);
    }
  }
  if (common.json) print_json(value);
  if (is_broken) throw error(info.problem_code, info.problem);
  return exit_code::done;
}

}  // namespace

runner add_inspect(CLI::App& app, const session& common) {
  auto options = std::make_shared<inspect_options>();
  app.add_option("NAME", options->name, "A name in the registry, or a path with a slash")->required()->type_name("");
  const auto slots_from = [](const std::string& text) {
    return text.empty() ? std::optional<std::uint64_t>(slots_shown_unasked) : number_from(text);
  };
  auto* slots = add_parsed(app, "--slots", options->slots, slots_from, "a number of slots, such as 4",
                           "Show the oldest N slots of each ring that hold something (16 when N is not given)");
  slots->expected(0, 1)->type_name("[N]");
  add_parsed(app, "--bytes", options->bytes, size_from, "a number of bytes, such as 64 or 4k",
             "With --slots: show so many bytes of each message (64); 0 for all")
      ->needs(slots)
      ->type_name("N");
  app.footer(
      "PROCESS is alive, stopped, frozen (its cgroup is), exiting (it runs no more, and the kernel has not\n"
      "released its seat yet) or dead for a seat that is taken; left or died for\n"
      "the last owner of another. MESSAGES are those published or released, over all OWNERS of the seat;\n"
      "LAST CLAIM is what it has claimed or peeked at. Of a topic: how many messages a subscriber is BEHIND,\n"
      "whether it is LOSSY (dropped: it held a publisher up for too long and became so), and how many the owners\n"
      "of its seat have LOST; one that is not lossy holds publishers up when it is a ring behind, and `stalled`\n"
      "names it, since when, and whether it is stopped.\n"
      "RESIDENT is what a process reaches without a fault, IN HUGE what of it lies in huge pages,\n"
      "LOCKED whether it is kept from being swapped out: what its memory_options obtained.\n"
      "Reads only: no byte, seat or lock changes. A message that changes meanwhile may look torn.");
  return [&common, options, slots] {
    options->with_slots = slots->count() > 0;
    return run(common, *options);
  };
}

}  // namespace sluice::tools
