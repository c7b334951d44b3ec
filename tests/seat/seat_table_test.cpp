#include "sluice/detail/seat/seat_table.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <thread>

#include "support/become_idle.hpp"
#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/identity.hpp"
#include "support/pipe_signal.hpp"
#include "support/seat_room.hpp"
#include "support/shared_lock.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail {
namespace {

using test::child_process;
using test::judged_by;
using test::pipe_signal;
using test::seat_room;
using test::ThrewSaying;
using test::thrown_by;

struct Seats : ::testing::TestWithParam<judged_by> {
  test::watchdog dog;
  seat_room room{GetParam()};

  [[nodiscard]] seat_state state(std::uint32_t i = 0) const { return state_of(room.ring.seats[i].state.load()); }
  [[nodiscard]] std::uint64_t generation(std::uint32_t i = 0) const {
    return generation_of(room.ring.seats[i].state.load());
  }
  [[nodiscard]] test::thrown taking(role own = role::producer) const {
    return thrown_by([&] { (void)room.take(own); });
  }
  /// A child that sits in the seat of `own` until it is killed.
  [[nodiscard]] child_process sitting(role own = role::producer) const {
    pipe_signal ready;
    auto child = child_process::fork([&] {
      const auto seat = room.take(own);
      ready.tell();
      for (;;) ::pause();
    });
    ready.only_wait();
    EXPECT_TRUE(ready.is_told());
    return child;
  }
};

INSTANTIATE_TEST_SUITE_P(JudgedBy, Seats, ::testing::Values(judged_by::kernel_lock, judged_by::process),
                         [](const auto& row) {
                           return row.param == judged_by::kernel_lock ? std::string("KernelLock")
                                                                      : std::string("Process");
                         });

TEST_P(Seats, FirstTakerSitsInTheFirstOfItsRole) {
  EXPECT_EQ(room.take(role::producer).index(), 0U);
  EXPECT_EQ(room.take(role::consumer).index(), 1U);
}

TEST_P(Seats, TakenOneNamesItsOwner) {
  const auto seat = room.take(role::producer);
  EXPECT_EQ(state(), seat_state::taken);
  EXPECT_EQ(test::pid_in(room.ring.seats[0].owner.load()), static_cast<std::uint32_t>(::getpid()));
  EXPECT_EQ(room.ring.seats[0].pid_namespace.load(), test::own_namespace("pid"));
}

TEST_P(Seats, SecondTakerOfTheSameProcessIsRefusedWithItsPid) {
  const auto seat = room.take(role::producer);
  EXPECT_THAT(taking(), ThrewSaying(errc::seat_taken, "pid " + std::to_string(::getpid())));
}

TEST_P(Seats, SecondTakerOfAnotherProcessIsRefusedWithTheOwnersPid) {
  const auto child = sitting();
  const auto refusal = taking();
  EXPECT_THAT(refusal, ThrewSaying(errc::seat_taken, "pid " + std::to_string(child.pid())));
  EXPECT_THAT(refusal, ThrewSaying(errc::seat_taken, "alive"));
}

TEST_P(Seats, RefusalLeavesTheOwnerInItsSeat) {
  const auto seat = room.take(role::producer);
  ASSERT_EQ(taking().reason, errc::seat_taken);
  EXPECT_EQ(state(), seat_state::taken);
  EXPECT_EQ(taking().reason, errc::seat_taken) << "still";
}

TEST_P(Seats, OneThatIsLeftInOrderIsFreeAndCanBeTakenAgain) {
  { const auto seat = room.take(role::producer); }
  EXPECT_EQ(state(), seat_state::free);
  EXPECT_NO_THROW((void)room.take(role::producer));
}

TEST_P(Seats, GenerationGrowsWithEveryOwner) {
  EXPECT_EQ(generation(), 0U);
  { const auto seat = room.take(role::producer); }
  EXPECT_EQ(generation(), 1U);
  { const auto seat = room.take(role::producer); }
  EXPECT_EQ(generation(), 2U);
  sitting().kill();
  { const auto seat = room.take(role::producer); }
  EXPECT_EQ(generation(), 4U);
}

TEST_P(Seats, MovedHandleLeavesOnce) {
  auto first = room.take(role::producer);
  {
    const auto second = std::move(first);
    EXPECT_EQ(state(), seat_state::taken);
  }
  EXPECT_EQ(state(), seat_state::free);
}

TEST_P(Seats, OneOfAKilledOwnerIsTakenOver) {
  sitting().kill();
  EXPECT_EQ(state(), seat_state::taken) << "not noticed yet";
  EXPECT_NO_THROW((void)room.take(role::producer));
}

TEST_P(Seats, TakeoverIsWrittenToTheRepairLog) {
  const auto dead = [&] {
    auto child = sitting();
    child.kill();
    return child.pid();
  }();
  const auto seat = room.take(role::producer);
  const auto& entry = room.ring.control->log[0];
  EXPECT_EQ(entry.number.load(), 1U);
  EXPECT_EQ(entry.seat_and_what.load() & 0xff, static_cast<std::uint64_t>(repair_kind::takeover));
  EXPECT_EQ(test::pid_in(entry.dead.load()), static_cast<std::uint32_t>(dead));
  EXPECT_EQ(test::pid_in(entry.mender.load()), static_cast<std::uint32_t>(::getpid()));
}

TEST_P(Seats, OneOfAZombieIsTakenOver) {  // scenario 54
  auto child = sitting();
  child.kill_to_zombie();
  ASSERT_FALSE(child.is_reaped());
  EXPECT_NO_THROW((void)room.take(role::producer));
}

TEST_P(Seats, OneOfAStoppedOwnerIsNeverTakenForDead) {  // scenario 52
  auto child = sitting();
  child.stop();
  EXPECT_THAT(taking(), ThrewSaying(errc::seat_taken, "stopped"));
  EXPECT_EQ(room.table().count(role::producer).alive, 1U);
  EXPECT_EQ(room.table().count(role::producer).dead, 0U);
  EXPECT_EQ(state(), seat_state::taken);
}

TEST_P(Seats, OneOfAnOwnerThatWasStoppedAndKilledIsTakenOver) {  // scenario 53
  auto child = sitting();
  child.stop();
  child.kill_to_zombie();
  EXPECT_NO_THROW((void)room.take(role::producer));
}

TEST_P(Seats, OwnerWithALivingChildIsDeadWhenItIsKilled) {  // scenario 57
  pipe_signal grandchild;
  auto owner = child_process::fork([&] {
    const auto seat = room.take(role::producer);
    if (::fork() == 0) grandchild.tell(static_cast<std::uint64_t>(::getpid()));
    for (;;) ::pause();
  });
  grandchild.only_wait();
  const auto orphan = grandchild.wait();
  ASSERT_TRUE(orphan);
  owner.kill();
  ASSERT_EQ(::kill(static_cast<pid_t>(*orphan), 0), 0);
  EXPECT_NO_THROW((void)room.take(role::producer));
  ::kill(static_cast<pid_t>(*orphan), SIGKILL);
}

TEST_P(Seats, HandleThatIsDestroyedInAForkedChildDoesNotFreeTheParents) {
  std::optional<held_seat> seat = room.take(role::producer);
  auto child = child_process::fork([&] { seat.reset(); });
  ASSERT_TRUE(child.wait().is_success());
  EXPECT_EQ(state(), seat_state::taken);
  EXPECT_EQ(taking().reason, errc::seat_taken);
}

TEST_P(Seats, ForkedChildIsRefusedItsParentsSeat) {
  const auto seat = room.take(role::producer);
  auto child = child_process::fork(
      [&] { EXPECT_THAT(taking(), ThrewSaying(errc::seat_taken, "pid " + std::to_string(::getppid()))); });
  EXPECT_TRUE(child.wait().is_success());
}

TEST_P(Seats, ExecOfTheOwnerCountsAsLeaving) {  // seeds row 5
  pipe_signal sitting;
  pipe_signal go;
  pipe_signal replaced;
  auto child = child_process::fork([&] {
    const auto seat = room.take(role::producer);
    sitting.tell();
    (void)go.is_told();
    test::become_idle(replaced);
  });
  sitting.only_wait();
  replaced.only_wait();
  ASSERT_TRUE(sitting.is_told());
  ASSERT_EQ(taking().reason, errc::seat_taken);
  go.tell();
  ASSERT_TRUE(replaced.is_told());
  EXPECT_FALSE(taking().reason) << taking();
}

TEST_P(Seats, ExecOfTheOwnerIsSeenByAProcessThatSawItAlive) {
  pipe_signal sitting, go, replaced;
  auto child = child_process::fork([&] {
    const auto seat = room.take(role::producer);
    sitting.tell();
    (void)go.is_told();
    test::become_idle(replaced);
  });
  sitting.only_wait();
  replaced.only_wait();
  ASSERT_TRUE(sitting.is_told());
  auto table = room.table();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(table.has_living(role::producer));
  go.tell();
  ASSERT_TRUE(replaced.is_told());
  EXPECT_FALSE(table.has_living(role::producer));
  EXPECT_EQ(state(), seat_state::dead);
}

TEST_P(Seats, ThatOneOwnerLivesSaysNothingOfAnotherThatExeced) {
  const seat_room two(GetParam(), 2);
  pipe_signal living, sitting, go, replaced;
  const auto first = child_process::fork([&] {
    const auto seat = two.take(role::producer);
    living.tell();
    for (;;) ::pause();
  });
  ASSERT_TRUE(living.is_told());
  auto second = child_process::fork([&] {
    const auto seat = two.take(role::producer);
    sitting.tell();
    (void)go.is_told();
    test::become_idle(replaced);
  });
  sitting.only_wait();
  replaced.only_wait();
  ASSERT_TRUE(sitting.is_told());
  auto table = two.table();
  ASSERT_EQ(table.count(role::producer).alive, 2U);
  go.tell();
  ASSERT_TRUE(replaced.is_told());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(table.has_living(role::producer));
    const auto peers = table.count(role::producer);
    EXPECT_EQ(peers.alive, 1U);
    EXPECT_EQ(peers.dead, 1U);
  }
}

