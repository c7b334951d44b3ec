// Two processes, one named channel: this one takes the quotes out. Learn: peek_for, in place, and why a wait ended.

#include <sluice/channel.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>

struct quote {
  std::uint64_t id;
  double bid, ask;
};

template <>
struct sluice::message_traits<quote> {
  static constexpr std::string_view name = "examples.quote";
  static constexpr std::uint64_t version = 1;
};

int main() try {
  using namespace std::chrono_literals;
  const auto quotes = sluice::create_or_attach<quote>("quotes", {.capacity_slots = 1024});
  auto in = quotes.consumer();

  int received = 0;
  while (auto slot = in.peek_for(10s)) {  // the message itself, in the shared memory; released at the end of the turn
    std::printf("quote %d: %.1f / %.1f%s\n", static_cast<int>(slot->id), slot->bid, slot->ask,
                slot.was_delivered_before() ? " (a consumer that died may have seen it)" : "");
    ++received;
  }
  switch (in.status()) {
    case sluice::wait_result::closed:
      std::printf("received %d quotes\n", received);
      if (received == 0) std::fputs("the channel is still closed from last time: start example_01_producer\n", stderr);
      return received > 0 ? 0 : 1;
    case sluice::wait_result::peer_gone: std::fputs("the producer died: start it again\n", stderr); return 1;
    default: std::fputs("no quote for ten seconds: start example_01_producer\n", stderr); return 1;
  }
} catch (const sluice::error& problem) {
  std::fprintf(stderr, "example_01_consumer: %s\n", problem.what());
  return 1;
}
