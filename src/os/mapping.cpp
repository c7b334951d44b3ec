#include "os/mapping.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstdio>
#include <string>

#include "os/fd.hpp"
#include "os/file.hpp"
#include "sluice/error.hpp"

namespace sluice::os {
namespace {

std::span<std::byte> map(std::size_t bytes, int protection, int flags, int file, const std::string& what,
                         const map_wishes& wishes = {}) {
  void* at = ::mmap(wishes.at, bytes, protection, flags | flags_for(wishes), file, 0);
  if (at == MAP_FAILED) throw map_error(errno, bytes, what, wishes);
  if (wishes.at != nullptr && at != wishes.at) {  // a kernel that takes the address for a hint
    ::munmap(at, bytes);
    throw map_error(EEXIST, bytes, what, wishes);
  }
  return {static_cast<std::byte*>(at), bytes};
}

std::string in_hex(const void* address) {
  char text[2 + 16 + 1];
  std::snprintf(text, sizeof text, "0x%llx",
                static_cast<unsigned long long>(reinterpret_cast<std::uintptr_t>(address)));
  return text;
}

}  // namespace

int flags_for(const map_wishes& wishes) noexcept {
  return (wishes.no_reserve ? MAP_NORESERVE : 0) | (wishes.huge ? MAP_HUGETLB : 0) |
         (wishes.at != nullptr ? MAP_FIXED_NOREPLACE : 0);
}

error map_error(int errno_value, std::uint64_t bytes, const std::string& what, const map_wishes& wishes) {
  const auto tried = "map " + std::to_string(bytes) + " bytes of " + what +
                     (wishes.at != nullptr ? " at " + in_hex(wishes.at) : std::string());
  switch (errno_value) {
    case EACCES:
      return {errc::no_permission, tried +
                                       ": the descriptor does not allow it; open it for reading and writing, or ask "
                                       "for a read-only or private view"};
    case EAGAIN:
      return {errc::no_space, tried +
                                  ": this process locks all its memory, and this is above RLIMIT_MEMLOCK; raise it "
                                  "(ulimit -l, LimitMEMLOCK= of the unit) or do without mlockall"};
    case EBADF: return {errc::bad_argument, tried + ": the descriptor is not open; pass one that is"};
    case EEXIST: return {errc::in_use, tried + ": something else is mapped there; choose another address, or none"};
    case EINVAL:
      return {errc::bad_argument,
              tried + ": no bytes, or an address or offset that is not a multiple of the page size; correct that"};
    case ENODEV:
      return {errc::not_a_segment, tried +
                                       ": a file of this kind cannot be mapped; pass a regular file, a memfd or a "
                                       "device with memory"};
    case ENOMEM:
      return {errc::no_space,
              tried + (wishes.huge ? ": not that many huge pages are free; reserve some (sysctl vm.nr_hugepages) or "
                                     "let them be preferred, not required"
                                   : ": no memory left, too many mappings (sysctl vm.max_map_count), or above "
                                     "ulimit -v; ask for less or raise the limit")};
    case EPERM:
      return {
          errc::no_permission,
          tried + (wishes.at != nullptr ? ": the address is below what this user may map (sysctl vm.mmap_min_addr); "
                                          "choose a higher one"
                                        : ": the file is sealed against it; ask for a read-only or private view")};
    default: return error::from_errno(errno_value, tried);
  }
}

mapping::~mapping() {
  if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
}

mapping mapping::dev_zero(std::size_t bytes, const map_wishes& wishes) {
  const auto zero = fd::above_standard(::open("/dev/zero", O_RDWR | O_CLOEXEC));
  if (!zero) throw error::from_errno(errno, "open /dev/zero");
  return mapping(map(bytes, PROT_READ | PROT_WRITE, MAP_SHARED, zero.get(), "/dev/zero", wishes));
}

mapping mapping::anonymous(std::size_t bytes, const map_wishes& wishes) {
  return mapping(map(bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, "shared anonymous memory", wishes));
}

mapping mapping::anchor(int file, std::uint64_t page) {
  mapping anchored(map(page, PROT_NONE, MAP_SHARED, file, "a segment's first page"));
  if (::madvise(anchored.bytes_.data(), anchored.bytes_.size(), MADV_DONTFORK) != 0)
    throw error::from_errno(errno, "madvise DONTFORK");
  return anchored;
}

mapping mapping::untouchable(int file, std::size_t bytes) {
  return mapping(map(bytes, PROT_NONE, MAP_SHARED | MAP_NORESERVE, file, "a segment to look at"));
}

mapping mapping::wiped_at_fork(std::size_t bytes) {
  // At once: a look before the first store would cost a second fault.
  mapping page(map(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, "private memory"));
  if (::madvise(page.bytes_.data(), page.bytes_.size(), MADV_WIPEONFORK) != 0)
    throw error::from_errno(errno, "madvise WIPEONFORK");
  return page;
}

mapping mapping::private_view(int file, std::size_t bytes, const char* what) {
  return mapping(map(bytes, PROT_READ, MAP_PRIVATE, file, what));
}

}  // namespace sluice::os
