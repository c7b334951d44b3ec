// Taking names away: one on request, or all that only the dead left.

#include <algorithm>

#include "os/process.hpp"
#include "registry/directory.hpp"
#include "sluice/base/error.hpp"
#include "sluice/registry/registry.hpp"

namespace sluice {
namespace {

/// Says who holds the gate, for whoever waits for it in vain. Only into a header that is one.
void note_gate_holder(const detail::opened_file& opened, const segment_info& info) {
  if (info.state == segment_state::broken) return;
  const auto self = os::self();
  os::write_at(opened.file.get(), offsetof(segment_header, gate_holder), std::as_bytes(std::span(&self, 1)),
               opened.path);
}

std::string who_uses(const segment_info& info) {
  std::string who;
  for (const auto& ring : info.rings)
    for (const auto& seat : ring.seats)
      if (seat.state == seat_state::taken && seat.alive != liveness::dead)
        who += (who.empty() ? "" : ", ") + std::string(to_string(seat.role)) + " pid " + std::to_string(seat.pid) +
               " (" + (seat.command.empty() ? "" : seat.command + ", ") + to_string(seat.alive) + ")";
  return who.empty() ? "a process that is attached and has no seat" : who;
}

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
      throw error(errc::in_use,
                  what + ": in use by " + who_uses(info) + "; end that first, or force the removal of the name");
    if (!force && info.state == segment_state::broken && info.problem_code == errc::not_a_segment)
      throw error(errc::not_a_segment, what + ": " + info.problem + "; force the removal if you are sure");
    note_gate_holder(*opened, info);
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
    try {
      const auto opened = detail::open_name(directory->get(), directory_, name, true);
      if (!opened) continue;
      auto info = detail::read_info(*opened, name);
      auto why = reason_to_sweep(info);
      if (why.empty()) continue;
      if (dry_run) {
        results.push_back({name, why, false});
        continue;
      }
      // Nobody waits here: whoever is at the gate now is alive and attaches or removes.
      const auto gate = os::byte_lock::try_lock(opened->file.get(), gate_lock_offset, os::lock_mode::exclusive);
      if (!gate || !detail::still_leads_to(directory->get(), name, opened->facts)) continue;
      if (detail::is_attached_by_anybody(*opened)) continue;  // asked here: a look that failed must not pass for no
      info = detail::read_info(*opened, name);                // once more, now that nobody can come
      why = reason_to_sweep(info);
      if (why.empty()) continue;
      note_gate_holder(*opened, info);
      os::unlink_in(directory->get(), name, opened->path);
      results.push_back({name, why, true});
    } catch (const error& problem) {
      if (problem.reason() != errc::not_found && problem.reason() != errc::not_a_segment)
        results.push_back({name, problem.what(), false});
    }
  }
  return results;
}

}  // namespace sluice
