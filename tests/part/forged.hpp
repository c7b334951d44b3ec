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

/// The same where a forgery may change the form of the kind too, which `FormOf` reads and `SetForm` writes.
template <auto FormOf, auto SetForm, class Form>
void expect_corrupted_form(const segment_plan& plan,
                           const std::vector<std::function<void(part_descriptor&, Form&)>>& forgeries) {
  std::vector<std::function<void(part_descriptor&)>> of_parts;
  for (const auto& forgery : forgeries)
    of_parts.push_back([&forgery](part_descriptor& part) {
      auto form = FormOf(part);
      forgery(part, form);
      SetForm(part, form);
    });
  expect_corrupted(plan, of_parts);
}

/// The same where messages have any length, for the arenas' form.
inline void expect_corrupted(const segment_plan& plan,
                             const std::vector<std::function<void(part_descriptor&, arena_form&)>>& forgeries) {
  expect_corrupted_form<arena_form_of, set_arena_form>(plan, forgeries);
}

}  // namespace sluice::detail::test
