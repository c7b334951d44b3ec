#include "os/residence.hpp"

#include <sys/mman.h>
#include <sys/resource.h>

#include <cerrno>

namespace sluice::os {
namespace {

// linux/mman.h of 5.14; older headers lack them.
constexpr int populate_read = 22;
constexpr int populate_write = 23;

int synchronise(std::span<std::byte> bytes, int flags) noexcept {
  return ::msync(bytes.data(), bytes.size(), flags) == 0 ? 0 : errno;
}

}  // namespace

int populate(std::span<std::byte> bytes, bool for_writing) noexcept {
  for (;;) {
    if (::madvise(bytes.data(), bytes.size(), for_writing ? populate_write : populate_read) == 0) return 0;
    if (errno != EINTR && errno != EAGAIN) return errno;
  }
}

int lock_in_memory(std::span<std::byte> bytes) noexcept { return ::mlock(bytes.data(), bytes.size()) == 0 ? 0 : errno; }

std::uint64_t lock_limit_bytes() noexcept {
  rlimit limit{};
  return ::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY ? limit.rlim_cur
                                                                                     : ~std::uint64_t{0};
}

int write_back(std::span<std::byte> bytes) noexcept { return synchronise(bytes, MS_SYNC); }
int begin_to_write_back(std::span<std::byte> bytes) noexcept { return synchronise(bytes, MS_ASYNC); }
int invalidate(std::span<std::byte> bytes) noexcept { return synchronise(bytes, MS_INVALIDATE); }

void advise_huge(std::span<std::byte> bytes) noexcept { ::madvise(bytes.data(), bytes.size(), MADV_HUGEPAGE); }

}  // namespace sluice::os
