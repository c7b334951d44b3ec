#include "sluice/registry.hpp"
#include "sluice/detail/channel/planning.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "sluice/channel.hpp"
#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/header_bytes.hpp"
#include "support/identity.hpp"
#include "support/pipe_signal.hpp"
#include "support/seat_room.hpp"
#include "support/small_filesystem.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"
#include "support/without_tmpfile.hpp"

namespace sluice::detail {
namespace {

namespace fs = std::filesystem;
using test::child_process;
using test::pipe_signal;
using test::Threw;
using test::ThrewSaying;
using test::thrown_by;

const segment_name orders("orders");

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void write_file(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

struct Registry : ::testing::Test {
  test::watchdog dog{std::chrono::seconds(110)};
  test::temp_registry names;
  segment_plan plan = test::plan_with_seats(1);
  std::string path = names.path("orders");
  naming ephemeral{lifetime::ephemeral, 0600};

  [[nodiscard]] test::thrown attaching() const {
    return thrown_by([&] { (void)names->attach(orders); });
  }
  /// Changes the file's header as a hostile creator would.
  template <class Change>
  void forge(Change change) const {
    auto text = bytes_of(path);
    test::forge(std::as_writable_bytes(std::span(text)), change);
    write_file(path, text);
  }
  /// A child that runs `body`, says so, and stays until it is killed.
  [[nodiscard]] child_process staying(const std::function<void(const std::function<void()>&)>& body) const {
    pipe_signal ready;
    auto child = child_process::fork([&] {
      body([&] {
        ready.tell();
        for (;;) ::pause();
      });
    });
    ready.only_wait();
    EXPECT_TRUE(ready.is_told());
    return child;
  }
  [[nodiscard]] child_process attached_child() const {
    return staying([&](const auto& stay) {
      const auto attached = names->attach(orders);
      stay();
    });
  }
  /// A process makes `name`, which no other uses, and is killed.
  void somebody_dies_there_as(const segment_name& name) const {
    staying([&](const auto& stay) {
      const auto attached = names->create(name, plan, ephemeral);
      stay();
    }).kill();
  }
  /// A process sits in a seat of `orders` and is killed.
  void somebody_dies_there() const {
    staying([&](const auto& stay) {
      const auto attached = names->attach(orders);
      seat_table table(attached.memory(), view_ring(attached.memory().bytes(), attached.memory().header().parts[0]), 0);
      const auto seat = table.take(role::producer, test::settled, "test");
      stay();
    }).kill();
  }
};

// ---- create, attach --------------------------------------------------------------------------------------------------

TEST_F(Registry, CreatedNameIsThereWholeAndItsSpaceIsTaken) {
  const auto attached = names->create(orders, plan);
  struct stat s {};
  ASSERT_EQ(::stat(path.c_str(), &s), 0);
  EXPECT_EQ(static_cast<std::uint64_t>(s.st_size), plan.mapped_bytes);
  EXPECT_GE(static_cast<std::uint64_t>(s.st_blocks) * 512, plan.mapped_bytes);
  EXPECT_FALSE(thrown_by([&] { validate_segment(attached.memory().bytes(), plan.mapped_bytes, "x"); }).reason);
}

TEST_F(Registry, CreatedNameHasTheModeThatWasAskedFor) {
  (void)names->create(orders, plan, {lifetime::persistent, 0640});
  struct stat s {};
  ASSERT_EQ(::stat(path.c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 07777, 0640U);
}

TEST_F(Registry, HeaderNamesItsCreatorAndItsLifetime) {
  const auto attached = names->create(orders, plan, ephemeral);
  const auto& header = attached.memory().header();
  EXPECT_EQ(test::pid_in(header.creator), static_cast<std::uint32_t>(::getpid()));
  EXPECT_EQ(header.creator_uid, ::geteuid());
  EXPECT_EQ(header.lifetime, static_cast<std::uint32_t>(lifetime::ephemeral));
  EXPECT_EQ(header.kind, static_cast<std::uint32_t>(segment_kind::file));
  EXPECT_EQ(header.pid_namespace, test::own_namespace("pid"));
}

TEST_F(Registry, CreatingATakenNameIsRefusedAndLeavesIt) {
  const auto first = names->create(orders, plan);
  EXPECT_THAT(thrown_by([&] { (void)names->create(orders, plan); }), ThrewSaying(errc::already_exists, path));
  EXPECT_EQ(names->attach(orders).memory().header().creation_id, first.memory().header().creation_id);
}

TEST_F(Registry, AttachedIsTheSameMemory) {
  const auto first = names->create(orders, plan);
  const auto second = names->attach(orders);
  second.memory().bytes().back() = std::byte{5};
  EXPECT_EQ(first.memory().bytes().back(), std::byte{5});
}

TEST_F(Registry, AttachingAMissingNameSaysWhere) {
  EXPECT_THAT(attaching(), ThrewSaying(errc::not_found, path));
  EXPECT_THAT(attaching(), ThrewSaying(errc::not_found, "SLUICE_DIR"));
}

TEST_F(Registry, CreateOrAttachCreatesOnceAndThenAttaches) {
  const auto first = names->create_or_attach(orders, plan);
  const auto second = names->create_or_attach(orders, test::plan_with_seats(3));
  EXPECT_EQ(second.memory().header().creation_id, first.memory().header().creation_id);
  EXPECT_EQ(second.memory().header().mapped_bytes, plan.mapped_bytes) << "an existing segment keeps its sizes";
}

TEST_F(Registry, CreatingOnAFullFilesystemIsNoSpaceAndLeavesNothing) {  // scenario 61
  const auto small = test::small_filesystem::tmpfs(64);
  if (!small) GTEST_SKIP() << "mounting a tmpfs needs root";
  const registry full(small->path());
  EXPECT_THAT(thrown_by([&] { (void)full.create(orders, plan_channel<std::uint64_t>({.capacity_slots = 1 << 16})); }),
              Threw(errc::no_space));
  EXPECT_TRUE(fs::is_empty(small->path()));
}

TEST_F(Registry, PersistentNameStaysWhenAllHaveLeft) {
  { (void)names->create(orders, plan); }
  EXPECT_FALSE(attaching().reason);
}

TEST_F(Registry, CommittedMessagesAreThereOnceWhenAllWereKilled) {  // scenario 58
  staying([&](const auto& stay) {
    auto out = channel<std::uint64_t>::create(*names, orders, {.capacity_slots = 8}).producer();
    for (std::uint64_t i = 0; i < 5; ++i) (void)out.try_send(i);
    stay();
  }).kill();
  auto in = channel<std::uint64_t>::attach(*names, orders).consumer();
  std::uint64_t got = 0;
  for (std::uint64_t i = 0; i < 5; ++i) {
    ASSERT_TRUE(in.try_receive(got));
    EXPECT_EQ(got, i);
  }
  EXPECT_FALSE(in.try_receive(got));
}

// ---- What attach refuses ---------------------------------------------------------------------------------------------

TEST_F(Registry, AttachingAnEmptyFileIsHalfMade) {  // scenario 62
  write_file(path, "");
  EXPECT_THAT(attaching(), Threw(errc::half_made));
}

TEST_F(Registry, AttachingZeroesIsHalfMade) {
  write_file(path, std::string(8192, '\0'));
  EXPECT_THAT(attaching(), Threw(errc::half_made));
}

TEST_F(Registry, AttachingAShortTextIsNotASegment) {
  write_file(path, "hello");
  EXPECT_THAT(attaching(), Threw(errc::not_a_segment));
}

TEST_F(Registry, AttachingALongTextIsNotASegment) {
  write_file(path, std::string(8192, 'x'));
  EXPECT_THAT(attaching(), Threw(errc::not_a_segment));
}

TEST_F(Registry, AttachingADirectoryIsNotASegment) {
  fs::create_directory(path);
  EXPECT_THAT(attaching(), Threw(errc::not_a_segment));
}

TEST_F(Registry, AttachingThroughASymbolicLinkIsRefused) {
  (void)names->create(segment_name("real"), plan);
  fs::create_symlink(names.path("real"), path);
  EXPECT_THAT(attaching(), Threw(errc::not_a_segment));
}

TEST_F(Registry, AttachingAnotherVersionIsNamed) {
  (void)names->create(orders, plan);
  forge([](auto& header) { header.version = format_version + 1; });
  EXPECT_THAT(attaching(), ThrewSaying(errc::wrong_version, "a newer build made it; rebuild"));
}

TEST_F(Registry, WhatAnOlderVersionMadeIsRefusedWithAdviceAndCanBeRemoved) {
  (void)names->create(orders, plan);
  forge([](auto& header) { header.version = 1; });
  EXPECT_THAT(attaching(), ThrewSaying(errc::wrong_version, "let that build receive what is in it, then remove it"));
  EXPECT_NO_THROW(names->remove(orders));
}

TEST_F(Registry, AttachingATruncatedFileIsNamed) {  // seeds row 8, scenario 61
  (void)names->create(orders, plan);
  fs::resize_file(path, plan.mapped_bytes - 1);
  EXPECT_THAT(attaching(), ThrewSaying(errc::truncated, "cut short"));
}

TEST_F(Registry, AttachingAForgedDescriptorIsCorrupted) {
  (void)names->create(orders, plan);
  forge([](auto& header) { header.parts[0].slots.capacity_slots = 1ULL << 30; });
  EXPECT_THAT(attaching(), Threw(errc::corrupted));
}

TEST_F(Registry, RefusedAttachLeavesNoPresence) {
  write_file(path, std::string(8192, 'x'));
  ASSERT_TRUE(attaching().reason);
  EXPECT_NO_THROW(names->remove(orders, true));
}

TEST_F(Registry, HeaderThatAPeerOverwritesAfterTheCheckIsNotUsed) {  // seeds row 17, scenario 62
  const auto numbers = channel<std::uint64_t>::create(*names, orders, {.capacity_slots = 8});
  const auto hostile = names->attach(orders);
  auto child = child_process::fork([&] {
    const auto mine = channel<std::uint64_t>::attach(*names, orders);
    auto* const header = reinterpret_cast<segment_header*>(hostile.memory().bytes().data());
    header->parts[0].control_offset = 1ULL << 44;
    header->parts[0].seats_offset = 1ULL << 45;
    header->parts[0].body_offset = 1ULL << 46;
    header->parts[0].slots.capacity_slots = 3;
    auto out = mine.producer();
    auto in = mine.consumer();
    std::uint64_t got = 0;
    return mine.capacity_slots() == 8 && out.try_send(7) && in.try_receive(got) && got == 7 ? 0 : 1;
  });
  const auto end = child.wait();
  EXPECT_TRUE(end.is_success()) << end;
}

// ---- remove ----------------------------------------------------------------------------------------------------------

TEST_F(Registry, RemovedNameIsGone) {
  { (void)names->create(orders, plan); }
  names->remove(orders);
  EXPECT_FALSE(fs::exists(path));
  EXPECT_THAT(thrown_by([&] { names->remove(orders); }), Threw(errc::not_found));
}

TEST_F(Registry, RemovingWhatALivingProcessIsAttachedToIsRefused) {
  (void)names->create(orders, plan);
  const auto child = attached_child();
  EXPECT_THAT(thrown_by([&] { names->remove(orders); }), Threw(errc::in_use));
  EXPECT_TRUE(fs::exists(path));
}

TEST_F(Registry, RemovingWhatThisProcessIsAttachedToIsRefused) {
  const auto attached = names->create(orders, plan);
  EXPECT_THAT(thrown_by([&] { names->remove(orders); }), Threw(errc::in_use));
}

TEST_F(Registry, RefusedRemovalNamesTheOwnerOfASeat) {
  { (void)names->create(orders, plan); }
  const auto child = staying([&](const auto& stay) {
    const auto attached = names->attach(orders);
    seat_table table(attached.memory(), view_ring(attached.memory().bytes(), attached.memory().header().parts[0]), 0);
    const auto seat = table.take(role::consumer, test::settled, "test");
    stay();
  });
  EXPECT_THAT(thrown_by([&] { names->remove(orders); }),
              ThrewSaying(errc::in_use, "consumer pid " + std::to_string(child.pid())));
}

TEST_F(Registry, StoppedProcessKeepsWhatItIsAttachedTo) {  // scenario 52
  { (void)names->create(orders, plan); }
  auto child = attached_child();
  child.stop();
  EXPECT_THAT(thrown_by([&] { names->remove(orders); }), Threw(errc::in_use));
}

TEST_F(Registry, NameIsRemovableOnceItsUserIsKilled) {
  { (void)names->create(orders, plan); }
  attached_child().kill();
  EXPECT_NO_THROW(names->remove(orders));
}

TEST_F(Registry, ForcedRemovalTakesTheNameAndLeavesTheMemory) {
  const auto attached = names->create(orders, plan);
  names->remove(orders, true);
  EXPECT_FALSE(fs::exists(path));
  attached.memory().bytes().back() = std::byte{1};
  EXPECT_EQ(attached.memory().bytes().back(), std::byte{1});
  EXPECT_NO_THROW((void)names->create(orders, plan)) << "the name is free";
}

TEST_F(Registry, RemovingAForeignFileNeedsForce) {
  write_file(path, "a user's notes");
  EXPECT_THAT(thrown_by([&] { names->remove(orders); }), ThrewSaying(errc::not_a_segment, "force"));
  EXPECT_TRUE(fs::exists(path));
  names->remove(orders, true);
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(Registry, CorruptedSegmentThatIsInUseIsNotRemoved) {
  const auto attached = names->create(orders, plan);
  attached.memory().bytes()[700] = std::byte{1};  // the hint line: still whole
  attached.memory().bytes()[100] = std::byte{1};  // under the checksum
  EXPECT_THAT(thrown_by([&] { names->remove(orders); }), Threw(errc::in_use));
}

// ---- ephemeral -------------------------------------------------------------------------------------------------------

TEST_F(Registry, LastOneOutOfAnEphemeralSegmentTakesTheName) {
  auto first = std::optional(names->create(orders, plan, ephemeral));
  auto second = std::optional(names->attach(orders));
  first.reset();
  EXPECT_TRUE(fs::exists(path)) << "a process is still attached";
  second.reset();
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(Registry, CopiesOfAnAttachmentAreOneUser) {
  auto first = std::optional(names->create(orders, plan, ephemeral));
  auto copy = std::optional(*first);
  first.reset();
  EXPECT_TRUE(fs::exists(path));
  copy.reset();
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(Registry, LastOneOutLeavesASuccessorsNameAlone) {
  auto old = std::optional(names->create(orders, plan, ephemeral));
  names->remove(orders, true);
  const auto successor = names->create(orders, plan, ephemeral);
  old.reset();
  EXPECT_EQ(names->inspect(orders).header.creation_id, successor.memory().header().creation_id);
}

TEST_F(Registry, KilledLastOneOfAnEphemeralSegmentLeavesTheNameToSweep) {
  staying([&](const auto& stay) {
    const auto attached = names->create(orders, plan, ephemeral);
    stay();
  }).kill();
  ASSERT_TRUE(fs::exists(path));
  EXPECT_EQ(names->inspect(orders).state, segment_state::dead);
  const auto swept = names->sweep();
  ASSERT_EQ(swept.size(), 1U);
  EXPECT_EQ(swept[0].name, "orders");
  EXPECT_EQ(swept[0].outcome, sweep_outcome::removed);
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(Registry, ForkedChildThatLeavesTakesNothingFromItsParent) {
  auto attached = std::optional(names->create(orders, plan, ephemeral));
  auto child = child_process::fork([&] { attached.reset(); });
  ASSERT_TRUE(child.wait().is_success());
  EXPECT_TRUE(fs::exists(path));
  EXPECT_THAT(thrown_by([&] { names->remove(orders); }), Threw(errc::in_use));
}

TEST_F(Registry, ForkedChildThatJoinsKeepsTheSegmentWhenItsParentLeaves) {
  auto attached = std::optional(names->create(orders, plan, ephemeral));
  pipe_signal joined;
  auto child = child_process::fork([&] {
    attached->join_here();
    joined.tell();
    for (;;) ::pause();
  });
  joined.only_wait();
  ASSERT_TRUE(joined.is_told());
  attached.reset();
  EXPECT_TRUE(fs::exists(path));
  EXPECT_THAT(thrown_by([&] { names->remove(orders); }), Threw(errc::in_use));
  child.kill();
  EXPECT_NO_THROW(names->remove(orders));
}

TEST_F(Registry, ForkedChildCannotJoinWhatWasRemoved) {
  auto attached = names->create(orders, plan);
  names->remove(orders, true);
  auto child =
      child_process::fork([&] { EXPECT_THAT(thrown_by([&] { attached.join_here(); }), Threw(errc::not_found)); });
  EXPECT_TRUE(child.wait().is_success());
}

// ---- sweep -----------------------------------------------------------------------------------------------------------

TEST_F(Registry, SweepRemovesASegmentOfWhichOnlyDeadParticipantsAreLeft) {
  { (void)names->create(orders, plan); }
  somebody_dies_there();
  EXPECT_EQ(names->inspect(orders).state, segment_state::dead);
  const auto swept = names->sweep();
  ASSERT_EQ(swept.size(), 1U);
  EXPECT_EQ(swept[0].outcome, sweep_outcome::removed);
  EXPECT_NE(swept[0].why.find("died"), std::string::npos);
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(Registry, SweepWithoutTheDeedOnlySays) {
  { (void)names->create(orders, plan); }
  somebody_dies_there();
  const auto before = bytes_of(path);
  const auto would = names->sweep(true);
  ASSERT_EQ(would.size(), 1U);
  EXPECT_EQ(would[0].outcome, sweep_outcome::would_remove);
  EXPECT_EQ(bytes_of(path), before);
}

TEST_F(Registry, SweepOfWhatWasFoundTakesNothingElse) {
  const segment_name later("later");
  somebody_dies_there_as(orders);
  const auto found = names->sweep(true);
  ASSERT_EQ(found.size(), 1U);
  somebody_dies_there_as(later);
  const auto swept = names->sweep(found);
  ASSERT_EQ(swept.size(), 1U);
  EXPECT_EQ(swept[0].outcome, sweep_outcome::removed);
  EXPECT_FALSE(fs::exists(path));
  EXPECT_TRUE(fs::exists(names.path("later"))) << "it died after the look";
  const auto again = names->sweep(found);
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].outcome, sweep_outcome::spared);
}

TEST_F(Registry, SweepOfWhatWasFoundSparesASuccessorOfThatName) {
  somebody_dies_there_as(orders);
  const auto found = names->sweep(true);
  names->remove(orders);
  somebody_dies_there_as(orders);  // as dead as the first, and another
  const auto swept = names->sweep(found);
  ASSERT_EQ(swept.size(), 1U);
  EXPECT_EQ(swept[0].outcome, sweep_outcome::spared);
  EXPECT_TRUE(fs::exists(path));
  EXPECT_EQ(names->sweep().size(), 1U);
}

TEST_F(Registry, SweepOfWhatWasFoundSparesASegmentAttachedSince) {
  somebody_dies_there_as(orders);
  const auto found = names->sweep(true);
  const auto child = attached_child();
  const auto swept = names->sweep(found);
  ASSERT_EQ(swept.size(), 1U);
  EXPECT_EQ(swept[0].outcome, sweep_outcome::spared);
  EXPECT_NE(swept[0].why.find("attached"), std::string::npos) << swept[0].why;
  EXPECT_TRUE(fs::exists(path));
}

TEST_F(Registry, SweepTellsAFailureFromWhatItWouldRemove) {
  somebody_dies_there_as(orders);
  const auto as_nobody = [&](auto body) {
    return child_process::fork([&] {
             constexpr unsigned nobody = 65534;
             if (::geteuid() == 0 && (::setgid(nobody) != 0 || ::setuid(nobody) != 0)) return 50;
             return body();
           })
        .wait();
  };
  fs::permissions(names.directory(), fs::perms(0755));
  if (::geteuid() != 0) fs::permissions(path, fs::perms(0400));
  const auto end = as_nobody([&] {
    for (const bool dry_run : {true, false}) {
      const auto swept = names->sweep(dry_run);
      if (swept.size() != 1 || swept[0].outcome != sweep_outcome::failed) return 1;
      if (swept[0].why.find("Permission denied") == std::string::npos) return 2;
      if (!names->sweep(swept).empty()) return 3;  // a failure is nothing that was to be removed
    }
    return 0;
  });
  EXPECT_TRUE(end.is_success()) << end;
  EXPECT_TRUE(fs::exists(path));
}

TEST_F(Registry, SweepSparesASegmentWhoseUserIsAlive) {
  { (void)names->create(orders, plan); }
  somebody_dies_there();
  const auto child = attached_child();
  EXPECT_TRUE(names->sweep().empty());
  EXPECT_TRUE(fs::exists(path));
}

TEST_F(Registry, SweepSparesAStoppedUser) {  // scenario 52
  { (void)names->create(orders, plan); }
  somebody_dies_there();
  auto child = attached_child();
  child.stop();
  EXPECT_TRUE(names->sweep().empty());
  EXPECT_TRUE(fs::exists(path));
}

TEST_F(Registry, SweepSparesAnIdlePersistentSegment) {
  { (void)names->create(orders, plan); }
  EXPECT_EQ(names->inspect(orders).state, segment_state::idle);
  EXPECT_TRUE(names->sweep().empty());
  EXPECT_TRUE(fs::exists(path));
}

TEST_F(Registry, SweepSparesForeignFiles) {
  write_file(names.path("notes"), "text");
  write_file(names.path("long"), std::string(8192, 'x'));
  write_file(names.path(".hidden"), "text");
  fs::create_directory(names.path("directory"));
  fs::create_symlink("/etc/passwd", names.path("link"));
  EXPECT_TRUE(names->sweep().empty());
  for (const char* name : {"notes", "long", ".hidden", "directory"}) EXPECT_TRUE(fs::exists(names.path(name))) << name;
  EXPECT_TRUE(fs::is_symlink(names.path("link")));
}

TEST_F(Registry, SweepSparesForeignFilesThatAreEmptyOrZero) {
  // What another program has just made, say by shm_open(3) in /dev/shm. A name of ours is never half made.
  write_file(names.path("empty"), "");
  write_file(names.path("zeroes"), std::string(8192, '\0'));
  EXPECT_TRUE(names->sweep().empty());
  EXPECT_TRUE(fs::exists(names.path("empty")));
  EXPECT_TRUE(fs::exists(names.path("zeroes")));
}

TEST_F(Registry, SweepSparesBrokenSegments) {
  { (void)names->create(orders, plan); }
  forge([](auto& header) { header.parts[0].slots.capacity_slots = 3; });
  EXPECT_TRUE(names->sweep().empty());
  EXPECT_TRUE(fs::exists(path));
}

// ---- list and inspect ------------------------------------------------------------------------------------------------

TEST_F(Registry, ListIsSortedAndShowsEachStateOnce) {
  const auto live = names->create(segment_name("live"), plan);
  { (void)names->create(segment_name("idle"), plan); }
  { (void)names->create(orders, plan); }
  somebody_dies_there();
  write_file(names.path("broken"), "text");
  const auto all = names->list();
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all[0].name, "broken");
  EXPECT_EQ(all[0].state, segment_state::broken);
  EXPECT_EQ(all[0].problem_code, errc::not_a_segment);
  EXPECT_EQ(all[1].name, "idle");
  EXPECT_EQ(all[1].state, segment_state::idle);
  EXPECT_EQ(all[2].name, "live");
  EXPECT_EQ(all[2].state, segment_state::live);
  EXPECT_TRUE(all[2].is_in_use);
  EXPECT_EQ(all[3].name, "orders");
  EXPECT_EQ(all[3].state, segment_state::dead);
}

TEST_F(Registry, ListShowsWhatCannotBeOpenedAsASegment) {
  fs::create_symlink("/nowhere", names.path("link"));
  const auto all = names->list();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].state, segment_state::broken);
  EXPECT_EQ(all[0].problem_code, errc::not_a_segment);
}

TEST_F(Registry, InspectCountsWhatIsInTheRing) {
  const auto numbers = channel<std::uint64_t>::create(*names, orders, {.capacity_slots = 8});
  auto out = numbers.producer();
  auto in = numbers.consumer();
  std::uint64_t got = 0;
  for (std::uint64_t i = 0; i < 5; ++i) ASSERT_TRUE(out.try_send(i));
  ASSERT_TRUE(in.try_receive(got));
  const auto info = names->inspect(orders);
  ASSERT_EQ(info.rings.size(), 1U);
  EXPECT_EQ(info.rings[0].type_name, "u64");
  EXPECT_EQ(info.rings[0].tail, 5U);
  EXPECT_EQ(info.rings[0].head, 1U);
  EXPECT_EQ(info.rings[0].fill_slots, 4U);
  EXPECT_EQ(info.rings[0].published_slots, 4U);
  EXPECT_EQ(info.rings[0].seats.size(), 2U);
  const auto slots = names->slots(orders, 0, 2);
  ASSERT_EQ(slots.size(), 2U);
  EXPECT_EQ(slots[0].sequence, 1U);
  EXPECT_EQ(slots[0].kind, slot_kind::published);
  std::memcpy(&got, slots[0].message.data(), sizeof got);
  EXPECT_EQ(got, 1U);
}

TEST_F(Registry, LookingChangesNoByte) {  // scenario 63
  { (void)channel<std::uint64_t>::create(*names, orders, {.capacity_slots = 8}).producer().try_send(1); }
  somebody_dies_there();
  const auto before = bytes_of(path);
  (void)names->list();
  (void)names->inspect(orders);
  (void)names->slots(orders, 0, 100);
  (void)names->sweep(true);
  EXPECT_EQ(bytes_of(path), before);
}

TEST_F(Registry, LookingAtALivingSegmentChangesNoByte) {  // scenario 63
  const auto numbers = channel<std::uint64_t>::create(*names, orders, {.capacity_slots = 8});
  auto out = numbers.producer();
  ASSERT_TRUE(out.try_send(1));
  const auto before = bytes_of(path);
  (void)names->list();
  (void)names->inspect(orders);
  (void)names->slots(orders, 0, 100);
  EXPECT_EQ(bytes_of(path), before);
}

TEST_F(Registry, LookingAtASegmentOfRandomCountersTerminates) {  // scenario 63
  (void)channel<std::uint64_t>::create(*names, orders, {.capacity_slots = 8});
  auto text = bytes_of(path);
  const auto header = test::header_in(std::as_bytes(std::span(text)));
  std::uint64_t state = 99;
  for (auto at = header.parts[0].control_offset; at < text.size(); ++at) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    text[at] = static_cast<char>(state >> 56);
  }
  write_file(path, text);
  EXPECT_NO_THROW((void)names->list());
  EXPECT_NO_THROW((void)names->inspect(orders));
  EXPECT_LE(names->slots(orders, 0, 1000).size(), 8U);
  EXPECT_NO_THROW((void)names->sweep(true));
}

TEST_F(Registry, LookingAtASparseGiantIsNoDanger) {  // scenario 62: a hostile file that claims terabytes
  { (void)names->create(orders, plan); }
  constexpr std::uint64_t far = 1ULL << 42;
  forge([](auto& header) {
    header.parts[0].control_offset += far;
    header.parts[0].seats_offset += far;
    header.parts[0].body_offset += far;
    header.asked_bytes += far;
    header.mapped_bytes += far;
  });
  fs::resize_file(path, plan.mapped_bytes + far);
  EXPECT_EQ(names->inspect(orders).problem_code, errc::corrupted);
}

TEST_F(Registry, SlotsOfARingThatIsNotThereAreRefused) {
  (void)names->create(orders, plan);
  EXPECT_THAT(thrown_by([&] { (void)names->slots(orders, 1, 10); }), Threw(errc::bad_argument));
}

// ---- the gate --------------------------------------------------------------------------------------------------------

TEST_F(Registry, GateHeldByAStoppedProcessIsInUseAndNoHang) {
  { (void)names->create(orders, plan); }
  auto child = staying([&](const auto& stay) {
    const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    struct flock gate {};
    gate.l_type = F_WRLCK;
    gate.l_start = static_cast<off_t>(gate_lock_offset);
    gate.l_len = 1;
    const auto self = static_cast<std::uint64_t>(::getpid()) << 42;
    if (::fcntl(file, F_OFD_SETLK, &gate) != 0 ||
        ::pwrite(file, &self, sizeof self, offsetof(segment_header, gate_holder)) != sizeof self)
      return;
    stay();
  });
  child.stop();
  EXPECT_THAT(attaching(), ThrewSaying(errc::in_use, "process " + std::to_string(child.pid())));
  EXPECT_THAT(thrown_by([&] { names->remove(orders); }), Threw(errc::in_use));
  EXPECT_TRUE(names->sweep().empty());
  child.kill();
  EXPECT_FALSE(attaching().reason) << "the kernel frees the gate of the dead";
}

TEST_F(Registry, GateHeldAfterItsLastNoteWasLeftByAProcessThatDiedNamesNoDeadProcess) {
  { (void)names->create(orders, plan); }
  const auto noting = [&](std::uint64_t holder) {
    const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    EXPECT_EQ(::pwrite(file, &holder, sizeof holder, offsetof(segment_header, gate_holder)),
              static_cast<ssize_t>(sizeof holder));
    ::close(file);
  };
  auto dead = child_process::fork([] {});
  const auto dead_pid = dead.pid();
  (void)dead.wait();
  noting(static_cast<std::uint64_t>(dead_pid) << 42 | 1);
  auto holder = staying([&](const auto& stay) {
    const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    struct flock gate {};
    gate.l_type = F_WRLCK;
    gate.l_start = static_cast<off_t>(gate_lock_offset);
    gate.l_len = 1;
    if (::fcntl(file, F_OFD_SETLK, &gate) == 0) stay();
  });
  auto refused = attaching();
  EXPECT_THAT(refused, ThrewSaying(errc::in_use, "fuser"));
  EXPECT_EQ(refused.text.find(std::to_string(dead_pid)), std::string::npos) << refused.text;
  // A pid that was used again: this process has it, and another start time.
  noting(static_cast<std::uint64_t>(::getpid()) << 42 | 1);
  refused = attaching();
  EXPECT_EQ(refused.text.find("process " + std::to_string(::getpid())), std::string::npos) << refused.text;
}

TEST_F(Registry, ARemovalThatIsRefusedLeavesNoNoteOfTheGate) {
  const auto attached = names->create(orders, plan);
  EXPECT_THAT(thrown_by([&] { names->remove(orders); }), Threw(errc::in_use));
  EXPECT_EQ(attached.memory().header().gate_holder, 0U);
}

TEST_F(Registry, CreateOfWhatOnlyTheDeadLeftSaysSoAndHowToTakeItOver) {
  somebody_dies_there_as(orders);
  EXPECT_THAT(thrown_by([&] { (void)names->create(orders, plan); }),
              ThrewSaying(errc::already_exists, "take it over with create_or_attach"));
  EXPECT_NO_THROW((void)names->create_or_attach(orders, plan));
}

// ---- races -----------------------------------------------------------------------------------------------------------

void race_creators(const test::temp_registry& names, const segment_plan& plan, int racers, int rounds) {
  for (int round = 0; round < rounds; ++round) {
    const segment_name name("race-" + std::to_string(round));
    pipe_signal go;
    pipe_signal created;  // values: 1 created, 2 attached; then the id
    std::vector<child_process> all;
    for (int i = 0; i < racers; ++i)
      all.push_back(child_process::fork([&] {
        (void)go.is_told();
        std::optional<attached_segment> mine;
        try {
          mine = names->create(name, plan);
          created.tell(1);
        } catch (const error& problem) {
          if (problem.reason() != errc::already_exists) return 1;
          mine = names->attach(name);
          created.tell(2);
        }
        validate_segment(mine->memory().bytes(), mine->memory().bytes().size(), "race");
        return mine->memory().header().creation_id == names->inspect(name).header.creation_id ? 0 : 2;
      }));
    for (int i = 0; i < racers; ++i) go.tell();
    for (auto& racer : all) EXPECT_TRUE(racer.wait().is_success());
    int creators = 0;
    for (int i = 0; i < racers; ++i) creators += created.wait() == 1U ? 1 : 0;
    ASSERT_EQ(creators, 1) << "round " << round;
  }
}

TEST_F(Registry, OfTwoRacingCreatorsOneWinsAndTheOtherAttaches) { race_creators(names, plan, 2, 40); }  // scenario 66

TEST_F(Registry, OfEightRacingCreatorsOneWinsAndTheOthersAttach) { race_creators(names, plan, 8, 15); }  // scenario 66

TEST_F(Registry, RacingCreateOrAttachEndsInOneSegment) {  // scenario 66
  for (int round = 0; round < 15; ++round) {
    const segment_name name("race-" + std::to_string(round));
    std::vector<child_process> all;
    for (int i = 0; i < 4; ++i)
      all.push_back(child_process::fork([&] {
        const auto mine = names->create_or_attach(name, plan);
        return mine.memory().header().creation_id == names->inspect(name).header.creation_id ? 0 : 1;
      }));
    for (auto& racer : all) ASSERT_TRUE(racer.wait().is_success());
  }
}

/// Comes and goes; while it is attached the name must lead to what it holds.
int come_and_go(const test::temp_registry& names, const segment_plan& plan, const naming& how, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    const auto mine = names->create_or_attach(orders, plan, how);
    for (int look = 0; look < 3; ++look)
      if (names->inspect(orders).header.creation_id != mine.memory().header().creation_id) return 1;
  }
  return 0;
}

TEST_F(Registry, SweepAndRemoveNeverPartTwoThatShareAName) {  // protocol section E
  std::vector<child_process> users;
  for (int i = 0; i < 3; ++i)
    users.push_back(child_process::fork([&] { return come_and_go(names, plan, ephemeral, 150); }));
  auto sweeper = child_process::fork([&] {
    for (;;) (void)names->sweep();
  });
  auto remover = child_process::fork([&] {
    for (;;) {
      const auto outcome = thrown_by([&] { names->remove(orders); });
      if (outcome.reason && outcome.reason != errc::in_use && outcome.reason != errc::not_found) {
        std::fprintf(stderr, "remove: %s\n", outcome.text.c_str());
        return 1;
      }
    }
  });
  for (auto& user : users) {
    const auto end = user.wait();
    EXPECT_TRUE(end.is_success()) << end;
  }
  EXPECT_TRUE(sweeper.kill().was_killed()) << "it had ended before";
  EXPECT_TRUE(remover.kill().was_killed()) << "it had ended before";
}

TEST_F(Registry, SweepOfWhatTheDeadLeftNeverPartsTwoThatShareAName) {  // protocol section E
  // A segment in which a process died looks removable whenever none is attached: sweep and attach meet all the time.
  const auto shared = anonymous_segment::create(4096);
  auto& swept = *reinterpret_cast<std::atomic<int>*>(shared.bytes().data());
  const auto come_and_go_after_a_death = [&] {
    for (int i = 0; i < 2000; ++i) {
      {
        const auto mine = names->create_or_attach(orders, plan);
        const auto ring = view_ring(mine.memory().bytes(), mine.memory().header().parts[0]);
        ring.seats[0].state.store(seat_word(seat_state::dead, 1));
        std::this_thread::yield();
        if (names->inspect(orders).header.creation_id != mine.memory().header().creation_id) return 1;
      }
      const auto seen = swept.load();
      for (int wait = 0; wait < i % 50 && swept.load() == seen; ++wait) std::this_thread::yield();
    }
    return 0;
  };
  auto user = child_process::fork(come_and_go_after_a_death);
  std::vector<child_process> sweepers;
  for (int i = 0; i < 2; ++i)
    sweepers.push_back(child_process::fork([&] {
      for (;;)
        for (const auto& result : names->sweep()) swept += result.outcome == sweep_outcome::removed ? 1 : 0;
    }));
  const auto end = user.wait();
  EXPECT_TRUE(end.is_success()) << end;
  for (auto& sweeper : sweepers) EXPECT_TRUE(sweeper.kill().was_killed()) << "it had ended before";
  EXPECT_GT(swept.load(), 10) << "else this shows nothing";
}

TEST_F(Registry, CreatorsKilledAnywhereLeaveNamesAbsentOrWhole) {  // scenario 48
  for (int round = 0; round < 150; ++round) {
    auto child = child_process::fork([&] {
      for (;;) {
        (void)names->create_or_attach(orders, plan, ephemeral);
      }
    });
    for (int i = 0; i < (round * 13) % 60; ++i) std::this_thread::yield();
    child.kill();
    for (const auto& info : names->list())
      ASSERT_NE(info.state, segment_state::broken) << round << ": " << info.problem;
    if (round % 3 == 0) (void)names->sweep();
    const auto outcome = thrown_by([&] { (void)names->create_or_attach(orders, plan, ephemeral); });
    ASSERT_FALSE(outcome.reason) << "round " << round << ": " << outcome;
  }
  (void)names->sweep();
  EXPECT_TRUE(fs::is_empty(names.directory()));
}

// ---- filesystems without O_TMPFILE -----------------------------------------------------------------------------------

/// Runs `body` in a child where O_TMPFILE does not exist.
test::child_end without_tmpfile(const std::function<int()>& body) {
  return child_process::fork([&] { return test::forbid_unnamed_files() ? body() : 50; }).wait();
}

TEST_F(Registry, WithoutUnnamedFilesNamesAreStillAbsentOrWhole) {
  const auto end = without_tmpfile([&] {
    const auto attached = names->create(orders, plan);
    EXPECT_FALSE(thrown_by([&] { validate_segment(attached.memory().bytes(), plan.mapped_bytes, "x"); }).reason);
    EXPECT_THAT(thrown_by([&] { (void)names->create(orders, plan); }), Threw(errc::already_exists));
    EXPECT_THAT(thrown_by([&] { names->remove(orders); }), Threw(errc::in_use));
    return 0;
  });
  if (end.code == 50) GTEST_SKIP() << "the kernel refuses seccomp filters";
  EXPECT_TRUE(end.is_success()) << end;
  EXPECT_EQ(std::distance(fs::directory_iterator(names.directory()), fs::directory_iterator()), 1)
      << "nothing temporary";
}

TEST_F(Registry, WithoutUnnamedFilesWhatAKilledCreatorLeavesIsSwept) {  // scenario 48
  for (int round = 0; round < 80; ++round) {
    auto child = child_process::fork([&] {
      if (!test::forbid_unnamed_files()) return 50;
      for (;;) (void)names->create_or_attach(orders, plan, ephemeral);
    });
    for (int i = 0; i < (round * 13) % 60; ++i) std::this_thread::yield();
    if (child.kill().code == 50) GTEST_SKIP() << "the kernel refuses seccomp filters";
    for (const auto& info : names->list())
      ASSERT_NE(info.state, segment_state::broken) << round << ": " << info.problem;
  }
  (void)names->sweep();
  EXPECT_TRUE(fs::is_empty(names.directory()));
}

TEST_F(Registry, WithoutUnnamedFilesSweepSparesALivingCreator) {
  auto sweeper = child_process::fork([&] {
    for (;;) (void)names->sweep();
  });
  const auto end = without_tmpfile([&] {
    for (int i = 0; i < 400; ++i) {
      const auto outcome = thrown_by([&] { (void)names->create(orders, plan, ephemeral); });
      EXPECT_FALSE(outcome.reason) << "round " << i << ": " << outcome;
      if (outcome.reason) return 1;
    }
    return 0;
  });
  if (end.code == 50) GTEST_SKIP() << "the kernel refuses seccomp filters";
  EXPECT_TRUE(end.is_success()) << end;
  EXPECT_TRUE(sweeper.kill().was_killed()) << "it had ended before";
}

}  // namespace
}  // namespace sluice::detail
