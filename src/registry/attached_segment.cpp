#include "registry/attachment.hpp"

#include <mutex>
#include <utility>

#include "registry/directory.hpp"
#include "sluice/detail/layout/durability.hpp"
#include "sluice/error.hpp"

namespace sluice::detail {

std::shared_ptr<os::byte_locks> own_locks_on(const segment& memory) {
  if (!memory.has_file()) return nullptr;
  const auto& file = memory.file();
  auto locks = std::make_shared<os::byte_locks>(os::lockable_file{file.descriptor, file.path, file.device, file.inode});
  locks->anchor(memory.placement().page_bytes);
  return locks;
}

std::shared_ptr<os::byte_locks> locks_on(const segment& memory) {
  if (!memory.has_file() || memory.header().lock_inode == 0) return own_locks_on(memory);
  const auto file = lock_file_of(memory, true);
  auto locks = std::make_shared<os::byte_locks>(file.lockable());
  locks->show_in(own_locks_on(memory));
  locks->anchor(memory.placement().page_bytes);
  return locks;
}

}  // namespace sluice::detail

namespace sluice {

using namespace detail;

attached_segment::impl::~impl() {
  if (locks == nullptr) return;
  if (!mark.is_here()) {  // a forked child that never joined: the presence is the parent's
    locks->forget();
    return;
  }
  locks->unlock(presence_lock_offset);
  locks.reset();
  if (leaves_name || name.empty() || lifetime_of(memory.header()) != lifetime::ephemeral) return;
  try {
    const auto directory_fd = detail::open_registry(directory, false, false);
    if (!directory_fd) return;
    const auto opened = detail::open_name(directory_fd->get(), directory, name, true);
    if (!opened) return;
    const auto gate = detail::pass_gate(*opened, os::lock_mode::exclusive, what);
    if (detail::is_attached_by_anybody(*opened) || !detail::still_leads_to(directory_fd->get(), name, facts)) return;
    const auto undelivered = on_removal ? undelivered_messages(detail::read_info(*opened, name)) : 0;
    detail::unlink_name(directory_fd->get(), name, *opened);
    if (on_removal) on_removal(undelivered);
  } catch (const error&) {
    // Left to sweep: nothing is lost by a name that stays.
  }
}

attached_segment attached_segment::unnamed(segment memory, std::string what, std::shared_ptr<os::byte_locks> locks) {
  auto attached = std::make_shared<impl>();
  attached->memory = std::move(memory);
  attached->what = std::move(what);
  attached->locks = std::move(locks);
  return attached_segment(std::move(attached));
}

attached_segment attached_segment::unnamed(segment memory, std::string what) {
  auto locks = locks_on(memory);
  return unnamed(std::move(memory), std::move(what), std::move(locks));
}

std::shared_ptr<os::byte_locks> attached_segment::locks() const {
  const std::lock_guard alone(os::fork_gate());
  return impl_->locks;
}

const segment& attached_segment::memory() const noexcept { return impl_->memory; }
const std::string& attached_segment::what() const noexcept { return impl_->what; }

const char* to_string(name_state value) noexcept {
  switch (value) {
    case name_state::same: return "same";
    case name_state::removed: return "removed";
    case name_state::other: return "other";
    case name_state::unknown: break;
  }
  return "unknown";
}

name_state attached_segment::name_now() const noexcept {
  const auto& own = *impl_;
  if (own.name.empty()) return name_state::unknown;
  try {
    // Nothing is opened: a descriptor or the permission to open may be missing by now. The name comes first, so that a
    // directory that is renamed between the two answers is noticed.
    const auto now = os::facts_of_name(os::working_directory, own.directory + "/" + own.name);
    const auto around = os::facts_of_name(os::working_directory, own.directory);
    if (around && around->same_file(own.directory_facts)) {
      if (!now) return name_state::removed;
      return now->same_file(own.facts) ? name_state::same : name_state::other;
    }
  } catch (const std::exception&) {
    // No permission to look, or no memory.
  }
  try {
    // The directory was renamed or removed, or this process has another root. A file without any name is told by itself.
    const auto& file = own.memory.file();
    const auto now = os::facts_of(file.descriptor, file.path);
    if (now.same_file(own.facts) && now.names == 0) return name_state::removed;
  } catch (const std::exception&) {
    // The program closed the descriptor.
  }
  return name_state::unknown;
}

void attached_segment::leave_name() noexcept { impl_->leaves_name = true; }

void attached_segment::on_removal(std::function<void(std::uint64_t undelivered_messages)> tell) {
  impl_->on_removal = std::move(tell);
}

void attached_segment::join_here() {
  auto& own = *impl_;
  const auto is_joined = [&] {
    const std::lock_guard alone(os::fork_gate());
    return own.locks == nullptr || own.mark.is_here();
  };
  if (is_joined()) return;
  auto fresh = own.name.empty() ? locks_on(own.memory) : own.come_in_again();
  const std::lock_guard alone(os::fork_gate());
  if (own.mark.is_here()) return;  // another thread of this process was first
  own.locks->forget();
  own.locks = std::move(fresh);
  own.mark = process_mark::here();
}

std::shared_ptr<os::byte_locks> attached_segment::impl::come_in_again() const {
  const auto tried = "join " + what + " after fork";
  try {
    const auto directory_fd = detail::open_registry(directory, false, false);
    const auto opened = directory_fd ? detail::open_name(directory_fd->get(), directory, name, true) : std::nullopt;
    if (opened && opened->facts.same_file(facts))
      if (auto fresh = detail::come_in(*opened, directory_fd->get(), name, tried)) return fresh;
  } catch (const error& problem) {
    if (problem.reason() != errc::no_permission) throw;
    throw error(errc::no_permission, tried + ": " + problem.what() +
                                         "; attach and take the seat before privileges are dropped, or let this user "
                                         "write to the file");
  }
  throw error(errc::not_found, tried + ": the name was removed meanwhile");
}

}  // namespace sluice
