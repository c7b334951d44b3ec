// example_07_file_receive FILE NAME: writes FILE from the channel NAME, straight out of its slots. Learn: what is
// delivered twice after a kill -9 does no harm when a message says where it belongs.

#include "07_file_chunk.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

int main(int argc, char** argv) try {
  if (argc != 3) return fail("usage: example_07_file_receive FILE NAME");
  const int file = open(argv[1], O_WRONLY | O_CREAT | O_CLOEXEC, 0666);  // not truncated: a predecessor's part stays
  if (file < 0) return fail_with_errno(argv[1]);

  const auto chunks = sluice::create_or_attach<chunk>(argv[2], chunk_options);
  auto in = chunks.consumer();
  for (;;) {
    auto slot = in.peek();
    if (!slot) {
      if (in.status() == sluice::wait_result::closed) return 0;  // a predecessor wrote the last chunk
      std::fputs("the sender died; waiting for its successor: start it again\n", stderr);
      continue;
    }
    for (std::uint64_t done = 0; done < slot->length_bytes;) {
      const auto put =
          pwrite(file, slot->bytes + done, slot->length_bytes - done, static_cast<off_t>(slot->offset + done));
      if (put < 0) {
        slot.keep();  // not written, so not released: the next receiver gets it again
        return fail_with_errno(argv[1]);
      }
      done += static_cast<std::uint64_t>(put);
    }
    if (slot->length_bytes < chunk::capacity_bytes) {  // the last one
      if (ftruncate(file, static_cast<off_t>(slot->offset + slot->length_bytes)) == 0) return 0;
      slot.keep();
      return fail_with_errno(argv[1]);
    }
  }  // released only here, after it was written: a death before that brings it again
} catch (const sluice::error& problem) {
  return fail(problem.what());
}
