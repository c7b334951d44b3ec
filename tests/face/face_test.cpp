// What the contracts of the public headers show, as a program would write it: this file may include the public face alone.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "sluice/bytes.hpp"
#include "sluice/channel.hpp"
#include "sluice/error.hpp"
#include "sluice/inspect.hpp"
#include "sluice/latest.hpp"
#include "sluice/options.hpp"
#include "sluice/port.hpp"
#include "sluice/registry.hpp"
#include "sluice/ring.hpp"
#include "sluice/segment.hpp"
#include "sluice/service.hpp"
#include "sluice/stop_token.hpp"
#include "sluice/topic.hpp"
#include "sluice/wait.hpp"

namespace face {

struct quote {
  int id;
  double bid, ask;
};
struct named_quote {
  int id;
};
struct pair {
  int a, b;
};

}  // namespace face

template <>
struct sluice::message_traits<face::named_quote> {
  static constexpr std::string_view name = "acme.quote";
  static constexpr std::uint64_t version = 2;
};

namespace face {
namespace {

using namespace std::chrono_literals;

class Face : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(directory_); }
  [[nodiscard]] std::string path(const char* name) const { return directory_ + "/" + name; }
  [[nodiscard]] static std::string made() {
    std::string at = std::filesystem::temp_directory_path() / "sluice-face-XXXXXX";
    if (::mkdtemp(at.data()) == nullptr) std::abort();
    return at;
  }
  const std::string directory_ = made();
  const sluice::registry names_{directory_};
};

TEST_F(Face, EverySubscriberSeesEveryMessage) {
  const auto ticks = sluice::topic<quote>::create_or_attach(path("ticks"), {.capacity_slots = 1024});
  auto out = ticks.publisher();
  auto all = ticks.subscriber(sluice::history::all());
  auto fast = ticks.lossy_subscriber();
  if (auto slot = out.try_claim()) {
    *slot = {7, 1.0, 1.1};
    slot.publish();
  }
  const auto first = all.peek_for(5s);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->id, 7);
  quote q{};
  EXPECT_EQ(fast.receive_for(q, 5s), sluice::wait_result::ready);
  EXPECT_EQ(q.id, 7);
  EXPECT_EQ(fast.lost(), 0U);
}

TEST_F(Face, EverySubscriberSeesMessagesOfAnyLength) {
  const auto lines = sluice::topic<sluice::bytes>::create_or_attach(path("lines"), {.capacity_bytes = 4096});
  auto out = lines.publisher();
  auto all = lines.subscriber();
  auto fast = lines.lossy_subscriber();
  EXPECT_EQ(out.send("a line of any length"), sluice::wait_result::ready);
  if (auto room = out.try_claim(1000)) {
    room.bytes()[0] = std::byte{'x'};
    EXPECT_EQ(room.publish(1), sluice::wait_result::ready);
  }
  EXPECT_EQ(all.peek().text(), "a line of any length");
  std::string line;
  EXPECT_EQ(fast.receive(line), sluice::wait_result::ready);
  EXPECT_EQ(line, "a line of any length");
  const auto seen = fast.try_view();
  ASSERT_TRUE(seen);
  const std::string copy(sluice::as_text(*seen));
  if (fast.still_valid()) {
    EXPECT_EQ(copy, "x");
  }
  fast.next();
}

