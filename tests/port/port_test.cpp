// One producer or consumer of any kind, known at run time only.

#include "sluice/port.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "port/port_kinds.hpp"
#include "sluice/registry.hpp"
#include "sluice/ring.hpp"
#include "sluice/stop_token.hpp"
#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/pipe_signal.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;
using numbers = std::vector<std::uint64_t>;

constexpr std::size_t message_bytes = 24;
constexpr std::uint32_t message_alignment = 8;
constexpr std::uint64_t capacity = 8;

void put(std::span<std::byte> slot, std::uint64_t number) {
  std::memset(slot.data(), static_cast<int>(number), slot.size());
  std::memcpy(slot.data(), &number, sizeof number);
}
std::uint64_t number_in(std::span<const std::byte> message) {
  std::uint64_t number = 0;
  std::memcpy(&number, message.data(), sizeof number);
  return number;
}
std::vector<std::byte> message_of(std::uint64_t number) {
  std::vector<std::byte> message(message_bytes);
  put(message, number);
  return message;
}

[[noreturn]] void wait_for_the_end() {
  for (;;) ::pause();
}

class Port : public ::testing::TestWithParam<port_case> {
 protected:
  [[nodiscard]] static segment_plan plan() {
    const type_identity type{"test.blob", 7, message_bytes, message_alignment};
    const auto [name, kind, seats, holes] = ring();
    return plan_segment(ring_request{
        type, {.kind = kind, .capacity_slots = capacity, .producer_seats = seats, .consumer_seats = seats}});
  }
  [[nodiscard]] static const port_ring& ring() { return std::get<0>(GetParam()); }
  [[nodiscard]] attached_segment attach() const { return names_->attach(name_); }
  [[nodiscard]] std::unique_ptr<producer_port> producer() const {
    return open_producer(attach(), 0, std::get<1>(GetParam()).kind);
  }
  [[nodiscard]] std::unique_ptr<consumer_port> consumer() const {
    return open_consumer(attach(), 0, std::get<1>(GetParam()).kind);
  }
  static void send(producer_port& out, std::uint64_t from, std::uint64_t to) {
    for (auto i = from; i <= to; ++i) ASSERT_TRUE(out.try_send(message_of(i)));
  }
  static numbers receive_all(consumer_port& in) {
    numbers got;
    std::vector<std::byte> message(message_bytes);
    while (in.try_receive(message)) got.push_back(number_in(message));
    return got;
  }

  watchdog dog_{100s};
  temp_registry names_;
  segment_name name_{"blobs"};
  attached_segment place_ = names_->create(name_, plan());
  pipe_signal done_;
};
INSTANTIATE_TEST_SUITE_P(Every, Port,
                         ::testing::Combine(::testing::ValuesIn(port_rings), ::testing::ValuesIn(port_waits)),
                         name_of_port_case);

TEST_P(Port, SaysAtRunTimeWhatTheRingIs) {
  const auto out = producer();
  const auto in = consumer();
  EXPECT_EQ(out->role(), role::producer);
  EXPECT_EQ(in->role(), role::consumer);
  for (const port* each : {static_cast<const port*>(out.get()), static_cast<const port*>(in.get())}) {
    EXPECT_EQ(each->message_bytes(), message_bytes);
    EXPECT_EQ(each->message_alignment(), message_alignment);
    EXPECT_EQ(each->capacity_slots(), capacity);
    EXPECT_EQ(each->seat_count(role::producer), ring().seats);
    EXPECT_EQ(each->what(), "\"blobs\"");
    EXPECT_EQ(each->name_now(), name_state::same);
  }
  EXPECT_EQ(out->peer(), peer_state::alive);
  names_->remove(name_, true);
  EXPECT_EQ(in->name_now(), name_state::removed);
}

