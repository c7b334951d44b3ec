// Two processes, one named channel: this one puts ten quotes in. Learn: create_or_attach, send_for, close.
// Start it before or after example_01_consumer; what it leaves waits in the channel, even after it has ended.

#include <sluice/channel.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>

struct quote {
  std::uint64_t id;
  double bid, ask;
};

// The same struct under the same name on both sides; a name for the world instead of the compiler's spelling.
template <>
struct sluice::message_traits<quote> {
  static constexpr std::string_view name = "examples.quote";
  static constexpr std::uint64_t version = 1;
};

int main() try {
  using namespace std::chrono_literals;
  const auto quotes = sluice::create_or_attach<quote>("quotes", {.capacity_slots = 1024});
  auto out = quotes.producer();  // throws seat_taken, with the pid, while another producer lives

  for (std::uint64_t id = 0; id < 10; ++id) {
    const auto bid = 100.0 + static_cast<double>(id);
    const auto result = out.send_for({id, bid, bid + 0.5}, 1s);
    if (result != sluice::wait_result::ready) {
      std::fprintf(stderr, "quote %d was not sent: %s; is example_01_consumer running?\n", static_cast<int>(id),
                   to_string(result));
      return 1;
    }
  }
  out.close();  // the consumer gets all ten and then `closed`; the next producer opens the channel again
  std::puts("sent 10 quotes");
  return 0;
} catch (const sluice::error& problem) {
  std::fprintf(stderr, "example_01_producer: %s\n", problem.what());  // what, on what, why, and what to do
  return 1;
}
