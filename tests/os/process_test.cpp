#include "os/process.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "os/address_space.hpp"
#include "os/mapping.hpp"
#include "os/membarrier.hpp"
#include "support/become_idle.hpp"
#include "support/child_process.hpp"
#include "support/own_mounts.hpp"
#include "support/pipe_signal.hpp"
#include "support/watchdog.hpp"

namespace sluice::os {
namespace {

using detail::test::child_process;
using detail::test::pipe_signal;

TEST(Identity, KeepsPidAndStartTimeInOneWord) {
  const auto word = make_identity(4194303, (std::uint64_t{1} << 42) - 1);
  EXPECT_EQ(pid_of(word), 4194303U) << "the highest pid that Linux gives";
  EXPECT_EQ(start_of(word), (std::uint64_t{1} << 42) - 1);
}

TEST(Identity, OfThisProcessHasItsPidAndAStartTime) {
  EXPECT_EQ(pid_of(self()), static_cast<std::uint32_t>(::getpid()));
  EXPECT_NE(start_of(self()), 0U);
  EXPECT_EQ(self(), self());
}

TEST(Identity, OfAForkedChildIsItsOwn) {
  const auto mine = self();
  auto child = child_process::fork([&] { return static_cast<int>(self() == mine || pid_of(self()) == pid_of(mine)); });
  EXPECT_TRUE(child.wait().is_success());
}

TEST(Identity, NamespacesAndBootAreKnownHere) {
  EXPECT_NE(own_identity().pid_namespace, 0U);
  EXPECT_NE(own_identity().time_namespace, 0U);
  EXPECT_EQ(own_identity().time_namespace, time_namespace());
  EXPECT_TRUE(own_identity().is_in_proc);
  EXPECT_NE(boot().words[0], 0U);
  EXPECT_NE(boot().words[0], boot().words[1]);
  EXPECT_EQ(boot().words[0], boot().words[0]);
}

TEST(Identity, BootIsReadAsTheKernelWritesIt) {
  std::string text;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> text;
  std::erase(text, '-');
  EXPECT_EQ(boot().words[0], std::stoull(text.substr(0, 16), nullptr, 16));
  EXPECT_EQ(boot().words[1], std::stoull(text.substr(16, 16), nullptr, 16));
}

TEST(Identity, RandomWordsDiffer) { EXPECT_NE(random_word(), random_word()); }

struct ProcessState : ::testing::Test {
  detail::test::watchdog dog;
  /// A child that waits to be killed, and its identity.
  std::pair<child_process, identity_word> idle_child() {
    pipe_signal ready;
    auto child = child_process::fork([&] {
      ready.tell(self());
      for (;;) ::pause();
    });
    ready.only_wait();
    const auto word = ready.wait();
    return {std::move(child), word.value_or(0)};
  }
};

TEST_F(ProcessState, OfThisProcessIsAlive) { EXPECT_EQ(state_of(self()), process_state::alive); }

TEST_F(ProcessState, OfARunningChildIsAlive) {
  const auto [child, word] = idle_child();
  EXPECT_EQ(state_of(word), process_state::alive);
}

TEST_F(ProcessState, OfAReapedChildIsDead) {
  auto [child, word] = idle_child();
  child.kill();
  EXPECT_EQ(state_of(word), process_state::dead);
}

TEST_F(ProcessState, OfAZombieIsDead) {  // scenario 54
  auto [child, word] = idle_child();
  child.kill_to_zombie();
  ASSERT_EQ(::kill(child.pid(), 0), 0) << "it is still there";
  EXPECT_EQ(state_of(word), process_state::dead);
}

TEST_F(ProcessState, OfAStoppedChildIsStoppedAndThenAliveAgain) {  // scenario 52
  auto [child, word] = idle_child();
  child.stop();
  EXPECT_EQ(state_of(word), process_state::stopped);
  child.resume();
  while (state_of(word) == process_state::stopped) std::this_thread::yield();
  EXPECT_EQ(state_of(word), process_state::alive);
}

TEST_F(ProcessState, OfAStoppedChildThatIsKilledIsDead) {  // scenario 53
  auto [child, word] = idle_child();
  child.stop();
  child.kill_to_zombie();
  EXPECT_EQ(state_of(word), process_state::dead);
}

TEST_F(ProcessState, OfAPidThatAnotherProcessHasNowIsDead) {  // scenario 55
  const auto [child, word] = idle_child();
  EXPECT_EQ(state_of(make_identity(pid_of(word), start_of(word) - 1)), process_state::dead);
  EXPECT_EQ(state_of(make_identity(pid_of(word), start_of(word) + 1)), process_state::dead);
}

TEST_F(ProcessState, WithoutAStartTimeGoesByThePidAlone) {
  auto [child, word] = idle_child();
  EXPECT_EQ(state_of(make_identity(pid_of(word), 0)), process_state::alive);
  child.kill();
  EXPECT_EQ(state_of(make_identity(pid_of(word), 0)), process_state::dead);
}

TEST_F(ProcessState, OfPidZeroIsUnknown) { EXPECT_EQ(state_of(0), process_state::unknown); }

TEST_F(ProcessState, WhoseMainThreadAloneHasEndedIsAlive) {  // protocol hole 19
  pipe_signal ready;
  auto child = child_process::fork([&] {
    ready.tell(self());
    std::thread([] {
      for (;;) ::pause();
    }).detach();
    ::syscall(SYS_exit, 0);  // of this thread alone
    return 1;
  });
  ready.only_wait();
  const auto word = ready.wait();
  ASSERT_TRUE(word);
  const auto letter = [&] {  // what /proc says of the main thread
    std::ifstream stat("/proc/" + std::to_string(child.pid()) + "/stat");
    std::stringstream text;
    text << stat.rdbuf();
    return text.str()[text.str().rfind(')') + 2];
  };
  while (letter() != 'Z') std::this_thread::yield();
  EXPECT_EQ(state_of(*word), process_state::alive);
  child.kill_to_zombie();
  EXPECT_EQ(state_of(*word), process_state::dead);
}

TEST_F(ProcessState, OfACommandWithBracketsAndBlanksIsReadRight) {
  pipe_signal ready;
  auto child = child_process::fork([&] {
    ::pthread_setname_np(::pthread_self(), ") Z 1 (x");
    ready.tell(self());
    for (;;) ::pause();
  });
  ready.only_wait();
  const auto word = ready.wait();
  ASSERT_TRUE(word);
  EXPECT_EQ(state_of(*word), process_state::alive);
  EXPECT_EQ(command_of(pid_of(*word)), ") Z 1 (x");
}

TEST_F(ProcessState, CommandOfAPidWithoutAProcessIsEmpty) { EXPECT_EQ(command_of(4194303), ""); }

TEST_F(ProcessState, FromAPidNamespaceWithoutItsOwnProcIsNeverDeadByMistake) {  // scenario 56, protocol hole 21
  // In there /proc still shows the outer namespace, where pid 1 is another process with another start time.
  auto outer = child_process::fork([&] {
    if (::unshare(CLONE_NEWPID) != 0) return 50;
    const auto pid = ::fork();
    if (pid == 0) {
      const auto word = self();
      const bool right = pid_of(word) == 1 && start_of(word) == 0;
      const bool not_dead = state_of(make_identity(1, 12345)) != process_state::dead;
      ::_exit(right && not_dead ? 0 : 1);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 60;
  });
  const auto end = outer.wait();
  if (end.code == 50) GTEST_SKIP() << "a pid namespace needs root";
  EXPECT_TRUE(end.is_success()) << end;
}

TEST_F(ProcessState, OfAPidOneBelowAnotherPidOneIsNotTakenForItsParents) {
  // Both have the pid 1, each in a pid namespace of its own, and /proc is the outer one's: what the parent knew of itself
  // must not answer for the child.
  auto first = child_process::fork([&] {
    if (::unshare(CLONE_NEWPID) != 0) return 50;
    const auto outer = ::fork();
    if (outer == 0) {
      if (!detail::test::unshare_mounts() || ::mount("proc", "/proc", "proc", 0, nullptr) != 0) ::_exit(51);
      const auto parent = own_identity();
      if (pid_of(parent.word) != 1 || !parent.is_in_proc || ::unshare(CLONE_NEWPID) != 0) ::_exit(52);
      const auto inner = ::fork();
      if (inner == 0) {
        const auto child = own_identity();
        ::_exit(pid_of(child.word) == 1 && !child.is_in_proc && start_of(child.word) == 0 &&
                        child.pid_namespace != parent.pid_namespace
                    ? 0
                    : 1);
      }
      int status = 0;
      ::waitpid(inner, &status, 0);
      ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 60);
    }
    int status = 0;
    ::waitpid(outer, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 61;
  });
  const auto end = first.wait();
  if (end.code == 50 || end.code == 51) GTEST_SKIP() << "a pid namespace with a /proc of its own needs root";
  EXPECT_TRUE(end.is_success()) << end;
}

/// A tree as proc(5) has it, with one process, of which each thread is in the state and has the flags that are said.
struct ExitingProcess : ::testing::Test {
  struct thread {
    std::uint32_t id;
    char state;
    std::uint64_t flags;
  };
  static constexpr std::uint32_t pid = 4711;
  static constexpr std::uint64_t start = 99;
  // sched.h of the kernel
  static constexpr std::uint64_t exiting = 0x4, io_worker = 0x10, dumping = 0x200, signaled = 0x400,
                                 user_worker = 0x4000;

  detail::test::watchdog dog;
  std::string proc = ::testing::TempDir() + "sluice-proc-" + std::to_string(::getpid());
  ~ExitingProcess() override { std::filesystem::remove_all(proc); }

  void write(const std::string& place, const thread& one) const {
    std::filesystem::create_directories(proc + place);
    std::ofstream(proc + place + "/stat") << one.id << " (a b) R) " << one.state << " 1 2 3 4 5 " << one.flags
                                          << " 7 8 9 10 11 12 13 14 15 16 " << 2 << " 0 " << start << " 23 24\n";
  }
  [[nodiscard]] bool is_exiting(const std::vector<thread>& threads, std::uint64_t started = start) const {
    std::filesystem::remove_all(proc);
    for (const auto& one : threads) {
      if (one.id == pid) write("/4711", one);
      write("/4711/task/" + std::to_string(one.id), one);
    }
    return os::is_exiting(make_identity(pid, started), proc);
  }
};

TEST_F(ExitingProcess, IsOneOfWhichEveryThreadHasLeftItsProgram) {
  EXPECT_FALSE(is_exiting({{pid, 'S', 0}}));
  EXPECT_TRUE(is_exiting({{pid, 'R', exiting}}));
  EXPECT_TRUE(is_exiting({{pid, 'D', exiting | signaled}, {4712, 'D', exiting}}));
  EXPECT_FALSE(is_exiting({{pid, 'D', exiting | signaled}, {4712, 'R', 0}})) << "it may still write";
}

TEST_F(ExitingProcess, IsNotOneWhoseMainThreadAloneHasEnded) {
  EXPECT_FALSE(is_exiting({{pid, 'Z', exiting}, {4712, 'S', 0}}));
  EXPECT_TRUE(is_exiting({{pid, 'Z', exiting}, {4712, 'X', 0}}));
}

TEST_F(ExitingProcess, IsOneThatDumpsCoreAndHasNoOtherThread) {
  EXPECT_TRUE(is_exiting({{pid, 'D', signaled | dumping}, {4712, 'D', signaled}}));
  EXPECT_FALSE(is_exiting({{pid, 'D', signaled | dumping}, {4712, 'R', 0}})) << "its signal is still pending";
}

TEST_F(ExitingProcess, IsNotOneForWhichTheKernelStillWorks) {
  EXPECT_FALSE(is_exiting({{pid, 'D', signaled | dumping}, {4712, 'S', signaled | io_worker}}));
  EXPECT_FALSE(is_exiting({{pid, 'D', signaled | dumping}, {4712, 'S', signaled | user_worker}}));
  EXPECT_TRUE(is_exiting({{pid, 'Z', exiting}, {4712, 'D', exiting | io_worker}}));
}

TEST_F(ExitingProcess, IsNotAnotherOneUnderItsPid) {
  EXPECT_FALSE(is_exiting({{pid, 'D', exiting}}, start + 1));
  EXPECT_TRUE(is_exiting({{pid, 'D', exiting}}, 0)) << "a start time of another time namespace is not compared";
}

TEST_F(ExitingProcess, IsNotOneThatProcDoesNotShow) {
  EXPECT_FALSE(is_exiting({}));
  write("/4711", {pid, 'D', exiting});
  EXPECT_FALSE(os::is_exiting(make_identity(pid, start), proc)) << "of no thread is anything known";
}

TEST_F(ProcessState, OfAChildThatEndsByASignalIsExitingBeforeItsMemoryGoes) {
  auto [child, word] = idle_child();
  EXPECT_FALSE(is_exiting(word));
  // Held by its tracer at the moment at which it enters do_exit(): nothing is freed yet.
  ASSERT_EQ(::ptrace(PTRACE_SEIZE, child.pid(), nullptr, PTRACE_O_TRACEEXIT), 0);
  child.signal(SIGTERM);
  int status = 0;
  ASSERT_EQ(::waitpid(child.pid(), &status, 0), child.pid());
  ASSERT_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTERM) << status;
  EXPECT_FALSE(is_exiting(word)) << "the tracer may still take the signal from it";
  ASSERT_EQ(::ptrace(PTRACE_CONT, child.pid(), nullptr, SIGTERM), 0);
  ASSERT_EQ(::waitpid(child.pid(), &status, 0), child.pid());
  ASSERT_EQ(status >> 8, SIGTRAP | PTRACE_EVENT_EXIT << 8);
  EXPECT_TRUE(is_exiting(word));
  ASSERT_EQ(::ptrace(PTRACE_CONT, child.pid(), nullptr, nullptr), 0);
  EXPECT_EQ(child.wait().signal, SIGTERM);
  EXPECT_FALSE(is_exiting(word)) << "it is gone";
}

TEST(Backing, OfASharedMappingIsSeenInAForkedChildAndNotAfterItsExec) {
  const detail::test::watchdog dog;
  const auto memory = mapping::dev_zero(4096);
  const auto backing = backing_of(memory.bytes().data());
  ASSERT_NE(backing, "");
  EXPECT_EQ(maps_backing(static_cast<std::uint32_t>(::getpid()), backing), true);
  pipe_signal forked;
  pipe_signal go;
  pipe_signal replaced;
  auto child = child_process::fork([&] {
    forked.tell();
    (void)go.is_told();
    detail::test::become_idle(replaced);
  });
  forked.only_wait();
  replaced.only_wait();
  ASSERT_TRUE(forked.is_told());
  EXPECT_EQ(maps_backing(static_cast<std::uint32_t>(child.pid()), backing), true);
  go.tell();
  ASSERT_TRUE(replaced.is_told());
  EXPECT_EQ(maps_backing(static_cast<std::uint32_t>(child.pid()), backing), false);
}

TEST(AddressSpace, IsLivedInUntilItsProcessExecsOrEnds) {
  const detail::test::watchdog dog;
  const auto memory = mapping::dev_zero(4096);
  const auto backing = backing_of(memory.bytes().data());
  pipe_signal forked;
  pipe_signal go;
  pipe_signal replaced;
  auto child = child_process::fork([&] {
    forked.tell();
    (void)go.is_told();
    detail::test::become_idle(replaced);
  });
  forked.only_wait();
  replaced.only_wait();
  ASSERT_TRUE(forked.is_told());
  const auto before = address_space::of(static_cast<std::uint32_t>(child.pid()));
  ASSERT_TRUE(before);
  EXPECT_EQ(before->maps(backing), true);
  EXPECT_EQ(before->maps(backing), true) << "from the beginning each time";
  EXPECT_TRUE(before->is_lived_in());
  child.stop();
  EXPECT_TRUE(before->is_lived_in()) << "stopped is not gone";
  child.resume();
  go.tell();
  ASSERT_TRUE(replaced.is_told());
  EXPECT_FALSE(before->is_lived_in());
  EXPECT_FALSE(before->maps(backing).has_value());
  const auto after = address_space::of(static_cast<std::uint32_t>(child.pid()));
  ASSERT_TRUE(after);
  EXPECT_EQ(after->maps(backing), false);
  EXPECT_TRUE(after->is_lived_in());
  child.kill_to_zombie();
  EXPECT_FALSE(after->is_lived_in());
}

TEST(AddressSpace, WhoseDescriptorIsAnotherFileByNowIsNotBelievedAndDoesNotCloseIt) {
  const auto lowest_free = [] {
    const int file = ::dup(0);
    ::close(file);
    return file;
  };
  const int its = lowest_free();
  const auto me = static_cast<std::uint32_t>(::getpid());
  std::optional space(address_space::of(me));
  ASSERT_TRUE(space && space->is_lived_in());
  const int other = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(::dup2(other, its), its);
  EXPECT_FALSE(space->is_lived_in());
  EXPECT_FALSE(space->maps("00:01 7").has_value());
  space.reset();
  EXPECT_EQ(::close(its), 0) << "it is ours still";
  ::close(other);

  auto first = address_space::of(me), second = address_space::of(me);
  first = std::move(second);
  EXPECT_TRUE(first->is_lived_in());
  first.reset();
  second.reset();
  EXPECT_EQ(lowest_free(), its) << "both descriptors were closed";
}

TEST(Backing, OfAPidWithoutAProcessCannotBeTold) {
  EXPECT_FALSE(maps_backing(4194303, "00:01 7").has_value());
  EXPECT_EQ(backing_of(nullptr), "");
}

TEST(Backing, OfTwoSharedMappingsDiffers) {
  const auto first = mapping::dev_zero(4096);
  const auto second = mapping::dev_zero(4096);
  EXPECT_NE(backing_of(first.bytes().data()), backing_of(second.bytes().data()));
}

TEST(Backing, IsFoundAmongMoreMappingsThanOneReadHolds) {
  std::vector<mapping> memories;
  for (int i = 0; i < 400; ++i) memories.push_back(mapping::dev_zero(4096));
  for (const auto& memory : memories) {
    const auto backing = backing_of(memory.bytes().data());
    ASSERT_NE(backing, "");
    EXPECT_EQ(maps_backing(static_cast<std::uint32_t>(::getpid()), backing), true);
    EXPECT_EQ(maps_backing(static_cast<std::uint32_t>(::getpid()), backing + "0"), false);
  }
}

TEST(Membarrier, IsRegisteredBeforeMain) {   // alone in a process, as ctest runs it: no other test has asked before
  constexpr int get_registrations = 1 << 9;  // linux/membarrier.h of 6.3; older headers lack it
  const auto registered = ::syscall(SYS_membarrier, get_registrations, 0, 0);
  if (registered < 0) GTEST_SKIP() << "this kernel does not say what is registered";
  EXPECT_NE(registered & MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0);
}

TEST(Membarrier, WorksOnceRegisteredAndIsInheritedByFork) {
  ASSERT_TRUE(membarrier_register());
  EXPECT_TRUE(membarrier_global());
  auto child = child_process::fork([] { return membarrier_global() ? 0 : 1; });
  EXPECT_TRUE(child.wait().is_success());
}

}  // namespace
}  // namespace sluice::os