TEST_P(Port, BatchesOfAnySizeArriveInOrder) {
  const auto out = producer();
  const auto in = consumer();
  std::uint64_t sent = 0;
  numbers got, expected;
  for (std::uint64_t round = 0; round < 50; ++round) {
    const auto claimed = out->claim(1 + round % 5);
    ASSERT_EQ(claimed, 1 + round % 5);
    ASSERT_EQ(out->claimed_count(), claimed);
    for (std::uint64_t i = 0; i < claimed; ++i) {
      ASSERT_EQ(out->claimed(i).size(), message_bytes);
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(out->claimed(i).data()) % message_alignment, 0U);
      put(out->claimed(i), ++sent);
      expected.push_back(sent);
    }
    out->publish();
    while (const auto peeked = in->try_peek(3)) {
      for (std::uint64_t i = 0; i < peeked; ++i) {
        ASSERT_EQ(in->peeked(i).size(), message_bytes);
        got.push_back(number_in(in->peeked(i)));
      }
      in->release();
    }
  }
  EXPECT_EQ(got, expected);
  EXPECT_TRUE(out->is_drained());
}

TEST_P(Port, AFullRingGivesNoSlotAndSaysSoInTime) {
  const auto out = producer();
  send(*out, 1, capacity);
  EXPECT_EQ(out->size_approx(), capacity);
  EXPECT_EQ(out->try_claim(1), 0U);
  EXPECT_FALSE(out->try_send(message_of(9)));
  EXPECT_EQ(out->claim_for(1, 1ms), 0U);
  EXPECT_EQ(out->status(), wait_result::timed_out);
  EXPECT_EQ(out->send_for(message_of(9), 1ms), wait_result::timed_out);
  EXPECT_EQ(out->claim_until(1, std::chrono::steady_clock::now()), 0U);
  EXPECT_EQ(out->drain_for(1ms), wait_result::timed_out);
}

TEST_P(Port, AClaimThatIsAbandonedIsSeenByNoConsumer) {
  const auto out = producer();
  const auto in = consumer();
  ASSERT_EQ(out->try_claim(3), 3U);
  for (std::uint64_t i = 0; i < 3; ++i) put(out->claimed(i), 100 + i);
  out->abandon();
  ASSERT_EQ(out->try_claim(3), 3U);
  for (std::uint64_t i = 0; i < 3; ++i) put(out->claimed(i), 1 + i);
  out->publish(2);
  send(*out, 4, 4);
  EXPECT_EQ(receive_all(*in), (numbers{1, 2, 4}));
  EXPECT_EQ(out->seats().at(0).abandoned, 4U);
  EXPECT_EQ(out->seats().at(0).messages, 3U);
}

TEST_P(Port, APortThatIsDestroyedAbandonsItsClaimAndLeavesTheChannelOpen) {
  const auto in = consumer();
  {
    const auto out = producer();
    send(*out, 1, 1);
    ASSERT_EQ(out->try_claim(2), 2U);
  }
  EXPECT_EQ(receive_all(*in), numbers{1});
  EXPECT_FALSE(in->is_finished());
  const auto out = producer();
  send(*out, 2, 2);
  EXPECT_EQ(receive_all(*in), numbers{2});
}

TEST_P(Port, WhatIsKeptIsPeekedAgain) {
  const auto out = producer();
  const auto in = consumer();
  send(*out, 1, 4);
  ASSERT_EQ(in->try_peek(3), 3U);
  in->release(1);
  EXPECT_EQ(in->peeked_count(), 0U);
  ASSERT_EQ(in->peek(2), 2U);
  EXPECT_EQ(number_in(in->peeked(0)), 2U);
  in->keep();
  EXPECT_FALSE(in->empty());
  EXPECT_EQ(receive_all(*in), (numbers{2, 3, 4}));
  EXPECT_TRUE(in->empty());
}

