// What a reset of the machine leaves of a durable channel, built by hand, and what recovery makes of it.

#include <grp.h>
#include <gtest/gtest.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "channel/channel_places.hpp"
#include "sluice/channel.hpp"
#include "sluice/registry.hpp"
#include "sluice/ring.hpp"
#include "support/child_process.hpp"
#include "support/disk.hpp"
#include "support/expect_error.hpp"
#include "support/pipe_signal.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

const segment_name name("orders");
constexpr std::uint64_t capacity = 8;

template <class Ring>
class Recover : public ::testing::Test {
 protected:
  using link = channel<numbered, Ring>;

  void SetUp() override {
    if (!on_a_disk()) GTEST_SKIP() << "no folder on a disk: nothing there survives a reset";
    names_.emplace(*on_a_disk());
  }
  [[nodiscard]] const registry& names() const { return **names_; }
  [[nodiscard]] std::string path() const { return names_->path("orders"); }

  /// A durable channel into which `sent` messages went and `received` came out again; no process is attached any more.
  void make(std::uint64_t sent, std::uint64_t received, const durability& how = durability::every(1),
            std::uint32_t mode = 0600) {
    const auto made =
        link::create_or_attach(names(), name, {.capacity_slots = capacity, .durability = how, .mode = mode});
    auto out = made.producer();
    auto in = made.consumer();
    for (; sent_ < sent; ++sent_) {
      if (sent_ - received_ == capacity) receive(in);
      ASSERT_TRUE(out.try_send(numbered::of(sent_)));
    }
    while (received_ < received) receive(in);
  }
  void receive(consumer<numbered, Ring>& in) { ASSERT_EQ(in.try_receive(), numbered::of(received_++)); }

  /// The machine is reset with these bytes on the disk.
  void reset_with(const image& bytes) const { write_image(path(), after_a_reset(bytes)); }
  void reset() const { reset_with(image_of(path())); }

  static std::byte* slot(image& bytes, std::uint64_t sequence) {
    const auto ring = header_in(bytes).parts[0];
    return bytes.data() + ring.body_offset + sequence % capacity * ring.slots.slot_stride_bytes;
  }
  static std::uint64_t stride(const image& bytes) { return header_in(bytes).parts[0].slots.slot_stride_bytes; }

  /// What a consumer gets now; all of it marked, or it is a failure.
  std::vector<std::uint64_t> delivered() {
    const auto found = link::attach(names(), name);
    auto in = found.consumer();
    std::vector<std::uint64_t> numbers;
    while (auto slot = in.try_peek()) {
      EXPECT_TRUE(slot->is_whole()) << slot->number;
      EXPECT_TRUE(slot.was_delivered_before()) << slot->number;
      numbers.push_back(slot->number);
    }
    return numbers;
  }
  void expect_good_as_new() {
    const auto found = link::attach(names(), name);
    auto out = found.producer();
    auto in = found.consumer();
    for (std::uint64_t lap = 0; lap < 3; ++lap) {
      for (std::uint64_t i = 0; i < capacity; ++i) ASSERT_TRUE(out.try_send(numbered::of(i))) << i;
      ASSERT_FALSE(out.try_send(numbered::of(0)));
      for (std::uint64_t i = 0; i < capacity; ++i) {
        auto slot = in.try_peek();
        ASSERT_TRUE(slot);
        EXPECT_EQ(*slot, numbered::of(i));
        EXPECT_FALSE(slot.was_delivered_before()) << "it was sent after the reset";
      }
    }
  }

  watchdog dog_;
  std::optional<temp_registry> names_;
  std::uint64_t sent_ = 0, received_ = 0;
};

using numbers = std::vector<std::uint64_t>;

struct ring_name {
  template <class Ring>
  static std::string GetName(int) {
    return to_string(Ring::kind);
  }
};
using rings = ::testing::Types<spsc_ring, mpmc_ring>;
TYPED_TEST_SUITE(Recover, rings, ring_name);

void expect_found(const recovery_report& report, std::uint64_t kept, std::uint64_t torn, std::uint64_t missing) {
  ASSERT_EQ(report.rings.size(), 1U);
  EXPECT_EQ(report.rings[0].kept, kept);
  EXPECT_EQ(report.rings[0].torn, torn);
  EXPECT_EQ(report.rings[0].missing, missing);
}

