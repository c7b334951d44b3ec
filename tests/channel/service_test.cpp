// Requests and responses, of live processes and of killed ones.

#include "sluice/service.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "sluice/registry.hpp"
#include "sluice/segment.hpp"
#include "sluice/stop_token.hpp"
#include "support/behind.hpp"
#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/is_there.hpp"
#include "support/pipe_signal.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;

struct pair {
  std::int64_t a, b;
};
struct sum {
  std::int64_t value;
  std::int64_t by;  // which server
};
using adder = service<pair, sum>;

/// A file under a name, or memory without one.
template <class Segment>
adder unnamed(const service_options& options) {
  return adder::create_unnamed<Segment>(options);
}

struct in_file {
  static constexpr const char* name = "File";
  explicit in_file(const service_options& options) : link(adder::create(*names, segment_name("adder"), options)) {}
  temp_registry names;
  adder link;
};
template <class Segment>
struct in_segment {
  static constexpr const char* name = Segment::kind == segment_kind::memfd  ? "Memfd"
                                      : Segment::kind == segment_kind::zero ? "Zero"
                                                                            : "Anonymous";
  explicit in_segment(const service_options& options) : link(adder::create_unnamed<Segment>(options)) {}
  adder link;
};

template <class Place>
class Service : public ::testing::Test {
 protected:
  /// A server in a child that answers until it is closed or killed; `told` hears of each request before it is answered.
  child_process serve(std::int64_t by = 1) {
    auto child = child_process::fork([this, by] {
      auto server = place_.link.server(park());
      if (!ready_.tell()) return 1;
      while (auto call = server.receive())
        if (call.respond({call->a + call->b, by}) != wait_result::ready) return 2;
      return server.status() == wait_result::closed ? 0 : 3;
    });
    EXPECT_TRUE(ready_.is_told());
    return child;
  }
  /// A server in a child that takes `count` requests and keeps them.
  child_process hold(int count) {
    auto child = child_process::fork([this, count] {
      auto server = place_.link.server(park());
      std::vector<sluice::server<pair, sum, park>::call> held;
      for (int i = 0; i < count; ++i) held.push_back(server.receive());
      if (!ready_.tell()) return 1;
      wait_for_the_end();
    });
    return child;
  }

  /// A client in a child that calls and reads no response.
  child_process call_and_wait() {
    return child_process::fork([this] {
      auto client = place_.link.client();
      auto pending = client.send({1, 2});
      if (!pending || !ready_.tell()) return 1;
      wait_for_the_end();
    });
  }

  watchdog dog_{100s};
  Place place_{{.capacity_slots = 8, .client_seats = 2, .server_seats = 3, .calls_in_flight = 2, .response_slots = 4}};
  pipe_signal ready_;
};
using places =
    ::testing::Types<in_file, in_segment<memfd_segment>, in_segment<anonymous_segment>, in_segment<zero_segment>>;
struct service_places {
  template <class Place>
  static std::string GetName(int) {
    return Place::name;
  }
};
TYPED_TEST_SUITE(Service, places, service_places);

TYPED_TEST(Service, AnswersCalls) {
  auto child = this->serve();
  auto client = this->place_.link.client();
  for (std::int64_t i = 0; i < 1000; ++i) {
    const auto answer = client.call({i, 1}, 10s);
    ASSERT_TRUE(answer) << to_string(answer.status());
    ASSERT_EQ(answer->value, i + 1);
  }
  client.close();
  EXPECT_TRUE(child.wait().is_success());
}

TYPED_TEST(Service, ResponsesToSeveralCallsAreReceivedInAnyOrder) {
  auto child = this->serve();
  auto client = this->place_.link.client(park());
  for (std::int64_t i = 0; i < 100; ++i) {
    auto first = client.send({i, 1}), second = client.send({i, 2});
    ASSERT_TRUE(first && second);
    const auto late = second.receive();
    ASSERT_TRUE(late);
    EXPECT_EQ(late->value, i + 2);
    const auto early = first.receive();
    ASSERT_TRUE(early);
    EXPECT_EQ(early->value, i + 1);
    EXPECT_TRUE(early.is_last());
    EXPECT_FALSE(first) << "nothing more comes";
  }
}

