// Finding a segment that is there, and becoming one of its participants.

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>

#include "os/filesystem.hpp"
#include "registry/attachment.hpp"
#include "registry/await_name.hpp"
#include "registry/boot.hpp"
#include "registry/directory.hpp"
#include "registry/recover.hpp"
#include "segment/map_file.hpp"
#include "sluice/detail/base/clock.hpp"
#include "sluice/error.hpp"
#include "sluice/registry.hpp"

namespace sluice::detail {

void require_participant(const segment& memory, const std::string& what) {
  if (!memory.placement().is_writable || !memory.placement().is_shared)
    throw error(errc::bad_argument,
                what + ": it is mapped as a read-only or private view; to look on, use an observer");
  if (memory.has_file()) os::require_local(memory.file().descriptor, memory.file().path, what);
}

}  // namespace sluice::detail

namespace sluice {

using namespace detail;

attached_segment attach_unnamed(segment memory) {
  auto what = std::string("the ") + to_string(memory.kind()) + " segment";
  require_participant(memory, "attach " + what);
  // Checked in a copy: no other process can change it between the check and its use.
  segment_header copy{};
  const auto length = std::min(sizeof copy, memory.bytes().size());
  std::memcpy(bytes_of(copy).data(), memory.bytes().data(), length);
  validate_segment(bytes_of(copy).first(length), memory.bytes().size(), "attach " + what);
  memory.trust(copy);
  memory.require_whole(what);
  return attached_segment::unnamed(std::move(memory), std::move(what));
}

attached_segment registry::attach(const segment_name& name, const memory_options& how) const {
  if (how.access != view::shared)
    throw error(errc::bad_argument,
                "attach " + quoted(name) +
                    ": a participant needs a shared, writable mapping; for read-only access use sluice::observer");
  const auto what = "attach " + quoted(name);
  const auto path = directory_ + "/" + name.str();
  const auto not_found = [&] {
    return error(errc::not_found, what + ": no " + path +
                                      (directory_ == "/" ? "; a name is written without a slash"
                                                         : "; has its creator run, and with the same SLUICE_DIR?"));
  };
  const auto directory = detail::open_registry(directory_, is_default_, false);
  if (!directory) throw not_found();
  for (int i = 0; i < max_tries; ++i) {
    auto opened = detail::open_name(directory->get(), directory_, name.str(), true);
    if (!opened) throw not_found();
    detail::require_not_squatted(directory->get(), directory_, *opened, what);
    os::require_local(opened->file.get(), opened->path, what);
    // Read in a copy: mapping a file that is cut short meanwhile could kill us. It never changes, so before the gate.
    const auto checked = detail::checked_header(*opened, what);
    const auto boot = detail::boot_of(checked, *opened);
    detail::require_known(boot, what);
    if (boot == detail::made_in::another_boot) {
      detail::require_recoverable(checked, *opened, what);
      (void)detail::recover(directory->get(), directory_, name.str(), detail::recover_if::of_another_boot, what);
      continue;
    }
    if (opened->locks_problem)
      throw error(opened->locks_problem->reason(), what + ": " + opened->locks_problem->what());
    auto locks = detail::come_in(*opened, directory->get(), name.str(), what);
    if (!locks) continue;  // removed while we came
    auto attached = std::make_shared<attached_segment::impl>();
    attached->what = quoted(name);
    attached->directory = os::absolute(directory_);
    attached->name = name.str();
    attached->facts = opened->facts;
    attached->directory_facts = os::facts_of(directory->get(), directory_);
    attached->memory = map_file(std::move(opened->file), {segment_kind::file, checked.mapped_bytes, 0, path}, how);
    attached->memory.trust(checked);
    attached->locks = std::move(locks);
    return attached_segment(std::move(attached));
  }
  throw error(errc::in_use, what + ": the name is removed and made anew faster than it can be attached to");
}

attached_segment registry::attach_before(std::uint64_t deadline_ns, const segment_name& name, const memory_options& how,
                                         const detail::stop_signal& stop) const {
  std::optional<attached_segment> attached;
  detail::await_name(deadline_ns, stop, [&] { attached.emplace(attach(name, how)); });
  return *std::move(attached);
}

void registry::require_own(const segment_name& name) const {
  const auto directory = detail::open_registry(directory_, is_default_, false);
  const auto facts = directory ? os::facts_of_name(directory->get(), name.str()) : std::nullopt;
  if (facts)
    detail::require_not_squatted(directory->get(), directory_, {{}, *facts, directory_ + "/" + name.str()},
                                 "attach " + quoted(name));
}

}  // namespace sluice
