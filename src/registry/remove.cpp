// Taking names away: one on request, or all that only the dead left.

#include <algorithm>

#include "registry/directory.hpp"
#include "sluice/detail/layout/durability.hpp"
#include "sluice/error.hpp"
#include "sluice/registry.hpp"

namespace sluice {

using namespace detail;

namespace {

/// Why sweep may take it; empty: it may not.
std::string reason_to_sweep(const segment_info& info) {
  if (info.is_in_use) return {};
  // A name of ours is never half made: a legal name of zeroes is what some other program is just building.
  if (detail::is_temporary(info.name)) return "half made: its creator died";
  if (info.state != segment_state::dead) return {};
  return lifetime_of(info.header) == lifetime::ephemeral ? "ephemeral, and no process is attached"
                                                         : "a participant died, and no process is attached";
}

/// Whether the file that was found and the one that is there now are the same segment. An inode is used again.
bool is_same(const sweep_result& found, const segment_info& now) {
  return found.device == now.device && found.inode == now.inode && found.creation_id == now.header.creation_id;
}

/// @param found  its name; and the segment it must lead to, unless the inode is 0.
sweep_result sweep_one(int directory, const std::string& directory_path, const sweep_result& found, bool dry_run) {
  const auto& name = found.name;
  sweep_result result{name, {}, sweep_outcome::failed};
  const auto as = [&](sweep_outcome outcome, std::string why) {
    result.outcome = outcome;
    result.why = std::move(why);
    return result;
  };
  const auto note = [&](const segment_info& info) {
    result.creation_id = info.header.creation_id;
    result.undelivered_messages = undelivered_messages(info);
  };
  const auto own_uid = os::effective_uid();
  bool is_own = true;
  try {
    const auto named = os::facts_of_name(directory, name);
    if (!named || !named->is_regular) return as(sweep_outcome::spared, "the name is gone");  // or never was a file
    result.device = named->device;
    result.inode = named->inode;
    is_own = own_uid == 0 || named->uid == own_uid;
    if (found.inode != 0 && (named->inode != found.inode || named->device != found.device))
      return as(sweep_outcome::spared, "the name leads to another segment by now");
    const auto opened = detail::open_name(directory, directory_path, name, true);
    if (!opened || !opened->facts.same_file(*named))
      return as(sweep_outcome::spared, "the name leads to another segment by now");
    const auto seen = detail::read_info(*opened, name);
    note(seen);
    if (found.inode != 0 && !is_same(found, seen))
      return as(sweep_outcome::spared, "the name leads to another segment by now");
    auto why = reason_to_sweep(seen);
    if (why.empty()) return as(sweep_outcome::spared, "a process attached to it meanwhile");
    if (dry_run) return as(sweep_outcome::would_remove, why);
    // Tried once: a process that holds the gate now is alive, and attaches or removes.
    const auto gate = detail::try_gate(*opened, os::lock_mode::exclusive);
    if (!gate || !detail::still_leads_to(directory, name, opened->facts))
      return as(sweep_outcome::spared, "another process attaches to it or removes it at this moment");
    if (detail::is_attached_by_anybody(*opened))  // asked here: a look that failed must not pass for no
      return as(sweep_outcome::spared, "a process attached to it meanwhile");
    const auto info = detail::read_info(*opened, name);  // once more, now that no process can attach
    note(info);
    why = reason_to_sweep(info);
    if (why.empty()) return as(sweep_outcome::spared, "a process attached to it meanwhile, and left in order");
    const detail::gate_note noted(*opened, info);
    detail::unlink_name(directory, name, *opened);
    return as(sweep_outcome::removed, why);
  } catch (const error& problem) {
    // What another user keeps from this one is that user's to sweep: it is no failure of this sweep. In a
    // directory that is closed to this user it is one.
    const bool is_theirs = !is_own && problem.reason() == errc::no_permission && os::may_change_names(directory);
    const bool is_none = problem.reason() == errc::not_found || problem.reason() == errc::not_a_segment;
    return as(is_theirs || is_none ? sweep_outcome::spared : sweep_outcome::failed, problem.what());
  }
}

/// A lock file that a killed creator or remover left. @param found  as for sweep_one().
sweep_result sweep_lock_file(int directory, const std::string& directory_path, const sweep_result& found,
                             bool dry_run) {
  sweep_result result{found.name, {}, sweep_outcome::failed};
  const auto as = [&](sweep_outcome outcome, std::string why) {
    result.outcome = outcome;
    result.why = std::move(why);
    return result;
  };
  const auto path = directory_path + "/" + found.name;
  const auto creation_id = *creation_id_in(found.name);
  try {
    const auto file = os::open_in(directory, found.name, true, path);
    if (!file) return as(sweep_outcome::spared, "the name is gone");
    const auto facts = os::facts_of(file->get(), path);
    result.device = facts.device;
    result.inode = facts.inode;
    const bool is_another = found.inode != 0 && (facts.inode != found.inode || facts.device != found.device);
    if (!facts.is_regular || is_another) return as(sweep_outcome::spared, "the name leads to another file by now");
    const char* why = "the locks of a segment that has no name here: a process was killed that made or removed it";
    if (dry_run) return as(sweep_outcome::would_remove, why);
    // Its creator holds the gate until a segment names the file: so only then is the directory asked.
    os::byte_locks gate({file->get(), path, facts.device, facts.inode});
    if (gate.try_lock(gate_lock_offset, os::lock_mode::exclusive) != os::lock_answer::locked ||
        os::is_locked(file->get(), presence_lock_offset, 1, os::lock_mode::shared) ||
        detail::named_lock_files(directory, directory_path).may_have(creation_id, facts.uid) ||
        !detail::still_leads_to(directory, found.name, facts))
      return as(sweep_outcome::spared, "a process makes, uses or removes its segment");
    os::unlink_in(directory, found.name, path);
    return as(sweep_outcome::removed, why);
  } catch (const error& problem) {
    const bool is_theirs = problem.reason() == errc::no_permission && os::may_change_names(directory);
    return as(is_theirs ? sweep_outcome::spared : sweep_outcome::failed, problem.what());
  }
}

std::string what_of(const segment_name& name) { return "remove \"" + name.str() + "\""; }

error leads_elsewhere(const segment_name& name) {
  return {errc::not_found, what_of(name) +
                               ": the name leads to another segment by now, made since it was looked at; nothing was "
                               "removed; look again"};
}

bool is_same(const segment_info& looked_at, const os::file_facts& now) {
  return looked_at.device == now.device && looked_at.inode == now.inode;
}

/// @param looked_at  what the name must lead to; null: to anything.
std::uint64_t remove_name(const std::string& directory_path, bool is_default, const segment_name& name,
                          const segment_info* looked_at, bool force) {
  const auto what = what_of(name);
  const auto not_found = [&] { return error(errc::not_found, what + ": no " + directory_path + "/" + name.str()); };
  const auto directory = detail::open_registry(directory_path, is_default, false);
  if (!directory) throw not_found();
  for (int i = 0; i < 1000; ++i) {
    const auto named = os::facts_of_name(directory->get(), name.str());
    if (!named) throw not_found();
    if (looked_at != nullptr && !is_same(*looked_at, *named)) throw leads_elsewhere(name);
    if (force && !named->is_regular && !named->is_directory) {  // a link, a FIFO, a socket: nothing that has a gate
      os::unlink_in(directory->get(), name.str(), directory_path + "/" + name.str());
      return 0;
    }
    const auto opened = detail::open_name(directory->get(), directory_path, name.str(), true);
    if (!opened) throw not_found();
    const auto gate = detail::pass_gate(*opened, os::lock_mode::exclusive, what);
    if (!detail::still_leads_to(directory->get(), name.str(), opened->facts)) continue;  // another process was quicker
    const auto info = detail::read_info(*opened, name.str());
    if (looked_at != nullptr &&
        (!is_same(*looked_at, opened->facts) || looked_at->header.creation_id != info.header.creation_id))
      throw leads_elsewhere(name);
    if (!force && detail::is_attached_by_anybody(*opened))  // asked here: a look that failed must not pass for no
      throw error(errc::in_use, what + ": in use by " + detail::users_text(*opened, info) +
                                    "; end that first, or force the removal of the name");
    if (!force && info.state == segment_state::broken && info.problem_code == errc::not_a_segment)
      throw error(errc::not_a_segment, what + ": " + info.problem + "; force the removal if you are sure");
    const detail::gate_note noted(*opened, info);
    detail::unlink_name(directory->get(), name.str(), *opened);
    return undelivered_messages(info);
  }
  throw error(errc::in_use, what + ": the name is removed and made anew faster than it can be looked at");
}

}  // namespace

std::uint64_t registry::remove(const segment_name& name, bool force) const {
  return remove_name(directory_, is_default_, name, nullptr, force);
}

std::uint64_t registry::remove(const segment_info& looked_at, bool force) const {
  return remove_name(directory_, is_default_, segment_name(looked_at.name), &looked_at, force);
}

std::vector<sweep_result> registry::sweep(bool dry_run) const {
  std::vector<sweep_result> results;
  const auto directory = detail::open_registry(directory_, is_default_, false);
  if (!directory) return results;
  auto names = os::names_in(directory->get(), directory_);
  std::sort(names.begin(), names.end());
  for (const auto& name : names) {
    if (!segment_name::is_legal(name) && !detail::is_temporary(name)) continue;
    auto result = sweep_one(directory->get(), directory_, {name, {}, sweep_outcome::spared}, dry_run);
    if (result.outcome != sweep_outcome::spared) results.push_back(std::move(result));
  }
  for (const auto& name : detail::left_lock_files(directory->get(), directory_, names)) {
    auto result = sweep_lock_file(directory->get(), directory_, {name, {}, sweep_outcome::spared}, dry_run);
    if (result.outcome != sweep_outcome::spared) results.push_back(std::move(result));
  }
  return results;
}

std::vector<sweep_result> registry::sweep(const std::vector<sweep_result>& found) const {
  std::vector<sweep_result> results;
  const auto directory = detail::open_registry(directory_, is_default_, false);
  for (const auto& one : found) {
    if (one.outcome != sweep_outcome::would_remove) continue;
    if (!directory)
      results.push_back({one.name, "its directory is gone", sweep_outcome::spared, one.device, one.inode});
    else
      results.push_back(creation_id_in(one.name) ? sweep_lock_file(directory->get(), directory_, one, false)
                                                 : sweep_one(directory->get(), directory_, one, false));
  }
  return results;
}

}  // namespace sluice
