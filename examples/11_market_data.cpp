// Quotes to three subscribers: one that may miss none, one that wants the newest alone, one that is slow and is told what
// it lost. Learn: topic, lossless and lossy subscribers, lost(). The slow one holds up no other.

#include <sys/wait.h>
#include <unistd.h>
#include <sluice/topic.hpp>

#include <chrono>
#include <cstdio>
#include <thread>

struct quote {
  int number;
  double price;
};
constexpr int quotes = 20'000;
using ticks = sluice::topic<quote>;

int book_all(const ticks& topic) {
  auto in = topic.subscriber(sluice::history::all());
  int next = 0;
  for (const quote& one : in) next += one.number == next;
  std::printf("lossless: %d of %d\n", next, quotes);
  return next == quotes ? 0 : 1;
}

int follow(const ticks& topic, const char* name, std::chrono::microseconds pause) {
  auto in = topic.lossy_subscriber(sluice::history::all());
  int got = 0, last = -1;
  for (quote one; in.receive(one) == sluice::wait_result::ready; ++got) {
    last = one.number;
    if (pause.count() != 0 && one.number % 16 == 0) std::this_thread::sleep_for(pause);
  }
  const auto lost = static_cast<int>(in.lost());
  std::printf("%s: %d received, %d lost, the last is %d\n", name, got, lost, last);
  return got + lost == quotes && last == quotes - 1 ? 0 : 1;
}

int main() try {
  const auto topic = ticks::create_unnamed({.capacity_slots = 1024});
  for (int i = 0; i < 3; ++i) {
    if (fork() != 0) continue;
    const int failed = i == 0   ? book_all(topic)
                       : i == 1 ? follow(topic, "fast", {})
                                : follow(topic, "slow", std::chrono::milliseconds(2));
    std::fflush(stdout);
    _exit(failed);
  }
  auto out = topic.publisher();
  while (out.seats().size() < 4) std::this_thread::yield();  // until all three are there
  for (int i = 0; i < quotes; ++i)
    if (out.send({i, 100.0 + i % 7}) != sluice::wait_result::ready) return 1;
  out.close();
  int failed = 0;
  for (int status = 0; wait(&status) > 0;) failed += status != 0;
  return failed;
} catch (const sluice::error& problem) {
  std::fprintf(stderr, "example_11_market_data: %s\n", problem.what());
  return 1;
}
