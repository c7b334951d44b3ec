#include "interrupt.hpp"

#include <signal.h>
#include <unistd.h>

#include <atomic>

namespace sluice::tools {
namespace {

std::atomic<int> signal_seen = 0;
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may not wait");

/// The signal may come just after the flag was asked for and just before a system call that blocks. So an alarm goes
/// on knocking, once a second, until the process has left.
void note(int signal) {
  if (signal != SIGALRM) signal_seen.store(signal, std::memory_order_relaxed);  // same thread; nothing else is owed
  ::alarm(1);
}

void handle(int signal, int flags) {
  struct sigaction before = {};
  ::sigaction(signal, nullptr, &before);
  if (before.sa_handler == SIG_IGN && signal != SIGALRM) return;
  struct sigaction action = {};
  action.sa_handler = note;
  action.sa_flags = flags;  // never SA_RESTART: whatever blocks must end
  ::sigaction(signal, &action, nullptr);
}

}  // namespace

void catch_interrupts() {
  handle(SIGINT, static_cast<int>(SA_RESETHAND));
  handle(SIGTERM, static_cast<int>(SA_RESETHAND));
  handle(SIGALRM, 0);
  ::signal(SIGPIPE, SIG_IGN);
}

int interrupting_signal() noexcept { return signal_seen.load(std::memory_order_relaxed); }

}  // namespace sluice::tools
