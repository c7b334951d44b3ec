// Ending a wait from outside: a stop token, a signal, a cancellation. Nothing is consumed and the seat comes back.

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>
#include <thread>

#include "sluice/channel.hpp"
#include "sluice/detail/part/mpmc/mpmc_ring.hpp"
#include "sluice/stop_token.hpp"
#include "sluice/wait.hpp"
#include "support/behind.hpp"
#include "support/is_there.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;

template <class Ring>
class Interruption : public ::testing::Test {
 protected:
  using link = channel<std::uint64_t, Ring>;
  static void await_parks(const ring_view& ring, std::uint32_t seat_index, std::uint64_t count) {
    while (ring.seats[seat_index].parks.load() < count) std::this_thread::yield();
  }
  watchdog dog_;
  link link_ = link::create_unnamed({.capacity_slots = 2});
};
using ring_kinds = ::testing::Types<spsc_ring, mpmc_ring>;
struct ring_names {
  template <class Ring>
  static std::string GetName(int) {
    return Ring::kind == ring_kind::spsc ? "Spsc" : "Mpmc";
  }
};
TYPED_TEST_SUITE(Interruption, ring_kinds, ring_names);

TYPED_TEST(Interruption, AStopEndsAWaitForAMessage) {
  auto in = this->link_.consumer(park());
  std::stop_source source;
  std::thread stopper([&] {
    this->await_parks(details_of(in).ring(), in.seat_index(), 1);
    source.request_stop();
  });
  std::uint64_t number = 0;
  EXPECT_EQ(in.receive(number, source.get_token()), wait_result::interrupted);
  stopper.join();
  EXPECT_FALSE(is_there(in.peek_for(1h, source.get_token()))) << "a stop that was requested before ends the next wait";
  EXPECT_EQ(in.status(), wait_result::interrupted);
  EXPECT_EQ(in.receive_for(number, 1ms), wait_result::timed_out) << "and no wait without the token";
}

TYPED_TEST(Interruption, AStopWakesTheSleepingThreadAndDoesNotWaitForItsTick) {
  auto in = this->link_.consumer(park());
  const auto ring = details_of(in).ring();
  const auto& own = ring.seats[in.seat_index()];
  std::stop_source source;
  std::thread stopper([&] {
    this->await_parks(ring, in.seat_index(), 1);
    const auto before = own.futex.load();
    source.request_stop();
    EXPECT_NE(own.futex.load(), before) << "the word that it sleeps on";
  });
  EXPECT_FALSE(is_there(in.peek(source.get_token())));
  stopper.join();
}

TYPED_TEST(Interruption, AMessageThatIsThereComesBeforeAStop) {
  auto out = this->link_.producer();
  auto in = this->link_.consumer();
  ASSERT_TRUE(out.try_send(7));
  std::stop_source source;
  source.request_stop();
  std::uint64_t number = 0;
  EXPECT_EQ(in.receive(number, source.get_token()), wait_result::ready);
  EXPECT_EQ(number, 7U);
}

TYPED_TEST(Interruption, AStopEndsWaitsForRoomAndForADrainedRing) {
  auto out = this->link_.producer(park());
  const auto in = this->link_.consumer();
  while (out.try_send(1)) continue;
  const auto ring = details_of(out).ring();
  const auto stopped = [&](auto&& wait) {
    std::stop_source source;
    const auto parks = ring.seats[out.seat_index()].parks.load();
    std::thread stopper([&] {
      this->await_parks(ring, out.seat_index(), parks + 1);
      source.request_stop();
    });
    const auto result = wait(source.get_token());
    stopper.join();
    return result;
  };
  EXPECT_EQ(stopped([&](const std::stop_token& stop) { return out.send(2, stop); }), wait_result::interrupted);
  EXPECT_EQ(stopped([&](const std::stop_token& stop) { return out.drain(stop); }), wait_result::interrupted);
  EXPECT_EQ(stopped([&](const std::stop_token& stop) {
              EXPECT_FALSE(is_there(out.claim(stop)));
              return out.status();
            }),
            wait_result::interrupted);
}