TYPED_TEST(Recover, AttachingAfterAResetBringsBackWhatWasNotReleasedMarked) {
  for (const auto& [sent, received] : {std::pair{6, 2}, {13, 9}, {8, 0}, {40, 32}, {5, 5}, {0, 0}}) {
    this->sent_ = this->received_ = 0;
    this->make(static_cast<std::uint64_t>(sent), static_cast<std::uint64_t>(received));
    this->reset();
    EXPECT_TRUE(this->names().inspect(name).is_of_another_boot);
    numbers expected;
    for (int i = received; i < sent; ++i) expected.push_back(static_cast<std::uint64_t>(i));
    EXPECT_EQ(this->delivered(), expected);
    const auto info = this->names().inspect(name);
    EXPECT_FALSE(info.is_of_another_boot);
    EXPECT_EQ(info.rings[0].recovered, expected.size());
    EXPECT_EQ(info.rings[0].recovered_torn + info.rings[0].recovered_missing, 0U);
    EXPECT_NE(info.rings[0].recovered_realtime_ns, 0U);
    this->expect_good_as_new();
    this->names().remove(name);
  }
}

TYPED_TEST(Recover, WhenAllProcessesWereKilledAndTheMachineRunsOnNothingIsRecovered) {
  auto child = child_process::fork([&] {
    this->make(6, 2);
    const auto found = TestFixture::link::attach(this->names(), name);
    auto in = found.consumer();
    auto out = found.producer();
    (void)out.try_send(numbered::of(6));
    auto slot = in.try_peek();
    ::kill(::getpid(), SIGKILL);
  });
  EXPECT_TRUE(child.wait().was_killed());
  const auto found = TestFixture::link::attach(this->names(), name);
  auto in = found.consumer();
  numbers got;
  for (std::uint64_t i = 2; i < 7; ++i) {
    auto slot = in.peek();  // mpmc: until what the dead one held is adopted, a tick
    ASSERT_TRUE(slot);
    EXPECT_TRUE(slot->is_whole());
    EXPECT_EQ(slot.was_delivered_before(), slot->number == 2) << slot->number;
    got.push_back(slot->number);
  }
  std::sort(got.begin(), got.end());
  EXPECT_EQ(got, (numbers{2, 3, 4, 5, 6}));
  EXPECT_EQ(this->names().inspect(name).rings[0].recovered_realtime_ns, 0U);
}

TYPED_TEST(Recover, AMessageWithOneFlippedBitIsTornAndTheOthersKeepTheirOrder) {
  this->make(13, 8);
  const auto whole = image_of(this->path());
  const auto bits = (8 + 8 + sizeof(numbered)) * 8;
  std::mt19937 random(7);
  for (int i = 0; i < 60; ++i) {
    const auto damaged = 8 + random() % 5;
    auto bytes = whole;
    const auto bit = 64 + random() % (bits - 64);  // of checksum or message
    TestFixture::slot(bytes, damaged)[bit / 8] ^= std::byte(1 << bit % 8);
    this->reset_with(bytes);
    expect_found(this->names().recover(name), 4, 1, 0);
    EXPECT_EQ(this->names().inspect(name).rings[0].recovered_torn, 1U);
    numbers expected;
    for (std::uint64_t n = 8; n < 13; ++n)
      if (n != damaged) expected.push_back(n);
    EXPECT_EQ(this->delivered(), expected);
  }
}

TYPED_TEST(Recover, ANewWordOverAnOldMessageIsTorn) {
  this->make(8, 8);
  auto old = image_of(this->path());
  this->make(12, 8);
  auto bytes = image_of(this->path());
  for (const std::uint64_t torn : {9U, 11U})  // in the middle, and the newest
    std::memcpy(TestFixture::slot(bytes, torn) + 8, TestFixture::slot(old, torn) + 8, TestFixture::stride(bytes) - 8);
  this->reset_with(bytes);
  expect_found(this->names().recover(name), 2, 2, 0);
  EXPECT_EQ(this->delivered(), (numbers{8, 10}));
}

TYPED_TEST(Recover, AWholeMessageOfAnOlderLapIsNotDeliveredAndTheNewOneIsMissing) {
  this->make(8, 0);
  auto old = image_of(this->path());
  this->make(12, 8);
  auto bytes = image_of(this->path());
  std::memcpy(TestFixture::slot(bytes, 9), TestFixture::slot(old, 9), TestFixture::stride(bytes));
  // Even when the words that tell how far each participant was are as old.
  const auto records = header_in(bytes).parts[0].body_offset - header_bytes(1);
  std::memcpy(bytes.data() + header_bytes(1), old.data() + header_bytes(1), records);
  this->reset_with(bytes);
  const auto report = this->names().recover(name);
  EXPECT_EQ(report.rings[0].torn, 0U);
  EXPECT_GE(report.rings[0].missing, 1U);
  const auto got = this->delivered();
  EXPECT_TRUE(std::is_sorted(got.begin(), got.end()));
  for (const std::uint64_t n : {8U, 10U, 11U}) EXPECT_EQ(std::count(got.begin(), got.end(), n), 1) << n;
  EXPECT_EQ(std::count(got.begin(), got.end(), 1U), 0) << "of the lap before";
}

