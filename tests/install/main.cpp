// A program outside the tree: one message through a channel, then the name is removed.
#include <sluice/channel.hpp>

#include <cstdint>
#include <cstdio>

struct quote {
  std::uint64_t id;
  double bid, ask;
};

int main() {
  auto quotes = sluice::create_or_attach<quote>("quotes", {.capacity_slots = 16});
  auto out = quotes.producer();
  auto in = quotes.consumer();

  auto claimed = out.try_claim();
  if (!claimed) return 1;
  *claimed = {7, 1.0, 1.1};
  claimed.publish();

  auto received = in.try_receive();
  if (!received) return 2;
  std::printf("received %llu\n", static_cast<unsigned long long>(received->id));
  return 0;
}
