// What goes with a name: only what was looked at, and never a message without being counted.

#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "channel/channel_places.hpp"
#include "sluice/channel.hpp"
#include "sluice/detail/channel/planning.hpp"
#include "sluice/registry.hpp"
#include "sluice/ring.hpp"
#include "support/call_counter.hpp"
#include "support/child_process.hpp"
#include "support/disk.hpp"
#include "support/expect_error.hpp"
#include "support/pipe_signal.hpp"
#include "support/sanitizer.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

namespace fs = std::filesystem;
using link = channel<numbered>;
using shared_link = channel<numbered, mpmc_ring>;
const segment_name orders("orders");

class Removal : public ::testing::Test {
 protected:
  void make(std::uint64_t messages) const {
    const auto made = link::create(*names, orders, {.capacity_slots = 64});
    auto out = made.producer();
    for (std::uint64_t i = 0; i < messages; ++i) ASSERT_TRUE(out.try_send(numbered::of(i)));
  }
  /// A producer of an ephemeral channel sends `messages` and is killed.
  void producer_dies_after(std::uint64_t messages, const segment_name& name = orders) const {
    pipe_signal sent;
    auto child = child_process::fork([&] {
      const auto made = link::create(*names, name, {.capacity_slots = 64, .lifetime = lifetime::ephemeral});
      auto out = made.producer();
      for (std::uint64_t i = 0; i < messages; ++i)
        if (!out.try_send(numbered::of(i))) return 1;
      sent.tell();
      for (;;) ::pause();
    });
    sent.only_wait();
    EXPECT_TRUE(sent.is_told());
    child.kill();
  }
  [[nodiscard]] segment_info listed(const std::string& name) const {
    for (auto& info : names->list())
      if (info.name == name) return info;
    ADD_FAILURE() << name << " is not listed";
    return {};
  }

  watchdog dog;
  temp_registry names;
};

TEST_F(Removal, OfWhatWasLookedAtSparesASegmentMadeUnderTheNameSince) {
  make(0);
  const auto looked_at = names->inspect(orders);
  names->remove(orders);
  make(5);
  EXPECT_THAT(thrown_by([&] { names->remove(looked_at); }), ThrewSaying(errc::not_found, "another segment"));
  EXPECT_THAT(thrown_by([&] { names->remove(looked_at, true); }), ThrewSaying(errc::not_found, "another segment"));
  EXPECT_EQ(undelivered_messages(names->inspect(orders)), 5U);
  EXPECT_EQ(names->remove(names->inspect(orders)), 5U);
  EXPECT_THAT(thrown_by([&] { names->remove(looked_at); }), Threw(errc::not_found));
}

TEST_F(Removal, OfWhatWasLookedAtSparesASegmentThatWasGivenTheSameInode) {
  make(0);
  auto looked_at = names->inspect(orders);
  names->remove(orders);
  make(5);
  const auto now = names->inspect(orders);
  looked_at.device = now.device;
  looked_at.inode = now.inode;
  EXPECT_THAT(thrown_by([&] { names->remove(looked_at, true); }), ThrewSaying(errc::not_found, "another segment"));
  EXPECT_TRUE(fs::exists(names.path("orders")));
}

TEST_F(Removal, SaysHowManyUndeliveredMessagesWentWithTheName) {
  make(7);
  auto in = link::attach(*names, orders).consumer();
  ASSERT_TRUE(in.try_receive());
  EXPECT_EQ(names->remove(orders, true), 6U);
}

TEST_F(Removal, BySweepSaysHowManyUndeliveredMessagesWentWithTheName) {
  producer_dies_after(9);
  const auto found = names->sweep(true);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].undelivered_messages, 9U);
  const auto done = names->sweep(found);
  ASSERT_EQ(done.size(), 1U);
  EXPECT_EQ(done[0].outcome, sweep_outcome::removed);
  EXPECT_EQ(done[0].undelivered_messages, 9U);
}

TEST_F(Removal, BySweepSparesASegmentThatDiedUnderTheNameAndInodeSince) {
  producer_dies_after(0);
  auto found = names->sweep(true);
  ASSERT_EQ(found.size(), 1U);
  names->remove(orders);
  producer_dies_after(4);
  const auto now = names->inspect(orders);
  found[0].device = now.device;
  found[0].inode = now.inode;
  const auto done = names->sweep(found);
  ASSERT_EQ(done.size(), 1U);
  EXPECT_EQ(done[0].outcome, sweep_outcome::spared) << done[0].why;
  EXPECT_TRUE(fs::exists(names.path("orders")));
}

