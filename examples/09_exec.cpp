// A child that becomes another program keeps the channel, though exec takes all mappings away. Learn:
// inheritable_descriptor, memfd_segment::attach, attach_in. This program plays both parts.

#include <sluice/channel.hpp>
#include <sluice/segment.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

using numbers = sluice::channel<std::uint64_t>;

/// The program that was started: all it knows is the number of a descriptor, from its arguments.
int be_the_child(int inherited) {
  auto memory = sluice::memfd_segment::attach(inherited);
  close(inherited);  // a duplicate was kept, which the next exec closes
  const auto channel = numbers::attach_in(std::move(memory));
  auto in = channel.consumer();
  std::uint64_t sum = 0;
  for (const auto& number : in) sum += number;
  std::printf("the child received numbers that add up to %llu\n", static_cast<unsigned long long>(sum));
  return in.status() == sluice::wait_result::closed && sum == 500500 ? 0 : 1;
}

int main(int argc, char** argv) try {
  using namespace std::chrono_literals;
  if (argc == 2) return be_the_child(std::atoi(argv[1]));

  const auto channel = numbers::create_unnamed<sluice::memfd_segment>({.capacity_slots = 64});
  const int inherited = sluice::inheritable_descriptor(channel.memory());  // all others close at exec
  const auto child = fork();
  if (child < 0) return std::perror("fork"), 1;
  if (child == 0) {
    execl("/proc/self/exe", argv[0], std::to_string(inherited).c_str(), nullptr);
    std::perror("exec");
    _exit(127);
  }
  close(inherited);
  auto out = channel.producer();
  for (std::uint64_t i = 1; i <= 1000; ++i)
    if (out.send_for(i, 10s) != sluice::wait_result::ready)
      return std::fputs("the child does not receive\n", stderr), 1;
  out.close();
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
} catch (const sluice::error& problem) {
  std::fprintf(stderr, "example_09_exec: %s\n", problem.what());
  return 1;
}
