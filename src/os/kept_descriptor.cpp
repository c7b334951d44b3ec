#include "os/kept_descriptor.hpp"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace sluice::os {

/// All of this process. Never destroyed: other static objects may hold some.
struct kept_descriptors {
  std::mutex alone;
  std::vector<kept_descriptor*> all;

  static kept_descriptors& of_process() {
    static auto* const one = new kept_descriptors;
    return *one;
  }

  // The child's only thread; nothing here takes memory.
  void in_child() noexcept {
    for (auto* const one : all)
      if (one->in_child_ == kept_descriptor::in_child::closed) leave_to_parent(*one);
  }

  static void leave_to_parent(kept_descriptor& one) noexcept {
    const bool is_own = one.is_own();
    const int copy = one.value_.exchange(-1, std::memory_order_relaxed);
    if (is_own) ::close(copy);
    one.is_of_parent_.store(true, std::memory_order_relaxed);
  }
};

namespace {

struct gate {
  std::mutex mutex;
  gate() {
    ::pthread_atfork(
        [] {
          fork_gate().lock();
          kept_descriptors::of_process().alone.lock();
        },
        [] {
          kept_descriptors::of_process().alone.unlock();
          fork_gate().unlock();
        },
        [] {
          auto& kept = kept_descriptors::of_process();
          kept.in_child();
          kept.alone.unlock();
          fork_gate().unlock();
        });
  }
};

}  // namespace

std::mutex& fork_gate() {
  static auto* const one = new gate;
  return one->mutex;
}

kept_descriptor::kept_descriptor(fd file, std::uint64_t device, std::uint64_t inode, in_child what)
    : value_(file.get()), device_(device), inode_(inode), in_child_(what) {
  if (!file) return;
  auto& kept = kept_descriptors::of_process();
  const std::lock_guard alone(kept.alone);
  kept.all.reserve(kept.all.size() + 1);
  for (auto* const one : kept.all)
    if (one->get() == file.get()) one->value_.store(-1, std::memory_order_relaxed);  // the program closed that one
  kept.all.push_back(this);
  (void)file.release();
}

kept_descriptor::~kept_descriptor() {
  auto& kept = kept_descriptors::of_process();
  const std::lock_guard alone(kept.alone);
  std::erase(kept.all, this);
  if (is_own()) ::close(get());
}

bool kept_descriptor::is_own() const noexcept {
  struct stat now {};
  const int value = get();
  return value >= 0 && ::fstat(value, &now) == 0 && now.st_dev == device_ && now.st_ino == inode_;
}

void kept_descriptor::leave_to_parent() noexcept { kept_descriptors::leave_to_parent(*this); }

}  // namespace sluice::os