TEST_F(Removal, ByTheLastParticipantOfAnEphemeralChannelTellsHowManyMessagesWentWithTheName) {
  const auto plan = plan_channel<numbered>({.capacity_slots = 8});
  std::optional<std::uint64_t> told;
  {
    auto attached = names->create(orders, plan, {lifetime::ephemeral, 0600, {}});
    attached.on_removal([&](std::uint64_t undelivered) { told = undelivered; });
    const link made(attached);
    auto out = made.producer();
    for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(out.try_send(numbered::of(i)));
  }
  EXPECT_EQ(told, 3U);
  EXPECT_FALSE(fs::exists(names.path("orders")));
}

TEST_F(Removal, IsNotToldByAParticipantThatLeavesOthersBehind) {
  const auto plan = plan_channel<numbered>({.capacity_slots = 8});
  bool is_told = false;
  const auto other = [&] {
    auto attached = names->create(orders, plan, {lifetime::ephemeral, 0600, {}});
    attached.on_removal([&](std::uint64_t) { is_told = true; });
    return names->attach(orders);
  }();
  EXPECT_FALSE(is_told);
}

TEST_F(Removal, NeverTakesTheNameOfADurableChannelAlongWithItsLastParticipant) {
  if (!on_a_disk()) GTEST_SKIP() << "no folder on a disk: nothing there survives a reset";
  const temp_registry disk(*on_a_disk());
  {
    const auto made =
        link::create(*disk, orders, {.lifetime = lifetime::ephemeral, .durability = durability::every(1)});
    EXPECT_EQ(made.header().lifetime, static_cast<std::uint32_t>(lifetime::persistent));
    auto out = made.producer();
    for (std::uint64_t i = 0; i < 5; ++i) ASSERT_TRUE(out.try_send(numbered::of(i)));
  }
  EXPECT_EQ(undelivered_messages(disk->inspect(orders)), 5U);
}

TEST_F(Removal, NeverTakesADurableChannelThatAnEarlierBuildMadeEphemeral) {
  if (!on_a_disk()) GTEST_SKIP() << "no folder on a disk: nothing there survives a reset";
  const temp_registry disk(*on_a_disk());
  (void)link::create(*disk, orders, {.durability = durability::every(1)});
  auto bytes = image_of(disk.path("orders"));
  forge(bytes, [](segment_header& header) { header.lifetime = static_cast<std::uint32_t>(lifetime::ephemeral); });
  write_image(disk.path("orders"), bytes);
  (void)link::attach(*disk, orders).producer();
  EXPECT_EQ(disk->inspect(orders).state, segment_state::idle);
  EXPECT_TRUE(disk->sweep().empty());
}

// ---- What is no segment -------------------------------------------------------------------------------------------------

TEST_F(Removal, NeverOpensAFifoToLookAtIt) {
  ASSERT_EQ(::mkfifo(names.path("log").c_str(), 0600), 0);
  const int watch = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  ASSERT_GE(::inotify_add_watch(watch, names.path("log").c_str(), IN_OPEN), 0);
  const auto info = listed("log");
  EXPECT_THAT(thrown_by([&] { (void)names->inspect(segment_name("log")); }), Threw(errc::not_a_segment));
  EXPECT_TRUE(names->sweep().empty());
  alignas(inotify_event) char events[512];
  EXPECT_LT(::read(watch, events, sizeof events), 0) << "a writer that waits for its reader was let in";
  ::close(watch);
  EXPECT_EQ(info.state, segment_state::broken);
  EXPECT_EQ(info.problem_code, errc::not_a_segment);
  EXPECT_NE(info.problem.find("a FIFO"), std::string::npos) << info.problem;
}