TEST_P(Seats, PeersAreCountedAliveAndDead) {
  auto producer = sitting(role::producer);
  EXPECT_EQ(room.table().count(role::producer).alive, 1U);
  EXPECT_EQ(room.table().count(role::consumer).alive, 0U);
  producer.kill();
  EXPECT_EQ(room.table().count(role::producer).alive, 0U);
  EXPECT_EQ(room.table().count(role::producer).dead, 1U);
  EXPECT_EQ(state(), seat_state::dead) << "a death that was noticed is written down";
}

TEST_P(Seats, OneThatWasLeftInOrderIsNeitherAliveNorDead) {
  { const auto seat = room.take(role::producer); }
  EXPECT_EQ(room.table().count(role::producer).alive, 0U);
  EXPECT_EQ(room.table().count(role::producer).dead, 0U);
}

TEST_P(Seats, DeathsChangeWithEveryDeathAndStayBetween) {
  auto table = room.table();
  const auto none = table.count(role::producer).deaths;
  EXPECT_EQ(table.count(role::producer).deaths, none);
  sitting().kill();
  const auto one = table.count(role::producer).deaths;
  EXPECT_NE(one, none);
  EXPECT_EQ(table.count(role::producer).deaths, one);
  sitting().kill();
  EXPECT_NE(table.count(role::producer).deaths, one);
}