TYPED_TEST(Service, SeveralServersShareTheCallsOfSeveralClients) {
  auto one = this->serve(1), two = this->serve(2);
  auto caller = child_process::fork([this] {
    auto client = this->place_.link.client();
    for (std::int64_t i = 0; i < 2000; ++i) {
      const auto answer = client.call({i, i}, 10s);
      if (!answer || answer->value != 2 * i) return 1;
    }
    return 0;
  });
  auto client = this->place_.link.client();
  for (std::int64_t i = 0; i < 2000; ++i) {
    const auto answer = client.call({-i, 1}, 10s);
    ASSERT_TRUE(answer) << to_string(answer.status());
    ASSERT_EQ(answer->value, 1 - i);
  }
  EXPECT_TRUE(caller.wait().is_success());
}

TYPED_TEST(Service, ACallThatNoServerTakesTimesOutAndIsDroppedByTheNext) {
  auto client = this->place_.link.client();
  const auto answer = client.call({1, 2}, 10ms);
  EXPECT_FALSE(answer);
  EXPECT_EQ(answer.status(), wait_result::timed_out);
  auto kept = client.send({3, 4});
  auto server = this->place_.link.server();
  auto call = server.try_receive();
  ASSERT_TRUE(call);
  EXPECT_EQ(call->a, 3) << "the first one is late";
  EXPECT_EQ(call.respond({7, 1}), wait_result::ready);
  EXPECT_EQ(kept.receive()->value, 7);
}

TYPED_TEST(Service, ACancelledCallIsDroppedBeforeItIsGivenToAServer) {
  auto client = this->place_.link.client();
  auto server = this->place_.link.server();
  auto first = client.send({1, 2}), second = client.send({3, 4});
  first.cancel();
  EXPECT_FALSE(first);
  auto call = server.try_receive();
  ASSERT_TRUE(call);
  EXPECT_EQ(call->a, 3);
  EXPECT_EQ(call.respond({7, 1}), wait_result::ready);
  EXPECT_FALSE(is_there(server.try_receive()));
  // Both lanes are of use again.
  EXPECT_EQ(second.receive()->value, 7);
  auto third = client.try_send({5, 5}), fourth = client.try_send({6, 6});
  EXPECT_TRUE(third);
  EXPECT_TRUE(fourth);
}

TYPED_TEST(Service, AServerIsToldOfACancellationWhileItWorks) {
  auto client = this->place_.link.client();
  auto server = this->place_.link.server();
  auto pending = client.send({1, 2});
  auto call = server.try_receive();
  ASSERT_TRUE(call);
  EXPECT_FALSE(call.is_cancelled());
  EXPECT_EQ(call.respond_part({1, 1}), wait_result::ready);
  pending.cancel();
  EXPECT_TRUE(call.is_cancelled());
  EXPECT_EQ(call.respond_part({2, 1}), wait_result::closed);
  EXPECT_EQ(call.respond({3, 1}), wait_result::closed);
}

TYPED_TEST(Service, ALaneWhoseCallWasGivenUpIsUsedAgainOnlyWhenNoServerHoldsIt) {
  auto client = this->place_.link.client();
  auto server = this->place_.link.server();
  auto other = client.send({0, 0});
  { auto dropped = client.send({1, 2}); }
  auto held_other = server.try_receive();
  ASSERT_TRUE(held_other);
  ASSERT_FALSE(is_there(server.try_receive())) << "it was dropped on the way";
  auto next = client.try_send({3, 4});
  ASSERT_TRUE(next) << "the dropped one's lane";
  auto call = server.try_receive();
  ASSERT_TRUE(call);
  next.cancel();
  EXPECT_FALSE(client.try_send({5, 6})) << "its lane is still in the server's hands";
  EXPECT_EQ(call.respond({7, 1}), wait_result::closed);
  auto after = client.try_send({5, 6});
  EXPECT_TRUE(after);
}