TEST_F(Removal, ByForceTakesFifosSocketsAndLinksAndNoDirectory) {
  ASSERT_EQ(::mkfifo(names.path("fifo").c_str(), 0600), 0);
  ASSERT_EQ(::symlink("elsewhere", names.path("link").c_str()), 0);
  const int made = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  names.path("socket").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(made, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(made);
  fs::create_directory(names.path("folder"));
  for (const char* name : {"fifo", "link", "socket"}) {
    EXPECT_THAT(thrown_by([&] { names->remove(segment_name(name)); }), ThrewSaying(errc::not_a_segment, "(rm)"));
    EXPECT_NO_THROW(names->remove(segment_name(name), true));
    EXPECT_FALSE(fs::exists(fs::symlink_status(names.path(name)))) << name;
  }
  EXPECT_NE(listed("folder").problem.find("a directory"), std::string::npos);
  EXPECT_THAT(thrown_by([&] { names->remove(segment_name("folder"), true); }),
              ThrewSaying(errc::not_a_segment, "SLUICE_DIR"));
}

TEST_F(Removal, ShowsWhatAKilledCreatorLeftAndSweepsIt) {
  const std::string left = ".sluice-new-4711";
  std::ofstream(names.path(left)) << "half";
  const auto info = listed(left);
  EXPECT_EQ(info.state, segment_state::dead);
  EXPECT_EQ(info.problem_code, errc::half_made);
  EXPECT_NE(info.problem.find("clear --dead"), std::string::npos) << info.problem;
  const auto swept = names->sweep();
  ASSERT_EQ(swept.size(), 1U);
  EXPECT_EQ(swept[0].outcome, sweep_outcome::removed);
  EXPECT_TRUE(names->list().empty());
}

// ---- A directory of several users ---------------------------------------------------------------------------------------

TEST_F(Removal, BySweepInASharedDirectorySparesWhatAnotherUserKeepsFromThisOne) {
  if (::geteuid() != 0) GTEST_SKIP() << "becoming two users needs root";
  const unsigned theirs = 1'000'000'001, mine = 1'000'000'002;
  std::ofstream(names.path("notes")) << "text";
  ASSERT_EQ(::chown(names.path("notes").c_str(), theirs, theirs), 0);
  ASSERT_EQ(::chmod(names.path("notes").c_str(), 0600), 0);
  producer_dies_after(1, segment_name("dead"));
  ASSERT_EQ(::chown(names.path("dead").c_str(), theirs, theirs), 0);
  ASSERT_EQ(::chown(names.directory().c_str(), theirs, mine), 0);
  ASSERT_EQ(::chmod(names.directory().c_str(), 02770), 0);
  const auto end = child_process::fork([&] {
                     if (::setresgid(mine, mine, mine) != 0 || ::setresuid(mine, mine, mine) != 0) return 40;
                     for (const auto& one : names->sweep())
                       EXPECT_NE(one.outcome, sweep_outcome::failed) << one.name << ": " << one.why;
                     return 0;
                   }).wait();
  EXPECT_TRUE(end.is_success()) << end;
  EXPECT_TRUE(fs::exists(names.path("notes")));
}

TEST_F(Removal, OfAReadOnlyFileOfOnesOwnSaysHowToDoIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
  constexpr unsigned mine = 1'000'000'002;
  make(1);
  ASSERT_EQ(::chown(names.path("orders").c_str(), mine, mine), 0);
  ASSERT_EQ(::chmod(names.path("orders").c_str(), 0400), 0);
  ASSERT_EQ(::chown(names.directory().c_str(), mine, mine), 0);
  const auto end =
      child_process::fork([&] {
        if (::setresgid(mine, mine, mine) != 0 || ::setresuid(mine, mine, mine) != 0) return 40;
        EXPECT_THAT(thrown_by([&] { names->remove(orders); }), ThrewSaying(errc::no_permission, "chmod u+w"));
        return 0;
      }).wait();
  EXPECT_TRUE(end.is_success()) << end;
}

// ---- Many names ---------------------------------------------------------------------------------------------------------

TEST_F(Removal, AListOfAChannelWithABacklogReadsNoneOfItsSlots) {
  const auto count_of_a_list = [&] { return count_system_calls_of([&] { return names->list().size() == 1; }); };
  const auto made = shared_link::create(*names, orders, {.capacity_slots = 1U << 12});
  auto out = made.producer();
  ASSERT_TRUE(out.try_send(numbered::of(0)));
  const auto few = count_of_a_list();
  while (out.try_send(numbered::of(0))) continue;
  const auto many = count_of_a_list();
  ASSERT_TRUE(few.was_right && many.was_right);
  // The sanitizer's allocator makes calls of its own.
  EXPECT_LE(many.calls, few.calls + (is_sanitized ? 20 : 2))
      << "only the slot that a full ring waits for may be looked at";
  EXPECT_EQ(listed("orders").rings.at(0).fill_slots, 1U << 12);
}

TEST_F(Removal, AnInspectReadsNeighbouringSlotsTogether) {
  const auto made = shared_link::create(*names, orders, {.capacity_slots = 1U << 12});
  auto out = made.producer();
  while (out.try_send(numbered::of(0))) continue;
  const auto look = count_system_calls_of([&] { return names->inspect(orders).rings[0].published_slots == 1U << 12; });
  ASSERT_TRUE(look.was_right);
  EXPECT_LT(look.calls, 1U << 9);
}

}  // namespace
}  // namespace sluice::detail::test
