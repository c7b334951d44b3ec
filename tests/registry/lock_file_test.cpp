// Where a mode lets some users read a segment that may not write to it, its kernel locks lie in a file beside it, which those
// users cannot open. What they can lock, the segment's own file, holds nothing up.

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sluice/channel.hpp"
#include "sluice/detail/part/mpmc/mpmc_ring.hpp"
#include "sluice/detail/seat/seat_table.hpp"
#include "sluice/inspect.hpp"
#include "sluice/registry.hpp"
#include "sluice/segment.hpp"
#include "support/child_process.hpp"
#include "support/disk.hpp"
#include "support/expect_error.hpp"
#include "support/pipe_signal.hpp"
#include "support/shared_lock.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"
#include "support/without_tmpfile.hpp"

namespace sluice::detail::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using jobs = channel<std::uint64_t, mpmc_ring>;
const segment_name orders("orders");

struct LockFile : ::testing::Test {
  watchdog dog;
  temp_registry names;
  pipe_signal ready;

  LockFile() { fs::permissions(names.directory(), fs::perms(0755)); }

  static channel_options options(std::uint32_t mode = 0644) {
    return {.capacity_slots = 8, .producer_seats = 2, .consumer_seats = 2, .mode = mode};
  }
  [[nodiscard]] jobs make(const segment_name& name = orders, std::uint32_t mode = 0644) const {
    return jobs::create(*names, name, options(mode));
  }
  [[nodiscard]] std::vector<std::string> lock_files() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(names.directory()))
      if (entry.path().filename().string().starts_with(".sluice-locks-")) found.push_back(entry.path());
    return found;
  }
  [[nodiscard]] std::string lock_file() const {
    const auto found = lock_files();
    return found.size() == 1 ? found[0] : "";
  }

  static bool become_a_reader() { return ::setgroups(0, nullptr) == 0 && ::setgid(65534) == 0 && ::setuid(65534) == 0; }
  /// What `body` says in a process that may only read.
  [[nodiscard]] static child_end as_reader(const std::function<void()>& body) {
    return child_process::fork([&] {
             if (!become_a_reader()) return 50;
             body();
             return 0;
           })
        .wait();
  }
  /// A process that may only read, and holds a shared lock on every byte of the segment's file until it ends.
  [[nodiscard]] child_process locker(int command, const segment_name& name = orders) {
    auto child = child_process::fork([&, command] {
      if (!become_a_reader() || open_with_shared_lock(names.path(name.str()), 0, command, 0) < 0) return 1;
      ready.tell();
      for (;;) ::pause();
    });
    EXPECT_TRUE(ready.is_told());
    return child;
  }
  /// A consumer that holds a message until it is killed.
  [[nodiscard]] child_process holder(const jobs& shared) {
    auto child = child_process::fork([&] {
      auto in = shared.consumer();
      const auto held = in.try_peek();
      if (!held) return 1;
      ready.tell();
      for (;;) ::pause();
    });
    EXPECT_TRUE(ready.is_told());
    return child;
  }
};

TEST_F(LockFile, IsMadeWhereTheModeLetsSomeReadThatMayNotWrite) {
  for (const std::uint32_t mode : {0600U, 0660U, 0666U}) {
    const auto made = make(orders, mode);
    EXPECT_EQ(made.header().lock_inode, 0U);
    EXPECT_TRUE(lock_files().empty()) << std::oct << mode;
    names->remove(orders, true);
  }
  const std::pair<std::uint32_t, std::uint32_t> beside[] = {{0640, 0600}, {0644, 0600}, {0664, 0660}, {0646, 0606}};
  for (const auto& [mode, locks_mode] : beside) {
    const auto made = make(orders, mode);
    struct stat seen {};
    ASSERT_EQ(::stat(lock_file().c_str(), &seen), 0);
    EXPECT_EQ(seen.st_mode & 07777, locks_mode) << std::oct << mode;
    EXPECT_EQ(seen.st_ino, made.header().lock_inode);
    EXPECT_EQ(names->inspect(orders).lock_file, fs::path(lock_file()).filename());
    names->remove(orders, true);
    EXPECT_TRUE(lock_files().empty()) << "it goes with the name";
  }
}