TYPED_TEST(Service, DeadlinesTravelWithTheRequest) {
  auto client = this->place_.link.client();
  auto server = this->place_.link.server();
  const auto when = std::chrono::steady_clock::now() + 1h;
  auto with = client.send_until({1, 2}, when), without = client.send({3, 4});
  auto call = server.try_receive();
  ASSERT_TRUE(call);
  EXPECT_LT(call.deadline() - when, 1s);
  EXPECT_GT(call.deadline() - when, -1s);
  EXPECT_FALSE(call.is_cancelled());
  (void)call.respond({});
  call = server.try_receive();
  EXPECT_EQ(call.deadline(), std::chrono::steady_clock::time_point::max());
}

TYPED_TEST(Service, APendingCallWhoseDeadlineIsOverIsToldByTheServerThatDropsIt) {
  auto client = this->place_.link.client();
  auto server = this->place_.link.server();
  auto pending = client.send_for({1, 2}, 1ms);
  EXPECT_FALSE(is_there(pending.receive()));
  EXPECT_EQ(pending.status(), wait_result::timed_out);
  EXPECT_FALSE(is_there(server.try_receive()));
  EXPECT_FALSE(is_there(pending.try_receive()));
  EXPECT_FALSE(pending) << "it is over";
  EXPECT_EQ(pending.status(), wait_result::timed_out);
}

TYPED_TEST(Service, ResponsesComeInParts) {
  auto child = child_process::fork([this] {
    auto server = this->place_.link.server();
    auto call = server.receive();
    for (std::int64_t i = 0; i < call->a; ++i)
      if (call.respond_part({i, 1}) != wait_result::ready) return 1;
    return call.respond({call->a, 1}) == wait_result::ready ? 0 : 2;
  });
  auto client = this->place_.link.client();
  auto pending = client.send({1000, 0});
  std::int64_t parts = 0;
  while (const auto part = pending.receive()) {
    ASSERT_EQ(part->value, parts);
    ASSERT_EQ(part.index(), static_cast<std::uint32_t>(parts));
    ASSERT_EQ(part.attempt(), 1U);
    ASSERT_EQ(part.is_last(), parts == 1000);
    ++parts;
  }
  EXPECT_EQ(parts, 1001);
  EXPECT_EQ(pending.status(), wait_result::closed);
  EXPECT_TRUE(child.wait().is_success());
}

TYPED_TEST(Service, ASlowClientHoldsAServerUpNoLongerThanItSaysAndTheLastResponseAlwaysHasRoom) {
  auto client = this->place_.link.client();
  auto server = this->place_.link.server();
  auto pending = client.send({1, 2});
  auto call = server.try_receive();
  ASSERT_TRUE(call);
  for (std::int64_t i = 0; i < 3; ++i) ASSERT_EQ(call.respond_part({i, 1}), wait_result::ready);
  EXPECT_EQ(call.try_respond_part({3, 1}), wait_result::timed_out);
  EXPECT_EQ(call.respond_part_for({3, 1}, 10ms), wait_result::timed_out);
  EXPECT_EQ(call.respond({4, 1}), wait_result::ready);
  for (std::int64_t i = 0; i < 3; ++i) EXPECT_EQ(pending.receive()->value, i);
  const auto last = pending.receive();
  EXPECT_EQ(last->value, 4);
  EXPECT_TRUE(last.is_last());
}

TYPED_TEST(Service, AServerThatWaitsForRoomIsWokenByTheClientThatReads) {
  auto child = child_process::fork([this] {
    auto server = this->place_.link.server(park());
    auto call = server.receive();
    for (std::int64_t i = 0; i < 3; ++i)
      if (call.respond_part({i, 1}) != wait_result::ready) return 1;
    if (!this->ready_.tell()) return 2;
    if (call.respond_part_for({3, 1}, 1h) != wait_result::ready) return 3;
    if (!this->ready_.tell()) return 4;
    return call.respond_part_for({4, 1}, 1h) == wait_result::closed ? 0 : 5;
  });
  auto client = this->place_.link.client();
  auto pending = client.send({1, 2});
  ASSERT_TRUE(this->ready_.is_told());
  EXPECT_EQ(pending.receive()->value, 0);
  ASSERT_TRUE(this->ready_.is_told());
  pending.cancel();
  EXPECT_TRUE(child.wait().is_success());
}

