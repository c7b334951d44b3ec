#pragma once

#include <cstdint>

#include "sluice/segment/memory_options.hpp"
#include "sluice/segment/segment.hpp"

namespace sluice {

/// A file without a name, sealed: no process can make it shorter or longer, and it goes with the last reference.
/// Forked children share it; so does any process that is handed its descriptor, across an exec or through a socket
/// (hand_over.hpp). There is nothing to clean up, and /dev/shm need not be large.
struct memfd_segment {
  static constexpr segment_kind kind = segment_kind::memfd;

  /// All of its memory is taken now, unless no_reserve. @throws error no_space. Source: memfd_create(2), fcntl(2).
  static segment create(std::uint64_t bytes, const memory_options& how = {});

  /// Maps the whole of one, of which a duplicate of `descriptor` is kept; the caller's own may be closed.
  /// One that is not sealed is guarded instead.
  /// @throws error bad_argument: not open; not_a_segment: no regular file; half_made: empty; no_permission.
  static segment attach(int descriptor, const memory_options& how = {});
};

}  // namespace sluice
