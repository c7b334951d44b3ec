#include "os/byte_locks.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "os/file.hpp"
#include "os/process.hpp"
#include "sluice/error.hpp"

namespace sluice::os {
namespace {

struct flock range(short type, std::uint64_t offset, std::uint64_t count) noexcept {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(offset);
  lock.l_len = static_cast<off_t>(count);
  return lock;
}

/// The lock that keeps one of `type` out: of type F_UNLCK when none does.
struct flock conflicting(int file, short type, std::uint64_t offset, std::uint64_t count) {
  auto lock = range(type, offset, count);
  if (::fcntl(file, F_OFD_GETLK, &lock) != 0) throw error::from_errno(errno, "look at the locks of a segment");
  return lock;
}

short conflict(int file, short type, std::uint64_t offset, std::uint64_t count) {
  return conflicting(file, type, offset, count).l_type;
}

bool set(int file, short type, std::uint64_t offset) noexcept {
  auto lock = range(type, offset, 1);
  return ::fcntl(file, F_OFD_SETLK, &lock) == 0;
}

short type_of(lock_mode mode) noexcept { return mode == lock_mode::exclusive ? F_WRLCK : F_RDLCK; }

// Beyond all bytes that mean anything: docs/format.md, table 6.
constexpr std::uint64_t trial_offset = (std::uint64_t{1} << 62) + 0x700000;
constexpr std::uint64_t trial_bytes = 0x10000;

fd open_again(const lockable_file& file) {
  file_facts now;
  try {
    now = facts_of(file.descriptor, file.path);
  } catch (const error&) {
    // Closed: by its name then, whose failure says more.
  }
  if (now.device == file.device && now.inode == file.inode) return reopen(file.descriptor, true, file.path);
  return reopen_path(file.path, file.device, file.inode);
}

/// Whether a mapping of this file holds the locks of the description it was made through. Asked by trial: filesystems that
/// hand mappings to a file of another filesystem (overlayfs, fuse) do not say so. @throws error in_use: a reader is in the way,
/// and a wrong answer would cost what this process holds.
bool mappings_hold_locks(int file, const lockable_file& which) {
  constexpr int max_tries = 8;  // a byte may be another process's trial
  for (int i = 0; i < max_tries; ++i) {
    const auto offset = trial_offset + random_word() % trial_bytes;
    mapping anchor;
    {
      const auto fresh = open_again(which);
      if (!set(fresh.get(), F_WRLCK, offset)) {
        if (errno != EAGAIN && errno != EACCES) throw error::from_errno(errno, "try the locks of " + which.path);
        continue;
      }
      anchor = mapping::anchor(fresh.get(), kernel_page_bytes());
    }
    return conflict(file, F_RDLCK, offset, 1) != F_UNLCK;
  }
  throw error(errc::in_use,
              "try the locks of " + which.path + ": " +
                  shared_lock_text(which.path, "the bytes for trials", shared_lock_at(file, trial_offset).value_or(0)));
}

}  // namespace

byte_locks::byte_locks(lockable_file file) : file_(std::move(file)) {
  is_named(file_.path);
  const std::lock_guard no_fork(fork_gate());
  own_ = std::make_unique<kept_descriptor>(open_again(file_), file_.device, file_.inode,
                                           kept_descriptor::in_child::closed);
}

byte_locks::~byte_locks() {
  if (!is_of_parent()) return;
  anchor_.forget();
  for (auto& left : left_) left.anchor.forget();
}

void byte_locks::is_named(const std::string& path) {
  const bool is_path = path.find('/') != std::string::npos;  // else what is said of a file without a name: "memfd"
  file_.path = is_path ? absolute(path) : path;
}

void byte_locks::show_in(std::shared_ptr<byte_locks> shown) { shown_ = std::move(shown); }

void byte_locks::forget() noexcept {
  if (shown_ != nullptr) shown_->forget();
  if (!is_of_parent()) own_->leave_to_parent();
}

void byte_locks::anchor(std::uint64_t page) {
  if (shown_ != nullptr && shown_->page_ == 0) shown_->anchor(page);
  const std::lock_guard no_fork(fork_gate());
  page_ = page;
  anchor_ = mapping::anchor(usable(), page);
}

lock_answer byte_locks::try_lock(std::uint64_t offset, lock_mode mode) {
  const auto answer = try_lock_here(offset, mode);
  if (answer != lock_answer::locked || shown_ == nullptr) return answer;
  try {
    (void)shown_->try_lock(offset, mode);
  } catch (const std::exception&) {
    // It decides nothing: processes that may only read are told less.
  }
  return answer;
}

void byte_locks::unlock(std::uint64_t offset) noexcept {
  if (shown_ != nullptr) shown_->unlock(offset);  // first: another thread may lock the byte again at once
  unlock_here(offset);
}

lock_answer byte_locks::try_lock_here(std::uint64_t offset, lock_mode mode) {
  const std::lock_guard no_fork(fork_gate());
  const int file = usable();
  if (is_locked_here(offset)) return lock_answer::held;
  bytes_.reserve(bytes_.size() + 1);
  if (set(file, type_of(mode), offset)) {
    bytes_.push_back({offset, mode});
    return lock_answer::locked;
  }
  if (errno != EAGAIN && errno != EACCES)
    throw error::from_errno(errno, "lock byte " + std::to_string(offset) + " of " + file_.path);
  if (mode == lock_mode::shared) return lock_answer::held;
  return conflict(file, F_WRLCK, offset, 1) == F_RDLCK ? lock_answer::held_by_reader : lock_answer::held;
}

void byte_locks::unlock_here(std::uint64_t offset) noexcept {
  const std::lock_guard no_fork(fork_gate());
  if (is_of_parent()) return;
  const auto is_it = [&](const locked_byte& byte) { return byte.offset == offset; };
  if (std::erase_if(bytes_, is_it) != 0) {
    if (own_->is_own())
      (void)set(own_->get(), F_UNLCK,
                offset);  // refused only when the kernel is out of memory: then it falls with this object
    else if (bytes_.empty())
      anchor_ = mapping();
    return;
  }
  for (auto& left : left_) std::erase_if(left.bytes, is_it);
  std::erase_if(left_, [](const anchored& left) { return left.bytes.empty(); });
}

bool byte_locks::has_owner(std::uint64_t offset) {
  const std::lock_guard no_fork(fork_gate());
  const int file = usable();
  if (is_locked_here(offset)) return true;
  const bool has = conflict(file, F_RDLCK, offset, 1) != F_UNLCK;
  // Once more: it may have been closed and used again by another thread before the question was asked.
  return own_->is_own() ? has : conflict(usable(), F_RDLCK, offset, 1) != F_UNLCK;
}

std::uint32_t byte_locks::reader_of(std::uint64_t offset) {
  const std::lock_guard no_fork(fork_gate());
  return shared_lock_at(usable(), offset).value_or(0);
}

bool byte_locks::holds(std::uint64_t offset) {
  const std::lock_guard no_fork(fork_gate());
  (void)usable();
  return is_locked_here(offset);
}

int byte_locks::usable() {
  if (!own_->is_own()) renew();
  return own_->get();
}

void byte_locks::renew() {
  const auto closed = own_->get();
  std::unique_ptr<kept_descriptor> fresh;
  try {
    fresh = std::make_unique<kept_descriptor>(open_again(file_), file_.device, file_.inode,
                                              kept_descriptor::in_child::closed);
  } catch (const error& problem) {
    throw error(problem.reason(), "the program closed descriptor " +
                                      (closed < 0 ? std::string() : std::to_string(closed) + " ") + "of " + file_.path +
                                      ", which held its locks, and it cannot be opened anew (" + problem.what() +
                                      "); keep the descriptors that the library opens, or attach anew");
  }
  const int file = fresh->get();
  auto anchor = page_ == 0 ? mapping() : mapping::anchor(file, page_);
  if (!anchor_.bytes().empty() && mappings_hold_locks(file, file_)) {
    left_.push_back({std::move(anchor_), std::move(bytes_)});
    bytes_.clear();
  } else {
    // They fell when the descriptor was closed. Those that no other process took meanwhile are taken again; their owners
    // look at the shared words to see what happened in between.
    std::erase_if(bytes_, [&](const locked_byte& byte) { return !set(file, type_of(byte.mode), byte.offset); });
  }
  anchor_ = std::move(anchor);
  own_ = std::move(fresh);
}

bool byte_locks::is_locked_here(std::uint64_t offset) const noexcept {
  const auto has = [&](const std::vector<locked_byte>& bytes) {
    return std::any_of(bytes.begin(), bytes.end(), [&](const locked_byte& byte) { return byte.offset == offset; });
  };
  return has(bytes_) || std::any_of(left_.begin(), left_.end(), [&](const anchored& a) { return has(a.bytes); });
}

std::optional<std::uint32_t> shared_lock_at(int file, std::uint64_t offset) {
  const auto lock = conflicting(file, F_WRLCK, offset, 1);
  if (lock.l_type != F_RDLCK) return std::nullopt;
  return lock.l_pid > 0 ? static_cast<std::uint32_t>(lock.l_pid) : 0;
}

std::string shared_lock_text(const std::string& path, const std::string& byte, std::uint32_t pid) {
  return (pid == 0 ? "a process" : "process " + std::to_string(pid)) + " that may only read " + path +
         " holds a shared lock on " + byte + "; " +
         (pid == 0 ? "`fuser " + path + "` lists the processes that have it open, /proc/locks has the lock; " : "") +
         "end that process, or take the permission to read the file from its user";
}

bool is_locked(int file, std::uint64_t offset, std::uint64_t count, lock_mode mode) {
  return conflict(file, mode == lock_mode::exclusive ? F_RDLCK : F_WRLCK, offset, count) != F_UNLCK;
}

}  // namespace sluice::os