TEST_P(Port, WhatAKilledConsumerHadPeekedComesAgainMarked) {
  const auto out = producer();
  send(*out, 1, 5);
  auto child = child_process::fork([this] {
    const auto in = consumer();
    if (in->peek(1) != 1) return 1;
    in->release();
    if (in->peek(2) != 2 || !done_.tell()) return 2;
    wait_for_the_end();
  });
  ASSERT_TRUE(done_.is_told());
  child.kill();
  const auto in = consumer();
  numbers marked, got;
  while (got.size() < 4 && in->peek(1) == 1) {  // where others could take over, the dead one's come with a tick
    got.push_back(number_in(in->peeked()));
    if (in->was_delivered_before()) marked.push_back(got.back());
    in->release();
  }
  std::sort(got.begin(), got.end());
  EXPECT_EQ(got, (numbers{2, 3, 4, 5}));
  EXPECT_EQ(marked, (numbers{2, 3}));
}

TEST_P(Port, AMessageReceivedByCopySaysWhetherItCameBefore) {
  const auto out = producer();
  send(*out, 1, 1);
  auto child = child_process::fork([this] {
    const auto in = consumer();
    if (in->peek(1) != 1 || !done_.tell()) return 1;
    wait_for_the_end();
  });
  ASSERT_TRUE(done_.is_told());
  child.kill();
  send(*out, 2, 2);
  const auto in = consumer();
  std::vector<std::byte> message(message_bytes + 8);  // longer than a message is right
  std::uint64_t marked = 0;
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(in->receive(message), message_bytes);
    if (in->last_was_redelivered()) marked += number_in(message);
  }
  EXPECT_EQ(marked, 1U);
}

TEST_P(Port, ADeathOfThePeerIsToldOnce) {
  const auto in = consumer();
  auto child = child_process::fork([this] {
    const auto out = producer();
    if (!out->try_send(message_of(1)) || !done_.tell()) return 1;
    wait_for_the_end();
  });
  ASSERT_TRUE(done_.is_told());
  child.kill();
  ASSERT_EQ(in->peek(4), 1U);
  in->release();
  EXPECT_EQ(in->peek(4), 0U);
  EXPECT_EQ(in->status(), wait_result::peer_gone);
  EXPECT_EQ(in->peer(), peer_state::dead);
  EXPECT_EQ(in->peek_for(4, 1ms), 0U);
  EXPECT_EQ(in->status(), wait_result::timed_out);
}

TEST_P(Port, ADeadConsumerIsToldToAProducerThatWaits) {
  const auto out = producer();
  auto child = child_process::fork([this] {
    const auto in = consumer();
    if (!done_.tell()) return 1;
    wait_for_the_end();
  });
  ASSERT_TRUE(done_.is_told());
  send(*out, 1, capacity);
  child.kill();
  EXPECT_EQ(out->claim(1), 0U);
  EXPECT_EQ(out->status(), wait_result::peer_gone);
}

TEST_P(Port, AClosedChannelDeliversAllAndThenSaysClosed) {
  const auto out = producer();
  const auto in = consumer();
  send(*out, 1, 2);
  out->close();
  EXPECT_EQ(out->try_claim(1), 0U);
  EXPECT_EQ(out->claim(1), 0U);
  EXPECT_EQ(out->status(), wait_result::closed);
  EXPECT_EQ(out->send(message_of(3)), wait_result::closed);
  EXPECT_FALSE(in->is_finished());
  std::vector<std::byte> message(message_bytes);
  EXPECT_TRUE(in->receive(message) && in->receive(message));
  EXPECT_FALSE(in->receive(message));
  EXPECT_EQ(in->status(), wait_result::closed);
  EXPECT_TRUE(in->is_finished());
}

TEST_P(Port, TheLastProducerThatFinishesClosesTheChannel) {
  const auto in = consumer();
  std::vector<std::unique_ptr<producer_port>> all;
  while (all.size() < ring().seats) all.push_back(producer());
  for (std::size_t i = 0; i < all.size(); ++i) {
    send(*all[i], i, i);
    ASSERT_EQ(all[i]->try_claim(2), 2U);  // abandoned with it
    EXPECT_FALSE(in->is_finished());
    EXPECT_EQ(producer_port::finish(std::move(all[i])), i + 1 == all.size());
  }
  EXPECT_EQ(receive_all(*in).size(), all.size());
  EXPECT_TRUE(in->is_finished());
}

