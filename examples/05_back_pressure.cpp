// What a full ring says, and what each answer means. Learn: try_send, send_for and the four results of a wait.

#include <sluice/channel.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>

using sluice::wait_result;

static bool expect(wait_result wanted, wait_result got, const char* meaning) {
  std::printf("%-10s %s\n", to_string(got), meaning);
  if (got != wanted) std::fprintf(stderr, "expected %s; is anything else stopping this process?\n", to_string(wanted));
  return got == wanted;
}

int main() try {
  using namespace std::chrono_literals;
  const auto numbers = sluice::channel<std::uint64_t>::create_unnamed({.capacity_slots = 4});
  auto out = numbers.producer();
  bool good = true;

  std::uint64_t next = 0;
  while (out.try_send(next)) ++next;  // false at once when full: drop it, keep the newest, count it: your choice
  good &= next == 4;
  good &= expect(wait_result::timed_out, out.send_for(next, 50ms), "still full, but no death: the consumer is slow");
  {
    auto in = numbers.consumer();
    if (in.try_receive() != 0U) return 1;
    good &= expect(wait_result::ready, out.send_for(next, 50ms), "sent: a slot was released");
  }

  const auto child = fork();
  if (child < 0) {
    std::perror("fork");
    return 1;
  }
  if (child == 0) {
    auto in = numbers.consumer();
    std::raise(SIGKILL);  // dies in its seat, the ring still full
  }
  waitpid(child, nullptr, 0);
  good &= expect(wait_result::peer_gone, out.send_for(9, 5s), "full, and every consumer died: said once");
  good &= expect(wait_result::timed_out, out.send_for(9, 50ms), "said already: now it waits for a successor");

  auto successor = numbers.consumer();  // gets the dead consumer's seat; nothing was lost
  good &= successor.try_receive() == 1U;
  successor.close();
  good &= expect(wait_result::closed, out.send_for(9, 50ms), "the consumer ended the channel: stop sending");
  return good ? 0 : 1;
} catch (const sluice::error& problem) {
  std::fprintf(stderr, "example_05_back_pressure: %s\n", problem.what());
  return 1;
}