TYPED_TEST(Service, ACallThatAServerEndsWithoutAResponseIsClosedForItsClient) {
  auto client = this->place_.link.client();
  auto server = this->place_.link.server();
  auto pending = client.send({1, 2});
  {
    auto call = server.try_receive();
    ASSERT_TRUE(call);
  }
  EXPECT_FALSE(is_there(pending.receive()));
  EXPECT_EQ(pending.status(), wait_result::closed);
}

// ---- Deaths -------------------------------------------------------------------------------------------------------------

TYPED_TEST(Service, TheRequestOfAKilledServerGoesToAnotherMarked) {
  auto client = this->place_.link.client(park());
  auto pending = client.send({1, 2});
  auto holder = this->hold(1);
  ASSERT_TRUE(this->ready_.is_told());
  auto server = this->place_.link.server(park());
  holder.kill();
  auto call = server.receive_for(10s);
  ASSERT_TRUE(call) << to_string(server.status());
  EXPECT_TRUE(call.was_delivered_before());
  EXPECT_EQ(call.respond({3, 2}), wait_result::ready);
  const auto answer = pending.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->by, 2);
  EXPECT_EQ(answer.attempt(), 2U);
}

TYPED_TEST(Service, PartsOfAServerThatWasKilledAreFollowedByAllOfAnotherOnes) {
  auto client = this->place_.link.client(park());
  auto pending = client.send({1, 2});
  auto dying = child_process::fork([this] {
    auto server = this->place_.link.server();
    auto call = server.receive();
    for (std::int64_t i = 0; i < 2; ++i)
      if (call.respond_part({i, 1}) != wait_result::ready) return 1;
    if (!this->ready_.tell()) return 2;
    wait_for_the_end();
  });
  ASSERT_TRUE(this->ready_.is_told());
  dying.kill();
  auto server = this->place_.link.server(park());
  auto call = server.receive_for(10s);
  ASSERT_TRUE(call);
  EXPECT_EQ(call.respond_part({0, 2}), wait_result::ready);
  EXPECT_EQ(call.respond_part_for({1, 2}, 0s), wait_result::timed_out) << "three lie there";
  std::vector<std::pair<std::int64_t, std::uint32_t>> seen;
  for (int i = 0; i < 3; ++i) {
    const auto part = pending.receive();
    ASSERT_TRUE(part);
    seen.emplace_back(part->by, part.index());
  }
  EXPECT_EQ(call.respond({1, 2}), wait_result::ready);
  const auto last = pending.receive();
  ASSERT_TRUE(last);
  seen.emplace_back(last->by, last.index());
  EXPECT_EQ(seen, (std::vector<std::pair<std::int64_t, std::uint32_t>>{{1, 0}, {1, 1}, {2, 0}, {2, 1}}));
}

TYPED_TEST(Service, AnswersNothingTwiceWhereTheServerDiedBetweenItsLastResponseAndTheRelease) {
  auto client = this->place_.link.client(park());
  auto pending = client.send({1, 2});
  auto dying = child_process::fork([this] {
    auto server = this->place_.link.server();
    auto& raw = raw_of(server);
    held_call held;
    if (!raw.try_take(held)) return 1;
    const sum response{3, 1};
    std::memcpy(raw.try_room(held, true), &response, sizeof response);
    raw.publish(held, reply_kind::last, sizeof response);
    if (!this->ready_.tell()) return 2;
    wait_for_the_end();
  });
  ASSERT_TRUE(this->ready_.is_told());
  EXPECT_EQ(pending.receive()->by, 1);
  auto next = client.send({5, 6}), other = client.send({7, 8});
  dying.kill();
  auto server = this->place_.link.server(park());
  for (const std::int64_t expected : {5, 7}) {
    auto call = server.receive_for(10s);
    ASSERT_TRUE(call);
    EXPECT_EQ(call->a, expected) << "the first request was answered";
    EXPECT_EQ(call.respond({call->a + call->b, 2}), wait_result::ready);
  }
  EXPECT_FALSE(is_there(server.receive_for(200ms)));
  EXPECT_EQ(next.receive()->value, 11);
  EXPECT_EQ(other.receive()->value, 15);
}

