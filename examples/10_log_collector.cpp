// Eight processes write lines of any length, one collects them. Learn: channel<bytes>, many producers, text().
#include <unistd.h>
#include <sluice/bytes.hpp>
#include <sluice/ring.hpp>

#include <iostream>
#include <string>

int main() {
  const auto log = sluice::channel<sluice::bytes, sluice::mpmc_ring>::create_unnamed();
  auto in = log.consumer();
  for (int worker = 0; worker < 8; ++worker)
    if (fork() == 0) {
      auto out = log.producer();
      for (std::size_t i = 0; i < 100; ++i)
        (void)out.send("worker " + std::to_string(worker) + ": " + std::string(i * i, '.'));  // waits for room
      _exit(out.send("") == sluice::wait_result::ready ? 0 : 1);  // an empty line: this one is done
    }
  for (int left = 8; left > 0;) {
    const auto line = in.peek();
    if (!line) return 1;  // in.status() says peer_gone: they died
    if (line.size() != 0) std::cout << line.text() << '\n';
    left -= line.size() == 0;
  }
}
