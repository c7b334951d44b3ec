// Taking names away: one on request, or all that only the dead left.

#include <algorithm>

#include "registry/directory.hpp"
#include "sluice/base/error.hpp"
#include "sluice/registry/registry.hpp"

namespace sluice {
namespace {

/// Why sweep may take it; empty: it may not.
std::string reason_to_sweep(const segment_info& info) {
  if (info.is_in_use) return {};
  // A name of ours is never half made: a legal name of zeroes is what some other program is just building.
  if (detail::is_temporary(info.name)) return "half made: its creator died";
  if (info.state == segment_state::broken) return {};
  if (info.state != segment_state::dead) return {};
  return info.header.lifetime == static_cast<std::uint32_t>(lifetime::ephemeral)
             ? "ephemeral, and nobody is left"
             : "somebody died there, and nobody is left";
}

/// @param found  its name; and the file it must lead to, unless the inode is 0.
sweep_result sweep_one(int directory, const std::string& directory_path, const sweep_result& found, bool dry_run) {
  const auto& name = found.name;
  const auto as = [&](sweep_outcome outcome, std::string why, const os::file_facts& facts = {}) {
    return sweep_result{name, std::move(why), outcome, facts.device, facts.inode};
  };
  try {
    const auto named = os::facts_of_name(directory, name);
    if (!named || !named->is_regular) return as(sweep_outcome::spared, "the name is gone");  // or never was a file
    if (found.inode != 0 && (named->inode != found.inode || named->device != found.device))
      return as(sweep_outcome::spared, "the name leads to another segment by now", *named);
    const auto opened = detail::open_name(directory, directory_path, name, true);
    if (!opened || !opened->facts.same_file(*named))
      return as(sweep_outcome::spared, "the name leads to another segment by now", *named);
    auto why = reason_to_sweep(detail::read_info(*opened, name));
    if (why.empty()) return as(sweep_outcome::spared, "somebody came to it meanwhile", *named);
    if (dry_run) return as(sweep_outcome::would_remove, why, *named);
    // Nobody waits here: whoever is at the gate now is alive and attaches or removes.
    const auto gate = detail::try_lock(*opened, gate_lock_offset, os::lock_mode::exclusive);
    if (!gate || !detail::still_leads_to(directory, name, opened->facts))
      return as(sweep_outcome::spared, "somebody is just coming to it, or removes it", *named);
    if (detail::is_attached_by_anybody(*opened))  // asked here: a look that failed must not pass for no
      return as(sweep_outcome::spared, "somebody came to it meanwhile", *named);
    const auto info = detail::read_info(*opened, name);  // once more, now that nobody can come
    why = reason_to_sweep(info);
    if (why.empty()) return as(sweep_outcome::spared, "somebody came to it meanwhile, and left in order", *named);
    detail::note_gate_holder(*opened, info);
    os::unlink_in(directory, name, opened->path);
    return as(sweep_outcome::removed, why, *named);
  } catch (const error& problem) {
    const bool is_ours = problem.reason() != errc::not_found && problem.reason() != errc::not_a_segment;
    return as(is_ours ? sweep_outcome::failed : sweep_outcome::spared, problem.what());
  }
}

}  // namespace

void registry::remove(const segment_name& name, bool force) const {
  const auto what = "remove \"" + name.str() + "\"";
  const auto not_found = [&] { return error(errc::not_found, what + ": no " + directory_ + "/" + name.str()); };
  const auto directory = detail::open_registry(directory_, is_default_, false);
  if (!directory) throw not_found();
  for (int i = 0; i < 1000; ++i) {
    const auto opened = detail::open_name(directory->get(), directory_, name.str(), true);
    if (!opened) throw not_found();
    const auto gate = detail::pass_gate(*opened, os::lock_mode::exclusive, what);
    if (!detail::still_leads_to(directory->get(), name.str(), opened->facts)) continue;  // somebody was quicker
    const auto info = detail::read_info(*opened, name.str());
    if (!force && detail::is_attached_by_anybody(*opened))  // asked here: a look that failed must not pass for no
      throw error(errc::in_use, what + ": in use by " + detail::who_uses(info) +
                                    "; end that first, or force the removal of the name");
    if (!force && info.state == segment_state::broken && info.problem_code == errc::not_a_segment)
      throw error(errc::not_a_segment, what + ": " + info.problem + "; force the removal if you are sure");
    detail::note_gate_holder(*opened, info);
    os::unlink_in(directory->get(), name.str(), opened->path);
    return;
  }
  throw error(errc::in_use, what + ": the name is removed and made anew faster than it can be looked at");
}

std::vector<sweep_result> registry::sweep(bool dry_run) const {
  std::vector<sweep_result> results;
  const auto directory = detail::open_registry(directory_, is_default_, false);
  if (!directory) return results;
  auto names = os::names_in(directory->get(), directory_);
  std::sort(names.begin(), names.end());
  for (const auto& name : names) {
    if (!segment_name::is_legal(name) && !detail::is_temporary(name)) continue;
    auto result = sweep_one(directory->get(), directory_, {name, {}, sweep_outcome::spared, 0, 0}, dry_run);
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
      results.push_back(sweep_one(directory->get(), directory_, one, false));
  }
  return results;
}

}  // namespace sluice
