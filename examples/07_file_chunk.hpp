#pragma once

// What both sides of the file transfer share. A channel's name is for one file: the count of its chunks is where to
// continue.

#include <sluice/channel.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>

/// A piece of a file that knows its place: 64 KiB with its head. Chunk n of a channel has offset n * capacity_bytes.
struct chunk {
  static constexpr std::uint64_t capacity_bytes = (64 << 10) - 16;
  std::uint64_t offset;
  std::uint64_t length_bytes;  // capacity_bytes, but for the last chunk
  std::byte bytes[capacity_bytes];
};
static_assert(sizeof(chunk) == 64 << 10);

/// Ephemeral: the last one to leave takes the name along; while either side is only killed, the name stays.
inline constexpr sluice::channel_options chunk_options{.sized_for = sluice::footprint::throughput,
                                                       .lifetime = sluice::lifetime::ephemeral};

inline int fail(const char* why) {
  std::fprintf(stderr, "%s\n", why);
  return 1;
}
inline int fail_with_errno(const char* file) {
  std::fprintf(stderr, "%s: %s\n", file, std::strerror(errno));
  return 1;
}
