// What a process becomes by exec: says so through the inherited descriptor it is given, and waits to be killed.

#include <unistd.h>

#include <cstdint>
#include <cstdlib>

int main(int argc, char** argv) {
  const std::uint64_t here = 1;
  if (argc > 1 && ::write(std::atoi(argv[1]), &here, sizeof here) != sizeof here) return 1;
  for (;;) ::pause();
}
