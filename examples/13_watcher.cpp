// Watches a topic without being seen. Learn: a watcher. The kernel lets it only read: it takes no seat and no lock, and
// permission to read the file is all that it needs, so a dashboard can disturb neither publisher nor subscribers.

#include <sys/wait.h>
#include <unistd.h>

#include <sluice/topic.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

struct quote {
  int number;
  double price;
};

int watch(const std::string& path) {
  using namespace std::chrono_literals;
  auto in = sluice::topic<quote>::watch_for(path, 10s);  // the topic may not be there yet
  int seen = 0;
  for (quote q; in.receive(q) == sluice::wait_result::ready; ++seen)
    if (q.price != q.number * 0.5) return 1;
  std::printf("watched %d quotes, was overtaken by %llu\n", seen, static_cast<unsigned long long>(in.lost_in_all()));
  return in.status() == sluice::wait_result::closed ? 0 : 1;
}

int main() try {
  const auto path = "/dev/shm/example_13_watcher." + std::to_string(::getpid());
  const auto child = ::fork();
  if (child == 0) std::exit(watch(path));

  const auto quotes = sluice::topic<quote>::create(
      path, {.capacity_slots = 1024, .lifetime = sluice::lifetime::ephemeral, .mode = 0644, .wakes_watchers = true});
  auto out = quotes.publisher();
  for (int i = 0; i < 1000; ++i) {
    if (!out.try_send({i, i * 0.5})) return 1;  // no watcher ever holds it up
    if (i % 100 == 0) ::usleep(1000);
  }
  out.finish();
  int status = 0;
  return ::waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
} catch (const sluice::error& problem) {
  std::fprintf(stderr, "example_13_watcher: %s\n", problem.what());
  return 1;
}
