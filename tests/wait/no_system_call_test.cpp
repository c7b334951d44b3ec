// Sending to a peer that is awake makes no system call: a filter in the kernel would kill a process that makes one.

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "sluice/channel.hpp"
#include "sluice/detail/part/mpmc/mpmc_ring.hpp"
#include "sluice/registry.hpp"
#include "support/behind.hpp"
#include "support/child_process.hpp"
#include "support/pipe_signal.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

constexpr std::uint64_t messages = 100'000;

/// From here on futex(2) and membarrier(2) end this process with SIGSYS. There is no way back.
void forbid_waking() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog filter{sizeof program / sizeof program[0], program};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
    throw std::runtime_error("seccomp");
}
/// The same for every system call but the end of the process.
void forbid_everything() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog filter{sizeof program / sizeof program[0], program};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
    throw std::runtime_error("seccomp");
}

/// The same for every system call but these and the end of the process.
void allow_only(std::initializer_list<int> calls) {
  std::vector<sock_filter> program{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  const auto let_pass = [&](int call) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call), 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  };
  for (const int call : calls) let_pass(call);
  let_pass(SYS_exit_group);
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
    throw std::runtime_error("seccomp");
}

template <class Ring>
class NoSystemCall : public ::testing::Test {
 protected:
  using link = channel<std::uint64_t, Ring>;
  watchdog dog_;
};
using ring_kinds = ::testing::Types<spsc_ring, mpmc_ring>;
struct ring_names {
  template <class Ring>
  static std::string GetName(int) {
    return Ring::kind == ring_kind::spsc ? "Spsc" : "Mpmc";
  }
};
TYPED_TEST_SUITE(NoSystemCall, ring_kinds, ring_names);

TYPED_TEST(NoSystemCall, IsMadeBySendingToAConsumerThatSpins) {  // scenario 40
  const auto shared = TestFixture::link::create_unnamed({.capacity_slots = 64});
  auto child = child_process::fork([&shared] {
    auto out = shared.producer(busy_spin());
    forbid_everything();
    for (std::uint64_t i = 0; i < messages; ++i)
      while (!out.try_send(i)) cpu_pause();
    ::syscall(SYS_exit_group, 0);
    return 1;
  });
  auto in = shared.consumer(busy_spin());
  for (std::uint64_t i = 0, number = 0; i < messages; ++i) {
    const auto result = in.receive(number);
    ASSERT_EQ(result, wait_result::ready) << to_string(result);
    ASSERT_EQ(number, i);
  }
  EXPECT_TRUE(child.wait().is_success());
}

TYPED_TEST(NoSystemCall, IsMadeByReceivingFromAProducerThatSpins) {  // scenario 40
  const auto shared = TestFixture::link::create_unnamed({.capacity_slots = 64});
  auto child = child_process::fork([&shared] {
    auto in = shared.consumer(busy_spin());
    if (TypeParam::mends)
      forbid_waking();  // after polling in vain for a whole tick it asks for the dead, by system calls of another kind
    else
      forbid_everything();
    for (std::uint64_t i = 0, number = 0; i < messages; ++i) {
      while (!in.try_receive(number)) cpu_pause();
      if (number != i) ::syscall(SYS_exit_group, 2);
    }
    ::syscall(SYS_exit_group, 0);
    return 1;
  });
  auto out = shared.producer(busy_spin());
  for (std::uint64_t i = 0; i < messages; ++i) {
    const auto result = out.send(i);
    ASSERT_EQ(result, wait_result::ready) << to_string(result);
  }
  EXPECT_TRUE(child.wait().is_success());
}

TYPED_TEST(NoSystemCall, OtherThanTheseIsMadeByAConsumerThatIsParked) {
  const temp_registry names;
  const auto shared = TestFixture::link::create(*names, segment_name("idle"), {.capacity_slots = 64});
  const auto out = shared.producer();  // alive, and silent
  auto child = child_process::fork([&shared] {
    auto in = shared.consumer(park());
    // To sleep, to ask a lock for the producer's life and a file for its length: nothing is opened or read.
    allow_only({SYS_futex, SYS_membarrier, SYS_fcntl, SYS_fstat, SYS_newfstatat, SYS_clock_gettime});
    std::uint64_t number = 0;
    const auto result = in.receive_for(number, std::chrono::nanoseconds(4 * tick_ns));
    ::syscall(SYS_exit_group, result == wait_result::timed_out ? 0 : 1);
  });
  const auto end = child.wait();
  EXPECT_TRUE(end.is_success()) << end;
}

TEST(NoSystemCallAtATick, RenewsAnAnnouncementThatNoWakerTook) {
  const watchdog dog;
  const auto shared = channel<std::uint64_t>::create_unnamed({.capacity_slots = 64});
  auto child = child_process::fork([&shared] {
    auto in = shared.consumer(park());
    int ticks = 0;
    const auto look = []() -> wait_answer { return std::nullopt; };
    const auto tick = [&]() -> wait_answer {
      if (ticks++ == 0)
        allow_only({SYS_futex, SYS_clock_gettime});  // announced before: membarrier ends the process now
      return ticks == 4 ? wait_answer(wait_result::peer_gone) : std::nullopt;
    };
    const auto result = park().wait(details_of(in).place(), look, tick, never);
    ::syscall(SYS_exit_group, result == wait_result::peer_gone ? 0 : 1);
  });
  const auto end = child.wait();
  EXPECT_TRUE(end.is_success()) << end;
}

TEST(IdleTicks, AreFewerThanThoseOfAThreadThatJustFellAsleep) {
  const watchdog dog;
  const auto shared = channel<std::uint64_t>::create_unnamed({.capacity_slots = 64});
  const auto out = shared.producer();
  auto in = shared.consumer(park());
  const auto& ring = details_of(in).ring();
  std::uint64_t number = 0;
  constexpr auto seven_ticks = std::chrono::nanoseconds(7 * tick_ns);
  ASSERT_EQ(in.receive_for(number, seven_ticks), wait_result::timed_out);
  EXPECT_LE(ring.seats[in.seat_index()].parks.load(std::memory_order_relaxed), 5U);  // slow: even fewer
}

TYPED_TEST(NoSystemCall, TheFilterBitesWhenTheConsumerSleeps) {  // the test of the tests above
  const auto shared = TestFixture::link::create_unnamed({.capacity_slots = 64});
  pipe_signal parked;
  auto child = child_process::fork([&] {
    auto out = shared.producer();
    forbid_waking();
    if (!parked.is_told()) return 1;
    (void)out.try_send(1);
    return 0;
  });
  auto in = shared.consumer(park());
  std::uint64_t number = 0;
  (void)details_of(in).place().announce();  // as if about to sleep: a publisher must wake it now
  parked.tell();
  const auto end = child.wait();
  EXPECT_FALSE(end.has_exited);
  EXPECT_EQ(end.signal, SIGSYS);
  details_of(in).place().retract();
  EXPECT_TRUE(in.try_receive(number)) << "published before the wake that killed it";
}

}  // namespace
}  // namespace sluice::detail::test
