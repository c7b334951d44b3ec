// One of two programs that were started separately and share nothing but a file's name.
//   peer_byte watch PATH INDEX        says "watching", looks every so often, prints the first value that is not 0
//   peer_byte set   PATH INDEX VALUE  changes that one byte, prints "done"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "sluice/segment.hpp"

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  try {
    const auto segment = sluice::file_segment::attach(argv[2]);
    auto* const byte = reinterpret_cast<volatile unsigned char*>(&segment.bytes()[std::strtoul(argv[3], nullptr, 10)]);
    if (std::strcmp(argv[1], "set") == 0) {
      *byte = static_cast<unsigned char>(std::strtoul(argv[4], nullptr, 10));
      std::puts("done");
      return 0;
    }
    std::puts("watching");
    std::fflush(stdout);
    while (*byte == 0) std::this_thread::yield();
    std::printf("%d\n", *byte);
    return 0;
  } catch (const std::exception& problem) {
    std::printf("error %s\n", problem.what());
    return 1;
  }
}
