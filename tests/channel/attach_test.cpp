// Attaching to a channel that is there, is not there yet, or is not what was asked for.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>
#include <thread>

#include "channel/channel_places.hpp"
#include "sluice/channel.hpp"
#include "sluice/detail/channel/planning.hpp"
#include "sluice/registry.hpp"
#include "sluice/ring.hpp"
#include "sluice/stop_token.hpp"
#include "support/disk.hpp"
#include "support/expect_error.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;
using link = channel<numbered>;
const segment_name orders("orders");

class Attach : public ::testing::Test {
 protected:
  watchdog dog;
  temp_registry names;
  std::string path = names.path("orders");
};

TEST_F(Attach, ForATimeFindsAChannelThatIsMadeMeanwhile) {
  std::thread maker;
  {
    // The name is looked for from the beginning, and the directory with it.
    maker = std::thread([&] { (void)link::create(*names, orders); });
    EXPECT_NO_THROW((void)link::attach_for(*names, orders, 60s));
  }
  maker.join();
  EXPECT_NO_THROW((void)attach_for<numbered>(path, 0s));
}

TEST_F(Attach, ForATimeThatPassesIsNotFoundAndNotSooner) {
  const auto began = std::chrono::steady_clock::now();
  EXPECT_THAT(thrown_by([&] { (void)link::attach_for(*names, orders, 30ms); }), ThrewSaying(errc::not_found, "Waited"));
  EXPECT_GE(std::chrono::steady_clock::now() - began, 30ms);
  EXPECT_THAT(thrown_by([&] { (void)link::attach_for(*names, orders, -1s); }), Threw(errc::not_found));
}

TEST_F(Attach, ForATimeRefusesAtOnceWhatWaitingDoesNotCure) {
  (void)channel<std::uint64_t>::create(*names, orders);
  EXPECT_THAT(thrown_by([&] { (void)link::attach_for(*names, orders, 24h); }), Threw(errc::wrong_type));
}

TEST_F(Attach, ThatInsistsOnACapacityIsRefusedALessOne) {
  (void)link::create(*names, orders, {.capacity_slots = 8});
  EXPECT_THAT(thrown_by([&] { (void)attach<numbered>(path, {.require = {.capacity_slots = 16}}); }),
              ThrewSaying(errc::wrong_kind, "8 slots"));
  EXPECT_NO_THROW((void)attach<numbered>(path, {.require = {.capacity_slots = 8}}));
  EXPECT_NO_THROW((void)attach<numbered>(path, {.prefault = true}));
}

TEST_F(Attach, OrCreationThatAskedForMoreSlotsOrSeatsThanThereAreIsRefused) {
  using shared_link = channel<numbered, mpmc_ring>;
  (void)shared_link::create(*names, orders, {.capacity_slots = 8, .producer_seats = 2, .consumer_seats = 3});
  const auto with = [&](const channel_options& options) {
    return thrown_by([&] { (void)shared_link::create_or_attach(*names, orders, options); });
  };
  EXPECT_THAT(with({.capacity_slots = 16}), ThrewSaying(errc::wrong_kind, "at least 16 slots"));
  EXPECT_THAT(with({.producer_seats = 3}), ThrewSaying(errc::wrong_kind, "2 producer seats"));
  EXPECT_THAT(with({.consumer_seats = 4}), ThrewSaying(errc::wrong_kind, "3 consumer seats"));
}

TEST_F(Attach, OrCreationTakesAnExistingChannelThatOffersEnoughAsItIs) {
  const auto made = link::create_or_attach(*names, orders, {.capacity_slots = 8, .mode = 0640});
  for (const auto& options :
       {channel_options{}, {.capacity_slots = 4}, {.mode = 0600}, {.lifetime = lifetime::ephemeral}}) {
    const auto found = link::create_or_attach(*names, orders, options);
    EXPECT_EQ(found.capacity_slots(), 8U);
    EXPECT_EQ(lifetime_of(found.header()), lifetime::persistent);
  }
  EXPECT_EQ(names->inspect(orders).mode, 0640U);
}

