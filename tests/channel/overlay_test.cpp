// A registry on an overlay filesystem, which is what a container's root is. A mapping there belongs to the file below, so
// it holds no lock of the file that was opened.

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <optional>

#include "channel/channel_places.hpp"
#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/overlay.hpp"
#include "support/pipe_signal.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;

class OnAnOverlay : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!mounted_) GTEST_SKIP() << "mounting an overlay is refused here: run as root";
    where_.emplace(mounted_->path());
  }
  template <class Ring>
  [[nodiscard]] channel<numbered, Ring> channel_of(channel_options options) const {
    return channel<numbered, Ring>::create_or_attach(*where_, segment_name("q"), options);
  }

  watchdog dog_{std::chrono::seconds(100)};
  std::unique_ptr<overlay> mounted_ = overlay::mount();
  std::optional<registry> where_;
  pipe_signal ready_, go_;
};

TEST_F(OnAnOverlay, AProducerKeepsItsSeat) {
  const auto shared = channel_of<spsc_ring>({.capacity_slots = 8});
  auto child = child_process::fork([&] {
    auto out = channel_of<spsc_ring>({.capacity_slots = 8}).producer();
    ready_.tell();
    (void)go_.is_told();
    return out.try_send(numbered::of(1)) ? 0 : 1;
  });
  ASSERT_TRUE(ready_.is_told());
  EXPECT_THAT(thrown_by([&] { (void)shared.producer(); }), ThrewSaying(errc::seat_taken, "alive"));
  auto in = shared.consumer();
  EXPECT_EQ(in.peer(), peer_state::alive);
  ASSERT_EQ(where_->list().size(), 1U);
  EXPECT_EQ(where_->list()[0].state, segment_state::live);
  go_.tell();
  EXPECT_TRUE(child.wait().is_success());
  numbered got;
  EXPECT_EQ(in.receive(got), wait_result::ready);
}

TEST_F(OnAnOverlay, ANameInUseIsNeverSwept) {
  auto child = child_process::fork([&] {
    const auto attached = channel_of<spsc_ring>({.capacity_slots = 8, .lifetime = lifetime::ephemeral});
    ready_.tell();
    (void)go_.is_told();
  });
  ASSERT_TRUE(ready_.is_told());
  (void)where_->sweep();
  EXPECT_EQ(where_->list().size(), 1U) << "a process is attached, and has no seat";
  EXPECT_EQ(thrown_by([&] { (void)where_->remove(segment_name("q")); }).reason, errc::in_use);
  child.kill();
  (void)where_->sweep();
  EXPECT_TRUE(where_->list().empty()) << "the process is gone";
}

TEST_F(OnAnOverlay, ADeadConsumersMessageIsDeliveredAgainAndItsSeatComesBack) {
  const channel_options two{.capacity_slots = 8, .producer_seats = 1, .consumer_seats = 2};
  const auto shared = channel_of<mpmc_ring>(two);
  auto out = shared.producer();
  ASSERT_TRUE(out.try_send(numbered::of(7)));
  auto child = child_process::fork([&] {
    auto in = channel_of<mpmc_ring>(two).consumer();
    const auto held = in.try_peek();
    ready_.tell();
    for (;;) ::pause();
  });
  ASSERT_TRUE(ready_.is_told());
  auto in = shared.consumer();
  numbered got;
  EXPECT_EQ(in.receive_for(got, 150ms), wait_result::timed_out) << "its holder lives";
  child.kill();
  ASSERT_EQ(in.receive_for(got, 10s), wait_result::ready);
  EXPECT_EQ(got, numbered::of(7));
  EXPECT_NO_THROW((void)shared.consumer());
}

TEST_F(OnAnOverlay, AChildOfADeadOwnerDoesNotKeepItsSeat) {
  const auto shared = channel_of<spsc_ring>({.capacity_slots = 8});
  auto owner = child_process::fork([&] {
    auto out = channel_of<spsc_ring>({.capacity_slots = 8}).producer();
    const auto pid = ::fork();
    if (pid == 0) {
      ready_.tell(static_cast<std::uint64_t>(::getpid()));
      for (;;) ::pause();
    }
    for (;;) ::pause();
  });
  const auto orphan = ready_.wait();
  ASSERT_TRUE(orphan);
  EXPECT_EQ(thrown_by([&] { (void)shared.producer(); }).reason, errc::seat_taken);
  owner.kill();
  EXPECT_EQ(::kill(static_cast<pid_t>(*orphan), 0), 0) << "the orphan must live for this to show anything";
  EXPECT_NO_THROW((void)shared.producer());
  ::kill(static_cast<pid_t>(*orphan), SIGKILL);
}

TEST_F(OnAnOverlay, AProcessWhoseDescriptorsWereClosedLearnsThatItsSeatWasTaken) {
  const auto shared = channel_of<spsc_ring>({.capacity_slots = 8});
  auto child = child_process::fork([&] {
    auto in = channel_of<spsc_ring>({.capacity_slots = 8}).consumer();
    for (int i = 3; i < 256; ++i)
      if (i != ready_.write_descriptor() && i != go_.read_descriptor()) ::close(i);
    ready_.tell();
    (void)go_.is_told();
    numbered got;
    return thrown_by([&] { (void)in.receive_for(got, 10s); }).reason == errc::misuse &&
                   thrown_by([&] { (void)in.try_receive(); }).reason == errc::misuse
               ? 0
               : 1;
  });
  ASSERT_TRUE(ready_.is_told());
  const auto mine = shared.consumer();  // the lock fell when the descriptor was closed
  go_.tell();
  EXPECT_TRUE(child.wait().is_success());
}

TEST_F(OnAnOverlay, AProcessWhoseDescriptorsWereClosedKeepsASeatThatNoOtherTook) {
  const auto shared = channel_of<spsc_ring>({.capacity_slots = 8});
  auto out = shared.producer();
  auto child = child_process::fork([&] {
    auto in = channel_of<spsc_ring>({.capacity_slots = 8}).consumer();
    for (int i = 3; i < 256; ++i)
      if (i != ready_.write_descriptor() && i != go_.read_descriptor()) ::close(i);
    numbered got;
    if (in.receive_for(got, 150ms) != wait_result::timed_out) return 1;
    ready_.tell();
    return in.receive_for(got, 10s) == wait_result::ready ? 0 : 2;
  });
  ASSERT_TRUE(ready_.is_told());
  EXPECT_EQ(thrown_by([&] { (void)shared.consumer(); }).reason, errc::seat_taken);
  ASSERT_TRUE(out.try_send(numbered::of(1)));
  EXPECT_EQ(child.wait().code, 0);
}

}  // namespace
}  // namespace sluice::detail::test