TEST_P(Seats, OwnersStateSurvivesASettlerThatMustWait) {
  sitting().kill();
  auto table = room.table();
  const auto refusal = thrown_by([&] {
    (void)table.take(role::producer,
                     test::settled_by([](const ring_view&, std::uint32_t, seat_keeper&) noexcept { return false; }),
                     "test");
  });
  EXPECT_EQ(refusal.reason, errc::seat_taken);
  EXPECT_EQ(state(), seat_state::dead);
  EXPECT_NO_THROW((void)room.take(role::producer)) << "and the lock of the seat was given back";
}

TEST_P(Seats, MenderThatIsKilledWhileSettlingIsFollowedByTheNext) {  // scenario 47
  sitting().kill();
  pipe_signal settling;
  static pipe_signal* told;
  told = &settling;
  auto mender = child_process::fork([&] {
    (void)room.table().take(role::producer,
                            test::settled_by([](const ring_view&, std::uint32_t, seat_keeper&) noexcept {
                              told->tell();
                              for (;;) ::pause();
                              return true;
                            }),
                            "test");
  });
  settling.only_wait();
  ASSERT_TRUE(settling.is_told());
  EXPECT_EQ(taking().reason, errc::seat_taken) << "one mender at a time";
  mender.kill();
  EXPECT_NO_THROW((void)room.take(role::producer));
}

