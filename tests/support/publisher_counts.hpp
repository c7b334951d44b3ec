#pragma once

// Topics with one publisher and with many, as the types of a test suite.

#include <gtest/gtest.h>

#include <string>

#include "sluice/detail/part/topic/topic_layout.hpp"

namespace sluice::detail::test {

template <publishers P>
struct publishing {
  static constexpr publishers how_many = P;
};
using publisher_counts = ::testing::Types<publishing<publishers::one>, publishing<publishers::many>>;
struct publisher_count_names {
  template <class Count>
  static std::string GetName(int) {
    return Count::how_many == publishers::one ? "One" : "Many";
  }
};

}  // namespace sluice::detail::test
