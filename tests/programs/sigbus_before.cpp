// A program that has its own idea of SIGBUS before it maps its first segment.
//   sigbus_before handler PATH  a handler that leaves by a jump: gets what is not ours, again and again
//   sigbus_before once PATH     one without siginfo and with SA_RESETHAND: says "caught", and dies of the second
//   sigbus_before fault PATH    none: dies of a fault that is not ours
//   sigbus_before sent PATH     none: dies of a SIGBUS that is sent
//   sigbus_before ignored PATH  ignored: lives on when one is sent, and a segment that is cut short is caught

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "sluice/segment.hpp"

namespace {

volatile sig_atomic_t caught = 0;
sigjmp_buf way_out;

void leave_informed(int, siginfo_t*, void*) {
  caught = caught + 1;
  siglongjmp(way_out, 1);
}
void leave(int) {
  caught = caught + 1;
  siglongjmp(way_out, 1);
}

/// A mapping that is not ours and whose file is gone.
volatile int* foreign_broken_page(const std::string& path) {
  std::ofstream(path) << std::string(4096, 'x');
  const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  auto* const at = static_cast<volatile int*>(::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, file, 0));
  ::close(file);
  std::filesystem::resize_file(path, 0);
  return at;
}

bool is_caught(const sluice::segment& memory, const std::string& path) {
  std::filesystem::resize_file(path, 0);
  return *reinterpret_cast<volatile int*>(memory.bytes().data()) == 0 && memory.is_lost();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const std::string mode = argv[1];
  const std::string path = argv[2];
  struct sigaction mine {};
  if (mode == "handler") {
    mine.sa_sigaction = &leave_informed;
    mine.sa_flags = SA_SIGINFO;
  } else if (mode == "once") {
    mine.sa_handler = &leave;
    mine.sa_flags = static_cast<int>(SA_RESETHAND);
  } else if (mode == "ignored") {
    mine.sa_handler = SIG_IGN;
  } else {
    mine.sa_handler = SIG_DFL;
  }
  ::sigaction(SIGBUS, &mine, nullptr);
  const auto memory = sluice::file_segment::create(path, 4096);
  if (mode == "sent") ::raise(SIGBUS);
  if (mode == "ignored") {
    ::raise(SIGBUS);
    return is_caught(memory, path) ? 0 : 3;
  }
  const auto* const foreign = foreign_broken_page(path + ".foreign");
  if (mode == "fault") return *foreign;
  if (mode == "once") {
    if (sigsetjmp(way_out, 1) == 0) return *foreign;
    if (caught == 1) std::puts("caught");
    std::fflush(stdout);
    return *foreign;
  }
  if (mode != "handler") return 4;
  for (static int i = 0; i < 3; ++i)
    if (sigsetjmp(way_out, 1) == 0) return *foreign;
  if (caught != 3) return 5;
  if (!is_caught(memory, path)) return 6;
  return caught == 3 ? 0 : 7;
}
