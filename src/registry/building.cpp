#include "registry/building.hpp"

#include <utility>

#include "os/filesystem.hpp"
#include "os/process.hpp"
#include "registry/attachment.hpp"
#include "registry/boot.hpp"
#include "registry/directory.hpp"
#include "segment/map_file.hpp"
#include "sluice/detail/base/clock.hpp"
#include "sluice/detail/layout/durability.hpp"
#include "sluice/error.hpp"

namespace sluice::detail {

segment_origin origin_here(segment_kind kind, lifetime how_long) {
  segment_origin origin;
  origin.kind = kind;
  origin.lifetime = how_long;
  const auto creator = os::own_identity();
  origin.creator = creator.word;
  origin.creator_uid = os::effective_uid();
  origin.created_realtime_ns = realtime_now_ns();
  origin.creation_id = os::random_word();
  const auto boot = os::boot();
  origin.boot_id[0] = boot.words[0];
  origin.boot_id[1] = boot.words[1];
  origin.pid_namespace = creator.pid_namespace;
  origin.time_namespace = creator.time_namespace;
  return origin;
}

building::building(int directory, std::string directory_path, std::string name, const segment_plan& plan,
                   const naming& how, const std::string& what)
    : directory_(directory),
      directory_path_(std::move(directory_path)),
      name_(std::move(name)),
      path_(directory_path_ + "/" + name_),
      is_durable_(is_durable(plan.parts)) {
  os::require_local(directory_, directory_path_, what);
  require_disk(what);
  auto origin = origin_here(segment_kind::file, is_durable_ ? lifetime::persistent : how.lifetime);
  try {
    begin(how.mode, what);
    if (has_readers(how.mode)) {
      begin_lock_file(lock_file_mode(how.mode), origin.creation_id, what);
      origin.lock_inode = locks_->facts.inode;
      origin.segment_inode = facts_.inode;
    }
    const auto bytes = make_room(file_.get(), plan.mapped_bytes, path_, how.memory);
    memory_ = map_file(std::move(file_), {segment_kind::file, bytes, 0, path_}, how.memory);
    memory_.trust(format_segment(memory_.bytes(), plan, origin));
  } catch (...) {
    discard();
    throw;
  }
}

building::~building() { discard(); }

void building::discard() noexcept {
  try {
    if (!temporary_.empty()) os::unlink_in(directory_, temporary_, path_);
    if (locks_have_name_) os::unlink_in(directory_, locks_name_, path_);
  } catch (const std::exception&) {
    // Left to sweep.
  }
}

void building::require_disk(const std::string& what) const {
  if (!is_durable_) return;
  require_boot_is_known(what);
  if (os::is_in_memory(directory_))
    throw error(errc::bad_argument, what + ": durability needs a disk, and " + directory_path_ +
                                        " is in memory alone; name a directory on a disk in SLUICE_DIR, or do without "
                                        "durability");
}

/// The presence comes before any name that others attach to, or a sweeper could take it from us at once.
void building::begin(std::uint32_t mode, const std::string& what) {
  if (auto file = os::open_unnamed(directory_, mode, directory_path_)) {
    opened_file opened{std::move(*file), {}, path_};
    facts_ = opened.facts = os::facts_of(opened.file.get(), path_);
    presence_ = locks_on(opened);
    if (presence_->try_lock(presence_lock_offset, os::lock_mode::shared) != os::lock_answer::locked)
      throw_presence_is_refused(what);
    presence_->anchor(os::page_bytes_of(opened.file.get(), opened.facts));
    file_ = std::move(opened.file);
    return;
  }
  for (int i = 0; i < max_tries; ++i) {
    auto temporary = new_temporary();
    auto path = directory_path_ + "/" + temporary;
    opened_file opened{os::create_in(directory_, temporary, mode, path), {}, path};
    facts_ = opened.facts = os::facts_of(opened.file.get(), path_);
    presence_ = come_in(opened, directory_, temporary, what);
    if (!presence_) continue;  // swept before its presence was held
    presence_->is_named(path_);
    file_ = std::move(opened.file);
    temporary_ = std::move(temporary);
    return;
  }
  throw error(errc::in_use, what + ": what is begun in " + directory_path_ + " is swept away at once");
}

/// The gate is held, shared, before the file has a name: so no sweeper takes it before a segment names it.
void building::begin_lock_file(std::uint32_t mode, std::uint64_t creation_id, const std::string& what) {
  locks_name_ = lock_file_name(creation_id);
  const auto path = directory_path_ + "/" + locks_name_;
  auto file = os::open_unnamed(directory_, mode, directory_path_);
  locks_have_name_ = !file;
  if (!file) file = os::create_in(directory_, locks_name_, mode, path);
  const auto facts = os::facts_of(file->get(), path);
  locks_ = lock_file{std::move(*file), facts, path};
  auto shown = std::move(presence_);  // held in the segment's own file already
  presence_ = std::make_shared<os::byte_locks>(locks_->lockable());
  if (presence_->try_lock(gate_lock_offset, os::lock_mode::shared) != os::lock_answer::locked ||
      (locks_have_name_ && !still_leads_to(directory_, locks_name_, facts)))
    throw error(errc::in_use, what + ": what is begun in " + directory_path_ + " is swept away at once; try again");
  presence_->show_in(std::move(shown));
  if (presence_->try_lock(presence_lock_offset, os::lock_mode::shared) != os::lock_answer::locked)
    throw_presence_is_refused(what);
  presence_->anchor(os::page_bytes_of(file_.get(), facts_));
}

void building::place_lock_file() {
  if (!locks_ || locks_have_name_) return;
  if (!os::link_unnamed(locks_->file.get(), directory_, locks_name_, locks_->path))
    throw error(errc::in_use, "link " + locks_->path + ": the name is taken; try again");
  locks_have_name_ = true;
}

void building::give_to(std::uint32_t uid, std::uint32_t gid) const {
  os::give_to(memory_.file().descriptor, uid, gid, path_);
  if (locks_) os::give_to(locks_->file.get(), uid, gid, locks_->path);
}

void building::sync_file() const {
  if (!is_durable_) return;
  memory_.flush(flush_mode::wait);
  os::sync(memory_.file().descriptor, path_);  // its length too
}

/// The directory itself may have been made just now.
void building::sync_directory() const {
  if (!is_durable_) return;
  try {
    if (const auto above = os::open_directory(directory_path_ + "/..")) os::sync(above->get(), directory_path_ + "/..");
  } catch (const error& problem) {
    if (problem.reason() != errc::no_permission) throw;
    os::sync_filesystem(directory_, directory_path_);  // one that may be searched and not read: all of it instead
  }
}

void building::sync_name() const {
  if (is_durable_) os::sync(directory_, directory_path_);
}

bool building::place() {
  sync_file();
  sync_directory();  // what can fail fails before there is a name
  place_lock_file();
  if (temporary_.empty()) {
    if (!os::link_unnamed(memory_.file().descriptor, directory_, name_, path_)) return false;
  } else {
    if (!os::rename_new(directory_, temporary_, name_, path_)) return false;
    temporary_.clear();
  }
  try {
    sync_name();
  } catch (const error&) {
    os::unlink_in(directory_, name_, path_);  // a name that may not outlast a reset is none
    throw;
  }
  let_others_in();
  return true;
}

void building::place_over() {
  sync_file();
  sync_directory();
  place_lock_file();
  while (temporary_.empty()) {  // rename(2) wants one
    auto temporary = new_temporary();
    if (os::link_unnamed(memory_.file().descriptor, directory_, temporary, path_)) temporary_ = std::move(temporary);
  }
  os::rename_over(directory_, temporary_, name_, path_);
  temporary_.clear();
  let_others_in();
  sync_name();
}

void building::let_others_in() noexcept {
  if (!locks_) return;
  locks_have_name_ = false;  // it is the segment's now
  presence_->unlock(gate_lock_offset);
}

}  // namespace sluice::detail
