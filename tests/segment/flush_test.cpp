// What has to reach the disk, and what later processes find there.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "sluice/channel.hpp"
#include "sluice/registry.hpp"
#include "sluice/segment.hpp"
#include "support/child_process.hpp"
#include "support/disk.hpp"
#include "support/expect_error.hpp"
#include "support/pipe_signal.hpp"
#include "support/sanitizer.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail {
namespace {

using test::child_process;
using test::dirty_kib;
using test::on_a_disk;
using test::temp_directory;

TEST(SeedsRow10, ChangedPagesReachTheDiskWhenAFlushIsWaitedFor) {
  const auto folder = on_a_disk();
  if (!folder) GTEST_SKIP() << "no folder on a disk: in memory there is nothing to flush";
  const temp_directory directory(*folder);
  const auto memory = file_segment::create(directory / "segment", 64 << 10);
  std::fill(memory.bytes().begin(), memory.bytes().end(), std::byte{1});
  ASSERT_EQ(dirty_kib(memory.bytes().data()), 64U);
  memory.flush(flush_mode::begin);
  memory.flush(flush_mode::reread);
  EXPECT_EQ(memory.bytes().front(), std::byte{1}) << "neither takes anything away";
  memory.flush(flush_mode::wait);
  EXPECT_EQ(dirty_kib(memory.bytes().data()), 0U);
  EXPECT_EQ(memory.bytes().front(), std::byte{1});
}

TEST(SeedsRow10, APersistentChannelHasItsMessagesWhenAllHaveDied) {
  const test::watchdog dog;
  const temp_directory directory(on_a_disk().value_or("/dev/shm"));
  const registry names(directory.path());
  auto child = child_process::fork([&] {
    const auto orders = channel<std::uint64_t>::create(names, segment_name("orders"), {.capacity_slots = 64});
    auto out = orders.producer();
    for (std::uint64_t i = 0; i < 50; ++i)
      if (!out.try_send(i)) return 1;
    orders.memory().flush();
    ::kill(::getpid(), SIGKILL);
    return 2;
  });
  EXPECT_TRUE(child.wait().was_killed());
  const auto orders = channel<std::uint64_t>::attach(names, segment_name("orders"));
  auto in = orders.consumer();
  for (std::uint64_t i = 0; i < 50; ++i) EXPECT_EQ(in.try_receive(), i);
  EXPECT_EQ(in.try_receive(), std::nullopt);
}

TEST(Flush, OfMemoryWithoutADiskDoesNothing) {
  for (const auto& memory : {anonymous_segment::create(4096), memfd_segment::create(4096)})
    for (const auto how : {flush_mode::wait, flush_mode::begin, flush_mode::reread}) EXPECT_NO_THROW(memory.flush(how));
}

TEST(Flush, OfLockedMemoryCannotBeReadAnew) {
  if (test::is_sanitized) GTEST_SKIP() << "the sanitizer's run time answers mlock(2) itself";
  const temp_directory directory;
  const auto memory = file_segment::create(directory / "segment", 4096, 0600, {.lock_in_memory = true});
  EXPECT_THAT(test::thrown_by([&] { memory.flush(flush_mode::reread); }),
              test::ThrewSaying(errc::in_use, "locked in memory"));
  EXPECT_NO_THROW(memory.flush(flush_mode::wait));
}

}  // namespace
}  // namespace sluice::detail
