// A program that is handed a segment without a name, and knows nothing else of it.
//   peer_descriptor inherit NUMBER   attaches to the descriptor of that number, which it inherited
//   peer_descriptor accept PATH      connects to the unix socket there and attaches to what is offered
// then receives numbers until the channel is closed and prints their sum; or, with "produce" as third argument, takes
// the producer's seat, says "seated" and waits to be killed.

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "sluice/channel.hpp"
#include "sluice/segment.hpp"

namespace {

using numbers = sluice::channel<std::uint64_t>;

int connected_to(const char* path) {
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) std::perror("connect");
  return socket;
}

numbers attached(const std::string& how, const char* where) {
  if (how == "accept") return numbers::accept(connected_to(where));
  const int inherited = std::atoi(where);
  auto memory = sluice::memfd_segment::attach(inherited);
  ::close(inherited);  // a duplicate was kept
  return numbers::attach_in(std::move(memory));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  try {
    const auto channel = attached(argv[1], argv[2]);
    if (argc > 3) {
      auto out = channel.producer();
      std::puts("seated");
      std::fflush(stdout);
      for (;;) ::pause();
    }
    auto in = channel.consumer();
    std::uint64_t sum = 0;
    for (const auto& number : in) sum += number;
    std::printf("%llu\n", static_cast<unsigned long long>(sum));
    return 0;
  } catch (const std::exception& problem) {
    std::printf("error %s\n", problem.what());
    return 1;
  }
}