TYPED_TEST(Service, TheDeathOfTheLastServerIsPeerGoneAndTheCallStaysPending) {
  auto client = this->place_.link.client(park());
  auto pending = client.send({1, 2});
  auto holder = this->hold(1);
  ASSERT_TRUE(this->ready_.is_told());
  holder.kill();
  EXPECT_FALSE(is_there(pending.receive()));
  EXPECT_EQ(pending.status(), wait_result::peer_gone);
  EXPECT_TRUE(pending);
  auto child = this->serve(2);
  const auto answer = pending.receive();
  ASSERT_TRUE(answer) << to_string(pending.status());
  EXPECT_EQ(answer->by, 2);
}

TYPED_TEST(Service, AServerIsToldThatItsClientWasKilled) {
  auto server = this->place_.link.server(park());
  auto caller = this->call_and_wait();
  ASSERT_TRUE(this->ready_.is_told());
  auto call = server.receive();
  ASSERT_TRUE(call);
  caller.kill();
  EXPECT_EQ(call.respond({3, 1}), wait_result::peer_gone) << "the first look at this client asks the kernel";
}

TYPED_TEST(Service, AServerThatRespondsInPartsIsToldThatItsClientWasKilled) {
  auto server = this->place_.link.server(park());
  auto caller = this->call_and_wait();
  ASSERT_TRUE(this->ready_.is_told());
  auto call = server.receive();
  for (std::int64_t i = 0; i < 3; ++i) ASSERT_EQ(call.respond_part({i, 1}), wait_result::ready);
  caller.kill();
  EXPECT_EQ(call.respond_part_for({3, 1}, 1h), wait_result::peer_gone);
}

TYPED_TEST(Service, TheDeathOfAllClientsDoesNotEndAServersWait) {
  auto caller = child_process::fork([this] {
    auto client = this->place_.link.client();
    if (!this->ready_.tell()) return 1;
    wait_for_the_end();
  });
  ASSERT_TRUE(this->ready_.is_told());
  auto server = this->place_.link.server(park());
  caller.kill();
  EXPECT_FALSE(is_there(server.receive_for(200ms)));
  EXPECT_EQ(server.status(), wait_result::timed_out);
}

TYPED_TEST(Service, RequestsOfAKilledClientAreDroppedAndItsSuccessorSeesNoneOfTheirResponses) {
  auto server = this->place_.link.server(park());
  auto other = this->place_.link.client();
  auto caller = child_process::fork([this] {
    auto client = this->place_.link.client();
    auto held = client.send({1, 2}), queued = client.send({3, 4});
    if (!held || !queued || !this->ready_.tell()) return 1;
    wait_for_the_end();
  });
  ASSERT_TRUE(this->ready_.is_told());
  auto call = server.receive();
  ASSERT_TRUE(call);
  caller.kill();
  auto successor = this->place_.link.client(park());  // there are two seats
  EXPECT_FALSE(successor.try_send({5, 6})) << "both lanes are under way";
  EXPECT_EQ(call.respond({3, 1}), wait_result::peer_gone);
  auto mine = successor.send({5, 6});
  ASSERT_TRUE(mine);
  EXPECT_FALSE(is_there(mine.try_receive()));
  call = server.receive();
  ASSERT_TRUE(call);
  EXPECT_EQ(call->a, 5) << "the dead one's second request is dropped";
  EXPECT_EQ(call.respond({11, 1}), wait_result::ready);
  EXPECT_EQ(mine.receive()->value, 11);
}

TYPED_TEST(Service, AStoppedServersLateResponseReachesNoLaterCall) {
  auto client = this->place_.link.client(park());
  auto stopped = child_process::fork([this] {
    auto server = this->place_.link.server();
    auto call = server.receive();
    if (!this->ready_.tell()) return 1;
    ::raise(SIGSTOP);
    return call.respond({1, 1}) == wait_result::closed ? 0 : 2;
  });
  auto pending = client.send({1, 2});
  ASSERT_TRUE(this->ready_.is_told());
  pending.cancel();
  auto server = this->place_.link.server();
  auto next = client.send({3, 4});
  auto call = server.receive();
  EXPECT_EQ(call->a, 3);
  EXPECT_FALSE(client.try_send({5, 6})) << "the other lane is in the stopped server's hands";
  EXPECT_EQ(call.respond({7, 2}), wait_result::ready);
  EXPECT_EQ(next.receive()->by, 2);
  while (::kill(stopped.pid(), 0) == 0 && !stopped.try_wait()) stopped.resume();
  EXPECT_TRUE(stopped.wait().is_success());
  auto first = client.try_send({5, 6}), second = client.try_send({7, 8});
  EXPECT_TRUE(first && second);
}

