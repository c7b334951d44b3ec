#include "registry/directory.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "os/process.hpp"
#include "sluice/detail/seat/seat_table.hpp"
#include "sluice/error.hpp"

namespace sluice::detail {
namespace {

constexpr std::uint32_t world_writable = 0002;
constexpr std::uint32_t sticky = 01000;
constexpr std::uint32_t not_owner = 0077;

void require_safe(const os::file_facts& facts, const std::string& directory, bool is_default) {
  const auto me = os::effective_uid();
  const auto refuse = [&](const std::string& why, const std::string& cure) {
    throw error(errc::unsafe_directory, "use directory " + directory + ": " + why + "; " + cure);
  };
  constexpr const char* another = "name another directory in SLUICE_DIR, such as one of your own in /dev/shm";
  // The default directory lies in /dev/shm, where any user may make names: another user may have made it first.
  if (is_default && facts.uid != me)
    refuse("it belongs to user " + std::to_string(facts.uid) + ", not to " + std::to_string(me),
           std::string("only that user or root can remove it; until then ") + another);
  if (is_default && (facts.mode & not_owner) != 0)
    refuse("others than its owner may enter it; it must have mode 0700",
           "chmod 700 it; for several users name another directory in SLUICE_DIR");
  if ((facts.mode & world_writable) != 0 && (facts.mode & sticky) == 0)
    refuse("every user may rename and remove what is in it (it is of user " + std::to_string(facts.uid) +
               ", writable for all, and not sticky)",
           "make a directory in it for your channels alone (mkdir -m 700 " + directory +
               "/NAME; for several users mkdir -m 2770, with their group) and name that in SLUICE_DIR");
}

[[noreturn]] void throw_is_no_file(const os::file_facts& facts, const std::string& path) {
  throw error(errc::not_a_segment,
              "open " + path + ": it is " + facts.kind + " and no segment, and is left alone; " +
                  (facts.is_directory ? "move it elsewhere (mv), or name a directory of its own in "
                                        "SLUICE_DIR"
                                      : "move it elsewhere (mv), or remove it (rm)"));
}

/// The directory, which this user may perhaps not open. @throws error that names its owner, which can change that.
std::optional<os::fd> open_if_permitted(const std::string& directory, bool is_default) {
  try {
    return os::open_directory(directory);
  } catch (const error& problem) {
    if (problem.reason() != errc::no_permission) throw;
    std::optional<os::file_facts> facts;
    try {
      facts = os::facts_of_name(os::working_directory, directory);
    } catch (const error&) {
      // A directory above it is closed to this user: the first error says so.
    }
    if (!facts || !facts->is_directory) throw;
    require_safe(*facts, directory, is_default);
    char mode[8];
    std::snprintf(mode, sizeof mode, "%04o", facts->mode);
    throw error(errc::no_permission,
                std::string(problem.what()) + "; it belongs to user " + std::to_string(facts->uid) + ", group " +
                    std::to_string(facts->gid) + ", has mode " + mode + ", and this process is of user " +
                    std::to_string(os::effective_uid()) +
                    ": its owner can open it to a group (chmod 2770), or name another directory in SLUICE_DIR");
  }
}

}  // namespace

std::optional<os::fd> open_registry(const std::string& directory, bool is_default, bool make) {
  auto opened = open_if_permitted(directory, is_default);
  if (!opened && make) {
    os::make_directory(directory, 0700);
    opened = open_if_permitted(directory, is_default);
    if (!opened) throw error(errc::not_found, "open directory " + directory + ": it was removed at once; try again");
  }
  if (opened) require_safe(os::facts_of(opened->get(), directory), directory, is_default);
  return opened;
}

namespace {

void read_header(opened_file& opened) {
  auto& read = opened.header_read_bytes;
  const auto room = bytes_of(opened.header);
  read = os::read_at(opened.file.get(), 0, room.first(page_bytes), opened.path);  // most have no more of a directory
  const auto all = header_bytes(std::min<std::size_t>(opened.header.part_count, max_parts));
  if (read == page_bytes && all > read)
    read += os::read_at(opened.file.get(), read, room.subspan(read, all - read), opened.path);
}

}  // namespace

std::optional<opened_file> open_name(int directory, const std::string& directory_path, const std::string& name,
                                     bool writable) {
  const auto path = directory_path + "/" + name;
  const auto named = os::facts_of_name(directory, name);
  if (!named) return std::nullopt;
  if (!named->is_regular) throw_is_no_file(*named, path);
  constexpr std::uint32_t owner_may_write = 0200;
  if (writable && (named->mode & owner_may_write) == 0 && named->uid == os::effective_uid() && named->uid != 0)
    throw error(errc::no_permission,
                "open " + path + ": it is yours and read-only; chmod u+w it, or make it with a mode of 0600");
  auto file = os::open_in(directory, name, writable, path);
  if (!file) return std::nullopt;
  const auto facts = os::facts_of(file->get(), path);
  if (!facts.is_regular) throw_is_no_file(facts, path);  // it took the name since
  opened_file opened{std::move(*file), facts, path};
  read_header(opened);
  if (!is_intact(opened.header) || opened.header.lock_inode == 0 || opened.is_copy()) return opened;
  try {
    opened.locks = open_lock_file(directory, directory_path, opened.header, facts.uid, writable);
  } catch (const error& problem) {
    if (problem.reason() != errc::corrupted && (writable || problem.reason() != errc::no_permission)) throw;
    opened.locks_problem = problem;
  }
  return opened;
}

std::unique_ptr<os::byte_locks> locks_on(const opened_file& opened) {
  return std::make_unique<os::byte_locks>(opened.lockable());
}

std::unique_ptr<os::byte_locks> try_gate(const opened_file& opened, os::lock_mode mode) {
  auto locks = locks_on(opened);
  return locks->try_lock(gate_lock_offset, mode) == os::lock_answer::locked ? std::move(locks) : nullptr;
}

namespace {

constexpr int tries_at_gate = 200;

void wait_at_gate() {
  std::this_thread::sleep_for(std::chrono::milliseconds(5));  // the gate is held for a few system calls only
}

/// The process that noted that it holds the gate, as far as this one can check it, and what to do about it.
std::string gate_holder_text(const opened_file& opened) {
  const auto unknown = [&] {
    return "the holder is not known; `fuser " + opened.path +
           "` lists the processes that have it open. Continue the one that is stopped, and try again";
  };
  segment_header header{};
  const auto begin = bytes_of(header).first(header_bytes(0));
  if (os::read_at(opened.file.get(), 0, begin, opened.path) < begin.size()) return unknown();
  const auto holder = look_at_named(header.gate_holder, header.gate_holder_namespace, header.time_namespace);
  if (holder.sight != process_sight::here && holder.sight != process_sight::perhaps_here) return unknown();
  const auto name = "process " + std::to_string(holder.pid) +
                    (holder.command.empty() ? "" : " (" + holder.command + ")") +
                    (holder.is_stopped ? ", which is stopped," : "") + " took it last";
  if (holder.sight == process_sight::perhaps_here)
    return name + ", if that is still the same process; `fuser " + opened.path +
           "` lists the processes that have it open. Continue the one that is stopped, and try again";
  return name + "; continue it (kill -CONT " + std::to_string(holder.pid) + ") or end it, and try again";
}

[[noreturn]] void throw_gate_is_held(const opened_file& opened, const std::string& what) {
  const auto reader = opened.locks ? std::nullopt : os::shared_lock_at(opened.file.get(), gate_lock_offset);
  if (reader)
    throw error(errc::in_use, what + ": for longer than a second " +
                                  os::shared_lock_text(opened.path, "its gate", *reader) +
                                  "; one that is stopped while it attaches looks the same: continue it (kill -CONT)");
  throw error(errc::in_use,
              what +
                  ": a process has held its gate for longer than a second, as one does that is stopped in the middle "
                  "of a removal or a recovery: " +
                  gate_holder_text(opened));
}

}  // namespace

void require_not_squatted(int directory, const std::string& directory_path, const opened_file& opened,
                          const std::string& what) {
  const auto uid = opened.facts.uid;
  if (uid == os::effective_uid()) return;
  const auto around = os::facts_of(directory, directory_path);
  if ((around.mode & sticky) == 0 || (around.mode & world_writable) == 0 || uid == around.uid) return;
  throw error(errc::no_permission,
              what + ": " + opened.path + " belongs to user " + std::to_string(uid) + ", and in " + directory_path +
                  " any user may make a name before its owner does; share a channel between users in a directory of "
                  "their group (mkdir -m 2770) and name that in SLUICE_DIR");
}

segment_header checked_header(const opened_file& opened, const std::string& what) {
  const auto bytes = std::as_bytes(std::span(&opened.header, 1)).first(opened.header_read_bytes);
  validate_segment(bytes, opened.facts.length_bytes, what);
  return opened.header;
}

std::unique_ptr<os::byte_locks> pass_gate(const opened_file& opened, os::lock_mode mode, const std::string& what) {
  for (int i = 0; i < tries_at_gate; ++i) {
    if (auto gate = try_gate(opened, mode)) return gate;
    wait_at_gate();
  }
  throw_gate_is_held(opened, what);
}

void throw_presence_is_refused(const std::string& what) {
  throw error(errc::in_use, what +
                                ": a process holds an exclusive lock on its presence, which no correct process does; "
                                "`fuser` lists the processes that have the file open");
}

std::shared_ptr<os::byte_locks> come_in(const opened_file& opened, int directory, const std::string& name,
                                        const std::string& what) {
  std::shared_ptr<os::byte_locks> locks = locks_on(opened);
  for (int i = 0; i < tries_at_gate; ++i) {
    if (locks->try_lock(gate_lock_offset, os::lock_mode::shared) == os::lock_answer::locked) {
      if (!still_leads_to(directory, name, opened.facts)) return nullptr;
      if (opened.locks) locks->show_in(std::make_shared<os::byte_locks>(opened.itself()));
      if (locks->try_lock(presence_lock_offset, os::lock_mode::shared) != os::lock_answer::locked)
        throw_presence_is_refused(what);
      locks->unlock(gate_lock_offset);
      locks->anchor(os::page_bytes_of(opened.file.get(), opened.facts));
      return locks;
    }
    wait_at_gate();
  }
  throw_gate_is_held(opened, what);
}

bool is_held(int lock_file) {
  static_assert(presence_lock_offset == gate_lock_offset + 1);
  return os::is_locked(lock_file, gate_lock_offset, 2, os::lock_mode::shared);
}

bool is_attached_by_anybody(const opened_file& opened) {
  // Presence is a shared lock, so every process that may open the file can hold it as well. Seats are held exclusively.
  const int file = opened.lockable().descriptor;
  return os::is_locked(file, presence_lock_offset, 1, os::lock_mode::shared) ||
         os::is_locked(file, seat_lock_offset(0, 0), seat_lock_offset(max_parts, 0) - seat_lock_offset(0, 0),
                       os::lock_mode::exclusive);
}

void unlink_name(int directory, const std::string& name, const opened_file& opened) {
  os::unlink_in(directory, name, opened.path);
  unlink_lock_file(directory, opened);
}

void unlink_lock_file(int directory, const opened_file& opened) noexcept {
  if (!opened.locks) return;
  try {
    os::unlink_in(directory, lock_file_name(opened.header.creation_id), opened.locks->path);
  } catch (const std::exception&) {
    // Left to sweep.
  }
}

named_lock_files::named_lock_files(int directory, const std::string& directory_path) {
  for (const auto& name : os::names_in(directory, directory_path)) {
    if (!segment_name::is_legal(name) && !is_temporary(name)) continue;
    std::optional<os::file_facts> named;
    try {
      named = os::facts_of_name(directory, name);
      if (!named || !named->is_regular) continue;
      const auto path = directory_path + "/" + name;
      auto file = os::open_in(directory, name, false, path);
      if (!file) continue;
      opened_file opened{std::move(*file), *named, path};
      read_header(opened);
      if (is_intact(opened.header) && opened.header.lock_inode != 0 && !opened.is_copy())
        ids_.insert(opened.header.creation_id);
    } catch (const error&) {
      if (named)
        unread_.insert(named->uid);
      else
        is_whole_ = false;
    }
  }
}

std::vector<std::string> left_lock_files(int directory, const std::string& directory_path,
                                         const std::vector<std::string>& names) {
  struct free_file {
    std::string name;
    std::uint32_t uid;
  };
  std::vector<free_file> free;
  for (const auto& name : names) {
    if (!creation_id_in(name)) continue;
    try {
      const auto named = os::facts_of_name(directory, name);
      if (!named || !named->is_regular) continue;
      const auto file = os::open_in(directory, name, false, directory_path + "/" + name);
      if (file && !is_held(file->get())) free.push_back({name, named->uid});
    } catch (const error&) {
      // Another user's.
    }
  }
  std::vector<std::string> left;
  if (free.empty()) return left;
  // A creator holds the gate until the segment has its name: so only now is the directory asked.
  const named_lock_files seen(directory, directory_path);
  for (const auto& file : free)
    if (!seen.may_have(*creation_id_in(file.name), file.uid)) left.push_back(file.name);
  return left;
}

bool still_leads_to(int directory, const std::string& name, const os::file_facts& facts) {
  const auto now = os::facts_of_name(directory, name);
  return now && now->same_file(facts);
}

namespace {
constexpr std::string_view temporary_prefix = ".sluice-new-";
}

std::string new_temporary() { return std::string(temporary_prefix) + std::to_string(os::random_word()); }

bool is_temporary(const std::string& name) noexcept {
  return name.starts_with(temporary_prefix) && name.size() > temporary_prefix.size() &&
         name.find_first_not_of("0123456789", temporary_prefix.size()) == std::string::npos;
}

gate_note::gate_note(const opened_file& opened, const segment_info& info)
    : opened_(opened), is_written_(info.state != segment_state::broken) {
  if (!is_written_) return;
  const auto own = os::own_identity();
  // A start time counts in the creator's time namespace; from another one it stays unsaid.
  const bool counts = own.time_namespace == info.header.time_namespace;
  write(counts ? own.word : os::make_identity(os::pid_of(own.word), 0), own.pid_namespace);
}

gate_note::~gate_note() {
  if (is_written_) write(0, 0);
}

void gate_note::write(std::uint64_t holder, std::uint64_t pid_namespace) const noexcept {
  const std::uint64_t words[] = {holder, pid_namespace};
  static_assert(offsetof(segment_header, gate_holder_namespace) == offsetof(segment_header, gate_holder) + 8);
  try {
    os::write_at(opened_.file.get(), offsetof(segment_header, gate_holder), std::as_bytes(std::span(words)),
                 opened_.path);
  } catch (const error&) {
    // A hint; hugetlbfs has no write(2).
  }
}

named_process look_at_named(std::uint64_t identity, std::uint64_t pid_namespace, std::uint64_t time_namespace) {
  named_process found;
  found.pid = os::pid_of(identity);
  const bool is_ours = pid_namespace == os::own_identity().pid_namespace;
  if (found.pid == 0) return found;
  if (pid_namespace != 0 && !is_ours) {
    found.sight = process_sight::another_namespace;
    return found;
  }
  const bool is_exact = os::start_of(identity) != 0 && time_namespace == os::time_namespace();
  const auto state = os::state_of(is_exact ? identity : os::make_identity(found.pid, 0));
  if (state == os::process_state::dead) {
    if (is_ours) found.sight = process_sight::gone;
    return found;
  }
  if (state == os::process_state::unknown) return found;
  found.sight = is_exact ? process_sight::here : process_sight::perhaps_here;
  found.is_stopped = state == os::process_state::stopped;
  found.command = os::command_of(found.pid);
  return found;
}

std::string users_text(const opened_file& opened, const segment_info& info) {
  std::string text;
  for (const auto& ring : info.rings)
    for (const auto& seat : ring.seats)
      if (seat.state == seat_state::taken && seat.alive != liveness::dead)
        text += (text.empty() ? "" : ", ") +
                std::string(role_name(static_cast<ring_kind>(ring.descriptor.kind), seat.role)) + " " +
                process_text(seat);
  if (!text.empty()) return text;
  if (opened.locks)
    return "a process that is attached and has no seat (`fuser " + opened.path +
           "` lists the processes that have it open)";
  const auto reader = os::shared_lock_at(opened.file.get(), presence_lock_offset).value_or(0);
  return (reader == 0 ? "a process" : "process " + std::to_string(reader)) +
         " that is attached and has no seat, or that may only read the file and holds a shared lock on its presence "
         "(`fuser " +
         opened.path + "` lists the processes that have it open)";
}

std::vector<shared_lock_report> shared_locks_on(const opened_file& opened, const segment_header& header) {
  std::vector<shared_lock_report> found;
  if (header.lock_inode != 0) return found;  // readers cannot open what counts
  const auto look = [&](std::uint64_t offset, const std::string& byte) {
    if (const auto reader = os::shared_lock_at(opened.file.get(), offset)) found.push_back({byte, *reader});
  };
  look(gate_lock_offset, "gate");
  for (std::uint32_t ring = 0; ring < header.part_count; ++ring)
    for (std::uint32_t i = 0; i < header.parts[ring].producer_seats + header.parts[ring].consumer_seats; ++i)
      look(seat_lock_offset(ring, i), "seat " + std::to_string(i) + " of ring " + std::to_string(ring));
  return found;
}

}  // namespace sluice::detail
