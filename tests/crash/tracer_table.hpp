#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <sstream>
#include <string>

#include "crash/tracer.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test::tracer {

/// How long a table may take in its full form, and how many states each of its operations has at the least.
struct table_limits {
  std::chrono::seconds full{1000};
  std::uint64_t states = 1;
};

/// Traces each operation, prints a row for it, and expects that no state breaks the promise. `trace` is called with the
/// operation and what to complain into, and gives its tally.
template <class Operations, class Trace>
void expect_none_broken(const Operations& operations, const Trace& trace, const table_limits& limits = {}) {
  const watchdog limit(is_full() ? limits.full : std::chrono::seconds(110));
  std::ostringstream complaints;
  tally all;
  print_head();
  for (const auto& now : operations) {
    const tally row = trace(now, complaints);
    print_row(now.name, row);
    EXPECT_GE(row.states, limits.states) << now.name;
    EXPECT_GT(row.instructions, 0U) << now.name;
    all += row;
  }
  print_row("all", all);
  EXPECT_EQ(all.broken, 0U) << complaints.str();
}

}  // namespace sluice::detail::test::tracer
