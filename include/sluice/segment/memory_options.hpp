#pragma once

#include <cstdint>

namespace sluice {

/// Pages of 2 MiB (on x86) instead of 4 KiB: fewer misses of the translation cache in rings of many megabytes.
enum class huge_pages {
  none,     ///< ordinary pages
  prefer,   ///< huge ones if they can be had; segment::placement() says what it was
  require,  ///< huge ones or an error
};

/// What this process may do with what it maps.
enum class view {
  shared,        ///< read and write, seen by all
  read_only,     ///< the kernel refuses every write (SIGSEGV): for observers; takes no seat
  private_copy,  ///< writes stay in this process; others' bytes are seen until this process writes to their page
};

/// How memory is to be mapped. All have defaults that serve; what does not apply to a kind of segment is bad_argument.
struct memory_options {
  huge_pages huge = huge_pages::none;  ///< at creation: memfd, anonymous, or a directory on hugetlbfs
  bool prefault = false;  ///< every page is there before the call returns; what cannot be had is no_space or truncated
  bool lock_in_memory = false;  ///< never swapped out: mlock(2), within RLIMIT_MEMLOCK
  bool no_reserve = false;      ///< at creation: space is taken when a page is touched first; then it may be missing
  bool no_dump = false;         ///< left out of core dumps: MADV_DONTDUMP
  bool guard = true;            ///< a file that is cut short becomes the error `truncated` and not a SIGBUS
  view access = view::shared;
  void* address = nullptr;  ///< exactly there or in_use; never over what is mapped already. Null: anywhere
};

}  // namespace sluice