TEST_F(LockFile, CannotBeOpenedByAUserThatMayOnlyRead) {
  if (::geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
  const auto made = make();
  const auto end = as_reader([&] {
    EXPECT_GE(::open(names.path("orders").c_str(), O_RDONLY | O_CLOEXEC), 0);
    for (const int how : {O_RDONLY, O_WRONLY, O_RDWR}) EXPECT_LT(::open(lock_file().c_str(), how | O_CLOEXEC), 0);
  });
  EXPECT_TRUE(end.is_success()) << end;
}

struct AReaderThatLocksTheWholeFile : LockFile, ::testing::WithParamInterface<int> {
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
  }
};
INSTANTIATE_TEST_SUITE_P(With, AReaderThatLocksTheWholeFile, ::testing::Values(F_OFD_SETLK, F_SETLK),
                         [](const auto& row) {
                           return row.param == F_SETLK ? "ALockOfTheProcess" : "ALockOfTheDescription";
                         });

TEST_P(AReaderThatLocksTheWholeFile, HoldsUpNoSeatAndNoMending) {
  const auto shared = make();
  const auto reader = locker(GetParam());
  auto dead = holder([&] {
    EXPECT_TRUE(shared.producer().try_send(7));
    return shared;
  }());
  const auto again = jobs::attach(*names, orders);
  auto in = again.consumer();  // the last free seat of that role
  auto out = again.producer();
  auto second = shared.producer();
  dead.kill();
  std::uint64_t got = 0;
  EXPECT_EQ(in.receive_for(got, 10s), wait_result::ready);
  EXPECT_EQ(got, 7U);
  auto successor = shared.consumer();
  EXPECT_EQ(names->inspect(orders).rings[0].unanswered, 0U);
}

TEST_P(AReaderThatLocksTheWholeFile, HoldsUpNoRemoval) {
  { const auto made = make(); }
  const auto reader = locker(GetParam());
  EXPECT_FALSE(names->inspect(orders).is_in_use);
  EXPECT_NO_THROW(names->remove(orders));
  EXPECT_TRUE(lock_files().empty());
}

TEST_P(AReaderThatLocksTheWholeFile, HoldsUpNoSweep) {
  auto only = child_process::fork([&] {
    const auto made = jobs::create(*names, orders, {.lifetime = lifetime::ephemeral, .mode = 0644});
    ::_exit(0);  // without a destructor, as one that is killed
  });
  ASSERT_TRUE(only.wait().is_success());
  const auto reader = locker(GetParam());
  EXPECT_EQ(names->list().at(0).state, segment_state::dead);
  const auto swept = names->sweep();
  ASSERT_EQ(swept.size(), 1U);
  EXPECT_EQ(swept[0].outcome, sweep_outcome::removed) << swept[0].why;
  EXPECT_TRUE(lock_files().empty());
}

TEST_P(AReaderThatLocksTheWholeFile, HoldsUpNoLastOneThatTakesTheNameAlong) {
  std::optional made(jobs::create(*names, orders, {.lifetime = lifetime::ephemeral, .mode = 0644}));
  const auto reader = locker(GetParam());
  made.reset();
  EXPECT_TRUE(names->list().empty());
  EXPECT_TRUE(lock_files().empty());
}

TEST_P(AReaderThatLocksTheWholeFile, HoldsUpNoRecovery) {
  if (!on_a_disk()) GTEST_SKIP() << "no folder on a disk: nothing there survives a reset";
  const temp_registry disk(*on_a_disk());
  fs::permissions(disk.directory(), fs::perms(0755));
  auto how = options();
  how.durability = durability::every(1);
  EXPECT_TRUE(jobs::create(*disk, orders, how).producer().try_send(7));
  auto bytes = after_a_reset(image_of(disk.path("orders")));
  std::fstream(disk.path("orders"), std::ios::binary | std::ios::in | std::ios::out)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  const auto reader = child_process::fork([&] {
    if (!become_a_reader() || open_with_shared_lock(disk.path("orders"), 0, GetParam(), 0) < 0) return 1;
    ready.tell();
    for (;;) ::pause();
  });
  ASSERT_TRUE(ready.is_told());
  EXPECT_EQ(disk->recover(orders).rings.at(0).kept, 1U);
  EXPECT_EQ(jobs::attach(*disk, orders).consumer().try_receive(), 7U);
  EXPECT_EQ(std::distance(fs::directory_iterator(disk.directory()), {}), 2) << "the old lock file went";
}

