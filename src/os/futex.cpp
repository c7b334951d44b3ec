#include "os/futex.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "sluice/error.hpp"

namespace sluice::os {

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t), "futex(2) wants a plain 32-bit word");

sleep_end futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected, std::uint64_t timeout_ns) {
  const timespec timeout{static_cast<std::time_t>(timeout_ns / 1'000'000'000U),
                         static_cast<long>(timeout_ns % 1'000'000'000U)};
  if (::syscall(SYS_futex, &word, FUTEX_WAIT, expected, &timeout, nullptr, 0) == 0) return sleep_end::woken;
  switch (errno) {
    case EAGAIN:
    case EFAULT: return sleep_end::woken;  // the file was cut short: the caller's next look or tick says so
    case ETIMEDOUT: return sleep_end::timed_out;
    case EINTR: return sleep_end::interrupted;
    default: throw error::from_errno(errno, "sleep in futex(2)");
  }
}

int futex_wake(std::atomic<std::uint32_t>& word, int count) noexcept {
  const auto woken = ::syscall(SYS_futex, &word, FUTEX_WAKE, count, nullptr, nullptr, 0);
  return woken > 0 ? static_cast<int>(woken) : 0;
}

}  // namespace sluice::os
