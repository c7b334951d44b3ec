#pragma once

// What this process found out about itself and a child must not inherit: words in a page that reads as zero in every
// forked child (MADV_WIPEONFORK), raw clone included. Zero: not known yet.
//
// Edges
//   OI: identity's store (release) -> its load (acquire): the namespaces beside it are there.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "sluice/detail/base/cache_line.hpp"

namespace sluice::os {

struct own_page {
  std::atomic<std::uint64_t> mark;      // seat/process_mark.hpp
  std::atomic<std::uint64_t> identity;  // process.hpp
  std::atomic<std::uint64_t> pid_namespace;
  std::atomic<std::uint64_t> time_namespace;  // of the identity
  alignas(
      detail::cache_line_bytes) std::array<std::byte, 48 * detail::cache_line_bytes> first_guards;  // fault_guard.cpp
};

static_assert(sizeof(own_page) <= 4096, "the smallest page");

/// Made at first use; lives as long as the process. @throws error when the page cannot be had.
[[nodiscard]] own_page& own();

}  // namespace sluice::os
