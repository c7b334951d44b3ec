#include "os/mapping.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <string>

#include "os/fd.hpp"
#include "os/file.hpp"
#include "sluice/base/error.hpp"

namespace sluice::os {
namespace {

std::span<std::byte> map(std::size_t bytes, int protection, int flags, int file, const std::string& what) {
  void* at = ::mmap(nullptr, bytes, protection, flags, file, 0);
  if (at == MAP_FAILED) throw error::from_errno(errno, "map " + std::to_string(bytes) + " bytes of " + what);
  return {static_cast<std::byte*>(at), bytes};
}

}  // namespace

mapping::~mapping() {
  if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
}

mapping mapping::dev_zero(std::size_t bytes) {
  const fd zero(::open("/dev/zero", O_RDWR | O_CLOEXEC));
  if (!zero) throw error::from_errno(errno, "open /dev/zero");
  return mapping(map(bytes, PROT_READ | PROT_WRITE, MAP_SHARED, zero.get(), "/dev/zero"));
}

mapping mapping::anchor(int file) {
  mapping anchored(map(kernel_page_bytes(), PROT_NONE, MAP_SHARED, file, "a segment's first page"));
  if (::madvise(anchored.bytes_.data(), anchored.bytes_.size(), MADV_DONTFORK) != 0)
    throw error::from_errno(errno, "madvise DONTFORK");
  return anchored;
}

mapping mapping::wiped_at_fork(std::size_t bytes) {
  mapping page(map(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, "private memory"));
  if (::madvise(page.bytes_.data(), page.bytes_.size(), MADV_WIPEONFORK) != 0)
    throw error::from_errno(errno, "madvise WIPEONFORK");
  return page;
}

mapping mapping::private_view(int file, std::size_t bytes, const char* what) {
  return mapping(map(bytes, PROT_READ, MAP_PRIVATE, file, what));
}

}  // namespace sluice::os