TEST_F(Face, ReadersGetTheNewestValueAndTablesHaveKeys) {
  sluice::latest<quote>::create_or_attach(path("quote")).writer().set({7, 1.0, 1.1});
  EXPECT_EQ(sluice::latest<quote>::attach(path("quote")).reader().get().id, 7);
  auto eye = sluice::latest<quote>::watch(path("quote"));
  quote q{};
  EXPECT_EQ(eye.get_change(q), sluice::wait_result::ready);
  EXPECT_EQ(eye.get_change_for(q, 1ms), sluice::wait_result::timed_out);
  EXPECT_LT(eye.age_ns(), 100'000'000'000U);
  EXPECT_EQ(eye.version(), 1U);

  using settings = sluice::table<sluice::key_text<32>, double>;
  auto out = settings::create_or_attach(path("settings"), {.keys = 100}).writer();
  out.set("speed", 1.5);
  if (auto slot = out.claim("limit")) {
    *slot = 0.5;
    slot.publish();
  }
  auto in = settings::attach(path("settings")).reader();
  EXPECT_EQ(in.get("speed"), 1.5);
  EXPECT_EQ(in.keys().size(), 2U);
  sluice::key_text<32> key;
  int changes = 0;
  for (double value; in.get_any_change_for(key, value, 1ms) == sluice::wait_result::ready; ++changes)
    EXPECT_TRUE(key == "limit" || value == 1.5);
  EXPECT_EQ(changes, 1) << "of speed it has got the newest";
}

TEST_F(Face, MessagesHaveAnyLength) {
  auto log = sluice::create_or_attach<sluice::bytes, sluice::mpmc_ring>(path("log")).producer();
  EXPECT_EQ(log.send("a line of any length"), sluice::wait_result::ready);
  if (auto room = log.try_claim(4096)) {
    const std::string_view text = "in place";
    text.copy(room.data(), text.size());
    EXPECT_EQ(room.publish(text.size()), sluice::wait_result::ready);
  }
  EXPECT_TRUE(log.finish());
  auto in = sluice::attach<sluice::bytes, sluice::mpmc_ring>(path("log")).consumer();
  std::vector<std::string> lines;
  while (auto line = in.peek()) lines.emplace_back(line.text());
  EXPECT_EQ(lines, (std::vector<std::string>{"a line of any length", "in place"}));
}

TEST_F(Face, AChannelMovesAMessageInPlaceAndByCopy) {
  const auto quotes = sluice::create_or_attach<quote>(path("quotes"), {.capacity_slots = 1024});
  auto out = quotes.producer();
  auto in = quotes.consumer();
  if (auto slot = out.try_claim()) {
    *slot = {7, 1.0, 1.1};
    slot.publish();
  }
  EXPECT_EQ(out.send_for({8, 2.0, 2.1}, 100ms), sluice::wait_result::ready);
  out.close();
  std::vector<int> seen;
  while (auto slot = in.peek_for(5s)) seen.push_back(slot->id);
  EXPECT_EQ(seen, (std::vector{7, 8}));
  EXPECT_EQ(in.status(), sluice::wait_result::closed);
}

TEST_F(Face, AServiceAnswersCalls) {
  using adder = sluice::service<pair, int>;
  auto server = adder::create_or_attach(path("adder")).server();
  auto client = adder::attach(path("adder")).client();
  EXPECT_EQ(client.call({1, 2}, 1ms).status(), sluice::wait_result::timed_out) << "no server begins it any more";
  auto first = client.send({1, 2}), second = client.send_for({3, 4}, 1h);
  ASSERT_TRUE(first && second);
  for (int i = 0; i < 2; ++i) {
    auto call = server.receive_for(1s);
    ASSERT_TRUE(call);
    EXPECT_FALSE(call.was_delivered_before() || call.is_cancelled());
    EXPECT_EQ(call.respond_part(call->a), sluice::wait_result::ready);
    EXPECT_EQ(call.respond(call->a + call->b), sluice::wait_result::ready);
  }
  std::vector<int> parts;
  while (const auto part = second.receive()) parts.push_back(*part);
  EXPECT_EQ(parts, (std::vector<int>{3, 7}));
  EXPECT_EQ(*first.receive(), 1);
  first.cancel();
  std::jthread serves([adder_name = path("adder")] {
    auto other = adder::attach(adder_name).server();
    while (auto call = other.receive()) (void)call.respond(call->a + call->b);
  });
  const auto sum = client.call({20, 22});
  client.close();
  ASSERT_TRUE(sum) << to_string(sum.status());
  EXPECT_EQ(*sum, 42);
}

TEST_F(Face, ADuplexIsTwoChannels) {
  const auto both = sluice::duplex<int, quote>::create();
  auto parent = both.parent();
  auto child = both.child();
  EXPECT_TRUE(parent.out.try_send(1));
  EXPECT_EQ(child.in.try_receive(), 1);
  EXPECT_TRUE(child.out.try_send({2, 0, 0}));
  EXPECT_EQ(parent.in.try_receive()->id, 2);
}

TEST_F(Face, AnErrorHasAReasonAndASentence) {
  try {
    (void)sluice::attach<quote>(path("absent"));
    FAIL() << "it attached to nothing";
  } catch (const sluice::error& problem) {
    EXPECT_EQ(problem.reason(), sluice::errc::not_found);
    EXPECT_NE(std::string(problem.what()).find("absent"), std::string::npos);
  }
}

TEST_F(Face, OptionsMakeAndRequire) {
  (void)sluice::create<quote>(
      path("orders"), {.capacity_slots = 4096, .lifetime = sluice::lifetime::persistent, .memory = {.prefault = true}});
  EXPECT_EQ(sluice::attach<quote>(path("orders"), {.require = {.capacity_slots = 4096}}).capacity_slots(), 4096U);
  EXPECT_THROW((void)sluice::attach<quote>(path("orders"), {.require = {.capacity_slots = 8192}}), sluice::error);
}

TEST_F(Face, AMessageIsKnownByItsTraits) {
  (void)sluice::create<named_quote>(path("named"));
  EXPECT_EQ(names_.inspect(sluice::segment_name("named")).rings.at(0).type_name, "acme.quote");
  EXPECT_THROW((void)sluice::attach<quote>(path("named")), sluice::error);
}

TEST_F(Face, ASegmentOfAnyKindHoldsAChannel) {
  const auto memory = sluice::memfd_segment::create(1 << 20);
  const auto made = sluice::channel<quote>::create_in(memory);
  auto out = made.producer();
  auto in = sluice::channel<quote>::attach_in(memory).consumer();
  EXPECT_TRUE(out.try_send({3, 0, 0}));
  EXPECT_EQ(in.try_receive()->id, 3);
  auto anonymous = sluice::channel<quote>::create_unnamed();
  auto zero = sluice::channel<quote>::create_unnamed<sluice::zero_segment>();
  EXPECT_EQ(anonymous.memory().kind(), sluice::segment_kind::anonymous);
  EXPECT_EQ(zero.memory().kind(), sluice::segment_kind::zero);
}

TEST_F(Face, ARegistryListsAndRemoves) {
  (void)sluice::channel<quote>::create(names_, sluice::segment_name("orders"));
  const auto found = names_.list();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].name, "orders");
  EXPECT_STREQ(to_string(found[0].state), "idle");
  EXPECT_EQ(names_.remove(sluice::segment_name("orders")), 0U);
  EXPECT_TRUE(names_.sweep().empty());
}