TEST_P(Port, AStopEndsEveryWait) {
  const auto out = producer();
  const auto in = consumer();
  std::stop_source stopped;
  stopped.request_stop();
  EXPECT_EQ(in->peek(1, stopped.get_token()), 0U);
  EXPECT_EQ(in->status(), wait_result::interrupted);
  send(*out, 1, capacity);
  EXPECT_EQ(out->claim(1, stopped.get_token()), 0U);
  EXPECT_EQ(out->status(), wait_result::interrupted);
  EXPECT_EQ(out->drain(stopped.get_token()), wait_result::interrupted);
  const auto position = out->position();
  EXPECT_EQ(out->drain_before_until(position, std::chrono::steady_clock::time_point::max(), stopped.get_token()),
            wait_result::interrupted);
  const auto rest = receive_all(*in);
  std::stop_source later;
  std::jthread stopper([&later] { later.request_stop(); });
  std::vector<std::byte> message(message_bytes);
  EXPECT_FALSE(in->receive(message, later.get_token()));
  EXPECT_EQ(in->status(), wait_result::interrupted);
}

TEST_P(Port, AConsumerThatWaitsGetsWhatComes) {
  constexpr std::uint64_t count = 2000;
  std::thread sending([this] {
    const auto out = producer();
    for (std::uint64_t i = 1; i <= count; ++i) ASSERT_EQ(out->send(message_of(i)), wait_result::ready);
    EXPECT_EQ(out->drain(), wait_result::ready);
    out->close();
  });
  const auto in = consumer();
  std::uint64_t next = 1;
  while (const auto peeked = in->peek(64)) {
    for (std::uint64_t i = 0; i < peeked; ++i) EXPECT_EQ(number_in(in->peeked(i)), next++);
    in->release();
  }
  sending.join();
  EXPECT_EQ(in->status(), wait_result::closed);
  EXPECT_EQ(next, count + 1);
}

TEST_P(Port, AMessageOfAnotherSizeIsRefusedAndNothingIsSent) {
  const auto out = producer();
  const auto in = consumer();
  const std::vector<std::byte> too_short(message_bytes - 1), too_long(message_bytes + 1);
  EXPECT_THAT(thrown_by([&] { (void)out->try_send(too_short); }), ThrewSaying(errc::misuse, "23 bytes"));
  EXPECT_THAT(thrown_by([&] { (void)out->send(too_long); }), ThrewSaying(errc::misuse, "its messages have 24 bytes"));
  ASSERT_EQ(out->try_claim(2), 2U);
  EXPECT_THAT(thrown_by([&] { (void)out->publish_bytes(5); }), Threw(errc::misuse));
  put(out->claimed(0), 1);
  out->publish(1);
  std::vector<std::byte> into(message_bytes - 1);
  EXPECT_THAT(thrown_by([&] { (void)in->try_receive(into); }), Threw(errc::misuse));
  EXPECT_THAT(thrown_by([&] { (void)in->receive(into); }), Threw(errc::misuse));
  EXPECT_EQ(receive_all(*in), numbers{1}) << "the message stayed";
}

