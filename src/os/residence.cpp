#include "os/residence.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <vector>

#include "os/file.hpp"

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

std::optional<std::uint64_t> bytes_in_memory(std::span<const std::byte> mapped) {
  const auto page = kernel_page_bytes();
  std::vector<unsigned char> is_there(std::min<std::uint64_t>(1U << 16, mapped.size() / page + 1));
  std::uint64_t pages = 0;
  while (!mapped.empty()) {
    const auto bytes = std::min<std::uint64_t>(is_there.size() * page, mapped.size());
    auto* const at = const_cast<std::byte*>(mapped.data());  // mincore(2) takes it so, and writes nothing there
    if (::mincore(at, bytes, is_there.data()) != 0) return std::nullopt;
    const auto end = is_there.begin() + static_cast<std::ptrdiff_t>((bytes + page - 1) / page);
    pages += static_cast<std::uint64_t>(std::count_if(is_there.begin(), end, [](auto one) { return (one & 1) != 0; }));
    mapped = mapped.subspan(bytes);
  }
  return pages * page;
}

bool residence_is_told(int file, std::uint32_t owner) noexcept {
  if (owner == effective_uid()) return true;
  char path[32];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  return ::faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
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

int leave_out_of_dumps(std::span<std::byte> bytes) noexcept {
  return ::madvise(bytes.data(), bytes.size(), MADV_DONTDUMP) == 0 ? 0 : errno;
}

void advise_huge(std::span<std::byte> bytes) noexcept { ::madvise(bytes.data(), bytes.size(), MADV_HUGEPAGE); }

}  // namespace sluice::os