TYPED_TEST(Interruption, APointOfTimeEndsAWaitAndNotBefore) {
  auto out = this->link_.producer();
  auto in = this->link_.consumer();
  const auto when = std::chrono::steady_clock::now() + 20ms;
  std::uint64_t number = 0;
  EXPECT_EQ(in.receive_until(number, when), wait_result::timed_out);
  EXPECT_GE(std::chrono::steady_clock::now(), when);
  EXPECT_FALSE(is_there(in.peek_until(when)));
  while (out.send_until(1, when) == wait_result::ready) continue;
  EXPECT_EQ(out.status(), wait_result::timed_out);
  EXPECT_FALSE(is_there(out.claim_until(std::chrono::steady_clock::time_point::min())));
  EXPECT_EQ(out.drain_until(when), wait_result::timed_out);
  EXPECT_EQ(in.receive_until(number, std::chrono::steady_clock::time_point::max()), wait_result::ready);
}

std::atomic<int> signals_handled{0};

/// Sends this thread a signal that is handled, again and again, for as long as it lives and its seat sleeps.
class signals_to_this_thread {
 public:
  signals_to_this_thread() {
    struct sigaction action {};
    action.sa_handler = [](int) { ++signals_handled; };
    ::sigaction(SIGUSR1, &action, &before_);
    sender_ = std::jthread([target = ::pthread_self()](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        ::pthread_kill(target, SIGUSR1);
        std::this_thread::sleep_for(1ms);
      }
    });
  }
  signals_to_this_thread(const signals_to_this_thread&) = delete;
  signals_to_this_thread& operator=(const signals_to_this_thread&) = delete;
  ~signals_to_this_thread() {
    sender_.request_stop();
    sender_.join();
    ::sigaction(SIGUSR1, &before_, nullptr);
  }

 private:
  struct sigaction before_ {};
  std::jthread sender_;
};

TYPED_TEST(Interruption, ASignalEndsAWaitOnlyWhereThatIsAskedFor) {
  auto out = this->link_.producer(park());
  auto in = this->link_.consumer(park());
  std::uint64_t number = 0;
  const signals_to_this_thread signals;
  const auto before = signals_handled.load();
  EXPECT_EQ(in.receive_for(number, 100ms), wait_result::timed_out);
  EXPECT_GT(signals_handled.load(), before);
  in.end_waits_on_signals(true);
  EXPECT_EQ(in.receive(number), wait_result::interrupted);
  while (out.try_send(1)) continue;
  out.end_waits_on_signals(true);
  EXPECT_EQ(out.send(2), wait_result::interrupted);
  EXPECT_EQ(out.drain(), wait_result::interrupted);
}

TYPED_TEST(Interruption, ACancelledThreadLeavesItsWaitAndItsSeat) {
  struct shared_by_both {
    const channel<std::uint64_t, TypeParam>* link;
    std::atomic<const seat*> own{nullptr};
  } both{&this->link_};
  pthread_t thread{};
  ASSERT_EQ(::pthread_create(
                &thread, nullptr,
                [](void* given) -> void* {
                  auto& here = *static_cast<shared_by_both*>(given);
                  auto in = here.link->consumer(park());
                  here.own = &details_of(in).ring().seats[in.seat_index()];
                  std::uint64_t number = 0;
                  (void)in.receive(number);
                  return nullptr;
                },
                &both),
            0);
  while (both.own == nullptr || both.own.load()->parks.load() == 0) std::this_thread::yield();
  ASSERT_EQ(::pthread_cancel(thread), 0);
  void* end = nullptr;
  ASSERT_EQ(::pthread_join(thread, &end), 0);  // the watchdog ends it otherwise
  EXPECT_EQ(end, PTHREAD_CANCELED);
  EXPECT_EQ(state_of(both.own.load()->state.load()), seat_state::free);
}

}  // namespace
}  // namespace sluice::detail::test
