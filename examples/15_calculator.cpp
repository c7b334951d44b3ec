// Two servers add numbers for one client, and one of them is killed at work: every call is answered once. Learn: service,
// call, send, was_delivered_before.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <sluice/service.hpp>

#include <chrono>
#include <cstdio>

using namespace std::chrono_literals;

struct sum_of {
  int a, b;
};
struct sum {
  int value;
  pid_t server;
};
using calculator = sluice::service<sum_of, sum>;

pid_t start_server(const calculator& service) {
  if (const auto child = fork(); child != 0) return child;
  auto server = service.server();
  while (auto call = server.receive()) {  // until a side closes the service
    if (call.was_delivered_before()) std::printf("server %d does again what another died of\n", getpid());
    usleep(1000);  // hard work
    (void)call.respond({call->a + call->b, getpid()});
  }
  std::fflush(stdout);
  _exit(0);
}

int main() try {
  const auto service = calculator::create_unnamed();
  const pid_t servers[] = {start_server(service), start_server(service)};
  auto client = service.client();

  int answered = 0;
  for (int i = 0; i < 100; ++i) {
    auto first = client.send({i, 1}), second = client.send({i, 2});  // two at once: both servers work
    if (i == 50) kill(servers[0], SIGKILL);
    const auto one = first.receive_for(10s), two = second.receive_for(10s);
    if (!one || !two || one->value != i + 1 || two->value != i + 2) {
      std::fprintf(stderr, "call %d: %s, %s\n", i, to_string(first.status()), to_string(second.status()));
      return 1;
    }
    answered += 2;
  }
  const auto last = client.call({40, 2}, 10s);
  std::printf("%d calls answered, the last one by the server that lives: %s\n", answered,
              last && last->value == 42 && last->server == servers[1] ? "yes" : "no");
  client.close();
  int killed = 0, ended = 0;
  waitpid(servers[0], &killed, 0);
  waitpid(servers[1], &ended, 0);
  return WIFSIGNALED(killed) && WIFEXITED(ended) && last && last->value == 42 ? 0 : 1;
} catch (const sluice::error& problem) {
  return std::fprintf(stderr, "example_15_calculator: %s\n", problem.what()), 1;
}