TEST_F(Attach, ForATimeIsEndedByAStopTokenWhenTheNameDoesNotExist) {
  std::stop_source stop;
  std::thread stopper([&] { stop.request_stop(); });
  EXPECT_THAT(thrown_by([&] { (void)link::attach_for(*names, orders, 24h, {}, stop.get_token()); }),
              ThrewSaying(errc::interrupted, "stop was requested"));
  stopper.join();
  (void)link::create(*names, orders);
  EXPECT_NO_THROW((void)attach_for<numbered>(path, 24h, {}, stop.get_token())) << "a name that is there comes first";
}

TEST_F(Attach, UntilAPointOfTimeIsNotFoundAndNotSooner) {
  const auto when = std::chrono::steady_clock::now() + 30ms;
  EXPECT_THAT(thrown_by([&] { (void)link::attach_until(*names, orders, when); }),
              ThrewSaying(errc::not_found, "Waited"));
  EXPECT_GE(std::chrono::steady_clock::now(), when);
  std::thread maker([&] { (void)link::create(*names, orders); });
  EXPECT_NO_THROW((void)attach_until<numbered>(path, std::chrono::steady_clock::time_point::max()));
  maker.join();
  EXPECT_NO_THROW((void)link::attach_for(*names, orders, std::chrono::nanoseconds::max()));
}

TEST_F(Attach, ThatAskedForDurabilityIsRefusedAChannelWithLess) {
  (void)link::create(*names, orders, {.capacity_slots = 8});
  const auto with = [&](const durability& how, const registry& where) {
    return thrown_by([&] { (void)link::create_or_attach(where, orders, {.durability = how}); });
  };
  EXPECT_THAT(with(durability::every(1), *names), ThrewSaying(errc::wrong_kind, "durability none"));
  EXPECT_THAT(with(durability::on_close(), *names), ThrewSaying(errc::wrong_kind, "on close"));
  EXPECT_FALSE(with(durability::none(), *names).reason);
  if (!on_a_disk()) GTEST_SKIP() << "no folder on a disk: a durable channel cannot be made";
  const temp_registry disk(*on_a_disk());
  (void)link::create(*disk, orders, {.durability = durability::every(10)});
  EXPECT_FALSE(with(durability::on_close(), *disk).reason);
  EXPECT_FALSE(with(durability::every(10), *disk).reason);
  EXPECT_FALSE(with(durability::every(100), *disk).reason);
  EXPECT_THAT(with(durability::every(9), *disk), ThrewSaying(errc::wrong_kind, "every 10 messages"));
}

TEST_F(Attach, ThatIsRefusedLeavesTheNameOfAnEphemeralChannelAndItsMessages) {
  // As a killed last participant leaves it: no process is attached, and the name is there.
  auto attached = names->create(orders, plan_channel<numbered>({.capacity_slots = 8}), {lifetime::ephemeral, 0600, {}});
  attached.leave_name();
  {
    const link made(std::move(attached));
    ASSERT_TRUE(made.producer().try_send(numbered::of(1)));
  }
  EXPECT_THAT(thrown_by([&] { (void)attach<std::uint64_t>(path); }), Threw(errc::wrong_type));
  EXPECT_THAT(thrown_by([&] { (void)attach<numbered>(path, {.require = {.capacity_slots = 16}}); }),
              Threw(errc::wrong_kind));
  EXPECT_THAT(thrown_by([&] { (void)link::create_or_attach(*names, orders, {.durability = durability::every(1)}); }),
              Threw(errc::wrong_kind));
  ASSERT_TRUE(std::filesystem::exists(path));
  EXPECT_EQ(undelivered_messages(names->inspect(orders)), 1U);
}

}  // namespace
}  // namespace sluice::detail::test
