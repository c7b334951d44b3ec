// The same as 02_fork over /dev/zero, where the older way is needed: one template argument differs. Learn: one line
// chooses where the memory comes from, and nothing after it depends on that.

#include <sluice/channel.hpp>
#include <sluice/segment.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

struct greeting {
  char words[32];
};

template <class End>
bool greet(End end, const char* says, const char* expects) {
  greeting mine{};
  std::strncpy(mine.words, says, sizeof mine.words - 1);
  greeting theirs{};
  const auto sent = end.out.send(mine);
  const auto received = end.in.receive(theirs);  // sleeps until it is there, or the other side has died
  if (sent != sluice::wait_result::ready || received != sluice::wait_result::ready) {
    std::fprintf(stderr, "pid %d: %s: look why the other process died\n", getpid(), to_string(received));
    return false;
  }
  std::printf("pid %d was told: %s\n", getpid(), theirs.words);
  return std::strcmp(theirs.words, expects) == 0;
}

int main() try {
  const auto both = sluice::duplex<greeting>::create<sluice::zero_segment>();
  const auto child = fork();
  if (child < 0) {
    std::perror("fork");
    return 1;
  }
  if (child == 0) return greet(both.child(), "hello father", "hello son") ? 0 : 1;

  const bool was_greeted = greet(both.parent(), "hello son", "hello father");
  int status = 0;
  waitpid(child, &status, 0);
  return was_greeted && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
} catch (const sluice::error& problem) {
  std::fprintf(stderr, "example_03_dev_zero: %s\n", problem.what());
  return 1;
}
