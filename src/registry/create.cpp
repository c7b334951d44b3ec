// Building a segment whole before anybody can see it, and finding one that is there.

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "os/clock.hpp"
#include "os/process.hpp"
#include "registry/attachment.hpp"
#include "registry/directory.hpp"
#include "segment/map_file.hpp"
#include "sluice/base/error.hpp"
#include "sluice/registry/registry.hpp"

namespace sluice {
namespace {

constexpr int most_tries = 1000;

std::string quoted(const segment_name& name) { return "\"" + name.str() + "\""; }

segment_origin origin_here(segment_kind kind, lifetime how_long) {
  segment_origin origin;
  origin.kind = kind;
  origin.lifetime = how_long;
  const auto creator = os::own_identity();
  origin.creator = creator.word;
  origin.creator_uid = os::effective_uid();
  origin.created_realtime_ns = os::realtime_ns();
  origin.creation_id = os::random_word();
  const auto boot = os::boot();
  origin.boot_id[0] = boot.words[0];
  origin.boot_id[1] = boot.words[1];
  origin.pid_namespace = creator.pid_namespace;
  origin.time_namespace = creator.time_namespace;
  return origin;
}

/// A file that is being built, already held by this process.
struct fresh_file {
  detail::opened_file opened;
  std::string temporary;  // its name, where the filesystem cannot make a file without one
  os::byte_lock presence;
};

/// The presence comes before any name that others attach to, or a sweeper could take it from us at once.
fresh_file begin_file(int directory, const std::string& directory_path, const std::string& path, std::uint32_t mode,
                      const std::string& what) {
  if (auto file = os::open_unnamed(directory, mode, directory_path)) {
    detail::opened_file opened{std::move(*file), {}, path};
    opened.facts = os::facts_of(opened.file.get(), path);
    auto presence = join_presence(opened, what);
    return {std::move(opened), {}, std::move(presence)};
  }
  for (int i = 0; i < most_tries; ++i) {
    auto temporary = detail::new_temporary();
    detail::opened_file opened{os::create_in(directory, temporary, mode, directory_path + "/" + temporary), {}, path};
    opened.facts = os::facts_of(opened.file.get(), path);
    auto presence = detail::come_in(opened, directory, temporary, what);
    if (!presence) continue;  // swept before we held it
    return {std::move(opened), std::move(temporary), std::move(*presence)};
  }
  throw error(errc::in_use, what + ": what is begun in " + directory_path + " is swept away at once");
}

/// Who takes part writes, and holds locks through descriptions of its own.
void require_participant(const segment& memory, const std::string& what) {
  if (!memory.placement().is_writable || !memory.placement().is_shared)
    throw error(errc::bad_argument,
                what + ": it is mapped as a read-only or private view; to look on, use an observer");
  if (memory.has_file()) (void)os::reopen(memory.file().descriptor, true);
}

}  // namespace

attached_segment format_unnamed(segment memory, const segment_plan& plan) {
  if (memory.bytes().size() < plan.mapped_bytes)
    throw error(errc::bad_argument, "format a segment of " + std::to_string(memory.bytes().size()) +
                                        " bytes: the plan needs " + std::to_string(plan.mapped_bytes));
  require_participant(memory, "format a segment");
  const auto room = memory.bytes().first(plan.mapped_bytes);
  if (memory.kind() == segment_kind::adopted &&
      std::any_of(room.begin(), room.end(), [](std::byte b) { return b != std::byte{0}; }))
    throw error(errc::bad_argument, "format a segment in " + memory.file().path +
                                        ": its bytes are not zero, so they may be somebody's; clear them first");
  format_segment(memory.bytes(), plan, origin_here(memory.kind(), lifetime::ephemeral));
  memory.trust(memory.header());
  auto what = std::string("the ") + to_string(memory.kind()) + " segment";
  return attached_segment::unnamed(std::move(memory), std::move(what));
}

attached_segment attach_unnamed(segment memory) {
  auto what = std::string("the ") + to_string(memory.kind()) + " segment";
  require_participant(memory, "attach " + what);
  // Checked in a copy: nobody can change it between the check and its use.
  alignas(segment_header) std::byte copy[sizeof(segment_header)];
  const auto length = std::min(sizeof copy, memory.bytes().size());
  std::memcpy(copy, memory.bytes().data(), length);
  validate_segment(std::span(copy).first(length), memory.bytes().size(), "attach " + what);
  memory.trust(*reinterpret_cast<const segment_header*>(copy));
  memory.require_whole(what);
  return attached_segment::unnamed(std::move(memory), std::move(what));
}

registry registry::standard() {
  const char* chosen = std::getenv("SLUICE_DIR");
  if (chosen != nullptr && *chosen != '\0') return registry(chosen);
  registry standard("/dev/shm/sluice-" + std::to_string(os::effective_uid()));
  standard.is_default_ = true;
  return standard;
}

registry::registry(std::string directory) : directory_(std::move(directory)) {
  while (directory_.size() > 1 && directory_.back() == '/') directory_.pop_back();
  if (directory_.empty()) throw error(errc::bad_argument, "registry directory: the name is empty");
}

attached_segment registry::create(const segment_name& name, const segment_plan& plan, const naming& how) const {
  const auto what = "create " + quoted(name);
  const auto path = directory_ + "/" + name.str();
  const auto directory = *detail::open_registry(directory_, is_default_, true);
  if (os::facts_of_name(directory.get(), name.str()))
    throw error(errc::already_exists, what + ": " + path + " is there already; attach to it, or remove it first");

  auto fresh = begin_file(directory.get(), directory_, path, how.mode, what);
  auto& opened = fresh.opened;
  const auto& temporary = fresh.temporary;
  try {
    const auto bytes = make_room(opened.file.get(), plan.mapped_bytes, path, how.memory);
    auto attached = std::make_shared<attached_segment::impl>();
    attached->what = quoted(name);
    attached->directory = directory_;
    attached->name = name.str();
    attached->facts = opened.facts;
    attached->memory = map_file(std::move(opened.file), {segment_kind::file, bytes, 0, path}, how.memory);
    format_segment(attached->memory.bytes(), plan, origin_here(segment_kind::file, how.lifetime));
    attached->memory.trust(attached->memory.header());
    const bool is_ours = temporary.empty()
                             ? os::link_unnamed(attached->memory.file().descriptor, directory.get(), name.str(), path)
                             : os::rename_new(directory.get(), temporary, name.str(), path);
    if (!is_ours)
      throw error(errc::already_exists, what + ": " + path + " has just been made by somebody else; attach to it");
    attached->presence = std::move(fresh.presence);  // from here on the last one out cleans up
    return attached_segment(std::move(attached));
  } catch (...) {
    if (!temporary.empty()) os::unlink_in(directory.get(), temporary, path);
    throw;
  }
}

attached_segment registry::attach(const segment_name& name, const memory_options& how) const {
  if (how.access != view::shared)
    throw error(errc::bad_argument,
                "attach " + quoted(name) + ": who takes part reads and writes; to look on, use an observer");
  const auto what = "attach " + quoted(name);
  const auto path = directory_ + "/" + name.str();
  const auto not_found = [&] {
    return error(errc::not_found, what + ": no " + path + "; has its creator run, and with the same SLUICE_DIR?");
  };
  const auto directory = detail::open_registry(directory_, is_default_, false);
  if (!directory) throw not_found();
  for (int i = 0; i < most_tries; ++i) {
    auto opened = detail::open_name(directory->get(), directory_, name.str(), true);
    if (!opened) throw not_found();
    auto presence = detail::come_in(*opened, directory->get(), name.str(), what);
    if (!presence) continue;  // removed while we came
    auto attached = std::make_shared<attached_segment::impl>();
    attached->what = quoted(name);
    attached->directory = directory_;
    attached->name = name.str();
    attached->facts = opened->facts;
    const auto length = opened->facts.length_bytes;
    // The header is checked in a copy: mapping a file that is cut short meanwhile could kill us.
    std::vector<std::byte> header(sizeof(segment_header));
    header.resize(os::read_at(opened->file.get(), 0, header, path));
    validate_segment(header, length, what);
    const auto& checked = *reinterpret_cast<const segment_header*>(header.data());
    attached->memory = map_file(std::move(opened->file), {segment_kind::file, checked.mapped_bytes, 0, path}, how);
    attached->memory.trust(checked);
    attached->presence = std::move(presence);
    return attached_segment(std::move(attached));
  }
  throw error(errc::in_use, what + ": the name is removed and made anew faster than it can be attached to");
}

attached_segment registry::create_or_attach(const segment_name& name, const segment_plan& plan,
                                            const naming& how) const {
  for (int i = 0; i < most_tries; ++i) {
    try {
      return attach(name, how.memory);
    } catch (const error& problem) {
      if (problem.reason() != errc::not_found) throw;
    }
    try {
      return create(name, plan, how);
    } catch (const error& problem) {
      if (problem.reason() != errc::already_exists) throw;
    }
  }
  throw error(errc::in_use,
              "create or attach " + quoted(name) + ": the name comes and goes faster than it can be attached to");
}

located_name locate(std::string_view name_or_path) {
  const auto slash = name_or_path.rfind('/');
  if (slash == std::string_view::npos) return {registry::standard(), segment_name(name_or_path)};
  const auto directory = slash == 0 ? std::string("/") : std::string(name_or_path.substr(0, slash));
  return {registry(directory), segment_name(name_or_path.substr(slash + 1))};
}

}  // namespace sluice