TEST_F(Face, AnObserverSeesSeatsAndCounts) {
  const auto quotes = sluice::create<quote>(path("quotes"));
  auto out = quotes.producer();
  (void)out.try_send({1, 0, 0});
  const auto watching = sluice::observer::attach(path("quotes"));
  EXPECT_EQ(watching.counts().tail, 1U);
  ASSERT_EQ(watching.seats().size(), 1U);
  EXPECT_EQ(watching.seats()[0].role, sluice::role::producer);
  EXPECT_EQ(watching.seats()[0].messages, 1U);
  for (const auto& seat : out.seats()) EXPECT_EQ(seat.alive, sluice::liveness::alive);
}

/// A strategy of a program's own: polls and never sleeps.
struct eager {
  template <class Look, class Tick>
  sluice::wait_result wait(sluice::sleeper&, Look&& look, Tick&& tick, std::uint64_t) {
    for (;;) {
      if (auto answer = look()) return *answer;
      if (auto answer = tick()) return *answer;
    }
  }
};
static_assert(sluice::wait_strategy<eager>);

TEST_F(Face, EveryWayToWaitDeliversAMessage) {
  const auto quotes = sluice::create<quote, sluice::mpmc_ring>(path("quotes"));
  auto polls = quotes.consumer();
  auto sleeps = quotes.consumer(sluice::park());
  auto spins = quotes.consumer(sluice::busy_spin());
  auto own = quotes.consumer(eager());
  auto out = quotes.producer();
  quote into{};
  const auto next = [&](auto& in) {
    EXPECT_TRUE(out.try_send({4, 0, 0}));
    return in.receive_for(into, 5s);
  };
  EXPECT_EQ(next(polls), sluice::wait_result::ready);
  EXPECT_EQ(next(sleeps), sluice::wait_result::ready);
  EXPECT_EQ(next(spins), sluice::wait_result::ready);
  EXPECT_EQ(next(own), sluice::wait_result::ready);
}

TEST_F(Face, AStopTokenEndsAWait) {
  auto in = sluice::create<quote>(path("quotes")).consumer(sluice::park());
  std::jthread reader([&](const std::stop_token& stop) {
    while (auto next = in.peek(stop)) next.release();
  });
  reader.request_stop();
  reader.join();
  EXPECT_EQ(in.status(), sluice::wait_result::interrupted);
}

TEST_F(Face, ABareRingMovesAMessageInTheCallersMemory) {
  const sluice::ring_request request{sluice::identity_of<quote>(),
                                     {.kind = sluice::ring_kind::mpmc, .capacity_slots = 8}};
  const auto bytes = sluice::ring_memory_bytes(request);
  struct free_aligned {
    void operator()(std::byte* memory) const noexcept { ::operator delete[](memory, std::align_val_t{128}); }
  };
  const std::unique_ptr<std::byte[], free_aligned> memory(
      static_cast<std::byte*>(::operator new[](bytes, std::align_val_t{128})));
  std::fill_n(memory.get(), bytes, std::byte{});
  const auto view = sluice::view_memory(std::span(memory.get(), bytes), request);
  sluice::mpmc_ring::producer out(view, 0);
  sluice::mpmc_ring::consumer in(view, view.producer_seats);
  ASSERT_EQ(out.try_claim(1), 1U);
  *reinterpret_cast<int*>(out.claimed(0)) = 9;
  out.publish(1);
  ASSERT_EQ(in.try_peek(1), 1U);
  EXPECT_EQ(*reinterpret_cast<const int*>(in.peeked(0)), 9);
  in.release(1);
}

TEST_F(Face, APortMovesBytesOfAnyType) {
  (void)sluice::create<quote>(path("quotes"));
  const auto attached = names_.attach(sluice::segment_name("quotes"));
  const auto out = sluice::open_producer(attached);
  const auto in = sluice::open_consumer(attached);
  const quote sent{5, 1, 2};
  EXPECT_TRUE(out->try_send(std::as_bytes(std::span(&sent, 1))));
  ASSERT_EQ(in->peek_for(1, 5s), 1U);
  EXPECT_EQ(in->peeked(0).size(), sizeof(quote));
  in->release();
}

TEST(FaceVersion, IsOneString) {
  EXPECT_EQ(std::string(sluice::version_string), std::to_string(sluice::version_major) + "." +
                                                     std::to_string(sluice::version_minor) + "." +
                                                     std::to_string(sluice::version_patch));
}

}  // namespace
}  // namespace face
