#pragma once

// What a call throws, as a value to compare.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "sluice/error.hpp"

namespace sluice::detail::test {

struct thrown {
  std::optional<errc> reason;  // empty: nothing was thrown
  std::string text;
};

/// Anything but a sluice::error goes on to GoogleTest.
template <class Call>
thrown thrown_by(Call&& call) {
  try {
    call();
  } catch (const error& problem) {
    return {problem.reason(), problem.what()};
  }
  return {};
}

inline std::ostream& operator<<(std::ostream& out, const thrown& what) {
  return what.reason ? out << to_string(*what.reason) << ": " << what.text : out << "nothing thrown";
}

MATCHER_P(Threw, reason, std::string("threw ") + to_string(reason)) { return arg.reason == reason; }
MATCHER_P2(ThrewSaying, reason, words, std::string("threw ") + to_string(reason) + " saying \"" + words + "\"") {
  return arg.reason == reason && arg.text.find(words) != std::string::npos;
}

}  // namespace sluice::detail::test