TYPED_TEST(Recover, WhatWasPublishedAndNeverReachedTheDiskIsCounted) {
  this->make(4, 2);
  auto old = image_of(this->path());
  this->make(7, 2);
  auto bytes = image_of(this->path());
  const auto slots = header_in(bytes).parts[0].body_offset;
  std::memcpy(bytes.data() + slots, old.data() + slots, bytes.size() - slots);
  this->reset_with(bytes);
  expect_found(this->names().recover(name), 2, 0, 3);
  EXPECT_EQ(this->delivered(), (numbers{2, 3}));
}

TYPED_TEST(Recover, AMessageOfAnotherSegmentIsNotDelivered) {
  this->make(4, 0);
  auto other = image_of(this->path());
  this->names().remove(name);
  this->sent_ = this->received_ = 0;
  this->make(4, 0);
  auto bytes = image_of(this->path());
  std::memcpy(TestFixture::slot(bytes, 2), TestFixture::slot(other, 2), TestFixture::stride(bytes));
  this->reset_with(bytes);
  expect_found(this->names().recover(name), 3, 1, 0);
  EXPECT_EQ(this->delivered(), (numbers{0, 1, 3}));
}

TYPED_TEST(Recover, WithoutDurabilityNothingIsBelieved) {
  this->make(6, 2, durability::none());
  this->reset();
  const auto before = image_of(this->path());
  EXPECT_THAT(thrown_by([&] { TestFixture::link::attach(this->names(), name); }),
              ThrewSaying(errc::corrupted, "not durable"));
  EXPECT_THAT(thrown_by([&] { TestFixture::link::create_or_attach(this->names(), name); }), Threw(errc::corrupted));
  EXPECT_THAT(thrown_by([&] { (void)this->names().recover(name); }), ThrewSaying(errc::wrong_kind, "sluice clear"));
  EXPECT_EQ(this->names().inspect(name).state, segment_state::broken);
  EXPECT_EQ(image_of(this->path()), before);
  this->names().remove(name);
}

TYPED_TEST(Recover, IsRefusedWhileAProcessIsAttachedAndNamesIt) {
  this->make(6, 2);
  pipe_signal attached;
  auto child = child_process::fork([&] {
    const auto found = TestFixture::link::attach(this->names(), name);
    auto out = found.producer();
    attached.tell();
    for (;;) ::pause();
  });
  ASSERT_TRUE(attached.is_told());
  const auto before = image_of(this->path());
  EXPECT_THAT(thrown_by([&] { (void)this->names().recover(name); }),
              ThrewSaying(errc::in_use, "producer pid " + std::to_string(child.pid())));
  child.kill();
  expect_found(this->names().recover(name), 4, 0, 0);
  EXPECT_EQ(this->delivered(), (numbers{2, 3, 4, 5}));
}

TYPED_TEST(Recover, SweepLeavesADurableChannelWhoseParticipantsDied) {
  auto child = child_process::fork([&] {
    this->make(6, 2);
    const auto found = TestFixture::link::attach(this->names(), name);
    const auto out = found.producer();
    ::kill(::getpid(), SIGKILL);
  });
  EXPECT_TRUE(child.wait().was_killed());
  EXPECT_EQ(this->names().inspect(name).state, segment_state::idle);
  EXPECT_TRUE(this->names().sweep().empty());
  this->reset();
  EXPECT_TRUE(this->names().sweep().empty());
  EXPECT_EQ(this->delivered(), (numbers{2, 3, 4, 5}));
}

TYPED_TEST(Recover, AClosedChannelIsClosedAfterwards) {
  this->make(3, 0);
  TestFixture::link::attach(this->names(), name).producer().close();
  this->reset();
  const auto found = TestFixture::link::attach(this->names(), name);
  auto in = found.consumer();
  numbered got;
  for (std::uint64_t i = 0; i < 3; ++i) ASSERT_EQ(in.receive(got), wait_result::ready);
  EXPECT_EQ(in.receive(got), wait_result::closed);
}

