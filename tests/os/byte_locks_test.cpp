// The kernel's locks as the library uses them: what crash-safety rests on.

#include "os/byte_locks.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>

#include "os/file.hpp"
#include "sluice/error.hpp"
#include "support/become_idle.hpp"
#include "support/child_process.hpp"
#include "support/pipe_signal.hpp"
#include "support/proc_maps.hpp"
#include "support/shared_lock.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::os {
namespace {

using detail::test::child_process;
using detail::test::open_with_shared_lock;
using detail::test::pipe_signal;

constexpr std::uint64_t byte = std::uint64_t{1} << 62;

struct ByteLocksTest : ::testing::Test {
  detail::test::watchdog dog;
  detail::test::temp_directory directory;
  fd file = create_in(working_directory, directory / "locked", 0600, "locked");

  static std::unique_ptr<byte_locks> locks_on(const fd& file, const std::string& path) {
    const auto facts = facts_of(file.get(), path);
    auto locks = std::make_unique<byte_locks>(lockable_file{file.get(), path, facts.device, facts.inode});
    locks->anchor(kernel_page_bytes());
    return locks;
  }
  /// Null when another holds it.
  [[nodiscard]] std::unique_ptr<byte_locks> take(lock_mode mode = lock_mode::exclusive, std::uint64_t at = byte) const {
    auto locks = locks_on(file, directory / "locked");
    return locks->try_lock(at, mode) == lock_answer::locked ? std::move(locks) : nullptr;
  }
  [[nodiscard]] bool is_held(std::uint64_t at = byte, std::uint64_t count = 1) const {
    return is_locked(file.get(), at, count, lock_mode::shared);
  }
};

TEST_F(ByteLocksTest, ExcludesASecondHandleOfTheSameProcess) {  // protocol hole 18
  const auto first = take();
  ASSERT_TRUE(first);
  EXPECT_FALSE(take());
  EXPECT_FALSE(take(lock_mode::shared));
}

TEST_F(ByteLocksTest, FallsWhenItsOwnerDropsIt) {
  auto first = take();
  ASSERT_TRUE(first);
  first.reset();
  EXPECT_FALSE(is_held());
  EXPECT_TRUE(take());
}

TEST_F(ByteLocksTest, IsOfOneByte) {
  const auto first = take();
  EXPECT_TRUE(take(lock_mode::exclusive, byte + 1));
  EXPECT_TRUE(take(lock_mode::exclusive, byte - 1));
}

TEST_F(ByteLocksTest, SharedLocksStandTogetherAndKeepExclusiveOnesOut) {
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

TEST_F(ByteLocksTest, MovesWithItsHandle) {
  auto first = take();
  auto second = std::move(first);
  first.reset();
  EXPECT_TRUE(is_held());
  second.reset();
  EXPECT_FALSE(is_held());
}

TEST_F(ByteLocksTest, IsSeenByALookAtItsByte) {
  EXPECT_FALSE(is_held());
  const auto shared = take(lock_mode::shared);
  EXPECT_TRUE(is_held());
  EXPECT_TRUE(is_held(byte - 100, 101)) << "a range that ends with it";
  EXPECT_FALSE(is_held(byte - 100, 100)) << "a range that ends before it";
  EXPECT_FALSE(is_held(byte + 1, 1000));
}

TEST_F(ByteLocksTest, ExcludesTheSameObjectToo) {
  const auto first = take();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->try_lock(byte, lock_mode::exclusive), lock_answer::held);
  EXPECT_TRUE(first->has_owner(byte));
  first->unlock(byte);
  EXPECT_FALSE(first->has_owner(byte));
  EXPECT_FALSE(is_held());
}

TEST_F(ByteLocksTest, AReadersSharedLockIsNoOwnerAndIsToldFromOne) {
  const auto link = "/proc/self/fd/" + std::to_string(file.get());
  const fd reader(open_with_shared_lock(link, byte));
  ASSERT_GE(reader.get(), 0);
  const auto locks = locks_on(file, directory / "locked");
  EXPECT_FALSE(locks->has_owner(byte));
  EXPECT_FALSE(is_locked(file.get(), byte, 1, lock_mode::exclusive));
  EXPECT_EQ(locks->try_lock(byte, lock_mode::exclusive), lock_answer::held_by_reader);
}

TEST_F(ByteLocksTest, AReaderWithALockOfItsProcessIsToldByItsPid) {
  EXPECT_FALSE(shared_lock_at(file.get(), byte));
  const auto link = "/proc/self/fd/" + std::to_string(file.get());
  int ready[2];
  ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
  const auto child = child_process::fork([&] {
    if (open_with_shared_lock(link, byte, F_SETLK) < 0 || ::write(ready[1], "x", 1) != 1) return 1;
    for (;;) ::pause();
  });
  char told = 0;
  ASSERT_EQ(::read(ready[0], &told, 1), 1);
  const auto locks = locks_on(file, directory / "locked");
  EXPECT_EQ(locks->try_lock(byte, lock_mode::exclusive), lock_answer::held_by_reader);
  EXPECT_EQ(locks->reader_of(byte), static_cast<std::uint32_t>(child.pid()));
  EXPECT_EQ(shared_lock_at(file.get(), byte), static_cast<std::uint32_t>(child.pid()));
  for (const int end : ready) ::close(end);
}

TEST_F(ByteLocksTest, LooksOnWithADescriptorOfItsOwnAfterTheProgramClosedTheFirst) {
  const auto other = take(lock_mode::exclusive, byte + 1);
  auto child = child_process::fork([&] {
    const auto lock = take();
    if (!lock) return 1;
    ::closefrom(3);
    while (::open("/dev/null", O_RDWR) < 20) continue;  // the same numbers mean another file now
    if (!lock->holds(byte)) return 2;
    if (!lock->has_owner(byte + 1)) return 3;
    if (lock->has_owner(byte + 2)) return 4;
    if (lock->try_lock(byte + 2, lock_mode::exclusive) != lock_answer::locked) return 5;
    return 0;
  });
  EXPECT_EQ(child.wait().code, 0);
}

TEST_F(ByteLocksTest, NeverCloseAForeignFile) {
  auto child = child_process::fork([&] {
    auto lock = take();
    if (!lock) return 1;
    ::closefrom(3);
    while (::open("/dev/null", O_RDWR) < 20) continue;
    lock.reset();
    for (int i = 3; i <= 20; ++i)
      if (::fcntl(i, F_GETFD) < 0) return i;
    return 0;
  });
  EXPECT_EQ(child.wait().code, 0);
}

TEST_F(ByteLocksTest, SayWhatWasClosedWhenTheFileHasNoNameAnyMore) {
  auto child = child_process::fork([&] {
    const auto lock = take();
    if (!lock || ::unlink((directory / "locked").c_str()) != 0) return 1;
    ::closefrom(3);
    try {
      (void)lock->has_owner(byte + 1);
    } catch (const error& problem) {
      return std::string(problem.what()).find("closed descriptor") == std::string::npos ? 2 : 0;
    }
    return 3;
  });
  EXPECT_EQ(child.wait().code, 0);
}

TEST_F(ByteLocksTest, LookingTakesNothing) {
  (void)is_held();
  EXPECT_TRUE(take());
}

TEST_F(ByteLocksTest, SurvivesTheClosingOfEveryDescriptor) {  // seeds row 6
  pipe_signal ready;
  pipe_signal end;
  auto child = child_process::fork([&] {
    auto lock = take();
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

TEST_F(ByteLocksTest, FallsWhenItsOwnerIsKilled) {
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

TEST_F(ByteLocksTest, IsNotKeptByAnOrphanOfItsOwner) {  // scenario 57, protocol hole 17
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

TEST_F(ByteLocksTest, OfTheParentIsNotDroppedByAChildThatForgetsIt) {
  auto lock = take();
  auto child = child_process::fork([&] {
    lock->forget();
    lock.reset();
    return 0;
  });
  EXPECT_TRUE(child.wait().is_success());
  EXPECT_TRUE(is_held());
}

TEST_F(ByteLocksTest, ExcludesAForkedChild) {
  const auto lock = take();
  auto child = child_process::fork([&] { return static_cast<int>(take() != nullptr); });
  EXPECT_TRUE(child.wait().is_success());
}

TEST_F(ByteLocksTest, FallsAtExec) {  // seeds row 5
  pipe_signal locked;
  pipe_signal replaced;
  pipe_signal go;
  auto child = child_process::fork([&] {
    const auto lock = take();
    locked.tell();
    (void)go.is_told();
    detail::test::become_idle(replaced);
  });
  locked.only_wait();
  replaced.only_wait();
  ASSERT_TRUE(locked.is_told());
  EXPECT_TRUE(is_held());
  go.tell();
  ASSERT_TRUE(replaced.is_told());
  EXPECT_FALSE(is_held());
}

TEST_F(ByteLocksTest, SurvivesTheDeathOfAChildThatHadInheritedTheFile) {
  const auto lock = take();
  auto child = child_process::fork([] { return 0; });
  child.wait();
  EXPECT_TRUE(is_held());
}

TEST_F(ByteLocksTest, OfAStoppedProcessIsHeld) {  // scenario 52
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

TEST_F(ByteLocksTest, IsOfTheFileAndNotOfItsName) {
  const auto lock = take();
  const auto other = create_in(working_directory, directory / "other", 0600, "other");
  EXPECT_EQ(locks_on(other, directory / "other")->try_lock(byte, lock_mode::exclusive), lock_answer::locked);
  ASSERT_EQ(::rename((directory / "other").c_str(), (directory / "locked").c_str()), 0);
  EXPECT_TRUE(is_held()) << "the descriptor still leads to the first file";
}

TEST_F(ByteLocksTest, LeavesNoMappingAndNoDescriptorBehind) {
  const auto mapped = [&] { return detail::test::mappings_that_name(directory.path()); };
  const auto next_descriptor = [&] {
    const fd probe(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    return probe.get();
  };
  const auto descriptor = next_descriptor();
  {
    const auto lock = take();
    EXPECT_EQ(mapped(), 1);
    EXPECT_EQ(next_descriptor(), descriptor + 1);
    (void)is_held();
  }
  EXPECT_EQ(mapped(), 0);
  EXPECT_EQ(next_descriptor(), descriptor);
}

TEST_F(ByteLocksTest, IsReportedWhenTheFileCannotBeReopened) {
  EXPECT_THROW(byte_locks({-1, "nowhere", 0, 0}), error);
  EXPECT_THROW((void)is_locked(-1, byte, 1, lock_mode::shared), error);
}

}  // namespace
}  // namespace sluice::os
