// A participant that gives something up after it took its seat: privileges, its root directory, descriptors, its main
// thread. What a dead consumer held is still delivered; where it cannot be, the caller is told.

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "channel/channel_places.hpp"
#include "sluice/detail/seat/seat_table.hpp"
#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/pipe_signal.hpp"
#include "support/sanitizer.hpp"
#include "support/shared_lock.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;

bool drop_privileges() { return ::setgroups(0, nullptr) == 0 && ::setgid(65534) == 0 && ::setuid(65534) == 0; }

bool change_root() { return ::chroot("/sys") == 0 && ::chdir("/") == 0; }  // a directory that is there, without /proc

bool use_up_descriptors() {
  constexpr rlimit few{64, 64};
  if (::setrlimit(RLIMIT_NOFILE, &few) != 0) return false;
  while (::open("/dev/null", O_RDONLY) >= 0) continue;
  return true;
}

struct restriction {
  const char* name;
  bool (*begin)();
  std::uint32_t mode = 0600;  // 0644: the locks lie in a file of their own
};

class one_mpmc_channel {
 protected:
  using shared_channel = channel<numbered, mpmc_ring>;

  explicit one_mpmc_channel(std::uint32_t mode = 0600) : mode_(mode) {}
  [[nodiscard]] channel_options options() const {
    return {.capacity_slots = 8, .producer_seats = 2, .consumer_seats = 3, .mode = mode_};
  }
  /// Closes all that the program did not open itself, and opens other files under the same numbers.
  void close_what_is_not_mine() const {
    for (int i = 3; i < 256; ++i)
      if (i != ready_.write_descriptor() && i != go_.read_descriptor()) ::close(i);
    for (int i = 0; i < 64; ++i) (void)::open("/dev/null", O_RDWR | O_CLOEXEC);
  }
  /// A consumer that holds message 1 until it is killed.
  child_process holder() {
    auto child = child_process::fork([this] {
      auto in = shared_.consumer();
      const auto held = in.try_peek();
      if (!held) return 1;
      ready_.tell();
      for (;;) ::pause();
    });
    EXPECT_TRUE(ready_.is_told());
    return child;
  }

  /// What is delivered to a consumer that closed all descriptors that it did not open itself, and whose peer dies then.
  void expect_delivery_after_closefrom();

  std::uint32_t mode_;
  watchdog dog_{std::chrono::seconds(100)};
  temp_registry names_;
  shared_channel shared_ = shared_channel::create(*names_, segment_name("q"), options());
  pipe_signal ready_, go_;
};

constexpr std::uint32_t others_read = 0644;

class RestrictedParticipants : public one_mpmc_channel, public ::testing::TestWithParam<restriction> {
 protected:
  RestrictedParticipants() : one_mpmc_channel(GetParam().mode) {}
};
class ClosedDescriptors : public one_mpmc_channel, public ::testing::Test {};
class ClosedDescriptorsBesideALockFile : public one_mpmc_channel, public ::testing::Test {
 protected:
  ClosedDescriptorsBesideALockFile() : one_mpmc_channel(others_read) {}
};

INSTANTIATE_TEST_SUITE_P(
    After, RestrictedParticipants,
    ::testing::Values(restriction{"Nothing", [] { return true; }}, restriction{"Setuid", drop_privileges},
                      restriction{"Chroot", change_root},
                      restriction{"ChrootAndSetuid", [] { return change_root() && drop_privileges(); }},
                      restriction{"TheLastDescriptor", use_up_descriptors},
                      restriction{"SetuidBesideALockFile", drop_privileges, others_read},
                      restriction{"ChrootBesideALockFile", change_root, others_read},
                      restriction{"TheLastDescriptorBesideALockFile", use_up_descriptors, others_read}),
    [](const auto& row) { return std::string(row.param.name); });

TEST_P(RestrictedParticipants, GetWhatADeadConsumerHeldAndTheSeatComesBack) {
  if (::geteuid() != 0) GTEST_SKIP() << "setuid(2) and chroot(2) need root";
  if (is_sanitized && GetParam().begin == use_up_descriptors)
    GTEST_SKIP() << "the sanitizer opens descriptors of its own; the other builds test this";
  auto out = shared_.producer();
  ASSERT_TRUE(out.try_send(numbered::of(1)));
  auto dead = holder();
  auto survivor = child_process::fork([&] {
    auto in = shared_.consumer();
    if (!GetParam().begin()) return 1;
    ready_.tell();
    (void)go_.is_told();
    auto got = in.peek_for(10s);
    if (!got) return 2;
    if (*got != numbered::of(1) || !got.was_delivered_before()) return 3;
    got.release();
    return 0;
  });
  ASSERT_TRUE(ready_.is_told());
  dead.kill();
  go_.tell();
  EXPECT_EQ(survivor.wait().code, 0);
  EXPECT_TRUE(out.is_drained());
}

