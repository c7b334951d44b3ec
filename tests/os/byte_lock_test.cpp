// The kernel's locks as the library uses them: what crash-safety rests on.

#include "os/byte_lock.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/file.hpp"
#include "sluice/base/error.hpp"
#include "support/become_idle.hpp"
#include "support/child_process.hpp"
#include "support/pipe_signal.hpp"
#include "support/proc_maps.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::os {
namespace {

using test::child_process;
using test::pipe_signal;

constexpr std::uint64_t byte = std::uint64_t{1} << 62;

struct ByteLockTest : ::testing::Test {
  test::watchdog dog;
  test::temp_directory directory;
  fd file = create_in(working_directory, directory / "locked", 0600, "locked");

  std::optional<byte_lock> take(lock_mode mode = lock_mode::exclusive, std::uint64_t at = byte) const {
    return byte_lock::try_lock(file.get(), at, mode, kernel_page_bytes());
  }
  [[nodiscard]] bool is_held(std::uint64_t at = byte, std::uint64_t count = 1) const {
    return byte_lock::is_held(file.get(), at, count);
  }
};

TEST_F(ByteLockTest, ExcludesASecondHandleOfTheSameProcess) {  // protocol hole 18
  const auto first = take();
  ASSERT_TRUE(first);
  EXPECT_FALSE(take());
  EXPECT_FALSE(take(lock_mode::shared));
}

TEST_F(ByteLockTest, FallsWhenItsOwnerDropsIt) {
  auto first = take();
  ASSERT_TRUE(first);
  first.reset();
  EXPECT_FALSE(is_held());
  EXPECT_TRUE(take());
}

TEST_F(ByteLockTest, IsOfOneByte) {
  const auto first = take();
  EXPECT_TRUE(take(lock_mode::exclusive, byte + 1));
  EXPECT_TRUE(take(lock_mode::exclusive, byte - 1));
}

TEST_F(ByteLockTest, SharedLocksStandTogetherAndKeepExclusiveOnesOut) {
  auto first = take(lock_mode::shared);
  auto second = take(lock_mode::shared);
  ASSERT_TRUE(first);
  ASSERT_TRUE(second);
  EXPECT_FALSE(take());
  first.reset();
  EXPECT_FALSE(take()) << "one of them is still there";
  second.reset();
  EXPECT_TRUE(take());
}

TEST_F(ByteLockTest, MovesWithItsHandle) {
  auto first = take();
  std::optional<byte_lock> second(std::move(*first));
  first.reset();
  EXPECT_TRUE(is_held());
  second.reset();
  EXPECT_FALSE(is_held());
}

TEST_F(ByteLockTest, IsSeenByWhoeverLooks) {
  EXPECT_FALSE(is_held());
  const auto shared = take(lock_mode::shared);
  EXPECT_TRUE(is_held());
  EXPECT_TRUE(is_held(byte - 100, 101)) << "a range that ends with it";
  EXPECT_FALSE(is_held(byte - 100, 100)) << "a range that ends before it";
  EXPECT_FALSE(is_held(byte + 1, 1000));
}

TEST_F(ByteLockTest, LookingTakesNothing) {
  (void)is_held();
  EXPECT_TRUE(take());
}

TEST_F(ByteLockTest, SurvivesTheClosingOfEveryDescriptor) {  // seeds row 6
  pipe_signal ready;
  pipe_signal end;
  auto child = child_process::fork([&] {
    const auto lock = take();
    if (!lock) return 1;
    ::dup2(ready.write_descriptor(), 3);
    ::dup2(end.read_descriptor(), 4);
    ::closefrom(5);
    const std::uint64_t here = 1;
    if (::write(3, &here, sizeof here) != sizeof here) return 2;
    std::uint64_t told = 0;
    return ::read(4, &told, sizeof told) == sizeof told ? 0 : 3;
  });
  ready.only_wait();
  end.only_tell();
  ASSERT_TRUE(ready.is_told());
  EXPECT_TRUE(is_held());
  EXPECT_FALSE(take());
  end.tell();
  EXPECT_TRUE(child.wait().is_success());
  EXPECT_FALSE(is_held());
}

TEST_F(ByteLockTest, FallsWhenItsOwnerIsKilled) {
  pipe_signal ready;
  auto child = child_process::fork([&] {
    const auto lock = take();
    ready.tell();
    for (;;) ::pause();
  });
  ready.only_wait();
  ASSERT_TRUE(ready.is_told());
  EXPECT_TRUE(is_held());
  child.kill();
  EXPECT_FALSE(is_held());
}

TEST_F(ByteLockTest, IsNotKeptByAnOrphanOfItsOwner) {  // scenario 57, protocol hole 17
  pipe_signal grandchild;
  auto owner = child_process::fork([&] {
    const auto lock = take();
    const auto pid = ::fork();
    if (pid == 0) {
      grandchild.tell(static_cast<std::uint64_t>(::getpid()));
      for (;;) ::pause();
    }
    for (;;) ::pause();
  });
  grandchild.only_wait();
  const auto orphan = grandchild.wait();
  ASSERT_TRUE(orphan);
  EXPECT_TRUE(is_held());
  owner.kill();
  EXPECT_EQ(::kill(static_cast<pid_t>(*orphan), 0), 0) << "the orphan must live for this to show anything";
  EXPECT_FALSE(is_held());
  ::kill(static_cast<pid_t>(*orphan), SIGKILL);
}

TEST_F(ByteLockTest, OfTheParentIsNotDroppedByAChildThatForgetsIt) {
  auto lock = take();
  auto child = child_process::fork([&] {
    lock->forget();
    lock.reset();
  });
  EXPECT_TRUE(child.wait().is_success());
  EXPECT_TRUE(is_held());
}

TEST_F(ByteLockTest, ExcludesAForkedChild) {
  const auto lock = take();
  auto child = child_process::fork([&] { return static_cast<int>(take().has_value()); });
  EXPECT_TRUE(child.wait().is_success());
}

TEST_F(ByteLockTest, FallsAtExec) {  // seeds row 5
  pipe_signal locked;
  pipe_signal replaced;
  pipe_signal go;
  auto child = child_process::fork([&] {
    const auto lock = take();
    locked.tell();
    (void)go.is_told();
    test::become_idle(replaced);
  });
  locked.only_wait();
  replaced.only_wait();
  ASSERT_TRUE(locked.is_told());
  EXPECT_TRUE(is_held());
  go.tell();
  ASSERT_TRUE(replaced.is_told());
  EXPECT_FALSE(is_held());
}

TEST_F(ByteLockTest, SurvivesTheDeathOfAChildThatHadInheritedTheFile) {
  const auto lock = take();
  auto child = child_process::fork([] { return 0; });
  child.wait();
  EXPECT_TRUE(is_held());
}

TEST_F(ByteLockTest, OfAStoppedProcessIsHeld) {  // scenario 52
  pipe_signal ready;
  auto child = child_process::fork([&] {
    const auto lock = take();
    ready.tell();
    for (;;) ::pause();
  });
  ready.only_wait();
  ASSERT_TRUE(ready.is_told());
  child.stop();
  EXPECT_TRUE(is_held());
}

TEST_F(ByteLockTest, IsOfTheFileAndNotOfItsName) {
  const auto lock = take();
  const auto other = create_in(working_directory, directory / "other", 0600, "other");
  EXPECT_TRUE(byte_lock::try_lock(other.get(), byte, lock_mode::exclusive, kernel_page_bytes()));
  ASSERT_EQ(::rename((directory / "other").c_str(), (directory / "locked").c_str()), 0);
  EXPECT_TRUE(is_held()) << "the descriptor still leads to the first file";
}

TEST_F(ByteLockTest, LeavesNoMappingAndNoDescriptorBehind) {
  const auto mapped = [&] { return test::mappings_that_name(directory.path()); };
  const auto next_descriptor = [&] {
    const fd probe(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    return probe.get();
  };
  const auto descriptor = next_descriptor();
  {
    const auto lock = take();
    EXPECT_EQ(mapped(), 1);
    EXPECT_EQ(next_descriptor(), descriptor) << "the mapping alone holds the lock";
    (void)is_held();
  }
  EXPECT_EQ(mapped(), 0);
  EXPECT_EQ(next_descriptor(), descriptor);
}

TEST_F(ByteLockTest, IsReportedWhenTheFileCannotBeReopened) {
  EXPECT_THROW((void)byte_lock::try_lock(-1, byte, lock_mode::shared, kernel_page_bytes()), error);
  EXPECT_THROW((void)byte_lock::is_held(-1, byte, 1), error);
}

}  // namespace
}  // namespace sluice::os
