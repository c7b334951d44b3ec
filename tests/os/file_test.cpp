#include "os/file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "os/fd.hpp"
#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/small_filesystem.hpp"
#include "support/temp_registry.hpp"

namespace sluice::os {
namespace {

using detail::test::temp_directory;
using detail::test::Threw;
using detail::test::ThrewSaying;
using detail::test::thrown_by;

bool is_open(int file) { return ::fcntl(file, F_GETFD) >= 0; }

TEST(Fd, ClosesWhenItGoes) {
  int number = -1;
  {
    const fd owned(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    number = owned.get();
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
}

TEST(Fd, MovesItsDescriptorAndClosesItOnce) {
  fd first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int number = first.get();
  {
    const fd second(std::move(first));
    EXPECT_EQ(second.get(), number);
    EXPECT_FALSE(static_cast<bool>(first));  // NOLINT(bugprone-use-after-move): what a moved-from fd is, is documented
  }
  EXPECT_FALSE(is_open(number));
}

TEST(Fd, ReleasedIsNotClosed) {
  int number = -1;
  {
    fd owned(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    number = owned.release();
  }
  EXPECT_TRUE(is_open(number));
  ::close(number);
}

struct FileTest : ::testing::Test {
  temp_directory directory;
  std::optional<fd> opened = open_directory(directory.path());
  [[nodiscard]] int at() const { return opened->get(); }
};

TEST_F(FileTest, CreatedFileHasExactlyTheModeThatWasAskedFor) {
  for (const auto mode : {0600U, 0640U, 0666U}) {
    auto child = detail::test::child_process::fork([&] {
      ::umask(0777);
      const auto file = create_in(at(), "file" + std::to_string(mode), mode, "file");
      return static_cast<int>(facts_of(file.get(), "file").mode != mode);
    });
    EXPECT_TRUE(child.wait().is_success()) << std::oct << mode;
  }
}

TEST_F(FileTest, UnnamedFileHasExactlyTheModeThatWasAskedFor) {
  for (const auto mode : {0600U, 0640U, 0666U}) {
    auto child = detail::test::child_process::fork([&] {
      ::umask(0777);
      const auto file = open_unnamed(at(), mode, "directory");
      return static_cast<int>(facts_of(file->get(), "file").mode != mode);
    });
    EXPECT_TRUE(child.wait().is_success()) << std::oct << mode;
  }
}

TEST_F(FileTest, DirectoryHasExactlyTheModeThatWasAskedFor) {
  auto child = detail::test::child_process::fork([&] {
    ::umask(0777);
    make_directory(directory / "inner", 0700);
  });
  ASSERT_TRUE(child.wait().is_success());
  EXPECT_EQ(facts_of_name(at(), "inner")->mode, 0700U);
}

TEST_F(FileTest, MakingADirectoryThatIsThereSaysSo) {
  EXPECT_TRUE(make_directory(directory / "inner", 0700));
  EXPECT_FALSE(make_directory(directory / "inner", 0700));
}

TEST_F(FileTest, CreatingANameThatIsTakenIsRefused) {
  (void)create_in(at(), "taken", 0600, "taken");
  EXPECT_THAT(thrown_by([&] { (void)create_in(at(), "taken", 0600, "taken"); }), Threw(errc::already_exists));
}

TEST_F(FileTest, CreatingThroughASymbolicLinkIsRefused) {
  std::filesystem::create_symlink(directory / "target", directory / "link");
  EXPECT_THAT(thrown_by([&] { (void)create_in(at(), "link", 0600, "link"); }), Threw(errc::already_exists));
  EXPECT_FALSE(std::filesystem::exists(directory / "target"));
}

TEST_F(FileTest, OpeningAMissingNameIsNoError) { EXPECT_FALSE(open_in(at(), "missing", true, "missing").has_value()); }

TEST_F(FileTest, OpeningASymbolicLinkIsRefused) {
  (void)create_in(at(), "target", 0600, "target");
  std::filesystem::create_symlink(directory / "target", directory / "link");
  EXPECT_THAT(thrown_by([&] { (void)open_in(at(), "link", false, "link"); }), ThrewSaying(errc::not_a_segment, "link"));
}

TEST_F(FileTest, OpeningADirectoryForWritingIsNotASegment) {
  make_directory(directory / "inner", 0700);
  EXPECT_THAT(thrown_by([&] { (void)open_in(at(), "inner", true, "inner"); }), Threw(errc::not_a_segment));
}

TEST_F(FileTest, OpeningAFifoDoesNotBlock) {
  ASSERT_EQ(::mkfifo((directory / "fifo").c_str(), 0600), 0);
  const auto fifo = open_in(at(), "fifo", false, "fifo");
  EXPECT_FALSE(facts_of(fifo->get(), "fifo").is_regular);
}

TEST_F(FileTest, DirectoryBehindASymbolicLinkIsUnsafe) {
  std::filesystem::create_directory_symlink(directory.path(), directory / "link");
  EXPECT_THAT(thrown_by([&] { (void)open_directory(directory / "link"); }), Threw(errc::unsafe_directory));
}

TEST_F(FileTest, FileInPlaceOfADirectoryIsUnsafe) {
  (void)create_in(at(), "file", 0600, "file");
  EXPECT_THAT(thrown_by([&] { (void)open_directory(directory / "file"); }), Threw(errc::unsafe_directory));
}

TEST_F(FileTest, MissingDirectoryIsNoError) { EXPECT_FALSE(open_directory(directory / "missing").has_value()); }

TEST_F(FileTest, UnnamedFileHasNoNameUntilItIsLinked) {
  const auto file = open_unnamed(at(), 0600, "directory");
  ASSERT_TRUE(file) << "tmpfs has O_TMPFILE";
  EXPECT_TRUE(names_in(at(), "directory").empty());
  EXPECT_TRUE(link_unnamed(file->get(), at(), "named", "named"));
  EXPECT_EQ(names_in(at(), "directory"), std::vector<std::string>{"named"});
  EXPECT_TRUE(facts_of_name(at(), "named")->same_file(facts_of(file->get(), "file")));
}

TEST_F(FileTest, LinkingOverATakenNameIsRefusedAndLeavesIt) {
  const auto old = create_in(at(), "taken", 0600, "taken");
  const auto file = open_unnamed(at(), 0600, "directory");
  EXPECT_FALSE(link_unnamed(file->get(), at(), "taken", "taken"));
  EXPECT_TRUE(facts_of_name(at(), "taken")->same_file(facts_of(old.get(), "taken")));
}

TEST_F(FileTest, RenamingOverATakenNameIsRefusedAndLeavesIt) {
  const auto old = create_in(at(), "taken", 0600, "taken");
  (void)create_in(at(), "new", 0600, "new");
  EXPECT_FALSE(rename_new(at(), "new", "taken", "taken"));
  EXPECT_TRUE(facts_of_name(at(), "taken")->same_file(facts_of(old.get(), "taken")));
  EXPECT_TRUE(rename_new(at(), "new", "free", "free"));
}

TEST_F(FileTest, UnlinkingAMissingNameIsNoError) { EXPECT_FALSE(unlink_in(at(), "missing", "missing")); }

TEST_F(FileTest, ReopenedFileIsTheSameFile) {
  const auto file = create_in(at(), "file", 0600, "file");
  const auto fresh = reopen(file.get(), true, "file");
  EXPECT_NE(fresh.get(), file.get());
  EXPECT_TRUE(facts_of(fresh.get(), "file").same_file(facts_of(file.get(), "file")));
}

TEST_F(FileTest, ReadEndsWhereTheFileEnds) {
  const auto file = create_in(at(), "file", 0600, "file");
  const std::array<std::byte, 5> written{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}, std::byte{5}};
  write_at(file.get(), 10, written, "file");
  std::array<std::byte, 8> got{};
  EXPECT_EQ(read_at(file.get(), 12, got, "file"), 3U);
  EXPECT_EQ(got[0], std::byte{3});
  EXPECT_EQ(read_at(file.get(), 1000, got, "file"), 0U);
}

TEST_F(FileTest, NamesLeaveOutTheDirectoryItself) {
  (void)create_in(at(), "b", 0600, "b");
  (void)create_in(at(), ".hidden", 0600, ".hidden");
  auto names = names_in(at(), "directory");
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{".hidden", "b"}));
}

TEST_F(FileTest, AllocatedSpaceIsTaken) {
  const auto file = create_in(at(), "file", 0600, "file");
  allocate(file.get(), 65536, "file");
  const auto facts = facts_of(file.get(), "file");
  EXPECT_EQ(facts.length_bytes, 65536U);
  EXPECT_GE(facts.resident_bytes, 65536U);
}

TEST(Allocate, OnAFullFilesystemIsNoSpaceAndNoSignal) {  // scenario 61
  const auto small = detail::test::small_filesystem::tmpfs(1024);
  if (!small) GTEST_SKIP() << "mounting a tmpfs needs root";
  const auto directory = open_directory(small->path());
  const auto file = create_in(directory->get(), "file", 0600, "file");
  EXPECT_THAT(thrown_by([&] { allocate(file.get(), 8U << 20, "file"); }), ThrewSaying(errc::no_space, "make room"));
}

TEST_F(FileTest, AllocatingMoreThanAFileCanHoldIsRefused) {
  const auto file = create_in(at(), "file", 0600, "file");
  EXPECT_THAT(thrown_by([&] { allocate(file.get(), ~0ULL, "file"); }), Threw(errc::bad_argument));
}

TEST(AFilesystem, WithoutFallocateSaysSoAndWhatToDo) {
  const auto mounted = detail::test::small_filesystem::of_type("ramfs", "");  // as many of FUSE
  if (!mounted) GTEST_SKIP() << "mounting needs root";
  const auto path = mounted->path() + "/file";
  const auto file = create_in(working_directory, path, 0600, path);
  EXPECT_THAT(thrown_by([&] { allocate(file.get(), 4096, path); }), ThrewSaying(errc::bad_argument, "no_reserve"));
  EXPECT_NO_THROW(set_length(file.get(), 4096, path));
}

}  // namespace
}  // namespace sluice::os
