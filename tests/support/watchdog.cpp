#include "support/watchdog.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "support/child_process.hpp"

namespace sluice::detail::test {
namespace {

char message[512];  // written before the alarm is set, read by its handler

void bark(int) {
  const auto length = std::strlen(message);
  if (::write(STDERR_FILENO, message, length) < 0) ::_exit(99);
  kill_all_children();
  ::signal(SIGABRT, SIG_DFL);
  ::abort();
}

}  // namespace

watchdog::watchdog(std::chrono::seconds limit) {
  const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
  std::snprintf(message, sizeof message, "\nWATCHDOG: %s.%s hung: no end after %lld s\n",
                info != nullptr ? info->test_suite_name() : "?", info != nullptr ? info->name() : "?",
                static_cast<long long>(limit.count()));
  struct sigaction action {};
  action.sa_handler = bark;
  ::sigaction(SIGALRM, &action, nullptr);
  ::alarm(static_cast<unsigned>(limit.count()));  // fork does not inherit it, exec would keep it
}

watchdog::~watchdog() { ::alarm(0); }

}  // namespace sluice::detail::test
