// The short form of the soak (tests/programs/soak.cpp): each ring in each kind of segment for a second or two.
// scripts/soak runs it for as long as one likes.

#include <gtest/gtest.h>

#include <string>

#include "support/child_process.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail {
namespace {

/// Runs it to its end and gives its last line.
std::string last_line_of_soak(const std::vector<std::string>& arguments, test::child_end& end) {
  auto soak = test::child_process::exec("soak", arguments);
  std::string all;
  std::string last;
  while (auto line = soak.read_line()) {
    all += *line + "\n";
    last = *line;
  }
  end = soak.wait();
  if (!end.is_success()) ADD_FAILURE() << all;
  return last;
}

TEST(SoakShort, NothingIsLostTornDoubledOrLeakedWhileWorkersAreKilled) {
  const test::watchdog guard;
  test::child_end end;
  EXPECT_EQ(last_line_of_soak({"20"}, end), "26 passed, 0 failed");
  EXPECT_TRUE(end.is_success()) << end;
}

TEST(SoakShort, EveryRequestOfAServiceIsAccountedForWhileClientsAndServersAreKilled) {
  const test::watchdog guard;
  auto soak = test::child_process::exec("soak_service", {"6"});
  std::string all;
  while (auto line = soak.read_line()) all += *line + "\n";
  EXPECT_TRUE(soak.wait().is_success()) << all;
}

TEST(SoakShort, NonsenseIsAnsweredWithTheUsage) {
  const test::watchdog guard;
  auto soak = test::child_process::exec("soak", {"ten"});
  while (soak.read_line()) {
  }
  const auto end = soak.wait();
  EXPECT_TRUE(end.has_exited) << end;
  EXPECT_EQ(end.code, 2);
}

}  // namespace
}  // namespace sluice::detail