TEST_P(Port, MisuseIsToldAndChangesNothing) {
  const auto out = producer();
  const auto in = consumer();
  EXPECT_THAT(thrown_by([&] { (void)out->claimed(0); }), ThrewSaying(errc::misuse, "0 are claimed"));
  EXPECT_THAT(thrown_by([&] { out->publish(1); }), Threw(errc::misuse));
  ASSERT_EQ(out->try_claim(2), 2U);
  EXPECT_THAT(thrown_by([&] { (void)out->claimed(2); }), ThrewSaying(errc::misuse, "index 2"));
  EXPECT_THAT(thrown_by([&] { out->publish(3); }), ThrewSaying(errc::misuse, "only 2 are claimed"));
  EXPECT_THAT(thrown_by([&] { (void)out->try_claim(1); }), Threw(errc::misuse));
  EXPECT_THAT(thrown_by([&] { (void)out->claim(1); }), Threw(errc::misuse));
  EXPECT_THAT(thrown_by([&] { (void)out->try_send(message_of(9)); }), Threw(errc::misuse));
  EXPECT_EQ(out->claimed_count(), 2U);
  put(out->claimed(0), 1);
  put(out->claimed(1), 2);
  out->publish();
  EXPECT_THAT(thrown_by([&] { in->release(1); }), Threw(errc::misuse));
  EXPECT_THAT(thrown_by([&] { (void)in->was_delivered_before(0); }), Threw(errc::misuse));
  ASSERT_EQ(in->try_peek(2), 2U);
  EXPECT_THAT(thrown_by([&] { (void)in->peeked(2); }), ThrewSaying(errc::misuse, "2 are peeked"));
  EXPECT_THAT(thrown_by([&] { (void)in->try_peek(1); }), Threw(errc::misuse));
  EXPECT_THAT(thrown_by([&] { (void)in->peek(1); }), Threw(errc::misuse));
  EXPECT_THAT(thrown_by([&] { in->release(3); }), Threw(errc::misuse));
  std::vector<std::byte> message(message_bytes);
  EXPECT_THAT(thrown_by([&] { (void)in->try_receive(message); }), Threw(errc::misuse));
  EXPECT_EQ(in->peeked_count(), 2U);
  EXPECT_EQ(number_in(in->peeked(1)), 2U);
  in->release();
  EXPECT_TRUE(out->is_drained());
  EXPECT_THAT(thrown_by([&] { (void)open_producer(attach(), 1); }), ThrewSaying(errc::misuse, "no ring 1"));
  EXPECT_THAT(thrown_by([&] { (void)open_consumer(attach(), 7); }), ThrewSaying(errc::misuse, "no ring 7"));
}

TEST_P(Port, ACountOfNothingIsReadyAtOnce) {
  const auto out = producer();
  const auto in = consumer();
  EXPECT_EQ(out->try_claim(0), 0U);
  EXPECT_EQ(out->claim(0), 0U);
  EXPECT_EQ(out->status(), wait_result::ready);
  EXPECT_EQ(in->peek(0), 0U);
  EXPECT_EQ(in->status(), wait_result::ready);
}

TEST_P(Port, APositionIsReleasedWhateverIsSentAfterIt) {
  const auto out = producer();
  const auto in = consumer();
  std::uint64_t sent = 0;
  for (int lap = 0; lap < 5; ++lap) {
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(out->try_send(message_of(++sent)));
    const auto position = out->position();
    EXPECT_EQ(position, sent);
    ASSERT_TRUE(out->try_send(message_of(++sent)));
    ASSERT_EQ(in->try_peek(2), 2U);
    in->release();
    EXPECT_FALSE(out->is_released_before(position));
    EXPECT_EQ(out->drain_before_until(position, std::chrono::steady_clock::now()), wait_result::timed_out);
    ASSERT_EQ(in->try_peek(1), 1U);
    EXPECT_FALSE(out->is_released_before(position)) << "peeked is not released";
    in->release();
    EXPECT_TRUE(out->is_released_before(position));
    EXPECT_FALSE(out->is_drained());
    EXPECT_EQ(out->drain_before_until(position, std::chrono::steady_clock::time_point::max()), wait_result::ready);
    ASSERT_EQ(in->try_peek(1), 1U);
    in->release();
    EXPECT_TRUE(out->is_drained());
  }
}

TEST_P(Port, AWaitForAPositionIsWokenByTheRelease) {
  const auto out = producer();
  send(*out, 1, 4);
  std::thread receiving([this] {
    const auto in = consumer();
    std::vector<std::byte> message(message_bytes);
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(in->receive(message));
  });
  EXPECT_EQ(out->drain_before_until(out->position(), std::chrono::steady_clock::time_point::max()), wait_result::ready);
  receiving.join();
}

