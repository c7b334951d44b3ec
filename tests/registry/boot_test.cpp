// Whether the machine was started anew since a channel was made, told by evidence that cannot lie. The processes that ask
// are programs of their own: what one has read of the kernel its forked children know.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>

#include "sluice/channel.hpp"
#include "sluice/registry.hpp"
#include "support/child_process.hpp"
#include "support/disk.hpp"
#include "support/own_mounts.hpp"
#include "support/sanitizer.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using link = channel<std::uint64_t>;
const segment_name orders("orders");

class Boot : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "a mount of its own needs root";
    if (!on_a_disk()) GTEST_SKIP() << "no folder on a disk: nothing there survives a reset";
    disk.emplace(*on_a_disk());
  }

  /// What peer_registry prints when it runs after `arrange`; "no mount" where that fails.
  [[nodiscard]] std::string said(const std::function<bool()>& arrange, const std::string& command,
                                 const std::string& directory) const {
    const temp_directory folder;
    const auto output = folder / "said";
    const auto end = child_process::fork([&] {
                       if (std::freopen(output.c_str(), "w", stdout) == nullptr) return 40;
                       if (!arrange()) {
                         std::puts("no mount");
                         std::fflush(stdout);
                         return 41;
                       }
                       const auto program = std::string(SLUICE_PROGRAM_DIR) + "/peer_registry";
                       ::execl(program.c_str(), program.c_str(), command.c_str(), directory.c_str(), nullptr);
                       return 42;
                     }).wait();
    std::string line;
    std::getline(std::ifstream(output), line);
    return line.empty() ? "exit " + std::to_string(end.code) : line;
  }
  [[nodiscard]] std::string said_here(const std::string& command, const std::string& directory) const {
    return said([] { return true; }, command, directory);
  }
  /// As a process sees it that systemd-nspawn started: another file lies over the kernel's boot_id.
  [[nodiscard]] std::string said_in_a_container(const std::string& command, const std::string& directory) const {
    const auto other = disk->path(".boot-id-of-a-container");
    std::ofstream(other) << "11111111-2222-3333-4444-555555555555\n";
    return said(
        [&] {
          return unshare_mounts() &&
                 ::mount(other.c_str(), "/proc/sys/kernel/random/boot_id", nullptr, MS_BIND, nullptr) == 0;
        },
        command, directory);
  }
  /// As a unit with ProcSubset=pid.
  [[nodiscard]] std::string said_without_proc_sys(const std::string& command, const std::string& directory) const {
    return said([] { return unshare_mounts() && ::mount("proc", "/proc", "proc", 0, "subset=pid") == 0; }, command,
                directory);
  }

  watchdog dog;
  std::optional<temp_registry> disk;
  temp_registry memory;
};

TEST_F(Boot, AContainerWithABootIdOfItsOwnAttachesToTheHostsChannel) {
  for (const auto& directory : {memory.directory(), disk->directory()}) {
    ASSERT_EQ(said_here("make", directory), "made");
    EXPECT_EQ(said_in_a_container("receive", directory), "received 1") << directory;
  }
}

TEST_F(Boot, TheHostAttachesToAChannelThatAContainerWithABootIdOfItsOwnMade) {
  for (const auto& directory : {memory.directory(), disk->directory()}) {
    ASSERT_EQ(said_in_a_container("make", directory), "made");
    EXPECT_EQ(said_here("receive", directory), "received 1") << directory;
  }
}

TEST_F(Boot, ADurableChannelThatIsInUseIsOfThisBootWhateverTheContainersBootIdSays) {
  ASSERT_EQ(said_here("make-durable", disk->directory()), "made");
  const auto host = link::attach(**disk, orders);
  EXPECT_EQ(said_in_a_container("receive", disk->directory()), "received 1");
  EXPECT_EQ((*disk)->inspect(orders).header.creation_id, host.header().creation_id) << "recovered under the host";
}

TEST_F(Boot, ADurableChannelIsRefusedWhereTheBootIdIsAContainersOwn) {
  EXPECT_THAT(said_in_a_container("make-durable", disk->directory()), StartsWith("system_failure: create"));
  EXPECT_TRUE((*disk)->list().empty());
  ASSERT_EQ(said_here("make-durable", disk->directory()), "made");
  const auto refused = said_in_a_container("receive", disk->directory());
  EXPECT_THAT(refused, StartsWith("system_failure: attach"));
  EXPECT_THAT(refused, HasSubstr("boot_id"));
  EXPECT_EQ(said_here("receive", disk->directory()), "received 1");
}

TEST_F(Boot, ADurableChannelOfAnotherBootIsNeverTakenForWholeWithoutProcSys) {
  ASSERT_EQ(said_here("make-durable", disk->directory()), "made");
  write_image(disk->path("orders"), after_a_reset(image_of(disk->path("orders"))));
  EXPECT_THAT(said_without_proc_sys("receive", disk->directory()), StartsWith("system_failure: attach"));
}

TEST_F(Boot, AChannelThatIsOlderThanTheMachinesStartIsOfAnotherBootWithoutProcSys) {
  ASSERT_EQ(said_here("make", disk->directory()), "made");
  auto bytes = image_of(disk->path("orders"));
  forge(bytes, [](segment_header& header) { header.created_realtime_ns = 1'000'000'000; });  // 1970
  write_image(disk->path("orders"), bytes);
  EXPECT_THAT(said_without_proc_sys("receive", disk->directory()), StartsWith("corrupted: "));
}

TEST_F(Boot, AChannelThatIsNotDurableGoesOnWithoutProcSys) {
  for (const auto& directory : {memory.directory(), disk->directory()}) {
    ASSERT_EQ(said_here("make", directory), "made");
    EXPECT_EQ(said_without_proc_sys("receive", directory), "received 1") << directory;
  }
}

TEST_F(Boot, AReadOfTheBootIdThatFailedIsNotRemembered) {
  if (is_sanitized) GTEST_SKIP() << "the sanitizer opens descriptors of its own; the other builds test this";
  ASSERT_EQ(said_here("make-durable", disk->directory()), "made");
  EXPECT_EQ(said_here("starved", disk->directory()), "received 1");
}

}  // namespace
}  // namespace sluice::detail::test
