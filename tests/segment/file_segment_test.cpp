#include "sluice/segment.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/proc_maps.hpp"
#include "support/small_filesystem.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail {
namespace {

using test::child_process;
using test::Threw;
using test::ThrewSaying;
using test::thrown_by;

struct FileSegment : ::testing::Test {
  test::watchdog dog;
  test::temp_directory directory;
  std::string path = directory / "orders";

  [[nodiscard]] test::thrown attaching(const std::string& to) const {
    return thrown_by([&] { (void)file_segment::attach(to); });
  }
};

TEST_F(FileSegment, AttachedElsewhereIsTheSameMemory) {
  const auto first = file_segment::create(path, 4096);
  const auto second = file_segment::attach(path);
  second.bytes()[9] = std::byte{3};
  EXPECT_EQ(first.bytes()[9], std::byte{3});
}

TEST_F(FileSegment, KeepsItsFileAndBytesWhenAllHaveGone) {
  file_segment::create(path, 4096).bytes()[9] = std::byte{3};
  EXPECT_EQ(file_segment::attach(path).bytes()[9], std::byte{3});
}

TEST_F(FileSegment, CreatingWhereAFileIsLeavesThatFileAlone) {
  std::ofstream(path) << "mine";
  EXPECT_THAT(thrown_by([&] { (void)file_segment::create(path, 4096); }), ThrewSaying(errc::already_exists, path));
  EXPECT_EQ(std::filesystem::file_size(path), 4U);
}

TEST_F(FileSegment, CreatingInAMissingDirectoryIsNotFound) {
  EXPECT_THAT(thrown_by([&] { (void)file_segment::create(directory / "no/orders", 4096); }), Threw(errc::not_found));
}

TEST_F(FileSegment, CreatingOnAFullFilesystemIsNoSpaceAndLeavesNoFile) {  // scenario 61
  const auto small = test::small_filesystem::tmpfs(1024);
  if (!small) GTEST_SKIP() << "mounting a tmpfs needs root";
  EXPECT_THAT(thrown_by([&] { (void)file_segment::create(small->path() + "/orders", 8U << 20); }),
              ThrewSaying(errc::no_space, "orders"));
  EXPECT_TRUE(std::filesystem::is_empty(small->path()));
}

TEST_F(FileSegment, OfNoBytesIsRefusedAndLeavesNoFile) {
  EXPECT_THAT(thrown_by([&] { (void)file_segment::create(path, 0); }), Threw(errc::bad_argument));
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(FileSegment, HasTheModeThatWasAskedFor) {
  (void)file_segment::create(path, 4096, 0640);
  struct stat s {};
  ASSERT_EQ(::stat(path.c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 07777, 0640U);
}

TEST_F(FileSegment, OfAnotherUserIsNoPermission) {  // seeds row 11
  if (::geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
  (void)file_segment::create(path, 4096, 0600);
  ASSERT_EQ(::chmod(directory.path().c_str(), 0755), 0);
  auto child = child_process::fork([&] {
    if (::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0) return 1;
    EXPECT_THAT(attaching(path), ThrewSaying(errc::no_permission, path));
    EXPECT_THAT(thrown_by([&] { (void)file_segment::create(directory / "mine", 4096); }), Threw(errc::no_permission));
    return 0;
  });
  EXPECT_TRUE(child.wait().is_success());
}

TEST_F(FileSegment, MissingIsNotFound) { EXPECT_THAT(attaching(path), ThrewSaying(errc::not_found, path)); }

TEST_F(FileSegment, BehindASymbolicLinkIsNotASegment) {
  (void)file_segment::create(directory / "real", 4096);
  std::filesystem::create_symlink(directory / "real", path);
  EXPECT_THAT(attaching(path), Threw(errc::not_a_segment));
}

TEST_F(FileSegment, ADirectoryIsNotASegment) {
  std::filesystem::create_directory(path);
  EXPECT_THAT(attaching(path), ThrewSaying(errc::not_a_segment, path));
}

TEST_F(FileSegment, ADeviceIsNotASegment) { EXPECT_THAT(attaching("/dev/null"), Threw(errc::not_a_segment)); }

TEST_F(FileSegment, AFifoIsNotASegmentAndDoesNotBlock) {
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_THAT(attaching(path), Threw(errc::not_a_segment));
}

TEST_F(FileSegment, AnEmptyFileIsHalfMade) {  // scenario 62
  std::ofstream(path).close();
  EXPECT_THAT(attaching(path), ThrewSaying(errc::half_made, "remove it"));
}

TEST_F(FileSegment, LeavesNoMappingOfItsFile) {  // seeds row 17
  {
    const auto first = file_segment::create(path, 4096);
    const auto second = file_segment::attach(path);
    EXPECT_EQ(test::mappings_that_name(path), 2);
  }
  EXPECT_EQ(test::mappings_that_name(path), 0);
}

TEST_F(FileSegment, SurvivesTheRemovalOfItsName) {
  const auto memory = file_segment::create(path, 4096);
  std::filesystem::remove(path);
  memory.bytes()[0] = std::byte{1};
  EXPECT_EQ(memory.bytes()[0], std::byte{1});
}

}  // namespace
}  // namespace sluice::detail
