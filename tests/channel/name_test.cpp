// What a waiting participant is told when its channel's name is taken away or leads to another file.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "sluice/channel.hpp"
#include "sluice/detail/part/mpmc/mpmc_ring.hpp"
#include "sluice/registry.hpp"
#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;

template <class Ring>
class ChannelName : public ::testing::Test {
 protected:
  using link = channel<std::uint64_t, Ring>;

  [[nodiscard]] link made() const { return link::create(*names, orders, {.capacity_slots = 4}); }
  /// As an operator does whose producer is started anew meanwhile.
  [[nodiscard]] link made_anew() const {
    names->remove(orders, true);
    return made();
  }

  watchdog dog;
  temp_registry names;
  segment_name orders{"orders"};
};

struct ring_name {
  template <class Ring>
  static std::string GetName(int) {
    return Ring::kind == ring_kind::spsc ? "Spsc" : "Mpmc";
  }
};
using rings = ::testing::Types<spsc_ring, mpmc_ring>;
TYPED_TEST_SUITE(ChannelName, rings, ring_name);

TYPED_TEST(ChannelName, ThatLeadsElsewhereIsToldToAWaitingConsumerOnceItsMessagesAreDelivered) {
  const auto old = this->made();
  auto in = old.consumer();
  auto old_out = old.producer();
  for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(old_out.try_send(i));
  const auto fresh = this->made_anew();
  auto out = fresh.producer();
  ASSERT_TRUE(out.try_send(7));
  std::uint64_t got = 99;
  for (std::uint64_t i = 0; i < 3; ++i) {
    ASSERT_EQ(in.receive(got), wait_result::ready);
    EXPECT_EQ(got, i);
  }
  EXPECT_THAT(thrown_by([&] { (void)in.receive(got); }), ThrewSaying(errc::not_found, "leads to another file"));
  EXPECT_EQ(in.receive_for(got, 100ms), wait_result::timed_out) << "said once";
  ASSERT_TRUE(old_out.try_send(3));
  EXPECT_EQ(in.receive(got), wait_result::ready) << "those that stay go on";
}

TYPED_TEST(ChannelName, ThatLeadsElsewhereIsToldToAProducerThatWaitsForRoom) {
  const auto old = this->made();
  auto out = old.producer();
  for (std::uint64_t i = 0; i < 4; ++i) ASSERT_TRUE(out.try_send(i));
  const auto fresh = this->made_anew();
  EXPECT_THAT(thrown_by([&] { (void)out.send(4); }), ThrewSaying(errc::not_found, "leads to another file"));
  EXPECT_EQ(out.send_for(4, 100ms), wait_result::timed_out) << "said once";
}

TYPED_TEST(ChannelName, ThatWasRemovedIsToldToAProducerThatWaitsForDelivery) {
  const auto channel = this->made();
  auto out = channel.producer();
  ASSERT_TRUE(out.try_send(1));
  this->names->remove(this->orders, true);
  EXPECT_THAT(thrown_by([&] { (void)out.drain_for(1h); }), ThrewSaying(errc::not_found, "no consumer is attached"));
}

TYPED_TEST(ChannelName, ThatWasRemovedIsNoNewsWhileTheOtherSideLives) {
  const auto channel = this->made();
  auto in = channel.consumer();
  std::optional out(channel.producer());
  this->names->remove(this->orders, true);
  std::uint64_t got = 0;
  EXPECT_EQ(in.receive_for(got, 100ms), wait_result::timed_out);
  ASSERT_TRUE(out->try_send(5));
  EXPECT_EQ(in.receive(got), wait_result::ready);
  out.reset();
  EXPECT_THAT(thrown_by([&] { (void)in.receive(got); }), ThrewSaying(errc::not_found, "no producer is attached"));
}

TYPED_TEST(ChannelName, ThatWasRemovedIsToldAfterTheDeathOfTheOtherSide) {
  const auto channel = this->made();
  auto in = channel.consumer();
  auto child = child_process::fork([&] {
    auto out = channel.producer();
    ASSERT_TRUE(out.try_send(5));
    ::raise(SIGKILL);
  });
  EXPECT_TRUE(child.wait().was_killed());
  this->names->remove(this->orders, true);
  std::uint64_t got = 0;
  EXPECT_EQ(in.receive(got), wait_result::ready);
  EXPECT_EQ(in.receive(got), wait_result::peer_gone);
  EXPECT_THAT(thrown_by([&] { (void)in.receive(got); }), ThrewSaying(errc::not_found, "the name was removed"));
}

TYPED_TEST(ChannelName, SaysWhatItLeadsTo) {
  const auto old = this->made();
  EXPECT_EQ(old.name_now(), name_state::same);
  this->names->remove(this->orders, true);
  EXPECT_EQ(old.name_now(), name_state::removed);
  const auto fresh = this->made();
  EXPECT_EQ(old.name_now(), name_state::other);
  EXPECT_EQ(fresh.name_now(), name_state::same);
  EXPECT_EQ(TestFixture::link::create_unnamed().name_now(), name_state::unknown);
}

TYPED_TEST(ChannelName, OfADirectoryThatWasRenamedIsNotTakenForRemoved) {
  const auto channel = this->made();
  const auto elsewhere = this->names.directory() + ".moved";
  std::filesystem::rename(this->names.directory(), elsewhere);
  EXPECT_EQ(channel.name_now(), name_state::unknown);
  std::filesystem::create_directory(this->names.directory());
  EXPECT_EQ(channel.name_now(), name_state::unknown) << "another directory in its place tells nothing of the segment";
  std::filesystem::remove_all(elsewhere);
  EXPECT_EQ(channel.name_now(), name_state::removed) << "the file itself has no name any more";
}

TYPED_TEST(ChannelName, IsFoundFromAnotherWorkingDirectory) {
  auto child = child_process::fork([&] {
    ASSERT_EQ(::chdir(this->names.directory().c_str()), 0);
    const auto channel = TestFixture::link::create("./near");
    ASSERT_EQ(::chdir("/"), 0);
    EXPECT_EQ(channel.name_now(), name_state::same);
  });
  EXPECT_TRUE(child.wait().is_success());
}

TYPED_TEST(ChannelName, IsUnknownToAProcessWithAnotherRoot) {
  if (::geteuid() != 0) GTEST_SKIP() << "another root needs root";
  const auto channel = this->made();
  auto child = child_process::fork([&] {
    ASSERT_TRUE(::chroot("/sys") == 0 && ::chdir("/") == 0);
    EXPECT_EQ(channel.name_now(), name_state::unknown);
  });
  EXPECT_TRUE(child.wait().is_success());
}

}  // namespace
}  // namespace sluice::detail::test