TEST_P(AReaderThatLocksTheWholeFile, MakesNoOtherReaderTakeTheLivingForDead) {
  const auto shared = make();
  const auto reader = locker(GetParam());
  auto alive = child_process::fork([&] {
    auto out = jobs::attach(*names, orders).producer();
    ready.tell();
    for (;;) ::pause();
  });
  ASSERT_TRUE(ready.is_told());
  const auto end = as_reader([&] {
    EXPECT_EQ(observer::attach(*names, orders).seats().at(0).alive, liveness::unknown);
    const auto seen = names->inspect(orders);
    EXPECT_FALSE(seen.shows_all_locks);
    EXPECT_EQ(seen.state, segment_state::live);
    EXPECT_EQ(seen.rings.at(0).seats.at(0).alive, liveness::unknown);
  });
  EXPECT_TRUE(end.is_success()) << end;
  EXPECT_EQ(names->inspect(orders).rings.at(0).seats.at(0).alive, liveness::alive) << "to a process that may write";
}

TEST_F(LockFile, IsNotNeededToSeeWhoLivesAndWhoDied) {
  if (::geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
  const auto shared = make();
  const auto participant = [&] {
    auto child = child_process::fork([&] {
      auto out = jobs::attach(*names, orders).producer();
      ready.tell();
      for (;;) ::pause();
    });
    EXPECT_TRUE(ready.is_told());
    return child;
  };
  auto first = participant(), second = participant();
  first.kill();
  const auto expect_seen = [&](segment_state state, liveness of_first, liveness of_second) {
    const auto end = as_reader([&] {
      const auto seen = names->inspect(orders);
      EXPECT_EQ(seen.state, state);
      EXPECT_EQ(names->list().at(0).state, state);
      const auto observed = observer::attach(*names, orders).seats();
      for (const auto& seats : {seen.rings.at(0).seats, observed}) {
        EXPECT_EQ(seats.at(0).alive, of_first);
        EXPECT_EQ(seats.at(1).alive, of_second);
      }
    });
    EXPECT_TRUE(end.is_success()) << end;
  };
  expect_seen(segment_state::live, liveness::dead, liveness::alive);
  second.stop();
  expect_seen(segment_state::live, liveness::dead, liveness::stopped);
  second.kill();
  expect_seen(segment_state::live, liveness::dead, liveness::dead);
}

TEST_F(LockFile, StaysWithASegmentThatIsRenamed) {
  auto made = make();
  auto out = made.producer();
  fs::rename(names.path("orders"), names.path("bills"));
  const auto again = jobs::attach(*names, segment_name("bills"));
  auto second = again.producer();
  EXPECT_THAT(thrown_by([&] { (void)again.producer(); }), Threw(errc::seat_taken));
  EXPECT_TRUE(names->sweep().empty());
  EXPECT_THAT(thrown_by([&] { names->remove(segment_name("bills")); }), Threw(errc::in_use));
  EXPECT_EQ(lock_files().size(), 1U);
}

TEST_F(LockFile, OfEachSegmentIsItsOwn) {
  { const auto made = make(); }
  const auto other = make(segment_name("bills"));
  auto a = other.producer(), b = other.producer();
  EXPECT_EQ(lock_files().size(), 2U);
  names->remove(orders);
  ASSERT_EQ(lock_files().size(), 1U);
  EXPECT_NO_THROW((void)jobs::attach(*names, segment_name("bills")).consumer());
}

TEST_F(LockFile, ThatAKilledCreatorLeftIsShownAndSwept) {
  const auto left = names.path(".sluice-locks-00c0ffee00c0ffee");
  std::ofstream{left};
  ASSERT_EQ(names->list().size(), 1U);
  EXPECT_EQ(names->list()[0].state, segment_state::dead);
  EXPECT_EQ(names->sweep(true).at(0).outcome, sweep_outcome::would_remove);
  EXPECT_TRUE(fs::exists(left));
  EXPECT_EQ(names->sweep(names->sweep(true)).at(0).outcome, sweep_outcome::removed);
  EXPECT_FALSE(fs::exists(left));
}

TEST_F(LockFile, OfACreatorThatLivesIsNotSwept) {
  const auto begun = names.path(".sluice-locks-00c0ffee00c0ffee");
  std::ofstream{begun};
  for (const auto byte : {gate_lock_offset, presence_lock_offset}) {
    const int held = open_with_shared_lock(begun, byte);
    ASSERT_GE(held, 0);
    EXPECT_TRUE(names->list().empty());
    EXPECT_TRUE(names->sweep().empty());
    ::close(held);
  }
  EXPECT_TRUE(fs::exists(begun));
}

TEST_F(LockFile, IsMadeWithoutUnnamedFilesToo) {
  const auto end = child_process::fork([&] {
                     if (!forbid_unnamed_files()) return 40;
                     const auto made = make();
                     auto out = made.producer();
                     auto in = jobs::attach(*names, orders).consumer();
                     EXPECT_TRUE(out.try_send(7));
                     EXPECT_EQ(in.try_receive(), 7U);
                     return 0;
                   }).wait();
  EXPECT_TRUE(end.is_success()) << end;
  EXPECT_EQ(lock_files().size(), 1U);
  EXPECT_THAT(thrown_by([&] { (void)make(); }), Threw(errc::already_exists));
  EXPECT_EQ(lock_files().size(), 1U);
}

TEST_F(LockFile, ThatIsMissingIsNamedAndKeepsParticipantsOut) {
  std::optional made(make());
  fs::remove(lock_file());
  const auto refused = thrown_by([&] { (void)jobs::attach(*names, orders); });
  EXPECT_THAT(refused, ThrewSaying(errc::corrupted, "which holds the segment's locks: it is missing"));
  EXPECT_THAT(refused, ThrewSaying(errc::corrupted, "sluice clear"));
  EXPECT_EQ(names->inspect(orders).state, segment_state::broken);
  EXPECT_THAT(thrown_by([&] { names->remove(orders); }), Threw(errc::in_use));
  made.reset();
  EXPECT_NO_THROW(names->remove(orders));
}

TEST_F(LockFile, OfAnotherMakeIsNotBelieved) {
  { const auto made = make(); }
  const auto path = lock_file();
  std::ofstream{path + ".new"};
  fs::rename(path + ".new", path);
  EXPECT_THAT(thrown_by([&] { (void)jobs::attach(*names, orders); }),
              ThrewSaying(errc::corrupted, "it is not the file that was made with the segment"));
}

TEST_F(LockFile, IsNotThatOfACopyOfTheSegment) {
  const auto made = make();
  auto out = made.producer();
  fs::copy_file(names.path("orders"), names.path("copy"));
  EXPECT_THAT(thrown_by([&] { (void)jobs::attach(*names, segment_name("copy")); }),
              ThrewSaying(errc::corrupted, "it is a copy of a segment"));
  names->remove(segment_name("copy"));
  EXPECT_EQ(lock_files().size(), 1U) << "it is the original's";
  EXPECT_NO_THROW((void)jobs::attach(*names, orders).consumer());
}

TEST_F(LockFile, IsFoundByAProcessThatGotTheSegmentsDescriptor) {
  const auto made = make();
  auto out = made.producer();
  const int descriptor = inheritable_descriptor(made.memory());
  const auto same = jobs::attach_in(adopted_segment::map(descriptor, made.memory().bytes().size()));
  auto second = same.producer();
  EXPECT_THAT(thrown_by([&] { (void)same.producer(); }), Threw(errc::seat_taken));
  EXPECT_THAT(thrown_by([&] { (void)made.producer(); }), Threw(errc::seat_taken));
  ::close(descriptor);
}

TEST_F(LockFile, IsTakenUpAnewByAForkedChild) {
  const auto made = make();
  auto out = made.producer();
  auto child = child_process::fork([&] {
    auto second = made.producer();
    EXPECT_EQ(second.seat_index(), 1U);
    EXPECT_THAT(thrown_by([&] { (void)made.producer(); }), Threw(errc::seat_taken));
    ready.tell();
    for (;;) ::pause();
  });
  ASSERT_TRUE(ready.is_told());
  EXPECT_THAT(thrown_by([&] { (void)made.producer(); }), Threw(errc::seat_taken));
  child.kill();
  auto third = made.producer();
  EXPECT_EQ(third.seat_index(), 1U);
}

}  // namespace
}  // namespace sluice::detail::test
