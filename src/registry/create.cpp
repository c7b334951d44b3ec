// Building a segment whole before another process can see it, and finding one that is there.

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>

#include "os/filesystem.hpp"
#include "registry/attachment.hpp"
#include "registry/boot.hpp"
#include "registry/building.hpp"
#include "registry/directory.hpp"
#include "registry/recover.hpp"
#include "segment/map_file.hpp"
#include "sluice/base/error.hpp"
#include "sluice/layout/durability.hpp"
#include "sluice/registry/registry.hpp"

namespace sluice {
namespace {

constexpr int max_tries = 1000;

std::string quoted(const segment_name& name) { return "\"" + name.str() + "\""; }

/// A participant writes, and holds locks through a description of its own.
std::shared_ptr<os::byte_locks> require_participant(const segment& memory, const std::string& what) {
  if (!memory.placement().is_writable || !memory.placement().is_shared)
    throw error(errc::bad_argument,
                what + ": it is mapped as a read-only or private view; to look on, use an observer");
  if (memory.has_file()) os::require_local(memory.file().descriptor, memory.file().path, what);
  return locks_on(memory);
}

/// A name with a slash is a path, and one that was meant as a name would leave files in an unexpected place.
void require_expected_place(const std::string& directory, const segment_name& name, const std::string& what) {
  if (directory == "/")
    throw error(errc::bad_name, what + " in /, the root directory: a name is written without a slash (" + name.str() +
                                    "); with one it is a path");
  const bool is_explicit = directory.starts_with('/') || directory == "." || directory == ".." ||
                           directory.starts_with("./") || directory.starts_with("../");
  if (!is_explicit && !os::open_directory(directory))
    throw error(errc::bad_name, what + ": there is no directory " + directory +
                                    " in the working directory, and none is made for a name with a slash, which is a "
                                    "path; write ./" +
                                    directory + "/" + name.str() + " if that is meant, or a name without a slash");
}

/// What was asked for and cannot be had later: that messages are written to the disk. Sizes are the existing segment's.
void require_plan(attached_segment& attached, const segment_plan& plan, const std::string& what) {
  const auto& header = attached.memory().header();
  for (std::size_t i = 0; i < std::min<std::size_t>(plan.rings.size(), header.ring_count); ++i) {
    try {
      require_options(header, i, {.durability = durability_of(plan.rings[i])}, what);
    } catch (const error&) {
      attached.leave_name();
      throw;
    }
  }
}

/// What to do with a name that is there already. Never throws: the name may be gone by now.
std::string what_to_do_with(const registry& where, const segment_name& name) {
  try {
    const auto info = where.inspect(name);
    if (info.state == segment_state::dead)
      return ": only dead processes left it, with " + std::to_string(undelivered_messages(info)) +
             " undelivered message(s); take it over with create_or_attach, or remove it first (sluice clear " +
             name.str() + ")";
    if (info.state == segment_state::broken) return ", and cannot be attached: " + info.problem;
  } catch (const error& problem) {
    return std::string(", and cannot be looked at: ") + problem.what();
  }
  return "; attach to it, or remove it first";
}

}  // namespace

attached_segment format_unnamed(segment memory, const segment_plan& plan) {
  for (const auto& ring : plan.rings)
    if (!durability_of(ring).is_none())
      throw error(errc::bad_argument,
                  std::string("format a segment in ") + to_string(memory.kind()) +
                      " memory: durability needs a name in a directory on a disk; create it by name, "
                      "or do without durability");
  if (memory.bytes().size() < plan.mapped_bytes)
    throw error(errc::bad_argument, "format a segment of " + std::to_string(memory.bytes().size()) +
                                        " bytes: the plan needs " + std::to_string(plan.mapped_bytes));
  auto locks = require_participant(memory, "format a segment");
  const auto room = memory.bytes().first(plan.mapped_bytes);
  if (memory.kind() == segment_kind::adopted &&
      std::any_of(room.begin(), room.end(), [](std::byte b) { return b != std::byte{0}; }))
    throw error(errc::bad_argument, "format a segment in " + memory.file().path +
                                        ": its bytes are not zero, so another program may use them; clear them first");
  memory.trust(format_segment(memory.bytes(), plan, detail::origin_here(memory.kind(), lifetime::ephemeral)));
  auto what = std::string("the ") + to_string(memory.kind()) + " segment";
  return attached_segment::unnamed(std::move(memory), std::move(what), std::move(locks));
}

attached_segment attach_unnamed(segment memory) {
  auto what = std::string("the ") + to_string(memory.kind()) + " segment";
  auto locks = require_participant(memory, "attach " + what);
  // Checked in a copy: no other process can change it between the check and its use.
  alignas(segment_header) std::byte copy[sizeof(segment_header)];
  const auto length = std::min(sizeof copy, memory.bytes().size());
  std::memcpy(copy, memory.bytes().data(), length);
  validate_segment(std::span(copy).first(length), memory.bytes().size(), "attach " + what);
  memory.trust(*reinterpret_cast<const segment_header*>(copy));
  memory.require_whole(what);
  return attached_segment::unnamed(std::move(memory), std::move(what), std::move(locks));
}

registry registry::standard() {
  const char* chosen = ::secure_getenv("SLUICE_DIR");  // a set-user-ID program does not obey its caller's
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
  require_expected_place(directory_, name, what);
  const auto directory = *detail::open_registry(directory_, is_default_, true);
  if (os::facts_of_name(directory.get(), name.str()))
    throw error(errc::already_exists, what + ": " + path + " is there already" + what_to_do_with(*this, name));

  detail::building fresh(directory.get(), directory_, name.str(), plan, how, what);
  auto attached = std::make_shared<attached_segment::impl>();
  attached->what = quoted(name);
  attached->directory = os::absolute(directory_);
  attached->name = name.str();
  attached->facts = fresh.facts();
  attached->directory_facts = os::facts_of(directory.get(), directory_);
  attached->memory = fresh.memory();
  if (!fresh.place())
    throw error(errc::already_exists,
                what + ": " + path + " was made by another process at the same moment; attach to it");
  attached->locks = fresh.take_presence();  // from here on the last one out cleans up
  return attached_segment(std::move(attached));
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
      detail::require_recoverable(checked, what);
      (void)detail::recover(directory->get(), directory_, name.str(), detail::recover_if::of_another_boot, what);
      continue;
    }
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

attached_segment registry::attach_for(const segment_name& name, std::chrono::nanoseconds timeout,
                                      const memory_options& how, const std::stop_token& stop) const {
  using clock = std::chrono::steady_clock;
  const auto now = clock::now();
  const bool is_endless = timeout > clock::time_point::max() - now;
  return attach_until(name, is_endless ? clock::time_point::max() : now + timeout, how, stop);
}

attached_segment registry::attach_until(const segment_name& name, std::chrono::steady_clock::time_point when,
                                        const memory_options& how, const std::stop_token& stop) const {
  using clock = std::chrono::steady_clock;
  constexpr std::chrono::nanoseconds first = std::chrono::milliseconds(1), longest = std::chrono::milliseconds(20);
  std::mutex alone;
  std::condition_variable_any stopped;  // notified by the token alone
  std::unique_lock lock(alone);
  const auto began = clock::now();
  for (auto pause = first;; pause = std::min(2 * pause, longest)) {
    const auto now = clock::now();
    try {
      return attach(name, how);
    } catch (const error& problem) {
      if (problem.reason() != errc::not_found) throw;
      const auto waited = std::to_string(std::chrono::duration<double>(now - began).count()) + " s";
      if (stop.stop_requested())
        throw error(errc::interrupted, std::string(problem.what()) + " A stop was requested after " + waited);
      if (now >= when) throw error(errc::not_found, std::string(problem.what()) + " Waited for it for " + waited);
    }
    stopped.wait_for(lock, stop, std::min<std::chrono::nanoseconds>(pause, when - now), [] { return false; });
  }
}

void registry::require_own(const segment_name& name) const {
  const auto directory = detail::open_registry(directory_, is_default_, false);
  const auto facts = directory ? os::facts_of_name(directory->get(), name.str()) : std::nullopt;
  if (facts)
    detail::require_not_squatted(directory->get(), directory_, {{}, *facts, directory_ + "/" + name.str()},
                                 "attach " + quoted(name));
}

attached_segment registry::create_or_attach(const segment_name& name, const segment_plan& plan,
                                            const naming& how) const {
  for (int i = 0; i < max_tries; ++i) {
    try {
      auto attached = attach(name, how.memory);
      require_plan(attached, plan, "attach " + quoted(name));
      return attached;
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
