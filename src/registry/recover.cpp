// From what a reset of the machine left of a durable channel to a whole one. The old file is read, never mapped, and only
// the hint that names the gate's holder is written: its pages may be of different moments, and its bytes are input. What is whole
// goes into a new file, which takes the name in one rename(2): a process that dies in here leaves the old one or the new one.
// Which messages are kept: part/slot_recovery.hpp.

#include "registry/recover.hpp"

#include <vector>

#include "os/process.hpp"
#include "part/part_kind.hpp"
#include "registry/boot.hpp"
#include "registry/building.hpp"
#include "sluice/detail/layout/durability.hpp"
#include "sluice/error.hpp"

namespace sluice {

using namespace detail;

namespace {

/// The same segment once more, empty.
segment_plan plan_of(const segment_header& header, const std::string& what) {
  std::vector<ring_request> requests;
  for (std::uint32_t i = 0; i < header.part_count; ++i) {
    const auto& ring = header.parts[i];
    if (durability_of(ring).is_none())
      throw error(errc::wrong_kind,
                  what +
                      ": it was made without durability, so nothing tells its whole messages from torn ones, and none "
                      "can be kept; remove it (sluice clear) and create it anew");
    ring_request request{{ring.type_name, ring.type_hash, ring.message_bytes, ring.message_alignment, ring.layout_hash},
                         {.kind = kind_in(ring),
                          .producer_seats = ring.producer_seats,
                          .consumer_seats = ring.consumer_seats,
                          .durability = durability_of(ring)},
                         ring.label};
    part_kind_of(ring).recall(ring, request.options);
    requests.push_back(request);
  }
  try {
    return plan_segment(requests);
  } catch (const error& problem) {
    throw error(errc::corrupted, what + ": its header describes what no version of sluice makes: " + problem.what());
  }
}

/// Gives the new file the old owner and group; otherwise recovery by root would lock the owner out.
void give_back(const detail::building& fresh, const detail::opened_file& old, const std::string& what) {
  try {
    fresh.give_to(old.facts.uid, old.facts.gid);
  } catch (const error& problem) {
    throw error(problem.reason(),
                what + ": it belongs to user " + std::to_string(old.facts.uid) + ", group " +
                    std::to_string(old.facts.gid) +
                    ", and is to stay theirs: recover it as that user, or as root: " + problem.what());
  }
}

recovery_report build_anew(const detail::opened_file& old, const segment_header& header, const segment_plan& plan,
                           int directory, const std::string& directory_path, const std::string& name,
                           const std::string& what) {
  const naming how{static_cast<lifetime>(header.lifetime), old.facts.mode, {}};
  detail::building fresh(directory, directory_path, name, plan, how, what);
  if (fresh.facts().uid != old.facts.uid || fresh.facts().gid != old.facts.gid) give_back(fresh, old, what);
  recovery_report report;
  for (std::uint32_t i = 0; i < header.part_count; ++i) {
    const auto& ring = header.parts[i];
    const auto& made = fresh.memory().header();
    const auto found =
        recover_slots(*part_kind_of(ring).recovery,
                      {ring, header.creation_id,
                       [&](std::uint64_t offset, std::span<std::byte> into) {
                         return os::read_at(old.file.get(), offset, into, old.path);
                       }},
                      {made.parts[i], made.creation_id, view_ring(fresh.memory().bytes(), made.parts[i])});
    report.rings.push_back({found.kept, found.torn, found.missing});
  }
  fresh.place_over();
  unlink_lock_file(directory, old);
  return report;
}

}  // namespace

void detail::require_recoverable(const segment_header& header, const opened_file& opened, const std::string& what) {
  if (is_durable(header)) return;
  throw error(
      errc::corrupted,
      what + (opened.is_copy() ? ": it is a copy of a segment" : ": the machine was started anew since it was made") +
          ", and it is not durable: nothing tells its whole "
          "messages from torn ones; remove it (sluice clear) and create it anew, with durability if its "
          "messages are to outlast a reset");
}

std::optional<recovery_report> detail::recover(int directory, const std::string& directory_path,
                                               const std::string& name, recover_if when, const std::string& what) {
  for (int i = 0; i < 1000; ++i) {
    const auto opened = open_name(directory, directory_path, name, true);
    if (!opened) throw error(errc::not_found, what + ": no " + directory_path + "/" + name);
    const auto gate = pass_gate(*opened, os::lock_mode::exclusive, what);
    if (!still_leads_to(directory, name, opened->facts)) continue;  // another process was quicker
    const auto header = checked_header(*opened, what);
    if (when == recover_if::of_another_boot && boot_of(header, *opened) != made_in::another_boot) return std::nullopt;
    const auto info = read_info(*opened, name);
    if (is_attached_by_anybody(*opened))
      throw error(errc::in_use, what + ": in use by " + users_text(*opened, info) +
                                    "; what living processes see is whole: end them first if it is to be recovered");
    const auto plan = plan_of(header, what);
    const gate_note noted(*opened, info);
    return build_anew(*opened, header, plan, directory, directory_path, name, what);
  }
  throw error(errc::in_use, what + ": the name is removed and made anew faster than it can be looked at");
}

recovery_report registry::recover(const segment_name& name) const {
  const auto what = "recover \"" + name.str() + "\"";
  const auto directory = detail::open_registry(directory_, is_default_, false);
  if (!directory) throw error(errc::not_found, what + ": no " + directory_ + "/" + name.str());
  return *detail::recover(directory->get(), directory_, name.str(), detail::recover_if::asked, what);
}

}  // namespace sluice