TYPED_TEST(Recover, GivesTheNewFileWhatTheOldOneHad) {
  {
    const auto made = TestFixture::link::create(
        this->names(), name, {.capacity_slots = 16, .durability = durability::every(5), .mode = 0660});
  }
  const auto before = this->names().inspect(name);
  this->reset();
  (void)this->names().recover(name);
  const auto after = this->names().inspect(name);
  EXPECT_EQ(after.mode, 0660U);
  EXPECT_EQ(after.uid, before.uid);
  EXPECT_EQ(after.header.lifetime, before.header.lifetime);
  EXPECT_NE(after.header.creation_id, before.header.creation_id);
  EXPECT_EQ(std::memcmp(&after.header.parts[0], &before.header.parts[0], sizeof(part_descriptor)), 0);
}

TYPED_TEST(Recover, OfManyThatAttachAtOnceAllComeToTheSameChannelRecoveredOnce) {
  this->make(6, 2);
  this->reset();
  std::vector<child_process> children;
  for (int i = 0; i < 6; ++i)
    children.push_back(child_process::fork([&] {
      const auto found = TestFixture::link::attach(this->names(), name);
      return found.header().creation_id == this->names().inspect(name).header.creation_id ? 0 : 1;
    }));
  for (auto& child : children) EXPECT_TRUE(child.wait().is_success());
  EXPECT_EQ(this->delivered(), (numbers{2, 3, 4, 5}));
}

TYPED_TEST(Recover, KilledAtAnySystemCallItLeavesTheOldOrTheNewOneWhole) {
  this->make(6, 2);
  const auto old = after_a_reset(image_of(this->path()));
  int deaths = 0, left_old = 0, left_new = 0, left_files = 0;
  for (bool is_done = false; !is_done; ++deaths) {
    write_image(this->path() + ".image", old);
    std::filesystem::rename(this->path() + ".image", this->path());
    const pid_t child = ::fork();
    if (child == 0) {
      ::ptrace(PTRACE_TRACEME, 0, 0, 0);
      ::raise(SIGSTOP);
      (void)this->names().recover(name);
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    for (int stops = 0; stops < deaths && !is_done; ++stops) {  // at the beginning and at the end of each call
      ::ptrace(PTRACE_SYSCALL, child, 0, 0);
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      is_done = WIFEXITED(status);
    }
    if (is_done) {
      EXPECT_EQ(WEXITSTATUS(status), 0);
    } else {
      ::kill(child, SIGKILL);
      ASSERT_EQ(::waitpid(child, &status, 0), child);
    }
    const auto info = this->names().inspect(name);  // of mode 0644: the new one has a lock file
    ASSERT_NE(info.state, segment_state::broken) << info.problem;
    EXPECT_FALSE(info.is_in_use);
    (info.is_of_another_boot ? left_old : left_new) += 1;
    EXPECT_EQ(this->delivered(), (numbers{2, 3, 4, 5})) << "killed at stop " << deaths;
    left_files += static_cast<int>(this->names().sweep().size());
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(this->names_->directory()), {}), 2);
  }
  std::printf("  killed at %d stops: %d left the old channel, %d the new one, %d a file for sweep\n", deaths, left_old,
              left_new, left_files);
  EXPECT_GT(left_old, 100);
  EXPECT_GT(left_new, 1);
  EXPECT_GT(left_files, 0);
}

constexpr unsigned nobody = 65534, another = 65533;

child_end as_user(unsigned user, unsigned group, const std::function<void()>& body) {
  return child_process::fork([&] {
           if (::setgroups(0, nullptr) != 0 || ::setgid(group) != 0 || ::setuid(user) != 0) return 50;
           body();
           return 0;
         })
      .wait();
}