// ---- Handles ------------------------------------------------------------------------------------------------------------

TYPED_TEST(Service, MoreOpenCallsThanAClientMayHaveAreMisuse) {
  auto client = this->place_.link.client();
  auto first = client.send({1, 1}), second = client.send({2, 2});
  EXPECT_THAT(thrown_by([&] { (void)client.try_send({3, 3}); }), ThrewSaying(errc::misuse, "2 calls"));
}

TYPED_TEST(Service, ACallThatIsOverTakesNoFurtherResponse) {
  auto client = this->place_.link.client();
  auto server = this->place_.link.server();
  auto pending = client.send({1, 1});
  auto call = server.try_receive();
  ASSERT_EQ(call.respond({2, 1}), wait_result::ready);
  EXPECT_THAT(thrown_by([&] { (void)call.respond({3, 1}); }), Threw(errc::misuse));
}

TYPED_TEST(Service, CallsOutliveTheirHandlesHarmlessly) {
  auto pending = [this] {
    auto client = this->place_.link.client();
    return client.send({1, 2});
  }();
  EXPECT_FALSE(is_there(pending.receive()));
  EXPECT_EQ(pending.status(), wait_result::closed);
  auto client = this->place_.link.client();
  auto mine = client.send({3, 4});
  {
    auto call = [this] {
      auto server = this->place_.link.server();
      return server.receive();
    }();
    EXPECT_THAT(thrown_by([&] { (void)call.respond({7, 1}); }), Threw(errc::misuse));
  }
  auto server = this->place_.link.server();
  auto call = server.receive_for(10s);
  ASSERT_TRUE(call) << "the request that the first server left";
  EXPECT_TRUE(call.was_delivered_before());
}

TYPED_TEST(Service, HandlesOfTheParentAreWrongInAForkedChild) {
  auto client = this->place_.link.client();
  auto server = this->place_.link.server();
  auto pending = client.send({1, 2});
  auto call = server.receive();
  auto child = child_process::fork([&] {
    if (thrown_by([&] { (void)client.call({1, 2}, 1s); }).reason != errc::wrong_process) return 1;
    if (thrown_by([&] { (void)call.respond({1, 2}); }).reason != errc::wrong_process) return 2;
    if (thrown_by([&] { (void)pending.receive(); }).reason != errc::wrong_process) return 3;
    return 0;
  });
  EXPECT_TRUE(child.wait().is_success());
  EXPECT_EQ(call.respond({3, 1}), wait_result::ready);
  EXPECT_EQ(pending.receive()->value, 3);
}

TYPED_TEST(Service, AClosedServiceTakesNoCallAndAnswersThoseItHas) {
  auto client = this->place_.link.client(park());
  auto server = this->place_.link.server();
  auto pending = client.send({1, 2});
  server.close();
  EXPECT_EQ(client.call({3, 4}, 10s).status(), wait_result::closed);
  auto call = server.receive();
  ASSERT_TRUE(call);
  EXPECT_EQ(call.respond({3, 1}), wait_result::ready);
  EXPECT_EQ(pending.receive()->value, 3);
  EXPECT_FALSE(is_there(server.receive()));
  EXPECT_EQ(server.status(), wait_result::closed);
}

TYPED_TEST(Service, AWaitThatAStopEndsIsInterrupted) {
  auto client = this->place_.link.client();
  std::stop_source source;
  source.request_stop();
  EXPECT_EQ(client.call({1, 2}, 10s, source.get_token()).status(), wait_result::interrupted);
}

