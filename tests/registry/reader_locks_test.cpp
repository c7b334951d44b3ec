// A process that may only read a segment's file can still take shared kernel locks on it. What it can hold up says so.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <optional>
#include <string>

#include "sluice/channel.hpp"
#include "sluice/detail/part/mpmc/mpmc_ring.hpp"
#include "sluice/detail/seat/seat_table.hpp"
#include "sluice/registry.hpp"
#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/pipe_signal.hpp"
#include "support/shared_lock.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using jobs = channel<std::uint64_t, mpmc_ring>;
const segment_name orders("orders");

struct ReaderLocks : ::testing::Test {
  watchdog dog;
  temp_registry names;
  pipe_signal ready;

  /// A process without privileges that holds shared locks on `offset` until it ends. `command`: F_OFD_SETLK has no pid.
  [[nodiscard]] child_process reader_of(std::uint64_t offset, int command = F_OFD_SETLK) {
    auto child = child_process::fork([&] {
      if (open_with_shared_lock(names.path("orders"), offset, command) < 0) return 1;
      ready.tell();
      for (;;) ::pause();
    });
    EXPECT_TRUE(ready.is_told());
    return child;
  }
  /// The channel, idle.
  void make() const {
    (void)jobs::create(*names, orders, {.capacity_slots = 8, .producer_seats = 2, .consumer_seats = 2});
  }
};

TEST_F(ReaderLocks, OnTheGateARemovalNamesTheReaderAndTheCure) {
  make();
  auto reader = reader_of(gate_lock_offset, F_SETLK);
  const auto refused = thrown_by([&] { names->remove(orders); });
  EXPECT_THAT(refused, ThrewSaying(errc::in_use, "process " + std::to_string(reader.pid()) + " that may only read"));
  EXPECT_THAT(refused, ThrewSaying(errc::in_use, "shared lock on its gate"));
  EXPECT_NO_THROW((void)jobs::attach(*names, orders)) << "attaching shares the gate";
  reader.kill();
  EXPECT_NO_THROW(names->remove(orders));
}

TEST_F(ReaderLocks, OnTheGateOfADescriptionWithoutAPidSaysHowToFindTheReader) {
  make();
  const auto reader = reader_of(gate_lock_offset);
  EXPECT_THAT(thrown_by([&] { names->remove(orders); }), ThrewSaying(errc::in_use, "fuser " + names.path("orders")));
}

TEST_F(ReaderLocks, OnPresenceARemovalSaysThatAReaderMayHoldIt) {
  make();
  auto reader = reader_of(presence_lock_offset, F_SETLK);
  const auto refused = thrown_by([&] { names->remove(orders); });
  EXPECT_THAT(refused, ThrewSaying(errc::in_use, "process " + std::to_string(reader.pid())));
  EXPECT_THAT(refused, ThrewSaying(errc::in_use, "may only read the file"));
}

TEST_F(ReaderLocks, OnAFreeSeatAnotherSeatIsTakenAndTheLastOneNamesTheReader) {
  make();
  const auto reader = reader_of(seat_lock_offset(0, 0), F_SETLK);
  const auto shared = jobs::attach(*names, orders);
  auto out = shared.producer();
  EXPECT_EQ(out.seat_index(), 1U);
  const auto refused = thrown_by([&] { (void)shared.producer(); });
  EXPECT_THAT(refused, ThrewSaying(errc::in_use, "process " + std::to_string(reader.pid()) + " that may only read"));
  EXPECT_THAT(refused, ThrewSaying(errc::in_use, "byte of seat 0"));
}

TEST_F(ReaderLocks, AreShownByInspect) {
  make();
  EXPECT_TRUE(names->inspect(orders).shared_locks.empty());
  const auto at_gate = reader_of(gate_lock_offset);
  const auto at_seat = reader_of(seat_lock_offset(0, 3), F_SETLK);
  const auto shared = jobs::attach(*names, orders);
  const auto out = shared.producer();  // its lock is exclusive, and no reader's
  const auto seen = names->inspect(orders).shared_locks;
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[0].byte, "gate");
  EXPECT_EQ(seen[0].pid, 0U);
  EXPECT_EQ(seen[1].byte, "seat 3 of ring 0");
  EXPECT_EQ(seen[1].pid, static_cast<std::uint32_t>(at_seat.pid()));
}

}  // namespace
}  // namespace sluice::detail::test
