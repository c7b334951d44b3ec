// Memory that grows in place, seen by all that are attached.

#include "sluice/segment.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <thread>
#include <vector>

#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/pipe_signal.hpp"
#include "support/small_filesystem.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail {
namespace {

using test::child_process;
using test::pipe_signal;
using test::temp_directory;

constexpr std::uint64_t page = 4096;
constexpr std::uint64_t most = std::uint64_t{1} << 30;

/// Closes what the library opened, as a loop before exec(2) does, and opens other files under the same numbers.
void reuse_all_descriptors() {
  for (int i = 3; i < 256; ++i) ::close(i);
  for (int i = 0; i < 64; ++i) (void)::open("/dev/null", O_RDWR | O_CLOEXEC);
}

TEST(GrowableSegment, WhoseDescriptorWasClosedFindsItsFileByItsName) {
  const test::watchdog dog;
  const temp_directory directory;
  const auto end = child_process::fork([&] {
                     ASSERT_EQ(::chdir(directory.path().c_str()), 0);
                     const auto log = growable_segment::create("log", page, most);
                     ASSERT_EQ(::chdir("/"), 0);
                     reuse_all_descriptors();
                     EXPECT_EQ(log.bytes().size(), page);
                     log.grow(3 * page);
                     EXPECT_EQ(log.bytes().size(), 3 * page);
                     log.bytes().back() = std::byte{7};
                   }).wait();
  EXPECT_TRUE(end.is_success()) << end;
}

TEST(GrowableSegment, WhoseDescriptorWasClosedAndWhoseNameLeadsElsewhereSaysSo) {
  const test::watchdog dog;
  const temp_directory directory;
  const auto end =
      child_process::fork([&] {
        const auto log = growable_segment::create(directory / "log", page, most);
        std::filesystem::rename(directory / "log", directory / "old");
        const auto other = growable_segment::create(directory / "log", 5 * page, most);
        reuse_all_descriptors();
        const auto words = "leads to another file";
        EXPECT_THAT(test::thrown_by([&] { (void)log.bytes(); }), test::ThrewSaying(errc::not_found, words));
        EXPECT_THAT(test::thrown_by([&] { log.grow(9 * page); }), test::ThrewSaying(errc::not_found, words));
      }).wait();
  EXPECT_TRUE(end.is_success()) << end;
  EXPECT_EQ(std::filesystem::file_size(directory / "log"), 5 * page);
}

TEST(SeedsRow9, AFileOfNoBytesMappedForAThousandPagesIsUsedAsItGrows) {
  const test::watchdog dog;
  const temp_directory directory;
  const auto log = growable_segment::create(directory / "log", 0, 1000 * page);
  EXPECT_EQ(log.bytes().size(), 0U);
  EXPECT_EQ(log.max_bytes(), 1000 * page);
  for (std::uint64_t pages = 1; pages <= 1000; pages += 37) {
    log.grow(pages * page);
    ASSERT_EQ(log.bytes().size(), pages * page);
    log.bytes().back() = std::byte{7};
  }
}

TEST(SeedsRow9, WhatOneProcessAddsAnotherSeesWhereItIsWithoutMappingAnew) {
  const test::watchdog dog;
  const temp_directory directory;
  const auto mine = growable_segment::create(directory / "log", page, most);
  pipe_signal attached, grown, answered;
  auto child = child_process::fork([&] {
    const auto its = growable_segment::attach(directory / "log", most);
    const auto* const begin = its.bytes().data();
    if (its.bytes().size() != page) return 1;
    attached.tell();
    if (!grown.is_told()) return 2;
    if (its.bytes().size() != 100 * page || its.bytes().data() != begin) return 3;
    if (std::strcmp(reinterpret_cast<const char*>(begin) + 99 * page, "from the parent") != 0) return 4;
    its.grow(200 * page);
    std::strcpy(reinterpret_cast<char*>(its.bytes().data()) + 199 * page, "from the child");
    answered.tell();
    return 0;
  });
  attached.only_wait();
  grown.only_tell();
  answered.only_wait();
  ASSERT_TRUE(attached.is_told());
  const auto* const begin = mine.bytes().data();
  mine.grow(100 * page);
  std::strcpy(reinterpret_cast<char*>(mine.bytes().data()) + 99 * page, "from the parent");
  grown.tell();
  ASSERT_TRUE(answered.is_told());
  EXPECT_EQ(mine.bytes().size(), 200 * page);
  EXPECT_EQ(mine.bytes().data(), begin);
  EXPECT_STREQ(reinterpret_cast<const char*>(begin) + 199 * page, "from the child");
  EXPECT_TRUE(child.wait().is_success());
}

TEST(Growable, IsAsLongAsTheLongestAskedForInAnyRace) {
  const test::watchdog dog;
  const temp_directory directory;
  const auto log = growable_segment::create(directory / "log", page, most);
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (std::uint64_t i = 0; i < 50; ++i) log.grow((4 * i + t + 1) * page);
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(log.bytes().size(), 200 * page);
}

TEST(Growable, NeverBecomesShorter) {
  const temp_directory directory;
  const auto log = growable_segment::create(directory / "log", 10 * page, most);
  log.bytes().back() = std::byte{9};
  log.grow(page);
  ASSERT_EQ(log.bytes().size(), 10 * page);
  EXPECT_EQ(log.bytes().back(), std::byte{9});
}

TEST(Growable, RefusesWhatItKeptNoAddressesFor) {
  const temp_directory directory;
  EXPECT_THAT(test::thrown_by([&] { (void)growable_segment::create(directory / "log", 2 * page, page); }),
              test::ThrewSaying(errc::bad_argument, "addresses were kept for 4096"));
  EXPECT_THAT(test::thrown_by([&] { (void)growable_segment::create(directory / "log", 0, 0); }),
              test::Threw(errc::bad_argument));
  const auto log = growable_segment::create(directory / "log", page, 2 * page);
  EXPECT_THAT(test::thrown_by([&] { log.grow(3 * page); }), test::ThrewSaying(errc::bad_argument, "grow"));
  EXPECT_EQ(log.bytes().size(), page);
  const auto other = growable_segment::attach(directory / "log", 100 * page);  // which keeps more
  other.grow(50 * page);
  EXPECT_EQ(log.bytes().size(), 2 * page) << "what this one can reach of it";
}

TEST(Growable, OnAFullFilesystemKeepsWhatItHad) {
  const auto small = test::small_filesystem::tmpfs(256);
  if (!small) GTEST_SKIP() << "mounting a filesystem needs root";
  const auto log = growable_segment::create(small->path() + "/log", page, most);
  log.bytes().front() = std::byte{5};
  EXPECT_THAT(test::thrown_by([&] { log.grow(512 << 10); }), test::Threw(errc::no_space));
  log.grow(64 << 10);
  EXPECT_EQ(log.bytes().front(), std::byte{5});
  EXPECT_GE(log.bytes().size(), std::size_t{64} << 10);
}

TEST(Growable, OfAFileThatIsNotThereOrTakenSaysSo) {
  const temp_directory directory;
  EXPECT_THAT(test::thrown_by([&] { (void)growable_segment::attach(directory / "log", most); }),
              test::Threw(errc::not_found));
  (void)growable_segment::create(directory / "log", page, most);
  EXPECT_THAT(test::thrown_by([&] { (void)growable_segment::create(directory / "log", page, most); }),
              test::Threw(errc::already_exists));
  EXPECT_THAT(test::thrown_by([&] { (void)growable_segment::attach(directory.path(), most); }),
              test::Threw(errc::not_a_segment));
}

}  // namespace
}  // namespace sluice::detail
