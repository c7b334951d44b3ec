#include "harness/system_calls.hpp"

#include <linux/perf_event.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

namespace sluice_bench {
namespace {

constexpr std::array<const char*, 4> tracepoints = {"raw_syscalls/sys_enter", "syscalls/sys_enter_sched_yield",
                                                    "syscalls/sys_enter_futex", "syscalls/sys_enter_membarrier"};

/// A disabled counter of the calling process; -1: not allowed, or no such tracepoint.
int counter_of(const char* tracepoint) {
  std::ifstream file(std::string("/sys/kernel/tracing/events/") + tracepoint + "/id");
  perf_event_attr wanted{};
  if (!(file >> wanted.config)) return -1;
  wanted.type = PERF_TYPE_TRACEPOINT;
  wanted.size = sizeof wanted;
  wanted.disabled = 1;
  return static_cast<int>(::syscall(SYS_perf_event_open, &wanted, 0, -1, -1, 0));
}

}  // namespace

system_call_counter::system_call_counter() : by_tracepoint_(true) {
  for (const char* tracepoint : tracepoints) {
    const int event = counter_of(tracepoint);
    if (event < 0)
      by_tracepoint_ = false;
    else
      ::close(event);
  }
}

void system_call_counter::open(std::size_t which) noexcept {
  if (!by_tracepoint_) return windows().is_open[which].store(1, std::memory_order_relaxed);
  for (std::size_t i = 0; i < tracepoints.size(); ++i) events_[i] = counter_of(tracepoints[i]);
  for (std::size_t i = tracepoints.size(); i-- > 0;) ::ioctl(events_[i], PERF_EVENT_IOC_ENABLE, 0);  // the whole last
}

void system_call_counter::close(std::size_t which) noexcept {
  if (!by_tracepoint_) return windows().is_open[which].store(0, std::memory_order_relaxed);
  for (const int event : events_) ::ioctl(event, PERF_EVENT_IOC_DISABLE, 0);
  auto& counted = windows().counted[which];
  for (std::size_t i = 0; i < events_.size(); ++i) {
    if (::read(events_[i], &counted[i], sizeof counted[i]) != sizeof counted[i]) counted[i] = ~std::uint64_t{0};
    ::close(events_[i]);
  }
  --counted[0];  // the call that ended it
}

runner_duties system_call_counter::duties() {
  if (by_tracepoint_) return {};
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

std::map<std::string, std::uint64_t> system_call_counter::by_name() const {
  std::map<std::string, std::uint64_t> calls;
  if (by_tracepoint_) {
    for (const auto& counted : windows().counted) {
      calls["sched_yield"] += counted[1];
      calls["futex"] += counted[2];
      calls["membarrier"] += counted[3];
      calls["others"] += counted[0] - counted[1] - counted[2] - counted[3];
    }
    return calls;
  }
  for (const auto& [number, count] : counts_)
    calls[number == SYS_futex         ? "futex"
          : number == SYS_sched_yield ? "sched_yield"
          : number == SYS_membarrier  ? "membarrier"
                                      : "call " + std::to_string(number)] += count;
  return calls;
}

std::uint64_t system_call_counter::total() const {
  std::uint64_t sum = 0;
  for (const auto& [name, count] : by_name()) sum += count;
  return sum;
}

std::string system_call_counter::names() const {
  std::string text;
  for (const auto& [name, count] : by_name())
    if (count != 0) text += (text.empty() ? "" : ", ") + name + " " + std::to_string(count);
  return text.empty() ? "none" : text;
}

}  // namespace sluice_bench