TEST_P(Seats, KeeperProvesADeathAndLocksOnce) {
  sitting().kill();
  auto table = room.table();
  auto other = room.table();
  const auto word = room.ring.seats[0].state.load();
  EXPECT_TRUE(table.keeper().is_dead(0, word));
  EXPECT_EQ(state(), seat_state::dead);
  ASSERT_TRUE(table.keeper().try_lock(0));
  EXPECT_FALSE(other.keeper().try_lock(0));
  table.keeper().unlock(0);
  EXPECT_TRUE(other.keeper().try_lock(0));
  other.keeper().unlock(0);
}

TEST_P(Seats, RepairForNoSeatInParticularNamesNone) {
  const auto seat = room.take(role::producer);  // seat 0, alive: no death of its owner made anything necessary
  auto table = room.table();
  table.keeper().record(repair_kind::hole, unknown_seat(), 7);
  const auto& entry = room.ring.control->log[0];
  EXPECT_EQ(entry.dead.load(), 0U);
  EXPECT_EQ(entry.seat_and_what.load(),
            std::uint64_t{unknown_seat()} << 8 | static_cast<std::uint64_t>(repair_kind::hole));
  EXPECT_EQ(entry.sequence.load(), 7U);
}

TEST_P(Seats, KeeperNeverProvesTheDeathOfTheLiving) {
  const auto seat = room.take(role::producer);
  auto table = room.table();
  EXPECT_FALSE(table.keeper().is_dead(0, room.ring.seats[0].state.load()));
  EXPECT_EQ(state(), seat_state::taken);
}

TEST_P(Seats, ReportShowsTheOwnersAndChangesNothing) {  // scenario 63
  EXPECT_TRUE(room.table().report().empty()) << "seats that never had an owner";
  auto child = sitting(role::consumer);
  const auto alive = room.table().report();
  ASSERT_EQ(alive.size(), 1U);
  EXPECT_EQ(alive[0].index, 1U);
  EXPECT_EQ(alive[0].role, role::consumer);
  EXPECT_EQ(alive[0].pid, static_cast<std::uint32_t>(child.pid()));
  EXPECT_EQ(alive[0].alive, liveness::alive);
  EXPECT_EQ(alive[0].command, test::own_command());
  child.stop();
  EXPECT_EQ(room.table().report()[0].alive, liveness::stopped);
  child.kill();
  EXPECT_EQ(room.table().report()[0].alive, liveness::dead);
  EXPECT_EQ(state(1), seat_state::taken) << "looking writes no death down";
}

