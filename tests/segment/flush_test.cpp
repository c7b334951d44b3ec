// What has to reach the disk, and what is found there by those who come later.

#include <gtest/gtest.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "sluice/channel.hpp"
#include "sluice/segment.hpp"
#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/pipe_signal.hpp"
#include "support/sanitizer.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice {
namespace {

using test::child_process;
using test::temp_directory;

/// A folder on a disk, where pages become dirty and clean again; none if all are in memory.
std::optional<std::string> on_a_disk() {
  constexpr long tmpfs = 0x01021994;
  for (const char* folder : {"/var/tmp", "/tmp", "."}) {
    struct statfs facts {};
    if (::statfs(folder, &facts) == 0 && facts.f_type != tmpfs && ::access(folder, W_OK) == 0) return folder;
  }
  return std::nullopt;
}

/// KiB of the mapping at `address` that this process changed and nobody wrote back yet: proc(5), smaps.
std::uint64_t dirty_kib(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  std::ostringstream begin;
  begin << std::hex << reinterpret_cast<std::uintptr_t>(address) << '-';
  bool is_here = false;
  std::uint64_t kib = 0;
  for (std::string text; std::getline(maps, text);) {
    if (text.find('-') < text.find(' ') && text.find(':') > text.find(' ')) is_here = text.starts_with(begin.str());
    if (is_here && (text.starts_with("Private_Dirty:") || text.starts_with("Shared_Dirty:")))
      kib += std::stoull(text.substr(text.find(':') + 1));
  }
  return kib;
}

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

TEST(SeedsRow10, APersistentChannelHasItsMessagesWhenEverybodyHasDied) {
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
}  // namespace sluice
