// Building a segment whole before another process can see it.

#include <algorithm>
#include <cstdlib>

#include "os/filesystem.hpp"
#include "registry/attachment.hpp"
#include "registry/building.hpp"
#include "registry/directory.hpp"
#include "sluice/detail/layout/durability.hpp"
#include "sluice/detail/registry/requirements.hpp"
#include "sluice/error.hpp"
#include "sluice/registry.hpp"

namespace sluice {

using namespace detail;

namespace {

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
  for (std::size_t i = 0; i < std::min<std::size_t>(plan.parts.size(), header.part_count); ++i) {
    try {
      require_options(header, i, {.durability = durability_of(plan.parts[i])}, what);
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
  if (is_durable(plan.parts))
    throw error(errc::bad_argument, std::string("format a segment in ") + to_string(memory.kind()) +
                                        " memory: durability needs a name in a directory on a disk; create it by name, "
                                        "or do without durability");
  if (memory.bytes().size() < plan.mapped_bytes)
    throw error(errc::bad_argument, "format a segment of " + std::to_string(memory.bytes().size()) +
                                        " bytes: the plan needs " + std::to_string(plan.mapped_bytes));
  require_participant(memory, "format a segment");
  auto locks = own_locks_on(memory);
  const auto room = memory.bytes().first(plan.mapped_bytes);
  if (memory.kind() == segment_kind::adopted &&
      std::any_of(room.begin(), room.end(), [](std::byte b) { return b != std::byte{0}; }))
    throw error(errc::bad_argument, "format a segment in " + memory.file().path +
                                        ": its bytes are not zero, so another program may use them; clear them first");
  memory.trust(format_segment(memory.bytes(), plan, detail::origin_here(memory.kind(), lifetime::ephemeral)));
  auto what = std::string("the ") + to_string(memory.kind()) + " segment";
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
