#include "harness/system_calls.hpp"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace sluice_bench {

runner_duties system_call_counter::duties() {
  return {[this](std::span<const int> pids) {
            is_tracing_ = true;
            for (std::size_t i = 0; i < pids.size() && i < pids_.size(); ++i) {
              pids_[i] = pids[i];
              // Interrupted once, it can be told to stop at each call from then on.
              if (::ptrace(PTRACE_SEIZE, pids[i], nullptr, PTRACE_O_TRACESYSGOOD) != 0 ||
                  ::ptrace(PTRACE_INTERRUPT, pids[i], nullptr, nullptr) != 0)
                is_tracing_ = false;
            }
          },
          [this](int pid, int status) { stopped(pid, status); }};
}

void system_call_counter::stopped(int pid, int status) {
  const int signal = WSTOPSIG(status);
  const bool is_call = signal == (SIGTRAP | 0x80);
  const bool is_event = status >> 16 != 0;
  if (is_call) {
    __ptrace_syscall_info info{};
    const std::size_t which = pid == pids_[0] ? 0 : 1;
    if (::ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) > 0 && info.op == PTRACE_SYSCALL_INFO_ENTRY &&
        windows().is_open[which].load(std::memory_order_relaxed) != 0)
      ++counts_[info.entry.nr];
  }
  ::ptrace(PTRACE_SYSCALL, pid, nullptr, is_call || is_event ? 0 : signal);
}

std::uint64_t system_call_counter::total() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& [number, count] : counts_) sum += count;
  return sum;
}

std::string system_call_counter::names() const {
  std::string text;
  for (const auto& [number, count] : counts_) {
    std::string name = number == SYS_futex         ? "futex"
                       : number == SYS_sched_yield ? "sched_yield"
                       : number == SYS_membarrier  ? "membarrier"
                       : number == SYS_fcntl       ? "fcntl"
                       : number == SYS_read        ? "read"
                       : number == SYS_write       ? "write"
                                                   : "call " + std::to_string(number);
    text += (text.empty() ? "" : ", ") + name + " " + std::to_string(count);
  }
  return text.empty() ? "none" : text;
}

}  // namespace sluice_bench
