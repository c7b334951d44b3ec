// example_07_file_send FILE NAME: sends FILE through the channel NAME, read straight into its slots. Learn: a transfer
// that survives kill -9. Killed and started again, it goes on where it stopped; so does example_07_file_receive.

#include "07_file_chunk.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

int main(int argc, char** argv) try {
  using namespace std::chrono_literals;
  if (argc != 3) return fail("usage: example_07_file_send FILE NAME");
  const int file = open(argv[1], O_RDONLY | O_CLOEXEC);
  struct stat facts {};
  if (file < 0 || fstat(file, &facts) != 0) return fail_with_errno(argv[1]);
  const auto size_bytes = static_cast<std::uint64_t>(facts.st_size);

  const auto chunks = sluice::create_or_attach<chunk>(argv[2], chunk_options);
  auto out = chunks.producer();
  // The position counts the chunks that the channel has carried, those of producers that were killed included. The last
  // chunk is always shorter than the others, if need be empty: it says where the file ends.
  for (auto offset = out.position() * chunk::capacity_bytes; offset <= size_bytes;) {
    auto slot = out.claim();
    if (!slot) {
      if (out.status() == sluice::wait_result::closed) return fail("the receiver gave up: see what it said");
      std::fputs("the receiver died; waiting for its successor: start it again\n", stderr);
      continue;
    }
    slot->offset = offset;
    slot->length_bytes = 0;
    while (slot->length_bytes < chunk::capacity_bytes) {
      const auto got = pread(file, slot->bytes + slot->length_bytes, chunk::capacity_bytes - slot->length_bytes,
                             static_cast<off_t>(offset + slot->length_bytes));
      if (got < 0) return fail_with_errno(argv[1]);
      if (got == 0) break;
      slot->length_bytes += static_cast<std::uint64_t>(got);
    }
    offset += chunk::capacity_bytes;
    slot.publish();
  }
  out.close();
  while (out.drain_for(1s) != sluice::wait_result::ready) {
  }  // a receiver may die and come again meanwhile
  return 0;
} catch (const sluice::error& problem) {
  return fail(problem.what());
}
