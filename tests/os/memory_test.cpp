// futex(2) and mmap(2) between processes.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <thread>

#include "os/cpu.hpp"
#include "os/file.hpp"
#include "os/futex.hpp"
#include "os/mapping.hpp"
#include "sluice/detail/base/clock.hpp"
#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/pipe_signal.hpp"
#include "support/proc_maps.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::os {
namespace {

using detail::test::child_process;
using detail::test::pipe_signal;

constexpr std::uint64_t hour_ns = 3'600'000'000'000;

std::atomic<std::uint32_t>& word_in(const mapping& memory) {
  return *reinterpret_cast<std::atomic<std::uint32_t>*>(memory.bytes().data());
}

struct Futex : ::testing::Test {
  detail::test::watchdog dog;
  mapping memory = mapping::dev_zero(4096);
  std::atomic<std::uint32_t>& word = word_in(memory);
};

TEST_F(Futex, WakesASleeperInAnotherProcess) {
  auto child = child_process::fork([&] {
    while (word.load() == 0) futex_wait(word, 0, hour_ns);
  });
  while (futex_wake(word, 1) == 0) std::this_thread::yield();  // until it really sleeps
  word.store(1);
  while (!child.try_wait()) futex_wake(word, 1);
  EXPECT_TRUE(child.wait().is_success());
}

TEST_F(Futex, DoesNotSleepWhenTheWordHasChanged) {
  word.store(1);
  futex_wait(word, 0, hour_ns);  // else the watchdog ends it
}

TEST_F(Futex, WakesNoThreadWhereNoneSleeps) { EXPECT_EQ(futex_wake(word, 1), 0); }

TEST_F(Futex, ComesBackWhenTheTimeIsUpAndNotBefore) {
  const auto begin = detail::monotonic_now_ns();
  while (detail::monotonic_now_ns() - begin < 20'000'000)
    futex_wait(word, 0, 20'000'000 - (detail::monotonic_now_ns() - begin) + 1);
  EXPECT_GE(detail::monotonic_now_ns() - begin, 20'000'000U);
}

TEST_F(Futex, StoppedSleeperDoesNotEatTheWake) {  // protocol hole 26
  pipe_signal woken;
  auto child = child_process::fork([&] {
    while (word.load() == 0) futex_wait(word, 0, hour_ns);
    woken.tell();
  });
  while (futex_wake(word, 1) == 0) std::this_thread::yield();
  child.stop();
  word.store(1);
  futex_wake(word, 1);
  child.resume();
  EXPECT_TRUE(child.wait().is_success());
}

TEST(Clock, MonotonicNeverGoesBack) {
  const auto first = detail::monotonic_now_ns();
  EXPECT_GE(detail::monotonic_now_ns(), first);
  EXPECT_GT(detail::realtime_now_ns(), 1'700'000'000'000'000'000U);
}

TEST(Cpu, TheOnlyProcessorIsTheOneThatAThreadIsPinnedTo) {
  cpu_set_t before, one;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  EXPECT_EQ(only_processor().has_value(), CPU_COUNT(&before) == 1);
  const auto here = static_cast<std::uint32_t>(::sched_getcpu());
  CPU_ZERO(&one);
  CPU_SET(here, &one);
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(only_processor(), here);
  ::sched_setaffinity(0, sizeof before, &before);
}

TEST(Mapping, IsUnmappedWhenItGoes) {  // seeds row 17
  const void* at = nullptr;
  {
    const auto memory = mapping::dev_zero(3 * 4096);
    at = memory.bytes().data();
    EXPECT_NE(detail::test::mapping_at(at), "");
  }
  EXPECT_EQ(detail::test::mapping_at(at), "");
}

TEST(Mapping, MovesAndIsUnmappedOnce) {
  auto first = mapping::dev_zero(4096);
  const void* at = first.bytes().data();
  {
    const mapping second(std::move(first));
    EXPECT_EQ(second.bytes().data(), at);
  }
  EXPECT_EQ(detail::test::mapping_at(at), "");
}

TEST(Mapping, OfMoreThanThereIsSaysWhat) {
  EXPECT_THAT(detail::test::thrown_by([] { (void)mapping::dev_zero(std::size_t{1} << 60); }),
              detail::test::ThrewSaying(errc::no_space, "/dev/zero"));
}

TEST(Mapping, WipedAtForkReadsZeroInTheChildAndStaysInTheParent) {
  const auto page = mapping::wiped_at_fork(4096);
  page.bytes()[7] = std::byte{42};
  auto child = child_process::fork([&] { return static_cast<int>(page.bytes()[7]); });
  EXPECT_TRUE(child.wait().is_success());
  EXPECT_EQ(page.bytes()[7], std::byte{42});
}

struct FileMapping : ::testing::Test {
  detail::test::temp_directory directory;
  fd file = create_in(working_directory, directory / "file", 0600, "file");
  FileMapping() { allocate(file.get(), 4096, "file"); }
};

TEST_F(FileMapping, AnchorIsAbsentInAForkedChild) {
  const auto anchored = mapping::anchor(file.get(), kernel_page_bytes());
  EXPECT_EQ(detail::test::mappings_that_name(directory.path()), 1);
  auto child = child_process::fork([&] { return detail::test::mappings_that_name(directory.path()); });
  EXPECT_TRUE(child.wait().is_success());
}

TEST_F(FileMapping, AnchorCanNeitherBeReadNorWritten) {
  const auto anchored = mapping::anchor(file.get(), kernel_page_bytes());
  EXPECT_NE(detail::test::mapping_at(anchored.bytes().data()).find("---s"), std::string::npos);
}

TEST_F(FileMapping, PrivateViewSeesTheFileAndChangesNothing) {  // seeds row 2
  const std::byte seven{7};
  write_at(file.get(), 0, std::span(&seven, 1), "file");
  const auto view = mapping::private_view(file.get(), 4096, "file");
  EXPECT_EQ(view.bytes()[0], seven);
  EXPECT_NE(detail::test::mapping_at(view.bytes().data()).find("r--p"), std::string::npos) << "read only and private";
}

}  // namespace
}  // namespace sluice::os
