#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "sluice/detail/part/bytes/bytes_layout.hpp"
#include "sluice/detail/plan/segment_plan.hpp"
#include "support/expect_error.hpp"
#include "support/header_bytes.hpp"

namespace sluice::detail::test {

/// A segment of `plan` is whole, and corrupted after each of `forgeries` of its first part.
inline void expect_corrupted(const segment_plan& plan,
                             const std::vector<std::function<void(part_descriptor&)>>& forgeries) {
  auto whole = formatted(plan);
  EXPECT_FALSE(thrown_by([&] { validate_segment(whole, whole.size(), "test"); }).reason);
  for (std::size_t i = 0; i < forgeries.size(); ++i) {
    auto bytes = formatted(plan);
    forge(bytes, [&](segment_header& header) { forgeries[i](header.parts[0]); });
    EXPECT_THAT(thrown_by([&] { validate_segment(bytes, bytes.size(), "test"); }), Threw(errc::corrupted)) << i;
  }
}

/// The same where messages have any length: a forgery may change the arenas' form too.
inline void expect_corrupted(const segment_plan& plan,
                             const std::vector<std::function<void(part_descriptor&, arena_form&)>>& forgeries) {
  std::vector<std::function<void(part_descriptor&)>> of_parts;
  for (const auto& forgery : forgeries)
    of_parts.push_back([&forgery](part_descriptor& part) {
      auto form = arena_form_of(part);
      forgery(part, form);
      set_arena_form(part, form);
    });
  expect_corrupted(plan, of_parts);
}

}  // namespace sluice::detail::test
