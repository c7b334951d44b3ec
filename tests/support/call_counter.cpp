#include "support/call_counter.hpp"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>

#include "support/child_process.hpp"

namespace sluice::detail::test {
namespace {

constexpr auto mark = SYS_getppid;  // not called here otherwise, and it does nothing

/// From one stop to the next; false when the child has ended.
bool step(pid_t child, int& status) {
  const int signal = WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
  const bool is_ours = signal == SIGSTOP || signal == (SIGTRAP | 0x80) || status >> 16 != 0;
  if (::ptrace(PTRACE_SYSCALL, child, nullptr, is_ours ? 0 : signal) != 0) return false;
  return ::waitpid(child, &status, 0) == child && WIFSTOPPED(status);
}

}  // namespace

counted count_system_calls(const std::function<std::function<bool()>()>& prepare) {
  const auto child = ::fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child == 0) {
    int code = 2;
    try {
      if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0 && ::raise(SIGSTOP) == 0) {
        const auto body = prepare();
        ::syscall(mark);
        const bool was_right = body();
        ::syscall(mark);
        code = was_right ? 0 : 1;
      }
    } catch (...) {
      code = 3;
    }
    ::_exit(code);
  }
  counted found;
  int status = 0;
  bool is_there = ::waitpid(child, &status, 0) == child && WIFSTOPPED(status);
  if (is_there)
    ::ptrace(PTRACE_SETOPTIONS, child, nullptr, static_cast<long>(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
  int marks = 0;
  while (is_there && (is_there = step(child, status))) {
    __ptrace_syscall_info info{};
    if (WSTOPSIG(status) != (SIGTRAP | 0x80) ||
        ::ptrace(static_cast<__ptrace_request>(PTRACE_GET_SYSCALL_INFO), child, sizeof info, &info) <= 0 ||
        info.op != PTRACE_SYSCALL_INFO_ENTRY)
      continue;
    if (info.entry.nr == mark)
      ++marks;
    else if (marks == 1)
      ++found.calls;
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) > 1 || marks != 2)
    throw std::runtime_error("the counted child did not come to its end: may this process trace its children?");
  found.was_right = WEXITSTATUS(status) == 0;
  return found;
}

counted count_system_calls_of(const std::function<bool()>& body) {
  return count_system_calls([&] { return body; });
}

}  // namespace sluice::detail::test
