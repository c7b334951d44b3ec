#include "os/memfd.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <iterator>

#include "sluice/error.hpp"

namespace sluice::os {

fd create_memfd(const std::string& name, bool huge) {
  constexpr unsigned no_exec_seal = 8;  // MFD_NOEXEC_SEAL, from Linux 6.3 on
  const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING | (huge ? MFD_HUGETLB : 0U);
  int file = ::memfd_create(name.c_str(), flags | no_exec_seal);
  if (file < 0 && errno == EINVAL) file = ::memfd_create(name.c_str(), flags);
  if (file < 0) throw error::from_errno(errno, "create a memfd" + std::string(huge ? " of huge pages" : ""));
  auto memfd = fd::above_standard(file);
  if (!memfd) throw error::from_errno(errno, "create a memfd");
  return memfd;
}

void seal_length(int memfd, const std::string& what) {
  if (::fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    throw error::from_errno(errno, "seal the length of " + what);
}

bool cannot_shrink(int file) noexcept {
  const int seals = ::fcntl(file, F_GET_SEALS);
  return seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
}

std::optional<std::vector<std::string>> seals_of(int file) {
  constexpr const char* names[] = {"seal", "shrink", "grow", "write", "future_write", "exec"};  // by bit
  const int bits = ::fcntl(file, F_GET_SEALS);
  if (bits < 0) return std::nullopt;
  std::vector<std::string> seals;
  for (unsigned i = 0; i < std::size(names); ++i)
    if ((static_cast<unsigned>(bits) >> i & 1U) != 0) seals.emplace_back(names[i]);
  return seals;
}

}  // namespace sluice::os
