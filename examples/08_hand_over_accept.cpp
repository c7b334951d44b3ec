// The other side of example_08_hand_over_offer: a program of its own, not forked from that one. Learn: accept.

#include <sluice/channel.hpp>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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

int main(int argc, char** argv) try {
  if (argc != 2) return std::fputs("usage: example_08_hand_over_accept SOCKET_PATH\n", stderr), 2;
  sockaddr_un place{};
  place.sun_family = AF_UNIX;
  std::strncpy(place.sun_path, argv[1], sizeof place.sun_path - 1);
  const int door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(door, reinterpret_cast<const sockaddr*>(&place), sizeof place) != 0) return std::perror(argv[1]), 1;

  // What comes is checked like a file: length, header, type. Something else is an error, not a crash.
  const auto readings = sluice::channel<reading>::accept(door);
  close(door);
  auto in = readings.consumer();
  std::uint64_t received = 0;
  double sum = 0;
  for (const auto& one : in) {  // until the producer closes, or dies
    if (one.number != received++) return std::fputs("a reading is missing\n", stderr), 1;
    sum += one.value;
  }
  std::printf("received %llu readings, sum %.1f\n", static_cast<unsigned long long>(received), sum);
  return in.status() == sluice::wait_result::closed ? 0 : 1;
} catch (const sluice::error& problem) {
  std::fprintf(stderr, "example_08_hand_over_accept: %s\n", problem.what());
  return 1;
}