TEST_P(Seats, TwoProcessesThatRaceForOneNeverBothHaveIt) {
  const auto shared = anonymous_segment::create(4096);
  auto& inside = *reinterpret_cast<std::atomic<int>*>(shared.bytes().data());
  auto& taken = *reinterpret_cast<std::atomic<int>*>(shared.bytes().data() + 64);
  constexpr int each = 300;
  std::vector<child_process> racers;
  for (int i = 0; i < 2; ++i)
    racers.push_back(child_process::fork([&] {
      for (int mine = 0; mine < each;) {
        try {
          const auto seat = room.take(role::producer);
          if (inside.fetch_add(1) != 0) return 1;
          ++mine;
          ++taken;
          std::this_thread::yield();
          if (inside.fetch_sub(1) != 1) return 2;
        } catch (const error& problem) {
          if (problem.reason() != errc::seat_taken) throw;
        }
      }
      return 0;
    }));
  for (auto& racer : racers) EXPECT_TRUE(racer.wait().is_success());
  EXPECT_EQ(taken.load(), 2 * each);
  EXPECT_EQ(generation(), 2U * each);
}

TEST_P(Seats, OwnersThatAreKilledAnywhereNeverLeaveItTakenForEver) {  // scenario 47, 48
  for (int round = 0; round < 60; ++round) {
    auto child = child_process::fork([&] {
      for (;;) {
        try {
          (void)room.take(role::producer);
        } catch (const error&) {
          continue;
        }
      }
    });
    for (int i = 0; i < (round * 7) % 40; ++i) std::this_thread::yield();
    child.kill();
    ASSERT_FALSE(taking().reason) << "round " << round << ": " << taking();
  }
}

TEST(ManySeats, AreTakenOneByOneAndRefusedWhenAllAreTaken) {
  const test::watchdog dog;
  const seat_room room(judged_by::kernel_lock, 3);
  std::vector<held_seat> seats;
  for (std::uint32_t i = 0; i < 3; ++i) {
    seats.push_back(room.take(role::consumer));
    EXPECT_EQ(seats.back().index(), 3 + i);
  }
  EXPECT_THAT(thrown_by([&] { (void)room.take(role::consumer); }),
              ThrewSaying(errc::seat_taken, "all 3 consumer seats"));
  EXPECT_NO_THROW((void)room.take(role::producer)) << "the other role has seats of its own";
  seats.erase(seats.begin() + 1);
  EXPECT_EQ(room.take(role::consumer).index(), 4U);
}

TEST(SeatsOfAFile, WhoseDescriptorMeansAnotherFileByNowAreAskedThroughTheName) {
  const test::watchdog dog;
  const seat_room room(judged_by::kernel_lock);
  const auto producer = room.take(role::producer);
  auto child = child_process::fork([&] {
    auto table = room.table();
    EXPECT_EQ(table.count(role::producer).alive, 1U);
    // As a program does that closes what it finds open, and then opens files of its own.
    char name[] = "/dev/shm/sluice-test-XXXXXX";
    const int other = ::mkostemp(name, O_CLOEXEC);
    ::unlink(name);
    EXPECT_EQ(::dup2(other, room.memory.memory().file().descriptor), room.memory.memory().file().descriptor);
    EXPECT_EQ(table.count(role::producer).alive, 1U) << "the lock is free in the other file";
    EXPECT_FALSE(table.keeper().try_lock(0));
    EXPECT_NO_THROW((void)room.take(role::consumer));
  });
  EXPECT_TRUE(child.wait().is_success());
}