TEST_P(Port, SeatsSayWhichIsThePortsAndHowFarItsOwnerIs) {
  const auto out = producer();
  const auto in = consumer();
  send(*out, 1, 3);
  ASSERT_EQ(in->try_peek(2), 2U);
  in->release();
  for (const auto& seat : in->seats()) {
    EXPECT_EQ(seat.pid, static_cast<std::uint32_t>(::getpid()));
    EXPECT_EQ(seat.index, seat.role == role::producer ? out->seat_index() : in->seat_index());
    EXPECT_EQ(seat.messages, seat.role == role::producer ? 3U : 2U);
  }
}

TEST_P(Port, RepairsAreCounted) {
  const auto in = consumer();
  const auto before = in->repairs();
  auto child = child_process::fork([this] {
    const auto out = producer();
    if (out->try_claim(2) != 2 || !done_.tell()) return 1;
    wait_for_the_end();
  });
  ASSERT_TRUE(done_.is_told());
  child.kill();
  EXPECT_EQ(in->peek(1), 0U);
  EXPECT_EQ(in->status(), wait_result::peer_gone);
  EXPECT_EQ(in->repairs().holes - before.holes, 2 * ring().holes_of_a_claim);
}

TEST_P(Port, InAForkedChildItThrowsAndTheParentGoesOn) {
  auto out = producer();
  auto in = consumer();
  send(*out, 1, 2);
  ASSERT_EQ(in->try_peek(1), 1U);
  ASSERT_EQ(out->try_claim(1), 1U);
  put(out->claimed(), 3);
  auto child = child_process::fork([&] {
    EXPECT_THAT(thrown_by([&] { in->release(); }), Threw(errc::wrong_process));
    EXPECT_THAT(thrown_by([&] { out->publish(); }), Threw(errc::wrong_process));
    EXPECT_THAT(thrown_by([&] { (void)out->try_claim(1); }), Threw(errc::wrong_process));
    EXPECT_THAT(thrown_by([&] { (void)in->try_peek(1); }), Threw(errc::wrong_process));
    EXPECT_THAT(thrown_by([&] { (void)in->peek(1); }), Threw(errc::wrong_process));
    EXPECT_THAT(thrown_by([&] { (void)out->drain(); }), Threw(errc::wrong_process));
    EXPECT_THAT(thrown_by([&] { out->close(); }), Threw(errc::wrong_process));
    out.reset();
    in.reset();
  });
  EXPECT_TRUE(child.wait().is_success());
  out->publish();
  in->release();
  EXPECT_EQ(receive_all(*in), (numbers{2, 3}));
}

TEST_P(Port, AFileThatIsCutShortIsToldAndNothingCountsAsReleased) {
  const auto out = producer();
  const auto in = consumer();
  send(*out, 1, 2);
  ASSERT_EQ(in->try_peek(2), 2U);
  std::filesystem::resize_file(names_.path("blobs"), 0);
  (void)number_in(in->peeked(0));  // reads zeroes: the loss is noticed by touching what is gone
  EXPECT_THAT(thrown_by([&] { in->release(); }), Threw(errc::truncated));
  EXPECT_THAT(thrown_by([&] { in->require_whole(); }), Threw(errc::truncated));
  EXPECT_THAT(thrown_by([&] { out->require_whole(); }), Threw(errc::truncated));
}

TEST_P(Port, TheSeatIsTakenAndTheErrorNamesItsHolder) {
  std::vector<std::unique_ptr<producer_port>> all;
  while (all.size() < ring().seats) all.push_back(producer());
  EXPECT_THAT(thrown_by([&] { (void)producer(); }), ThrewSaying(errc::seat_taken, "pid " + std::to_string(::getpid())));
}

}  // namespace
}  // namespace sluice::detail::test