TEST_P(RestrictedParticipants, MayStillTakeASeatOfWhatTheyAreAttachedTo) {
  if (::geteuid() != 0) GTEST_SKIP() << "setuid(2) and chroot(2) need root";
  if (is_sanitized && GetParam().begin == use_up_descriptors)
    GTEST_SKIP() << "the sanitizer opens descriptors of its own; the other builds test this";
  auto child = child_process::fork([&] {
    auto mine = shared_channel::attach(*names_, segment_name("q"));
    if (!GetParam().begin()) return 1;
    auto in = mine.consumer();
    auto out = mine.producer();
    return out.try_send(numbered::of(1)) && in.try_receive().has_value() ? 0 : 2;
  });
  EXPECT_EQ(child.wait().code, 0);
}

void one_mpmc_channel::expect_delivery_after_closefrom() {
  auto out = shared_.producer();
  ASSERT_TRUE(out.try_send(numbered::of(1)));
  auto dead = holder();
  auto survivor = child_process::fork([&] {
    auto in = shared_.consumer();
    close_what_is_not_mine();
    ready_.tell();
    (void)go_.is_told();
    numbered got;
    if (in.receive_for(got, 10s) != wait_result::ready) return 2;
    return 0;
  });
  ASSERT_TRUE(ready_.is_told());
  dead.kill();
  go_.tell();
  EXPECT_EQ(survivor.wait().code, 0);
}

TEST_F(ClosedDescriptors, DoNotKeepADeadConsumersMessageFromComingAgain) { expect_delivery_after_closefrom(); }

TEST_F(ClosedDescriptors, CostNoSeatWhileAReaderKeepsItsLockFromBeingAskedFor) {
  constexpr std::uint64_t trials = 0x10000;  // docs/format.md, lock bytes
  auto child = child_process::fork([&] {
    auto out = shared_.producer();
    for (std::uint64_t i = 1; i <= options().capacity_slots; ++i) EXPECT_TRUE(out.try_send(numbered::of(i)));
    const int reader = open_with_shared_lock(names_.path("q"), gate_lock_offset + 0x700000, F_OFD_SETLK, trials);
    const int kept = ::fcntl(reader, F_DUPFD, 256);  // beyond what is closed
    close_what_is_not_mine();
    EXPECT_THAT(thrown_by([&] { (void)out.send_for(numbered::of(9), 10s); }),
                ThrewSaying(errc::in_use, "holds a shared lock on the bytes for trials"));
    ::close(kept);
    (void)thrown_by([&] { (void)out.send_for(numbered::of(9), 200ms); });     // what was noted before, once more
    EXPECT_EQ(out.send_for(numbered::of(9), 200ms), wait_result::timed_out);  // some ticks
    EXPECT_EQ(names_->inspect(segment_name("q")).rings.at(0).seats.at(0).alive, liveness::alive);
  });
  EXPECT_TRUE(child.wait().is_success());
}

TEST_F(ClosedDescriptorsBesideALockFile, DoNotKeepADeadConsumersMessageFromComingAgain) {
  expect_delivery_after_closefrom();
  auto more = shared_.consumer();  // no seat was lost, and none is held twice
  auto most = shared_.consumer();
}

TEST_F(ClosedDescriptors, DoNotHideAPeersDeath) {
  auto producer = child_process::fork([&] {
    auto out = shared_.producer();
    ready_.tell();
    for (;;) ::pause();
  });
  ASSERT_TRUE(ready_.is_told());
  auto survivor = child_process::fork([&] {
    auto in = shared_.consumer();
    close_what_is_not_mine();
    ready_.tell();
    (void)go_.is_told();
    numbered got;
    return in.receive_for(got, 10s) == wait_result::peer_gone ? 0 : 1;
  });
  ASSERT_TRUE(ready_.is_told());
  producer.kill();
  go_.tell();
  EXPECT_EQ(survivor.wait().code, 0);
}