TYPED_TEST(Recover, RootGivesTheNewOneToTheUserAndGroupOfTheOldOneInItsMode) {
  if (::geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
  std::filesystem::permissions(this->names_->directory(), std::filesystem::perms(01777));
  constexpr unsigned group = 1;  // not the user's own, so that uid and gid cannot be mixed up
  for (const unsigned mode : {0600U, 0640U}) {
    this->sent_ = this->received_ = 0;
    const auto made = as_user(nobody, group, [&] { this->make(6, 2, durability::every(1), mode); });
    ASSERT_TRUE(made.is_success()) << made;
    this->sent_ = 6;
    this->reset();
    const auto old = this->names().inspect(name);
    ASSERT_EQ(old.uid, nobody);
    expect_found(this->names().recover(name), 4, 0, 0);
    const auto found = this->names().inspect(name);
    EXPECT_NE(found.header.creation_id, old.header.creation_id) << "another file";
    EXPECT_EQ(found.uid, nobody);
    EXPECT_EQ(found.gid, group);
    EXPECT_EQ(found.mode, mode);
    const auto used = as_user(nobody, group, [&] {
      EXPECT_EQ(this->delivered(), (numbers{2, 3, 4, 5}));
      this->names().remove(name);
    });
    EXPECT_TRUE(used.is_success()) << used;
  }
}

TYPED_TEST(Recover, OfAnotherUserWithoutRootIsRefusedByNameAndChangesNothing) {
  if (::geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
  std::filesystem::permissions(this->names_->directory(), std::filesystem::perms(01777));
  const auto made = as_user(nobody, nobody, [&] { this->make(6, 2, durability::every(1), 0660); });
  ASSERT_TRUE(made.is_success()) << made;
  this->reset();
  const auto old = image_of(this->path());
  const auto refused = [&](unsigned group, const std::string& words) {
    const auto end = as_user(another, group, [&] {
      EXPECT_THAT(thrown_by([&] { (void)this->names().recover(name); }), ThrewSaying(errc::no_permission, words));
      EXPECT_THAT(thrown_by([&] { (void)TestFixture::link::attach(this->names(), name); }), Threw(errc::no_permission));
    });
    EXPECT_TRUE(end.is_success()) << end;
  };
  refused(another, this->path());                                                // may not even read it
  refused(nobody, "belongs to user 65534, group 65534, and is to stay theirs");  // may write into it
  const auto now = this->names().inspect(name);
  EXPECT_EQ(now.uid, nobody);
  EXPECT_TRUE(now.is_of_another_boot);
  EXPECT_EQ(image_of(this->path()).size(), old.size());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(this->names_->directory()), {}), 1)
      << "and nothing beside it";
  expect_found(this->names().recover(name), 4, 0, 0);
}

TYPED_TEST(Recover, OfRandomBytesBehindTheHeaderItEndsAndDeliversNothingThatWasNotSent) {
  this->make(13, 8);
  const auto whole = image_of(this->path());
  std::mt19937_64 random(11);
  for (int round = 0; round < 200; ++round) {
    auto bytes = whole;
    const auto from = header_bytes(1) + random() % (bytes.size() - header_bytes(1));
    const auto count = std::min<std::size_t>(bytes.size() - from, 1 + random() % 3000);
    for (std::size_t i = 0; i < count; ++i)
      bytes[from + i] = round % 3 == 0 ? std::byte{0xff} : std::byte(random() & 0xff);
    this->reset_with(bytes);
    const auto report = this->names().recover(name).rings[0];
    EXPECT_LE(report.kept, capacity);
    EXPECT_LE(report.torn, capacity);
    EXPECT_LE(report.missing, 2 * capacity);
    const auto got = this->delivered();
    EXPECT_EQ(got.size(), report.kept);
    EXPECT_TRUE(std::is_sorted(got.begin(), got.end()));
    EXPECT_EQ(std::adjacent_find(got.begin(), got.end()), got.end());
  }
  this->expect_good_as_new();
}

TYPED_TEST(Recover, OfAForgedHeaderIsCorruptedAndChangesNothing) {
  this->make(6, 2);
  const auto whole = image_of(this->path());
  const auto forging = [&](auto change) {
    auto bytes = whole;
    forge(bytes, change);
    write_image(this->path(), bytes);
    const auto end = thrown_by([&] { (void)this->names().recover(name); });
    EXPECT_EQ(image_of(this->path()), bytes);
    return end;
  };
  EXPECT_THAT(forging([](auto& h) { h.parts[0].slots.checksum_offset = h.parts[0].slots.payload_offset; }),
              Threw(errc::corrupted));
  EXPECT_THAT(forging([](auto& h) { h.parts[0].slots.checksum_offset = ~std::uint64_t{0} - 7; }),
              Threw(errc::corrupted));
  EXPECT_THAT(forging([](auto& h) { h.parts[0].flush_when = 3; }), Threw(errc::corrupted));
  EXPECT_THAT(forging([](auto& h) { h.parts[0].flush_messages = 0; }), Threw(errc::corrupted));
  auto bytes = whole;
  bytes.resize(bytes.size() - 512);
  write_image(this->path(), bytes);
  EXPECT_THAT(thrown_by([&] { (void)this->names().recover(name); }), Threw(errc::truncated));
  EXPECT_THAT(thrown_by([&] { (void)this->names().recover(segment_name("missing")); }), Threw(errc::not_found));
}

}  // namespace
}  // namespace sluice::detail::test