TEST(SeatsOfAFile, WhoseDescriptorWasClosedAndWhichHasNoNameAreNeverTakenForDeadAndItIsSaid) {
  const test::watchdog dog;
  const auto plan = test::plan_with_seats(1);
  const auto memory = format_unnamed(memfd_segment::create(plan.mapped_bytes), plan);
  const auto ring = view_ring(memory.memory().bytes(), memory.memory().header().parts[0]);
  const auto producer = seat_table(memory.memory(), ring, 0).take(role::producer, test::settled, "test");
  auto child = child_process::fork([&] {
    seat_table table(memory.memory(), ring, 0);
    ::close(memory.memory().file().descriptor);
    EXPECT_EQ(table.count(role::producer).alive, 1U) << "nothing can be asked";
    EXPECT_THAT(thrown_by([&] { table.require_answers("test"); }), ThrewSaying(errc::misuse, "closed descriptor"));
    EXPECT_THAT(thrown_by([&] { (void)table.take(role::consumer, test::settled, "test"); }),
                ThrewSaying(errc::not_found, "it has no name"));
    EXPECT_GE(ring.control->unanswered.load(), 1U);
  });
  EXPECT_TRUE(child.wait().is_success());
}

TEST(SeatsOfAFile, WhoseByteAReaderLocksAreNotAliveForItAndTheRefusalSaysSo) {
  const test::watchdog dog;
  const seat_room room(judged_by::kernel_lock);
  auto child = child_process::fork([&] {
    const auto seat = std::make_unique<held_seat>(room.take(role::producer)).release();
    (void)seat;  // as a death leaves it
  });
  ASSERT_TRUE(child.wait().is_success());
  const auto path = "/proc/self/fd/" + std::to_string(room.memory.memory().file().descriptor);
  const int reader = test::open_with_shared_lock(path, seat_lock_offset(0, 0));
  ASSERT_GE(reader, 0);
  EXPECT_EQ(room.table().report().at(0).alive, liveness::dead);
  EXPECT_EQ(room.table().count(role::producer).alive, 0U);
  EXPECT_THAT(thrown_by([&] { (void)room.take(role::producer); }), ThrewSaying(errc::in_use, "shared lock"));
  auto table = room.table();
  EXPECT_FALSE(table.keeper().try_lock(0));
  EXPECT_THAT(thrown_by([&] { table.require_answers("test"); }), ThrewSaying(errc::in_use, "shared lock"));
  ::close(reader);
  EXPECT_NO_THROW((void)room.take(role::producer));
}

TEST(SeatsOfAFile, WhoseOwnerHasEndedWhileItsMemoryLivesOnAreShownAsExitingAndNotMended) {
  const test::watchdog dog;
  const seat_room room(judged_by::kernel_lock);
  pipe_signal ready;
  pipe_signal end;
  auto owner = child_process::fork([&] {
    end.only_wait();
    const auto seat = room.take(role::producer);
    // As vfork(2) makes one: it shares the memory and is no thread. It ends with the other end of the pipe.
    static std::byte stack[1 << 16];
    const auto lives_on = [](void* signal) {
      char none = 0;
      (void)!::read(*static_cast<int*>(signal), &none, 1);
      return 0;
    };
    int descriptor = end.read_descriptor();
    EXPECT_GT(::clone(lives_on, stack + sizeof stack, CLONE_VM | SIGCHLD, &descriptor), 0);
    ready.tell();
    for (;;) ::pause();
  });
  ready.only_wait();
  end.only_tell();
  ASSERT_TRUE(ready.is_told());
  ASSERT_EQ(room.table().report().at(0).alive, liveness::alive);
  owner.kill_to_zombie();
  EXPECT_EQ(room.table().report().at(0).alive, liveness::exiting);
  owner.wait();
  const auto seat = room.table().report().at(0);
  EXPECT_EQ(seat.alive, liveness::exiting) << "the child can still write, reaped or not";
  EXPECT_EQ(room.table().count(role::producer).alive, 1U);
  const auto refusal = thrown_by([&] { (void)room.take(role::producer); });
  EXPECT_THAT(refusal, ThrewSaying(errc::seat_taken, "pid " + std::to_string(owner.pid()) + " (exiting)"));
  end.tell();
  while (room.table().report().at(0).alive != liveness::dead) std::this_thread::yield();
  EXPECT_NO_THROW((void)room.take(role::producer));
}

