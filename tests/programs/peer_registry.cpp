// Does one thing with a registry and prints what came of it: for tests of a process that begins anew, elsewhere.
//   standard                  the directory of the standard registry
//   make DIRECTORY            a channel "orders" with one message, 1
//   make-durable DIRECTORY    the same, durable
//   receive DIRECTORY         the message; the state of "orders" where there is none to be had
//   starved DIRECTORY         an attempt without descriptors that is to fail, then as receive

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "sluice/channel.hpp"
#include "sluice/registry.hpp"

namespace {

using link = sluice::channel<std::uint64_t>;
const sluice::segment_name orders("orders");

void make(const sluice::registry& where, const sluice::durability& how) {
  const auto made = link::create(where, orders, {.capacity_slots = 8, .durability = how});
  auto out = made.producer();
  std::printf(out.try_send(1) ? "made\n" : "full\n");
}

void receive(const sluice::registry& where) {
  auto in = link::attach(where, orders).consumer();
  std::uint64_t message = 0;
  if (in.try_receive(message))
    std::printf("received %llu\n", static_cast<unsigned long long>(message));
  else
    std::printf("empty\n");
}

void starve(const sluice::registry& where) {
  const rlimit few{64, 64};
  (void)::setrlimit(RLIMIT_NOFILE, &few);
  std::vector<int> taken;
  for (int fd = 0; (fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) taken.push_back(fd);
  for (std::size_t spare = 1; spare < 4; ++spare) {  // so that one attempt fails at the boot id
    ::close(taken.back());
    taken.pop_back();
    try {
      (void)link::attach(where, orders);
    } catch (const sluice::error&) {
    }
  }
  for (const int fd : taken) ::close(fd);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  try {
    if (words.at(0) == "standard") {
      std::printf("%s\n", sluice::registry::standard().directory().c_str());
      return 0;
    }
    const sluice::registry where(words.at(1));
    if (words[0] == "make") make(where, {});
    if (words[0] == "make-durable") make(where, sluice::durability::every(1));
    if (words[0] == "starved") starve(where);
    if (words[0] == "receive" || words[0] == "starved") receive(where);
    return 0;
  } catch (const sluice::error& problem) {
    std::printf("%s: %s\n", sluice::to_string(problem.reason()), problem.what());
    return 1;
  }
}
