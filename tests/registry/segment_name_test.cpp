#include "sluice/registry.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include <string>

#include "support/expect_error.hpp"
#include "support/seat_room.hpp"

namespace sluice::detail {
namespace {

using test::Threw;
using test::ThrewSaying;
using test::thrown_by;

TEST(SegmentName, TakesLettersDigitsDotsDashesAndUnderscores) {
  for (const char* name : {"a", "Z", "0", "orders", "a.b-c_d", "9lives", "a..b", "a-"})
    EXPECT_TRUE(segment_name::is_legal(name)) << name;
  EXPECT_EQ(segment_name("orders").str(), "orders");
}

TEST(SegmentName, HasOneTo63Bytes) {
  EXPECT_FALSE(segment_name::is_legal(""));
  EXPECT_TRUE(segment_name::is_legal(std::string(63, 'x')));
  EXPECT_FALSE(segment_name::is_legal(std::string(64, 'x')));
}

TEST(SegmentName, CannotLeaveTheDirectoryOrHideInIt) {
  for (const char* name : {".", "..", ".hidden", "-rf", "_x", "a/b", "/a", "../a", "a\\b"})
    EXPECT_FALSE(segment_name::is_legal(name)) << name;
}

TEST(SegmentName, HasNoBlanksControlsOrBytesAboveAscii) {
  for (const char* name : {"a b", "a\n", "a\t", "\x01", "caf\xc3\xa9", "a*", "a:b"})
    EXPECT_FALSE(segment_name::is_legal(name)) << name;
  EXPECT_FALSE(segment_name::is_legal(std::string_view("a\0b", 3)));
}

TEST(SegmentName, RefusalSaysWhatIsAllowed) {
  EXPECT_THAT(thrown_by([] { (void)segment_name("a/b"); }), ThrewSaying(errc::bad_name, "1 to 63"));
}

TEST(Locate, APathWithASlashNamesItsDirectory) {
  const auto located = locate("/dev/shm/somewhere/orders");
  EXPECT_EQ(located.where.directory(), "/dev/shm/somewhere");
  EXPECT_EQ(located.name.str(), "orders");
  EXPECT_EQ(locate("here/orders").where.directory(), "here");
  EXPECT_EQ(locate("/orders").where.directory(), "/");
}

TEST(Locate, NoFileIsMadeInTheRootDirectoryForANameThatBeginsWithASlash) {
  const auto located = locate("/sluice-test-orders");
  EXPECT_THAT(thrown_by([&] { (void)located.where.create(located.name, test::plan_with_seats(1)); }),
              ThrewSaying(errc::bad_name, "without a slash"));
  EXPECT_THAT(thrown_by([&] { (void)located.where.attach(located.name); }),
              ThrewSaying(errc::not_found, "without a slash"));
}

TEST(Locate, NoDirectoryIsMadeForANameWithASlashInIt) {
  const auto located = locate("sluice-test-no-directory/orders");
  EXPECT_THAT(thrown_by([&] { (void)located.where.create(located.name, test::plan_with_seats(1)); }),
              ThrewSaying(errc::bad_name, "./sluice-test-no-directory/orders"));
  EXPECT_FALSE(std::filesystem::exists("sluice-test-no-directory"));
}

TEST(Locate, AnIllegalNameIsRefused) {
  EXPECT_THAT(thrown_by([] { (void)locate("/dev/shm/.hidden"); }), Threw(errc::bad_name));
  EXPECT_THAT(thrown_by([] { (void)locate("dir/"); }), Threw(errc::bad_name));
  EXPECT_THAT(thrown_by([] { (void)locate(""); }), Threw(errc::bad_name));
}

}  // namespace
}  // namespace sluice::detail