TEST(SeatsOfAFile, WithManyOwnersTellHowManyEachHoldsAndWhatToChange) {
  const test::watchdog dog;
  const seat_room room(judged_by::kernel_lock, 3);
  std::vector<held_seat> seats;
  for (int i = 0; i < 3; ++i) seats.push_back(room.take(role::producer));
  const auto refusal = thrown_by([&] { (void)room.take(role::producer); });
  EXPECT_THAT(refusal, ThrewSaying(errc::seat_taken, "in 3 of them"));
  EXPECT_THAT(refusal, ThrewSaying(errc::seat_taken, "producer_seats"));
}

TEST(AnonymousSeats, OfAPidThatAnotherProcessHasNowAreTakenOver) {  // scenario 55
  const test::watchdog dog;
  const seat_room room(judged_by::process);
  const auto seat = room.take(role::producer);
  auto& record = room.ring.seats[0];
  record.owner.store(record.owner.load() - 1);  // another start time: the pid's last owner
  EXPECT_NO_THROW((void)room.take(role::producer));
}

TEST(AnonymousSeats, OfAnotherPidNamespaceAreNeverTakenForDead) {  // scenario 56
  const test::watchdog dog;
  const seat_room room(judged_by::process);
  auto child = child_process::fork([&] {
    auto seat = std::make_unique<held_seat>(room.take(role::producer));
    (void)seat.release();  // as a death leaves it
  });
  ASSERT_TRUE(child.wait().is_success());
  room.ring.seats[0].pid_namespace.store(test::own_namespace("pid") + 1);
  EXPECT_EQ(thrown_by([&] { (void)room.take(role::producer); }).reason, errc::seat_taken);
}

TEST(AnonymousSeats, JudgedFromAnotherTimeNamespaceAreNeverTakenForDeadByTheShiftedStartTime) {
  const test::watchdog dog;
  const seat_room room(judged_by::process);
  const auto seat = room.take(role::producer);
  auto outer = child_process::fork([&] {
    if (::unshare(CLONE_NEWTIME) != 0) return 50;
    std::ofstream offsets("/proc/self/timens_offsets");
    offsets << "boottime 864000 0\n" << std::flush;
    if (!offsets) return 50;
    const auto pid = ::fork();  // its children are in the new namespace
    if (pid == 0) ::_exit(thrown_by([&] { (void)room.take(role::producer); }).reason == errc::seat_taken ? 0 : 1);
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 60;
  });
  const auto end = outer.wait();
  if (end.code == 50) GTEST_SKIP() << "a time namespace needs root";
  EXPECT_TRUE(end.is_success()) << end;
}

TEST(ProcessMark, IsHereInTheProcessThatMadeItAndNotInItsChild) {
  const auto mark = process_mark::here();
  EXPECT_TRUE(mark.is_here());
  auto child = child_process::fork([&] {
    EXPECT_FALSE(mark.is_here());
    EXPECT_TRUE(process_mark::here().is_here());
    EXPECT_FALSE(mark.is_here()) << "a mark of the child's own does not bring the parent's back";
  });
  EXPECT_TRUE(child.wait().is_success());
  EXPECT_TRUE(mark.is_here());
}

TEST(ProcessMark, OfAGrandchildIsItsOwn) {
  auto child = child_process::fork([] {
    const auto mark = process_mark::here();
    auto grandchild = child_process::fork([&] { return static_cast<int>(mark.is_here()); });
    return grandchild.wait().is_success() && mark.is_here() ? 0 : 1;
  });
  EXPECT_TRUE(child.wait().is_success());
}

TEST(ProcessMark, IsTheSameForAllThreads) {
  const auto mark = process_mark::here();
  bool is_here = false;
  std::thread([&] { is_here = mark.is_here(); }).join();
  EXPECT_TRUE(is_here);
}

}  // namespace
}  // namespace sluice::detail