TEST(ServiceNames, AnotherRequestOrResponseIsAnotherType) {
  temp_registry names;
  const segment_name name("adder");
  const auto kept = adder::create(*names, name);
  EXPECT_THAT(thrown_by([&] { (void)service<sum, sum>::attach(*names, name); }),
              ThrewSaying(errc::wrong_type, "pair -> "));
  EXPECT_THAT(thrown_by([&] { (void)service<pair, pair>::attach(*names, name); }), Threw(errc::wrong_type));
  EXPECT_THAT(thrown_by([&] { (void)channel<pair>::attach(*names, name); }), ThrewSaying(errc::wrong_kind, "service"));
}

TEST(ServiceNames, AnExistingServiceMustOfferWhatWasAskedFor) {
  temp_registry names;
  const segment_name name("adder");
  const auto kept = adder::create(*names, name, {.calls_in_flight = 2});
  EXPECT_THAT(thrown_by([&] { (void)adder::create_or_attach(*names, name, {.calls_in_flight = 3}); }),
              ThrewSaying(errc::wrong_kind, "at least 3 calls in flight"));
  EXPECT_NO_THROW((void)adder::create_or_attach(*names, name, {.calls_in_flight = 2}));
}

TEST(ServiceNames, NumbersOutOfRangeAreRefusedWithTheRange) {
  const auto refused = [](const service_options& options) {
    return thrown_by([&] { (void)adder::create_unnamed(options); });
  };
  EXPECT_THAT(refused({.calls_in_flight = 65}), ThrewSaying(errc::bad_argument, "at most 64"));
  EXPECT_THAT(refused({.response_slots = 3}), ThrewSaying(errc::bad_argument, "power of two"));
  EXPECT_THAT(refused({.client_seats = 5000}), ThrewSaying(errc::bad_argument, "client seats: at most 4096"));
}

// ---- Any length ---------------------------------------------------------------------------------------------------------

using teller = service<bytes, bytes>;

