#include "registry/attachment.hpp"

#include "registry/directory.hpp"
#include "sluice/base/error.hpp"
#include "sluice/layout/durability.hpp"

namespace sluice {

os::byte_lock join_presence(const detail::opened_file& opened, const std::string& what) {
  auto presence = detail::try_lock(opened, presence_lock_offset, os::lock_mode::shared);
  if (!presence) detail::throw_presence_is_refused(what);
  return std::move(*presence);
}

attached_segment::impl::~impl() {
  if (!presence) return;
  if (!mark.is_here()) {  // a forked child that never joined: the presence is the parent's
    presence->forget();
    return;
  }
  presence.reset();
  if (leaves_name || lifetime_of(memory.header()) != lifetime::ephemeral) return;
  try {
    const auto directory_fd = detail::open_registry(directory, false, false);
    if (!directory_fd) return;
    const auto opened = detail::open_name(directory_fd->get(), directory, name, true);
    if (!opened) return;
    const auto gate = detail::pass_gate(*opened, os::lock_mode::exclusive, what);
    if (detail::is_attached_by_anybody(*opened) || !detail::still_leads_to(directory_fd->get(), name, facts)) return;
    const auto undelivered = on_removal ? undelivered_messages(detail::read_info(*opened, name)) : 0;
    os::unlink_in(directory_fd->get(), name, opened->path);
    if (on_removal) on_removal(undelivered);
  } catch (const error&) {
    // Left to sweep: nothing is lost by a name that stays.
  }
}

attached_segment attached_segment::unnamed(segment memory, std::string what) {
  auto attached = std::make_shared<impl>();
  attached->memory = std::move(memory);
  attached->what = std::move(what);
  return attached_segment(std::move(attached));
}

const segment& attached_segment::memory() const noexcept { return impl_->memory; }
const std::string& attached_segment::what() const noexcept { return impl_->what; }

void attached_segment::leave_name() noexcept { impl_->leaves_name = true; }

void attached_segment::on_removal(std::function<void(std::uint64_t undelivered_messages)> tell) {
  impl_->on_removal = std::move(tell);
}

void attached_segment::join_here() {
  auto& own = *impl_;
  if (!own.presence || own.mark.is_here()) return;
  const auto directory_fd = detail::open_registry(own.directory, false, false);
  auto opened = directory_fd ? detail::open_name(directory_fd->get(), own.directory, own.name, true) : std::nullopt;
  if (!opened || !opened->facts.same_file(own.facts))
    throw error(errc::not_found, "join " + own.what + " after fork: the name was removed meanwhile");
  auto presence = detail::come_in(*opened, directory_fd->get(), own.name, "join " + own.what);
  if (!presence) throw error(errc::not_found, "join " + own.what + " after fork: the name was removed meanwhile");
  own.presence->forget();
  own.presence = std::move(presence);
  own.mark = process_mark::here();
}

}  // namespace sluice