TEST_F(ClosedDescriptors, AreReportedWhenTheFileMayNotBeOpenedAgain) {
  if (::geteuid() != 0) GTEST_SKIP() << "setuid(2) needs root";
  auto out = shared_.producer();
  auto survivor = child_process::fork([&] {
    auto in = shared_.consumer();
    close_what_is_not_mine();
    if (!drop_privileges()) return 1;
    numbered got;
    const auto refusal = thrown_by([&] { (void)in.receive_for(got, 10s); });
    return refusal.text.find("closed descriptor") != std::string::npos ? 0 : 2;
  });
  EXPECT_EQ(survivor.wait().code, 0);
  EXPECT_GE(names_->inspect(segment_name("q")).rings.at(0).unanswered, 1U);
}

TEST_F(ClosedDescriptors, OfAMemfdAreReportedBecauseNoNameLeadsToIt) {
  const auto unnamed = shared_channel::create_unnamed<memfd_segment>(options());
  auto producer = child_process::fork([&] {
    auto out = unnamed.producer();
    ready_.tell();
    for (;;) ::pause();
  });
  ASSERT_TRUE(ready_.is_told());
  auto survivor = child_process::fork([&] {
    auto in = unnamed.consumer();
    close_what_is_not_mine();
    ready_.tell();
    (void)go_.is_told();
    numbered got;
    EXPECT_THAT(thrown_by([&] { (void)in.receive_for(got, 10s); }), ThrewSaying(errc::not_found, "closed descriptor"));
  });
  ASSERT_TRUE(ready_.is_told());
  producer.kill();
  go_.tell();
  EXPECT_TRUE(survivor.wait().is_success());
}

TEST_F(ClosedDescriptors, LeaveForeignFilesAloneAndTheSeatWithItsOwner) {
  auto child = child_process::fork([&] {
    {
      auto mine = shared_channel::attach(*names_, segment_name("q"));
      auto in = mine.consumer();
      close_what_is_not_mine();
      for (int i = 0; i < 2; ++i) {
        auto second = shared_channel::attach(*names_, segment_name("q"));
        auto one_more = second.consumer();
        if (one_more.seat_index() == in.seat_index()) return 1;
      }
    }
    for (int i = 3; i < 64; ++i)
      if (::fcntl(i, F_GETFD) < 0) return i;
    return 0;
  });
  EXPECT_EQ(child.wait().code, 0);
}

TEST_F(ClosedDescriptors, OfTheMainThreadThatEndedAreNotNeeded) {
  auto out = shared_.producer();
  ASSERT_TRUE(out.try_send(numbered::of(1)));
  auto dead = holder();
  auto survivor = child_process::fork([&] {
    std::thread([this] {
      // The main thread is a zombie, and /proc/self leads to nothing.
      while (::access("/proc/self/fd/0", F_OK) == 0) std::this_thread::yield();
      try {
        auto in = shared_.consumer();
        auto more = shared_channel::attach(*names_, segment_name("q")).consumer();
        ready_.tell();
        (void)go_.is_told();
        numbered got;
        ::_exit(in.receive_for(got, 10s) == wait_result::ready ? 0 : 2);
      } catch (const std::exception&) {
        ::_exit(3);
      }
    }).detach();
    ::syscall(SYS_exit, 0);  // of this thread alone, as pthread_exit(3) ends it
    return 1;
  });
  ASSERT_TRUE(ready_.is_told());
  dead.kill();
  go_.tell();
  EXPECT_EQ(survivor.wait().code, 0);
}

TEST_F(ClosedDescriptors, StandardOnesAreNeverUsedForASegment) {
  auto child = child_process::fork([&] {
    for (int i = 0; i < 3; ++i) ::close(i);
    auto mine = shared_channel::attach(*names_, segment_name("q"));
    auto in = mine.consumer();
    auto fresh = shared_channel::create(*names_, segment_name("other"), options());
    auto out = fresh.producer();
    auto unnamed = shared_channel::create_unnamed<memfd_segment>(options());
    auto third = unnamed.producer();
    for (int i = 0; i < 3; ++i)
      if (::fcntl(i, F_GETFD) >= 0) return 1 + i;
    return 0;
  });
  EXPECT_EQ(child.wait().code, 0);
}

TEST_F(ClosedDescriptors, OfAForkedChildThatMakesHandlesInManyThreads) {
  for (int round = 0; round < 20; ++round) {
    auto child = child_process::fork([&] {
      const auto work = [this] {
        const auto copy = shared_;
        auto out = copy.producer();
      };
      std::thread first(work), second(work);
      first.join();
      second.join();
    });
    ASSERT_TRUE(child.wait().is_success());
  }
}

}  // namespace
}  // namespace sluice::detail::test
