#include "sluice/segment.hpp"

#include <cerrno>
#include <cstring>

#include "os/fault_guard.hpp"
#include "os/residence.hpp"
#include "segment/map_file.hpp"
#include "sluice/error.hpp"

namespace sluice {

using namespace detail;

bool catch_segment_fault(const void* address) noexcept { return os::catch_fault(address); }

bool segment::is_lost() const noexcept { return guard_ != nullptr && guard_->is_lost(); }

std::atomic<std::uint64_t>* segment::mark() const noexcept { return guard_ != nullptr ? &guard_->mark() : nullptr; }

void segment::flush(flush_mode how) const {
  if (file_.path.empty() || !placement_.is_shared) return;
  const int problem = how == flush_mode::wait    ? os::write_back(bytes_)
                      : how == flush_mode::begin ? os::begin_to_write_back(bytes_)
                                                 : os::invalidate(bytes_);
  if (problem == 0) return;
  const auto tried = "flush " + std::to_string(bytes_.size()) + " bytes of " + file_.path;
  if (problem == EBUSY)
    throw error(errc::in_use, tried + ": it is locked in memory and cannot be read anew; do without lock_in_memory");
  throw error::from_errno(problem, tried);
}

void segment::require_whole(const std::string& what) const {
  const auto length = length_of(file_);
  const auto needed = file_.offset_bytes + (trusted_ ? trusted_->mapped_bytes : file_.length_bytes);
  if (length && *length < needed) {
    if (guard_ != nullptr) guard_->lose();
    throw error(errc::truncated,
                "use " + what + ": " + file_.path + " was cut short to " + std::to_string(*length) +
                    " bytes while it was in use, of " + std::to_string(needed) +
                    ": what it held is gone; end the processes that use it, remove it and create it anew");
  }
  if (is_lost()) {
    if (length)
      throw error(errc::no_space, "use " + what + ": a page of " + file_.path +
                                      " could not be had when it was touched first: its filesystem is full; make room, "
                                      "remove it and create it anew, without no_reserve");
    throw error(errc::truncated,
                "use " + what + ": " + file_.path +
                    " was cut short while it was in use: what it held is gone; end the processes that use it, "
                    "remove it and create it anew");
  }
  if (!trusted_ || guard_ == nullptr) return;
  std::uint64_t words[2];  // as they are in the shared bytes now; a page that is missing is caught
  std::memcpy(&words[0], bytes_.data() + offsetof(segment_header, magic), sizeof words[0]);
  std::memcpy(&words[1], bytes_.data() + offsetof(segment_header, creation_id), sizeof words[1]);
  if (!is_lost() && (words[0] != trusted_->magic || words[1] != trusted_->creation_id))
    throw error(errc::corrupted,
                "use " + what + ": something else was written over " + file_.path +
                    " while it was in use; end the processes that use it, remove it and create it anew");
}

}  // namespace sluice
