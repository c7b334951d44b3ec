// Looking without touching: what list and inspect show.

#include <algorithm>
#include <cstring>

#include "os/process.hpp"
#include "registry/boot.hpp"
#include "registry/directory.hpp"
#include "registry/recover.hpp"
#include "sluice/base/error.hpp"
#include "sluice/layout/durability.hpp"
#include "sluice/registry/registry.hpp"

namespace sluice {
namespace {

constexpr std::uint64_t max_slots_looked_at = 1U << 14;  // a look must not take seconds, however large the ring

/// A copy of the first `bytes` of a file that passes for a segment: no other process can change it during the look.
segment snapshot(const detail::opened_file& opened, std::uint64_t bytes) {
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
  std::uint64_t end = sizeof(segment_header);
  for (std::size_t i = 0; i < header.ring_count; ++i) {
    const auto& ring = header.rings[i];
    end = std::max(end, ring.seats_offset + sizeof(seat) * (std::uint64_t{ring.producer_seats} + ring.consumer_seats));
  }
  return end;
}

std::uint64_t tail_of(const ring_view& ring, ring_kind kind) {
  return kind == ring_kind::spsc ? ring.seats[0].sequence.load(std::memory_order_relaxed)
                                 : ring.control->tail.load(std::memory_order_relaxed);
}

std::uint64_t head_of(const ring_view& ring, ring_kind kind) {
  return kind == ring_kind::spsc ? ring.seats[ring.producer_seats].sequence.load(std::memory_order_relaxed)
                                 : ring.control->head.load(std::memory_order_relaxed);
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

/// Reads slots' words: those of neighbours with one system call where they lie close together.
class slot_words {
 public:
  slot_words(const detail::opened_file& opened, const ring_view& ring, const ring_descriptor& descriptor)
      : opened_(opened), ring_(ring), slots_offset_(descriptor.slots_offset) {}

  [[nodiscard]] std::uint64_t offset_of(std::uint64_t sequence) const noexcept {
    return slots_offset_ + (sequence & ring_.mask) * ring_.stride_bytes;
  }
  /// Empty: the file ends before it.
  [[nodiscard]] std::optional<std::uint64_t> at(std::uint64_t sequence) {
    const auto offset = offset_of(sequence);
    if (offset < begin_ || offset + sizeof(std::uint64_t) > begin_ + run_.size()) read_from(offset);
    std::uint64_t word = 0;
    if (offset + sizeof word > begin_ + run_.size()) return std::nullopt;
    std::memcpy(&word, run_.data() + (offset - begin_), sizeof word);
    return word;
  }

 private:
  void read_from(std::uint64_t offset) {
    constexpr std::uint64_t max_run_bytes = 64U << 10;
    constexpr std::uint64_t close_together = 512;  // further apart it is cheaper to read each word alone
    const auto end = slots_offset_ + ring_.capacity() * ring_.stride_bytes;
    run_.resize(ring_.stride_bytes > close_together ? sizeof(std::uint64_t) : std::min(max_run_bytes, end - offset));
    run_.resize(os::read_at(opened_.file.get(), offset, run_, opened_.path));
    begin_ = offset;
  }

  const detail::opened_file& opened_;
  const ring_view& ring_;
  std::uint64_t slots_offset_;
  std::uint64_t begin_ = 0;
  std::vector<std::byte> run_;
};

/// The slot at `sequence` as its word says; for spsc a published word of an older lap is a free slot.
slot_report read_slot(const detail::opened_file& opened, const ring_view& ring, slot_words& words,
                      std::uint64_t sequence, std::uint64_t max_bytes_each) {
  slot_report slot;
  slot.sequence = sequence;
  const auto read = words.at(sequence);
  if (!read) return slot;
  const auto word = *read;
  if (lap_of(word) != lap_of(slot_word(ring.lap(sequence), slot_kind::free))) return slot;
  slot.kind = kind_of(word);
  slot.taken_seat = static_cast<std::uint32_t>((word & ((1U << lap_shift) - 1)) >> 2);
  if (max_bytes_each != 0 && (slot.kind == slot_kind::published || slot.kind == slot_kind::taken)) {
    slot.message.resize(std::min(ring.message_bytes, max_bytes_each));
    slot.message.resize(
        os::read_at(opened.file.get(), words.offset_of(sequence) + ring.payload_offset, slot.message, opened.path));
  }
  return slot;
}

/// The sequences whose slots may hold something, oldest first: those from head to tail and, of what mpmc consumers claimed
/// before head, what their seats still cover. No more than max_slots_looked_at, whatever the shared words say.
std::vector<std::uint64_t> sequences_of_interest(const ring_view& ring, ring_kind kind) {
  const auto head = head_of(ring, kind), tail = tail_of(ring, kind);
  std::vector<std::uint64_t> sequences;
  for (std::uint32_t i = ring.producer_seats; kind == ring_kind::mpmc && i < ring.producer_seats + ring.consumer_seats;
       ++i) {
    const auto state =
        state_of(ring.seats[i].state.load(std::memory_order_relaxed));  // of a copy, which no process writes to
    if (state != seat_state::taken && state != seat_state::dead) continue;
    for (const auto* const word : {&ring.seats[i].intent, &ring.seats[i].second_intent}) {
      const auto intent = word->load(std::memory_order_relaxed);
      constexpr unsigned unused_bits = 16;  // an intent's 48 bits of position are read relative to head
      const auto distance = ((head << unused_bits) - (intent & ~std::uint64_t{0xffff})) >> unused_bits;
      if (distance > ring.capacity() || distance > head) continue;  // not of the last lap: no correct participant's
      for (std::uint64_t q = head - distance; q < head && q - (head - distance) < intent_count(intent); ++q) {
        if (sequences.size() == max_slots_looked_at) break;
        sequences.push_back(q);
      }
    }
  }
  std::sort(sequences.begin(), sequences.end());
  sequences.erase(std::unique(sequences.begin(), sequences.end()), sequences.end());
  const auto fill = std::min(tail - std::min(head, tail), ring.capacity());
  for (std::uint64_t i = 0; i < fill && sequences.size() < max_slots_looked_at; ++i) sequences.push_back(head + i);
  return sequences;
}

/// The participant that holds a slot. One that is marked as the winner comes before one that only announced it.
const seat_report* holder_of(const ring_info& info, ring_kind kind, const slot_report& slot) {
  const seat_report* found = nullptr;
  for (const auto& seat : info.seats) {
    if (seat.state != seat_state::taken && seat.state != seat_state::dead) continue;
    if (slot.kind == slot_kind::taken && seat.index == slot.taken_seat) return &seat;
    if (slot.kind != (seat.role == role::producer ? slot_kind::free : slot_kind::published)) continue;
    if (kind == ring_kind::spsc && seat.role == role::consumer && slot.sequence < seat.peeked) return &seat;
    if (kind != ring_kind::mpmc) continue;
    for (const auto intent : {seat.intent, seat.second_intent}) {
      if (!intent_covers(intent, slot.sequence)) continue;
      if (intent_won(intent)) return &seat;
      found = &seat;
    }
  }
  return found;
}

/// Adds a slot to the last run, or begins one.
void add_hold(std::vector<hold_report>& holds, const seat_report& holder, std::uint64_t sequence) {
  if (!holds.empty() && holds.back().seat_index == holder.index &&
      holds.back().sequence + holds.back().count == sequence)
    ++holds.back().count;
  else
    holds.push_back({holder.index, sequence, 1, 0});
}

/// The seat on the other side that keeps `waiting` from going on.
std::optional<std::uint32_t> holder_of(const ring_info& info, ring_kind kind, role waiting, std::uint64_t sequence) {
  for (const auto& hold : info.holds)
    if (sequence - hold.sequence < hold.count) return hold.seat_index;
  if (kind == ring_kind::spsc)  // the one that has not looked at it yet
    for (const auto& seat : info.seats)
      if (seat.role == peer_of(waiting) && (seat.state == seat_state::taken || seat.state == seat_state::dead))
        return seat.index;
  return std::nullopt;
}

/// The notes that still hold: the slot is still the one that the side waits for.
std::vector<stall_report> stalls_of(const detail::opened_file& opened, const ring_view& ring, const ring_info& info,
                                    ring_kind kind) {
  std::vector<stall_report> stalls;
  slot_words words(opened, ring, info.descriptor);
  for (const auto waiting : {role::producer, role::consumer}) {
    const auto noted = ring.control->stalled_at[static_cast<std::uint32_t>(waiting)].load(std::memory_order_relaxed);
    if (noted == 0) continue;
    const auto sequence = noted - 1;
    const bool is_full = info.tail - sequence == ring.capacity() && (kind == ring_kind::mpmc || info.head == sequence);
    const bool is_unpublished = kind == ring_kind::mpmc && info.head == sequence && info.tail > sequence &&
                                read_slot(opened, ring, words, sequence, 0).kind == slot_kind::free;
    if (waiting == role::producer ? !is_full : !is_unpublished) continue;
    stall_report stall;
    stall.waiting = waiting;
    stall.sequence = sequence;
    stall.since_realtime_ns =
        ring.control->stalled_since_realtime_ns[static_cast<std::uint32_t>(waiting)].load(std::memory_order_relaxed);
    stall.holder = holder_of(info, kind, waiting, sequence);
    stalls.push_back(stall);
  }
  return stalls;
}

ring_info read_ring(const detail::opened_file& opened, const segment& copy, std::uint32_t index,
                    detail::depth how_deep) {
  ring_info info;
  info.descriptor = copy.header().rings[index];
  info.type_name = info.descriptor.type_name;
  const auto ring = view_ring(copy.bytes(), info.descriptor);
  const auto kind = static_cast<ring_kind>(info.descriptor.kind);
  info.is_closed = ring.control->closed.load(std::memory_order_relaxed) != 0;
  info.mode = static_cast<wake_mode>(ring.control->mode.load(std::memory_order_relaxed) & 1);
  info.tail = tail_of(ring, kind);
  info.head = head_of(ring, kind);
  info.holes = ring.control->holes.load(std::memory_order_relaxed);
  info.redelivered = ring.control->redelivered.load(std::memory_order_relaxed);
  info.settled = ring.control->settled.load(std::memory_order_relaxed);
  info.unanswered = ring.control->unanswered.load(std::memory_order_relaxed);
  info.recovered = ring.control->recovered.load(std::memory_order_relaxed);
  info.recovered_torn = ring.control->recovered_torn.load(std::memory_order_relaxed);
  info.recovered_missing = ring.control->recovered_missing.load(std::memory_order_relaxed);
  info.recovered_realtime_ns = ring.control->recovered_realtime_ns.load(std::memory_order_relaxed);
  const auto locks = opened.lockable();
  info.seats =
      seat_table(copy, ring, index, lock_sight{{locks.descriptor, locks.path}, opened.shows_all_locks()}).report();
  slot_words words(opened, ring, info.descriptor);
  const auto looked_at =
      how_deep == detail::depth::slots ? sequences_of_interest(ring, kind) : std::vector<std::uint64_t>();
  for (const auto at : looked_at) {
    const auto slot = read_slot(opened, ring, words, at, 0);
    if (slot.kind == slot_kind::free && at < info.head) continue;  // released, or never filled
    if (const auto* holder = holder_of(info, kind, slot)) add_hold(info.holds, *holder, at);
    switch (slot.kind) {
      case slot_kind::published: ++info.published_slots; break;
      case slot_kind::hole: ++info.hole_slots; break;
      case slot_kind::taken: ++info.taken_slots; break;
      case slot_kind::free: ++info.claimed_slots; break;
    }
  }
  info.fill_slots = std::min(info.tail - std::min(info.head, info.tail), ring.capacity());
  info.stalls = stalls_of(opened, ring, info, kind);
  for (auto& hold : info.holds)
    for (const auto& stall : info.stalls)
      if (stall.sequence - hold.sequence < hold.count) hold.waited_for_since_realtime_ns = stall.since_realtime_ns;
  info.repairs = repairs_of(ring, copy.header().time_namespace);
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
    const auto header = checked_header(opened, opened.path);
    const auto copy = snapshot(opened, records_end(header));
    validate_segment(copy.bytes(), info.length_bytes, opened.path);  // what is used is what was checked
    if (records_end(copy.header()) > copy.bytes().size())
      throw error(errc::corrupted, opened.path + ": the header changed while it was read");
    std::memcpy(&info.header, copy.bytes().data(), sizeof info.header);
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
    for (std::uint32_t i = 0; i < info.header.ring_count; ++i)
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
      auto info = detail::read_info(*opened, name, detail::depth::records);
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
  const auto copy = snapshot(*opened, records_end(info.header));
  const auto ring = view_ring(copy.bytes(), descriptor);
  const auto kind = static_cast<ring_kind>(descriptor.kind);
  std::vector<slot_report> slots;
  slot_words words(*opened, ring, descriptor);
  for (const auto at : sequences_of_interest(ring, kind)) {
    if (slots.size() >= limit) break;
    auto slot = read_slot(*opened, ring, words, at, max_bytes_each);
    if (slot.kind != slot_kind::free || at >= head_of(ring, kind)) slots.push_back(std::move(slot));
  }
  return slots;
}

}  // namespace sluice
