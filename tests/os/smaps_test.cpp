// What of a file is in memory, and what a process maps of it: mincore(2), /proc/PID/maps and smaps.

#include "os/smaps.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/filesystem.hpp"
#include "os/mapping.hpp"
#include "os/memfd.hpp"
#include "os/process.hpp"
#include "os/residence.hpp"
#include "support/child_process.hpp"
#include "support/pipe_signal.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::os {
namespace {

using sight = mapped_memory::sight;
constexpr auto never = ~std::uint64_t{0};
const auto me = static_cast<std::uint32_t>(::getpid());
const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));

/// A file of 64 pages on tmpfs, 16 of them written, and all of it mapped.
struct Smaps : ::testing::Test {
  detail::test::watchdog dog;
  detail::test::temp_directory directory;
  fd file{::open((directory / "f").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  void* at = MAP_FAILED;
  std::string backing;

  Smaps() {
    EXPECT_EQ(::ftruncate(file.get(), static_cast<off_t>(64 * page)), 0);
    const std::string text(16 * page, 'x');
    EXPECT_EQ(::pwrite(file.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    at = ::mmap(nullptr, 64 * page, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    EXPECT_NE(at, MAP_FAILED);
    backing = backing_of(at);
  }
  ~Smaps() override { ::munmap(at, 64 * page); }
};

TEST_F(Smaps, TellMappedFromTouched) {
  const auto before = memory_mapped_by(me, backing, never);
  ASSERT_EQ(before.how, sight::seen);
  EXPECT_EQ(before.mapped_bytes, 64 * page);
  EXPECT_EQ(before.resident_bytes, 0U) << "it is in memory, but this process has not been there";
  EXPECT_EQ(before.page_bytes, page);
  EXPECT_TRUE(before.is_writable);
  EXPECT_TRUE(before.is_shared);
  EXPECT_FALSE(before.is_locked);
  static_cast<volatile char*>(at)[63 * page] = 'y';
  EXPECT_GE(memory_mapped_by(me, backing, never).resident_bytes, page);
}

TEST_F(Smaps, AddUpAllMappingsOfAFileThatCanBeUsed) {
  void* const second = ::mmap(nullptr, 8 * page, PROT_READ, MAP_PRIVATE, file.get(), 0);
  const auto untouchable = mapping::untouchable(file.get(), 64 * page);  // holds no memory
  const auto found = memory_mapped_by(me, backing, never);
  EXPECT_EQ(found.mapped_bytes, 72 * page);
  ::munmap(second, 8 * page);
}

TEST_F(Smaps, OfAProcessWithoutTheFileAreNotMapped) {
  detail::test::pipe_signal ready;
  auto child = detail::test::child_process::fork([&] {
    ::munmap(at, 64 * page);
    (void)ready.tell();
    for (;;) ::pause();
  });
  ready.only_wait();
  ASSERT_TRUE(ready.is_told());
  const auto pid = static_cast<std::uint32_t>(child.pid());
  EXPECT_EQ(memory_mapped_by(pid, backing, never).how, sight::not_mapped);
  child.kill_to_zombie();
  EXPECT_EQ(memory_mapped_by(pid, backing, never).how, sight::not_readable);
  child.wait();
  EXPECT_EQ(memory_mapped_by(pid, backing, never).how, sight::not_readable);
  EXPECT_EQ(memory_mapped_by(me, "", never).how, sight::not_readable);
}

TEST_F(Smaps, AreGivenUpWhenTimeIsUp) {
  const auto found = memory_mapped_by(me, backing, 0);
  EXPECT_EQ(found.how, sight::not_in_time);
  EXPECT_EQ(found.mapped_bytes, 0U) << "half a sum is none";
}

TEST_F(Smaps, DoNotTakeAPathForAMapping) {
  // A file's maker chooses its name: this line of maps is longer than any reader's buffer, and its end looks like the
  // mapping of another file.
  ::munmap(at, 64 * page);
  int place = ::open(directory.path().c_str(), O_RDONLY | O_DIRECTORY);
  const std::string newlines(250, '\n');  // shown as four characters each
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(::mkdirat(place, newlines.c_str(), 0700), 0);
    const int next = ::openat(place, newlines.c_str(), O_RDONLY | O_DIRECTORY);
    ::close(place);
    place = next;
  }
  const auto forged = "rw-s 00000000 " + backing + " x";
  const fd decoy(::openat(place, ("x " + forged).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_TRUE(decoy) << errno;
  ASSERT_EQ(::ftruncate(decoy.get(), static_cast<off_t>(page)), 0);
  void* const there = ::mmap(nullptr, page, PROT_READ, MAP_SHARED, decoy.get(), 0);
  ASSERT_NE(there, MAP_FAILED);
  EXPECT_EQ(maps_backing(me, backing), false);
  EXPECT_EQ(memory_mapped_by(me, backing, never).how, sight::not_mapped);
  EXPECT_EQ(maps_backing(me, backing_of(there)), true) << "and the long line is still a line";
  ::munmap(there, page);
  ::close(place);
  at = ::mmap(nullptr, 64 * page, PROT_READ, MAP_SHARED, file.get(), 0);
}

TEST_F(Smaps, AndMincoreCountsWhatLiesInMemoryWithoutTouchingIt) {
  const auto untouchable = mapping::untouchable(file.get(), 64 * page);
  EXPECT_EQ(bytes_in_memory(untouchable.bytes()), 16 * page);
  ASSERT_EQ(::ftruncate(file.get(), static_cast<off_t>(page)), 0);
  EXPECT_EQ(bytes_in_memory(untouchable.bytes()), page) << "cut short meanwhile: no harm";
  ::munmap(untouchable.bytes().data(), page);
  EXPECT_FALSE(bytes_in_memory(untouchable.bytes()));
}

TEST_F(Smaps, AndMincoreTellsOnlyAUserThatMightWrite) {
  EXPECT_TRUE(residence_is_told(file.get(), ::geteuid()));
  if (::geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
  for (const bool may_write : {false, true}) {
    ASSERT_EQ(::fchmod(file.get(), may_write ? 0666 : 0644), 0);
    auto child = detail::test::child_process::fork([&] {
      if (::setuid(65534) != 0) return 2;
      return residence_is_told(file.get(), 0) == may_write ? 0 : 1;
    });
    ASSERT_EQ(::chmod(directory.path().c_str(), 0755), 0);
    EXPECT_TRUE(child.wait().is_success()) << may_write;
  }
}

TEST_F(Smaps, AndTheFilesystemAndSealsOfAFileAreKnown) {
  EXPECT_EQ(filesystem_of(file.get()).name, "tmpfs");
  EXPECT_EQ(filesystem_of(file.get()).survives_reset, false);
  const fd process(::open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(filesystem_of(process.get()).name, "0x9fa0");
  EXPECT_FALSE(filesystem_of(process.get()).survives_reset);
  EXPECT_EQ(filesystem_of(-1).name, "not known");
  const auto memfd = create_memfd("sealed", false);  // from Linux 6.3 on it is born with "exec"
  EXPECT_THAT(seals_of(memfd.get()), ::testing::Optional(::testing::Not(::testing::Contains("shrink"))));
  seal_length(memfd.get(), "sealed");
  EXPECT_THAT(seals_of(memfd.get()), ::testing::Optional(::testing::IsSupersetOf({"seal", "shrink", "grow"})));
  EXPECT_FALSE(seals_of(process.get()));
}

TEST(NetworkFilesystems, AreToldByTheirNumber) {
  for (const std::uint32_t magic : {0x6969U, 0xff534d42U, 0xfe534d42U, 0x517bU, 0x00c36400U, 0x5346414fU, 0x6b414653U,
                                    0x73757245U, 0x564cU, 0x0bd00bd0U, 0x47504653U, 0x20030528U})
    EXPECT_TRUE(filesystem_named_by(magic).is_network) << std::hex << magic;
  for (const std::uint32_t magic : {0x01021994U, 0xef53U, 0x58465342U, 0x9123683eU, 0x794c7630U, 0x65735546U, 0U})
    EXPECT_FALSE(filesystem_named_by(magic).is_network) << std::hex << magic;
}

}  // namespace
}  // namespace sluice::os
