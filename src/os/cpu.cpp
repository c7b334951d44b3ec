#include "os/cpu.hpp"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <bit>

namespace sluice::os {

std::optional<std::uint32_t> only_processor() noexcept {
  constexpr std::uint32_t word_bits = 64;
  std::array<std::uint64_t, 1024> mask{};  // 65536 processors: the kernel refuses a mask that is shorter than its own
  // Not the library's function of that name, because its mask is for 1024 processors.
  if (::syscall(SYS_sched_getaffinity, 0, sizeof mask, mask.data()) < 0) return std::nullopt;
  std::optional<std::uint32_t> only;
  for (std::uint32_t i = 0; i < mask.size(); ++i) {
    if (mask[i] == 0) continue;
    if (only || !std::has_single_bit(mask[i])) return std::nullopt;
    only = i * word_bits + static_cast<std::uint32_t>(std::countr_zero(mask[i]));
  }
  return only;
}

void yield() noexcept { ::sched_yield(); }

}  // namespace sluice::os
