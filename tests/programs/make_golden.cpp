// Writes the files of tests/golden/ for the format of this build, into the directory that is named: eleven messages, four of
// them released, two in the hands of a consumer that was killed. A file that is there is never written again: what an
// earlier build wrote is the point.
//   make_golden DIRECTORY

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "sluice/channel.hpp"
#include "sluice/ring.hpp"
#include "support/golden.hpp"

namespace {

using namespace sluice;
using namespace sluice::detail;
using namespace sluice::detail::test;

template <class Ring>
void write(const std::string& path, const channel_options& options) {
  const auto made = channel<golden_message, Ring>::create(path, options);
  {
    auto out = made.producer();
    for (std::uint64_t i = 0; i < golden_sent; ++i)
      if (!out.try_send(golden_message::of(i))) std::abort();
  }
  const auto child = ::fork();
  if (child == 0) {
    auto in = channel<golden_message, Ring>::attach(path).consumer();
    for (std::uint64_t i = 0; i < golden_released; ++i) (void)in.try_receive();
    const auto held = in.try_peek_batch(golden_held);
    ::kill(::getpid(), SIGKILL);
  }
  ::waitpid(child, nullptr, 0);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) return 2;
  const auto path = [&](const char* kind) {
    return std::string(argv[1]) + "/format" + std::to_string(format_version) + "-" + kind;
  };
  channel_options options{.capacity_slots = 16, .durability = durability::on_close()};
  write<spsc_ring>(path("spsc-durable"), options);
  options.producer_seats = options.consumer_seats = 2;
  write<mpmc_ring>(path("mpmc-durable"), options);
  options.durability = {};
  write<mpmc_ring>(path("mpmc"), options);
  options.producer_seats = options.consumer_seats = 0;
  write<spsc_ring>(path("spsc"), options);
  return 0;
} catch (const std::exception& problem) {
  std::fprintf(stderr, "make_golden: %s\n", problem.what());
  return 1;
}