TEST(ServiceOfBytes, RequestsAndResponsesHaveAnyLength) {
  const watchdog dog(100s);
  const auto link = teller::create_unnamed<memfd_segment>({.capacity_bytes = 1 << 16, .max_response_bytes = 1 << 14});
  auto child = child_process::fork([&link] {
    auto server = link.server();
    while (auto call = server.receive()) {
      const auto asked = call.text();
      if (asked.size() < 10'000)
        (void)call.respond(asked);
      else if (call.respond_part(asked.substr(0, 10'000)) != wait_result::ready ||
               call.respond(asked.substr(10'000)) != wait_result::ready)
        return 1;
    }
    return 0;
  });
  auto client = link.client();
  for (const std::size_t length : {0U, 1U, 79U, 80U, 81U, 112U, 113U, 4096U, 9999U, 16'000U, 20'000U}) {
    const std::string text(length, static_cast<char>('a' + length % 26));
    auto pending = client.send(text);
    std::string all;
    while (const auto part = pending.receive()) all += part.text();
    EXPECT_EQ(all, text);
  }
  const auto answer = client.call("a line", 10s);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer.text(), "a line");
  client.close();
  EXPECT_TRUE(child.wait().is_success());
}

TEST(ServiceOfBytes, WhatCanNeverFitIsAnErrorAndTheCallGoesOn) {
  const auto link = teller::create_unnamed({.capacity_bytes = 4096, .max_response_bytes = 100});
  auto client = link.client();
  auto server = link.server();
  const std::string longest(client.max_request_bytes(), 'x');
  EXPECT_THAT(thrown_by([&] { (void)client.call(longest + "x", 1ms); }), Threw(errc::bad_argument));
  auto pending = client.send(longest);
  auto call = server.try_receive();
  ASSERT_TRUE(call);
  EXPECT_EQ(call.text(), longest);
  EXPECT_THAT(thrown_by([&] { (void)call.respond(std::string(101, 'y')); }),
              ThrewSaying(errc::bad_argument, "most 100"));
  EXPECT_EQ(call.respond(std::string(100, 'y')), wait_result::ready);
  EXPECT_EQ(pending.receive().text(), std::string(100, 'y'));
}

TEST(ServiceOfBytes, ALongRequestWaitsForRoomInTheArenaOfItsClient) {
  const watchdog dog(100s);
  const auto link = teller::create_unnamed({.capacity_bytes = 4096});
  auto client = link.client(park());
  const std::string large(3000, 'x');
  auto first = client.send(large);
  EXPECT_FALSE(client.try_send(large));
  EXPECT_EQ(client.send_for(large, 1ms).status(), wait_result::timed_out);
  auto child = child_process::fork([&link] {
    auto server = link.server();
    for (int i = 0; i < 2; ++i) {
      auto call = server.receive();
      (void)call.respond("");
    }
  });
  auto second = client.send(large);
  ASSERT_TRUE(second);
  EXPECT_TRUE(is_there(first.receive()));
  EXPECT_TRUE(is_there(second.receive()));
  EXPECT_TRUE(child.wait().is_success());
}

TEST(ServiceOfBytes, TheLongRequestOfAKilledServerGoesToAnother) {
  const watchdog dog(100s);
  const auto link = teller::create_unnamed<memfd_segment>({.capacity_bytes = 1 << 16});
  auto client = link.client(park());
  pipe_signal ready;
  auto holder = child_process::fork([&] {
    auto server = link.server();
    auto call = server.receive();
    if (!ready.tell()) return 1;
    wait_for_the_end();
  });
  const std::string large(5000, 'x');
  auto pending = client.send(large);
  ASSERT_TRUE(ready.is_told());
  holder.kill();
  auto server = link.server(park());
  auto call = server.receive_for(10s);
  ASSERT_TRUE(call);
  EXPECT_TRUE(call.was_delivered_before());
  EXPECT_EQ(call.text(), large);
  EXPECT_EQ(call.respond("done"), wait_result::ready);
  EXPECT_EQ(pending.receive().text(), "done");
}

struct word {
  std::string text;
};

}  // namespace
}  // namespace sluice::detail::test

template <>
struct sluice::serializer<sluice::detail::test::word> {
  using word = sluice::detail::test::word;
  static std::size_t max_bytes(const word& one) { return one.text.size(); }
  static std::size_t write(const word& one, std::span<std::byte> room) {
    if (one.text == "unspeakable") throw std::runtime_error("no bytes for it");
    std::memcpy(room.data(), one.text.data(), one.text.size());
    return one.text.size();
  }
  static word read(std::span<const std::byte> message) { return {std::string(sluice::as_text(message))}; }
};

namespace sluice::detail::test {
namespace {

TEST(ServiceOfBytes, TypesWithASerializerAreRequestsAndResponses) {
  const auto link = service<word, word>::create_unnamed({.calls_in_flight = 1});
  auto client = link.client();
  auto server = link.server();
  EXPECT_THROW((void)client.send(word{"unspeakable"}), std::runtime_error);
  auto pending = client.send(word{"hello"});
  ASSERT_TRUE(pending) << "the lane of the call that was not sent";
  auto call = server.try_receive();
  ASSERT_TRUE(call);
  EXPECT_EQ((*call).text, "hello");
  EXPECT_THROW((void)call.respond(word{"unspeakable"}), std::runtime_error);
  EXPECT_EQ(call.respond(word{"bye"}), wait_result::ready);
  const auto answer = pending.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ((*answer).text, "bye");
}

TEST(ServiceOfBytes, OneSideMayHaveOneSize) {
  const auto counts = service<bytes, int>::create_unnamed();
  auto client = counts.client();
  auto server = counts.server();
  auto pending = client.send("four");
  auto call = server.try_receive();
  EXPECT_EQ(call.respond(static_cast<int>(call.text().size())), wait_result::ready);
  EXPECT_EQ(*pending.receive(), 4);
  EXPECT_THAT(thrown_by([] { (void)service<bytes, int>::create_unnamed({.max_response_bytes = 8}); }),
              ThrewSaying(errc::bad_argument, "leave it out"));
  EXPECT_THAT(thrown_by([] { (void)service<int, bytes>::create_unnamed({.inline_bytes = 8}); }),
              ThrewSaying(errc::bad_argument, "messages of one size"));
}

}  // namespace
}  // namespace sluice::detail::test
