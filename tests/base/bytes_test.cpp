#include "sluice/detail/base/bytes.hpp"

#include <gtest/gtest.h>

#include "sluice/detail/base/cache_line.hpp"

namespace sluice::detail {
namespace {

TEST(Fnv1a, HasThePublishedValues) {  // test vectors of draft-eastlake-fnv
  EXPECT_EQ(fnv1a(""), 0xcbf29ce484222325ULL);
  EXPECT_EQ(fnv1a("a"), 0xaf63dc4c8601ec8cULL);
  EXPECT_EQ(fnv1a("foobar"), 0x85944171f73967e8ULL);
}

TEST(Fnv1a, HashesANumberAsItsEightBytesLowestFirst) {
  EXPECT_EQ(fnv1a(0x0000000000636261ULL, fnv1a("")), fnv1a(std::string_view("abc\0\0\0\0\0", 8)));
}

TEST(Fnv1a, BytesAboveAsciiAreUnsigned) { EXPECT_EQ(fnv1a("\xff"), (0xcbf29ce484222325ULL ^ 0xff) * 0x100000001b3ULL); }

TEST(RoundUp, GivesTheLeastMultipleNotBelow) {
  EXPECT_EQ(round_up(0, 4096), 0U);
  EXPECT_EQ(round_up(1, 4096), 4096U);
  EXPECT_EQ(round_up(4096, 4096), 4096U);
  EXPECT_EQ(round_up(4097, 4096), 8192U);
  EXPECT_EQ(round_up(10, 3), 12U);
}

}  // namespace
}  // namespace sluice::detail
