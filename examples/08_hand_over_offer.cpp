// A channel without a name for a process that is no child of this one: it goes through a unix socket. Learn:
// create_unnamed<memfd_segment>, offer. Nothing of it lies on any filesystem.
// usage: example_08_hand_over_offer SOCKET_PATH, then example_08_hand_over_accept SOCKET_PATH

#include <sluice/channel.hpp>
#include <sluice/segment.hpp>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>

struct reading {
  std::uint64_t number;
  double value;
};
template <>
struct sluice::message_traits<reading> {
  static constexpr std::string_view name = "examples.reading";
  static constexpr std::uint64_t version = 1;
};

/// The process that connects gets the memory: the path's directory decides which can. -1: see errno.
int next_visitor(const char* path) {
  sockaddr_un place{};
  place.sun_family = AF_UNIX;
  std::strncpy(place.sun_path, path, sizeof place.sun_path - 1);
  const int door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int visitor = -1;
  if (bind(door, reinterpret_cast<const sockaddr*>(&place), sizeof place) == 0 && listen(door, 1) == 0)
    visitor = accept(door, nullptr, nullptr);
  close(door);
  return visitor;
}

int main(int argc, char** argv) try {
  using namespace std::chrono_literals;
  if (argc != 2) return std::fputs("usage: example_08_hand_over_offer SOCKET_PATH\n", stderr), 2;
  // Sealed: the process that gets it can neither shorten nor extend it. All memory is there before the first message.
  const auto readings = sluice::channel<reading>::create_unnamed<sluice::memfd_segment>(
      {.capacity_slots = 256, .memory = {.prefault = true}});
  auto out = readings.producer();
  const int visitor = next_visitor(argv[1]);
  if (visitor < 0) return std::perror(argv[1]), 1;
  readings.offer(visitor);  // the socket has done its part: messages do not go through it
  close(visitor);
  for (std::uint64_t i = 0; i < 1000; ++i)
    if (const auto result = out.send_for({i, 0.5 * static_cast<double>(i)}, 10s); result != sluice::wait_result::ready)
      return std::fprintf(stderr, "reading %d was not sent: %s\n", static_cast<int>(i), to_string(result)), 1;
  out.close();  // the memory lives on until the consumer, too, has gone
  return std::puts("sent 1000 readings"), 0;
} catch (const sluice::error& problem) {
  std::fprintf(stderr, "example_08_hand_over_offer: %s\n", problem.what());
  return 1;
}
