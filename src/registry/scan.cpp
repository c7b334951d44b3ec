// Looking without touching: what list and inspect show.

#include <algorithm>
#include <cstring>

#include "os/process.hpp"
#include "part/part_kind.hpp"
#include "registry/boot.hpp"
#include "registry/directory.hpp"
#include "registry/recover.hpp"
#include "sluice/detail/layout/durability.hpp"
#include "sluice/error.hpp"
#include "sluice/registry.hpp"

namespace sluice {

using namespace detail;

namespace {

/// A copy of the first `bytes` of a file that passes for a segment: no other process can change it during the look.
segment copy_of(const detail::opened_file& opened, std::uint64_t bytes) {
  auto copy = std::make_shared<std::vector<std::byte>>(bytes + alignof(seat));
  const auto at = reinterpret_cast<std::uintptr_t>(copy->data());
  const std::span aligned(copy->data() + (alignof(seat) - at % alignof(seat)) % alignof(seat), bytes);
  const auto read = os::read_at(opened.file.get(), 0, aligned, opened.path);
  if (read < bytes)
    throw error(errc::truncated, "read " + opened.path + ": it ends after " + std::to_string(read) + " of " +
                                     std::to_string(bytes) + " bytes");
  return {segment_kind::file, aligned, std::move(copy), {opened.file.get(), opened.path}};
}

/// Where the last control and seats end. validate_segment() has bounded it, so a copy of that is small.
std::uint64_t records_end(const segment_header& header) {
  std::uint64_t end = header_bytes(header.part_count);
  for (std::size_t i = 0; i < header.part_count; ++i) {
    const auto& ring = header.parts[i];
    end = std::max(end, ring.seats_offset + sizeof(seat) * (std::uint64_t{ring.producer_seats} + ring.consumer_seats));
  }
  return end;
}

/// The pid namespace of a process that a repair names: as its seat says while it sits there; 0: not known.
std::uint64_t namespace_of(const ring_view& ring, std::uint64_t identity) {
  for (std::uint32_t i = 0; i < ring.producer_seats + ring.consumer_seats; ++i)
    if (ring.seats[i].owner.load(std::memory_order_relaxed) == identity)  // of a copy: nothing writes there
      return ring.seats[i].pid_namespace.load(std::memory_order_relaxed);
  return 0;
}

std::vector<repair_report> repairs_of(const ring_view& ring, std::uint64_t time_namespace) {
  const auto look = [&](const std::atomic<std::uint64_t>& identity) {
    const auto word = identity.load(std::memory_order_relaxed);  // of a copy
    return detail::look_at_named(word, namespace_of(ring, word), time_namespace);
  };
  std::vector<repair_report> repairs;
  for (const auto& entry : ring.control->log) {
    repair_report repair;
    repair.number = entry.number.load(std::memory_order_relaxed);
    if (repair.number == 0) continue;
    const auto seat_and_what = entry.seat_and_what.load(std::memory_order_relaxed);
    repair.what = static_cast<repair_kind>(seat_and_what & 0xff);
    repair.seat_index = static_cast<std::uint32_t>(seat_and_what >> 8);
    repair.realtime_ns = entry.realtime_ns.load(std::memory_order_relaxed);
    repair.mender = look(entry.mender);
    repair.dead = look(entry.dead);
    repair.sequence = entry.sequence.load(std::memory_order_relaxed);
    repairs.push_back(std::move(repair));
  }
  std::sort(repairs.begin(), repairs.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
  return repairs;
}

part_snapshot snapshot_of(const detail::opened_file& opened, const segment& copy, std::uint32_t index) {
  const auto& descriptor = copy.header().parts[index];
  const auto ring = view_ring(copy.bytes(), descriptor);
  const auto locks = opened.lockable();
  const seat_table table(copy, ring, index, lock_sight{{locks.descriptor, locks.path}, opened.shows_all_locks()});
  return {ring, descriptor, report_seats(table, ring, kind_in(descriptor)),
          [&opened](std::uint64_t offset, std::span<std::byte> into) {
            return os::read_at(opened.file.get(), offset, into, opened.path);
          }};
}

ring_info read_ring(const detail::opened_file& opened, const segment& copy, std::uint32_t index, depth how_deep) {
  auto snapshot = snapshot_of(opened, copy, index);
  const auto& control = *snapshot.ring().control;
  ring_info info;
  info.descriptor = copy.header().parts[index];
  static_cast<part_facts&>(info) = part_kind_of(info.descriptor).look(snapshot, how_deep);
  info.type_name = info.descriptor.type_name;
  ring_options options;
  part_kind_of(info.descriptor).recall(info.descriptor, options);
  info.capacity_bytes = options.capacity_bytes;
  info.inline_bytes = options.inline_bytes;
  info.topic = options.topic;
  info.value_form = options.values;
  info.is_closed = says_closed(control.closed.load(std::memory_order_relaxed));  // of a copy, here and below
  info.mode = static_cast<wake_mode>(control.mode.load(std::memory_order_relaxed) & 1);
  info.holes = control.holes.load(std::memory_order_relaxed);
  info.redelivered = control.redelivered.load(std::memory_order_relaxed);
  info.settled = control.settled.load(std::memory_order_relaxed);
  info.unanswered = control.unanswered.load(std::memory_order_relaxed);
  info.recovered = control.recovered.load(std::memory_order_relaxed);
  info.recovered_torn = control.recovered_torn.load(std::memory_order_relaxed);
  info.recovered_missing = control.recovered_missing.load(std::memory_order_relaxed);
  info.recovered_realtime_ns = control.recovered_realtime_ns.load(std::memory_order_relaxed);
  info.seats = snapshot.seats();
  info.repairs = repairs_of(snapshot.ring(), copy.header().time_namespace);
  return info;
}

bool has_death(const segment_info& info) {
  return std::any_of(info.rings.begin(), info.rings.end(), [](const ring_info& ring) {
    return std::any_of(ring.seats.begin(), ring.seats.end(), [](const seat_report& seat) {
      return (seat.state == seat_state::dead && !seat.left_in_order) ||
             (seat.state == seat_state::taken && seat.alive == liveness::dead);
    });
  });
}

}  // namespace

const char* to_string(process_sight value) noexcept {
  switch (value) {
    case process_sight::here: return "here";
    case process_sight::perhaps_here: return "perhaps_here";
    case process_sight::gone: return "gone";
    case process_sight::another_namespace: return "another_namespace";
    case process_sight::not_checked: break;
  }
  return "not_checked";
}

std::string pid_text(const named_process& process) {
  const auto in_brackets = [&]() -> std::string {
    switch (process.sight) {
      case process_sight::here: return process.command + (process.is_stopped ? ", stopped" : "");
      case process_sight::perhaps_here: return "perhaps " + process.command;
      case process_sight::gone: return "gone";
      case process_sight::another_namespace: return "of another pid namespace";
      case process_sight::not_checked: break;
    }
    return "not checked";
  };
  return std::to_string(process.pid) + " (" + in_brackets() + ")";
}

const char* to_string(segment_state value) noexcept {
  switch (value) {
    case segment_state::live: return "live";
    case segment_state::idle: return "idle";
    case segment_state::dead: return "dead";
    case segment_state::broken: return "broken";
  }
  return "unknown";
}

std::uint64_t undelivered_messages(const ring_info& ring) noexcept {
  const auto without = ring.hole_slots + ring.claimed_slots;  // slots between head and tail that hold no message
  return std::max(ring.fill_slots - std::min(ring.fill_slots, without), ring.published_slots + ring.taken_slots);
}

std::uint64_t undelivered_messages(const segment_info& info) noexcept {
  std::uint64_t count = 0;
  for (const auto& ring : info.rings) count += undelivered_messages(ring);
  return count;
}

std::uint64_t undelivered_bytes(const ring_info& ring) noexcept {
  return ring.capacity_bytes != 0 ? ring.published_bytes : undelivered_messages(ring) * ring.descriptor.message_bytes;
}

segment_info detail::read_info(const opened_file& opened, const std::string& name, depth how_deep) {
  segment_info info;
  info.name = name;
  info.path = opened.path;
  info.device = opened.facts.device;
  info.inode = opened.facts.inode;
  info.length_bytes = opened.facts.length_bytes;
  info.resident_bytes = opened.facts.resident_bytes;
  info.mode = opened.facts.mode;
  info.uid = opened.facts.uid;
  info.gid = opened.facts.gid;
  try {
    info.is_in_use = is_attached_by_anybody(opened);
    const auto copy = copy_of(opened, records_end(checked_header(opened, opened.path)));
    validate_segment(copy.bytes(), info.length_bytes, opened.path);  // what is used is what was checked
    if (records_end(copy.header()) > copy.bytes().size())
      throw error(errc::corrupted, opened.path + ": the header changed while it was read");
    std::memcpy(bytes_of(info.header).data(), copy.bytes().data(), header_bytes(copy.header().part_count));
    const auto boot = boot_of(info.header, opened);
    require_known(boot, opened.path);
    info.is_of_another_boot = boot == made_in::another_boot;
    if (info.is_of_another_boot) require_recoverable(info.header, opened, opened.path);
    if (info.header.lock_inode != 0) info.lock_file = lock_file_name(info.header.creation_id);
    info.shows_all_locks = opened.shows_all_locks();
    if (opened.locks_problem && opened.locks_problem->reason() != errc::no_permission && !info.is_of_another_boot)
      throw error(*opened.locks_problem);
    info.creator = look_at_named(info.header.creator, info.header.pid_namespace, info.header.time_namespace);
    info.gate_holder =
        look_at_named(info.header.gate_holder, info.header.gate_holder_namespace, info.header.time_namespace);
    for (std::uint32_t i = 0; i < info.header.part_count; ++i)
      info.rings.push_back(read_ring(opened, copy, i, how_deep));
    if (how_deep == depth::slots) info.shared_locks = shared_locks_on(opened, info.header);
    // What is to outlast a reset of the machine outlasts its participants: nothing that sweep takes.
    const bool is_left =
        lifetime_of(info.header) == lifetime::ephemeral || (!is_durable(info.header) && has_death(info));
    info.state = info.is_in_use ? segment_state::live : is_left ? segment_state::dead : segment_state::idle;
  } catch (const error& problem) {
    info.state = segment_state::broken;
    info.problem = problem.what();
    info.problem_code = problem.reason();
    info.rings.clear();
  }
  return info;
}

namespace {

/// What a creator that was killed left under the name that a file has while it is built.
void make_leftover(segment_info& info) {
  info.state = segment_state::dead;
  info.problem_code = errc::half_made;
  info.problem = info.path + ": left half made by a creator that was killed; sluice clear --dead removes it";
  info.rings.clear();
}

segment_info leftover_lock_file(int directory, const std::string& directory_path, const std::string& name) {
  segment_info info;
  info.name = name;
  info.path = directory_path + "/" + name;
  info.state = segment_state::dead;
  info.problem_code = errc::half_made;
  info.problem = info.path +
                 ": the locks of a segment that has no name here, left by a process that was killed while it made or "
                 "removed the segment; sluice clear --dead removes it";
  if (const auto facts = os::facts_of_name(directory, name)) {
    info.device = facts->device;
    info.inode = facts->inode;
    info.resident_bytes = facts->resident_bytes;
    info.mode = facts->mode;
    info.uid = facts->uid;
    info.gid = facts->gid;
  }
  return info;
}

}  // namespace

std::vector<segment_info> registry::list() const {
  std::vector<segment_info> all;
  const auto directory = detail::open_registry(directory_, is_default_, false);
  if (!directory) return all;
  auto names = os::names_in(directory->get(), directory_);
  std::sort(names.begin(), names.end());
  for (const auto& name : detail::left_lock_files(directory->get(), directory_, names))
    all.push_back(leftover_lock_file(directory->get(), directory_, name));  // sorted: no other name here is below these
  for (const auto& name : names) {
    const bool is_temporary = detail::is_temporary(name);
    if (!segment_name::is_legal(name) && !is_temporary) continue;
    try {
      const auto opened = detail::open_name(directory->get(), directory_, name, false);
      if (!opened) continue;
      auto info = detail::read_info(*opened, name, depth::records);
      if (is_temporary && info.is_in_use) continue;  // its creator is just building it
      if (is_temporary) make_leftover(info);
      all.push_back(std::move(info));
    } catch (const error& problem) {  // not a file, or not ours to read: still there to be seen
      segment_info info;
      info.name = name;
      info.path = directory_ + "/" + name;
      info.problem = problem.what();
      info.problem_code = problem.reason();
      all.push_back(std::move(info));
    }
  }
  return all;
}

segment_info registry::inspect(const segment_name& name) const {
  const auto directory = detail::open_registry(directory_, is_default_, false);
  const auto opened = directory ? detail::open_name(directory->get(), directory_, name.str(), false) : std::nullopt;
  if (!opened) throw error(errc::not_found, "inspect \"" + name.str() + "\": no " + directory_ + "/" + name.str());
  auto info = detail::read_info(*opened, name.str());
  info.memory = detail::look_at_memory(*opened, info);
  return info;
}

std::vector<slot_report> registry::slots(const segment_name& name, std::size_t ring_index, std::size_t limit,
                                         std::uint64_t max_bytes_each) const {
  const auto directory = detail::open_registry(directory_, is_default_, false);
  const auto opened = directory ? detail::open_name(directory->get(), directory_, name.str(), false) : std::nullopt;
  if (!opened) throw error(errc::not_found, "inspect \"" + name.str() + "\": no " + directory_ + "/" + name.str());
  const auto info = detail::read_info(*opened, name.str());
  if (info.state == segment_state::broken) throw error(info.problem_code, info.problem);
  if (ring_index >= info.rings.size())
    throw error(errc::bad_argument,
                "inspect \"" + name.str() + "\": it has " + std::to_string(info.rings.size()) + " ring(s)");
  const auto& descriptor = info.rings[ring_index].descriptor;
  const auto copy = copy_of(*opened, records_end(info.header));
  auto snapshot = snapshot_of(*opened, copy, static_cast<std::uint32_t>(ring_index));
  const auto& kind = part_kind_of(descriptor);
  const auto head = kind.cursors(snapshot.ring()).head;
  std::vector<slot_report> slots;
  const auto sequences_of =
      kind.sequences_still_there != nullptr ? kind.sequences_still_there : kind.sequences_of_interest;
  for (const auto at : sequences_of(snapshot.ring())) {
    if (slots.size() >= limit) break;
    auto slot = snapshot.slot(at);
    if (max_bytes_each != 0 && (slot.kind == slot_kind::published || slot.kind == slot_kind::taken))
      kind.read_message(snapshot, descriptor, slot, max_bytes_each);
    if (slot.kind != slot_kind::free || at >= head) slots.push_back(std::move(slot));
  }
  return slots;
}

}  // namespace sluice
