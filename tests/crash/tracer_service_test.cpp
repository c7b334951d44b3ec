// Real SIGKILLs in a client and in a server: each call of a living client gets one last response, and no client one of another's.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "crash/tracer_real.hpp"
#include "crash/tracer_table.hpp"
#include "crash/tracer_trial.hpp"
#include "sluice/segment.hpp"
#include "sluice/service.hpp"
#include "sluice/wait.hpp"
#include "support/behind.hpp"
#include "support/child_process.hpp"
#include "support/is_there.hpp"
#include "support/watchdog.hpp"

#if SLUICE_TRACES

namespace sluice::detail::test::tracer {
namespace {

using std::chrono::milliseconds;
/// Requests and responses of one size,
struct one_size {
  using type = message;
  static message made(const message& m) { return m; }
  static message read_from(const message& m) { return m; }
};
/// or of any length: long ones, which lie in an arena.
struct any_size {
  using type = bytes;
  static std::array<std::byte, 200> made(const message& m) {
    std::array<std::byte, 200> all{};
    std::memcpy(all.data(), &m, sizeof m);
    return all;
  }
  static message read_from(std::span<const std::byte> all) {
    message m{};
    std::memcpy(&m, all.data(), std::min(all.size(), sizeof m));
    return m;
  }
};

constexpr auto a_tick = milliseconds(tick_ns / 1'000'000 + 10);
constexpr int ticks = 6;
constexpr std::uint32_t lanes = 2, reply_slots = 4;
constexpr std::uint64_t childs_ids = std::uint64_t{9} << 32;
constexpr std::uint64_t part_of_a_response = std::uint64_t{1} << 48;

/// What is answered to `id`, so that a response to another call is seen.
constexpr message response_to(std::uint64_t id) { return message_of(id + (std::uint64_t{1} << 40)); }
constexpr message part_to(std::uint64_t id, std::uint32_t index) {
  return message_of(id + (index + 1) * part_of_a_response);
}

/// The service, what a dead process left of it, and the checks that both worlds share.
template <class Size>
class service_world : public world {
 public:
  using service_type = service<typename Size::type, typename Size::type>;
  using client_type = client<typename Size::type, typename Size::type, park>;
  using server_type = server<typename Size::type, typename Size::type, park>;
  using pending_type = typename client_type::pending;

  service_world(bool in_memfd, std::uint32_t servers)
      : service_(in_memfd ? service_type::template create_unnamed<memfd_segment>(options(servers))
                          : service_type::create_unnamed(options(servers))) {}

  [[nodiscard]] std::span<const std::byte> shared() const override {
    const auto& part = service_.header().parts[0];
    const auto bytes = service_.memory().bytes();
    return bytes.subspan(part.control_offset, part.body_offset + part.body_bytes - part.control_offset);
  }

  // ---- For the child ---------------------------------------------------------------------------------------------------

  [[nodiscard]] client_type call() { return service_.client(park()); }
  [[nodiscard]] server_type serve() { return service_.server(park()); }
  [[nodiscard]] receipts& seen() noexcept { return *reinterpret_cast<receipts*>(receipts_.own().data()); }

 protected:
  void complain(const std::string& what) {
    if (broken_.find(what) == std::string::npos) broken_ += (broken_.empty() ? "" : "; ") + what;
  }

  /// Takes a dead one's seat.
  template <class Take>
  auto come(const Take& take) -> std::optional<decltype(take())> {
    for (int i = 0; i < ticks; ++i) try {
        return take();
      } catch (const error& problem) {
        if (problem.reason() != errc::seat_taken) throw;
        ::usleep(50'000);
      }
    complain("a dead one's seat is not given to a successor");
    return std::nullopt;
  }

  /// Every lane is of use, and every response is that to its own call: for longer than a lane and the ring are.
  void go_round(client_type& client, server_type& server) {
    for (int round = 0; round < 6; ++round) {
      std::vector<pending_type> calls;
      const auto first = next_id_;
      for (std::uint32_t i = 0; i < lanes; ++i) {
        calls.push_back(client.try_send(Size::made(message_of(next_id_++))));
        if (!calls.back()) return complain("a lane is lost");
      }
      for (std::uint32_t i = 0; i < lanes; ++i) {
        auto call = server.receive_for(a_tick);
        if (!call) return complain("a living client's call is not delivered");
        const auto asked = Size::read_from(*call);
        if (!is_whole(asked) || asked.id != first + i) return complain("a call is torn or of a dead client");
        if (call.was_delivered_before()) complain("a new call is marked");
        const auto id = asked.id;
        if (round % 2 == 0 && call.respond_part(Size::made(part_to(id, 0))) != wait_result::ready)
          complain("no room for a part");
        if (call.respond(Size::made(response_to(id))) != wait_result::ready) complain("a response is not wanted");
      }
      for (std::uint32_t i = 0; i < lanes; ++i) {
        if (round % 2 == 0) {
          const auto part = calls[i].try_receive();
          if (!part || part.is_last() || part.index() != 0 || !is(*part, part_to(first + i, 0)))
            complain("a part of a response is lost or another's");
        }
        const auto last = calls[i].try_receive();
        if (!last || !last.is_last() || last.attempt() != 1 || !is(*last, response_to(first + i)))
          complain("a response is lost or another's");
      }
    }
  }

  template <class View>
  static bool is(const View& view, const message& expected) {
    const auto found = Size::read_from(view);
    return is_whole(found) && found.id == expected.id;
  }

  static service_options options(std::uint32_t servers) {
    service_options few{.capacity_slots = capacity,
                        .client_seats = 1,
                        .server_seats = servers,
                        .calls_in_flight = lanes,
                        .response_slots = reply_slots};
    if constexpr (any_length<typename Size::type>) few.capacity_bytes = 512, few.max_response_bytes = 200;
    return few;
  }

  twin_memory receipts_{sizeof(receipts)};
  service_type service_;
  std::uint64_t next_id_ = 1000;
  std::string broken_;
};

// ---- A client dies ------------------------------------------------------------------------------------------------------

template <class Size>
class client_world;

template <class Size>
struct client_deed {
  std::string name;
  std::function<void(const marks&, client_world<Size>&)> act;
};

template <class Size>
class client_world final : public service_world<Size> {
  using base = service_world<Size>;

 public:
  client_world(const client_deed<Size>& what, bool in_memfd) : base(in_memfd, 2), what_(what) {
    server_.emplace(this->serve());
  }

  void child(const marks& here) override { what_.act(here, *this); }

  [[nodiscard]] std::string survive(std::uint64_t) override {
    auto successor = this->come([this] { return this->call(); });
    if (!successor) return this->broken_;
    // What the dead one sent is dropped, or it is answered in vain.
    for (auto call = server_->try_receive(); call; call = server_->try_receive()) {
      this->complain("a request of a client that is known to be dead is delivered");
    }
    (void)server_->receive_for(a_tick);  // claims that it left are mended
    this->go_round(*successor, *server_);
    return this->broken_;
  }

  /// A server in the child answers `count` calls, in parts too, and leaves.
  void answer(int count, std::uint32_t parts) {
    auto server = this->serve();
    for (int i = 0; i < count; ++i) {
      auto call = server.try_receive();
      const auto id = Size::read_from(*call).id;
      for (std::uint32_t n = 0; n < parts; ++n) (void)call.respond_part(Size::made(part_to(id, n)));
      (void)call.respond(Size::made(response_to(id)));
    }
  }

 private:
  const client_deed<Size> what_;
  std::optional<typename base::server_type> server_;
};

template <class Size>
std::vector<client_deed<Size>> client_deeds() {
  using client_world = client_world<Size>;
  using client_type = typename client_world::client_type;
  using pending_type = typename client_world::pending_type;
  const auto sitting = [](auto before, auto act) {
    return [before, act](const marks& here, client_world& rest) {
      auto client = rest.call();
      auto calls = before(client, rest);
      here.begin();
      act(client, calls);
      here.end();
    };
  };
  const auto none = [](auto&, auto&) { return std::vector<pending_type>(); };
  const auto two = [](auto& client, auto&) {
    std::vector<pending_type> calls;
    for (std::uint64_t i = 1; i <= 2; ++i) calls.push_back(client.send(Size::made(message_of(childs_ids + i))));
    return calls;
  };
  const auto answered = [two](std::uint32_t parts) {
    return [two, parts](auto& client, auto& rest) {
      auto calls = two(client, rest);
      rest.answer(2, parts);
      return calls;
    };
  };
  return {
      {"client: send two calls", sitting(none,
                                         [](auto& client, auto& calls) {
                                           calls.push_back(client.try_send(Size::made(message_of(childs_ids + 1))));
                                           calls.push_back(client.try_send(Size::made(message_of(childs_ids + 2))));
                                         })},
      {"client: receive it in parts", sitting(answered(2),
                                              [](auto&, auto& calls) {
                                                for (int i = 0; i < 3; ++i) (void)calls[1].try_receive();
                                              })},
      {"client: receive and send again", sitting(answered(0),
                                                 [](auto& client, auto& calls) {
                                                   (void)calls[0].try_receive();
                                                   calls.push_back(
                                                       client.try_send(Size::made(message_of(childs_ids + 3))));
                                                 })},
      {"client: cancel", sitting(two, [](auto&, auto& calls) { calls[0].cancel(); })},
      {"client: wait in vain", sitting(two, [](auto&, auto& calls) { (void)calls[0].receive_for(milliseconds(10)); })},
      {"client: take the seat",
       [](const marks& here, client_world& rest) {
         here.begin();
         const auto client = rest.call();
         here.end();
       }},
      {"client: leave with calls open",
       [two](const marks& here, client_world& rest) {
         auto client = std::make_unique<client_type>(rest.call());
         const auto calls = two(*client, rest);
         here.begin();
         client.reset();
         here.end();
       }},
  };
}

// ---- A server dies ------------------------------------------------------------------------------------------------------

template <class Size>
class server_world;

template <class Size>
struct server_deed {
  std::string name;
  std::function<void(const marks&, server_world<Size>&)> act;
  bool begins_after_a_death = false;  // of another one that had sent a part of a response
  bool cancels = false;               // the first call, before
};

template <class Size>
class server_world final : public service_world<Size> {
  using base = service_world<Size>;
  using base::complain, base::seen;

 public:
  server_world(const server_deed<Size>& what, bool in_memfd, bool has_another)
      : base(in_memfd, has_another ? 2 : 1), what_(what), client_(this->call()) {
    for (std::uint64_t i = 1; i <= lanes; ++i) calls_.push_back(client_.send(Size::made(message_of(i))));
    if (what.begins_after_a_death) {
      auto first = child_process::fork([this] {
        auto server = this->serve();
        auto call = server.try_receive();
        seen().note(Size::read_from(*call).id, false);
        (void)call.respond_part(Size::made(part_to(1, 0)));
        wait_for_the_end();
      });
      while (!is_there(calls_[0].try_receive())) {
      }
      first.kill();
    }
    if (has_another) another_.emplace(this->serve());
    if (what.cancels) calls_[0].cancel();
  }

  void child(const marks& here) override { what_.act(here, *this); }

  [[nodiscard]] std::string survive(std::uint64_t) override {
    auto survivor = std::move(another_);
    if (!survivor) survivor = this->come([this] { return this->serve(); });
    if (!survivor) return this->broken_;
    for (int i = 0; i < ticks && !is_all_over(); ++i) {
      for (auto call = survivor->receive_for(a_tick); call; call = survivor->try_receive()) {
        const auto asked = Size::read_from(*call);
        const auto id = asked.id;
        if (!is_whole(asked) || id == 0 || id > lanes) return "a request is torn";
        if (what_.cancels && id == 1) complain("a cancelled request is delivered");
        for (std::uint64_t n = 0; n < seen().count; ++n)
          if (seen().all[n].id == id && !call.was_delivered_before()) complain("a request came twice without a mark");
        if (hears(id)) complain("a request came again that was answered");
        while (call.try_respond_part(Size::made(part_to(id, 0))) == wait_result::timed_out) (void)hears(id);
        if (call.respond(Size::made(response_to(id))) != wait_result::ready) complain("a response is not wanted");
      }
    }
    if (!is_all_over()) complain("a call got no last response");
    calls_.clear();
    (void)survivor->receive_for(a_tick);
    this->go_round(client_, *survivor);
    return this->broken_;
  }

  /// In the child.
  void note(std::uint64_t id, bool was_marked) { seen().note(id, was_marked); }

 private:
  /// Receives what there is for a call. Whether it is over.
  bool hears(std::uint64_t id) {
    auto& call = calls_[id - 1];
    auto& told = told_[id - 1];
    while (const auto part = call.try_receive()) {
      const auto got = Size::read_from(*part);
      if (!is_whole(got)) complain("a response is torn");
      if (part.attempt() < told.attempt) complain("a part of an earlier attempt came late");
      if (part.attempt() != told.attempt) told = {part.attempt(), 0};
      if (what_.begins_after_a_death && id == 1 && part.attempt() == 1) complain("a part came twice");
      if (part.index() != told.next++) complain("a part is missing");
      const auto expected = part.is_last() ? response_to(id) : part_to(id, part.index());
      if (got.id != expected.id) complain("a response is that to another call");
    }
    return !call;
  }
  [[nodiscard]] bool is_all_over() {
    bool is_over = true;
    for (std::uint64_t id = 1; id <= lanes; ++id) is_over &= hears(id);
    return is_over;
  }

  struct progress {
    std::uint32_t attempt = 0, next = 0;
  };

  const server_deed<Size> what_;
  typename base::client_type client_;
  std::vector<typename base::pending_type> calls_;
  std::optional<typename base::server_type> another_;
  progress told_[lanes];
};

template <class Size>
std::vector<server_deed<Size>> server_deeds() {
  using server_world = server_world<Size>;
  using server_type = typename server_world::server_type;
  const auto sitting = [](auto act) {
    return [act](const marks& here, server_world& rest) {
      auto server = rest.serve();
      here.begin();
      act(server, rest);
      here.end();
    };
  };
  const auto answer = [](auto& server, auto& rest, std::uint32_t parts) {
    auto call = server.try_receive();
    if (!call) return;
    const auto id = Size::read_from(*call).id;
    rest.note(id, call.was_delivered_before());
    for (std::uint32_t n = 0; n < parts; ++n) (void)call.try_respond_part(Size::made(part_to(id, n)));
    (void)call.respond(Size::made(response_to(id)));
  };
  return {
      {"server: respond", sitting([answer](auto& server, auto& rest) { answer(server, rest, 0); })},
      {"server: respond in parts", sitting([answer](auto& server, auto& rest) { answer(server, rest, 2); })},
      {"server: end without a response", sitting([](auto& server, auto& rest) {
         auto call = server.try_receive();
         rest.note(Size::read_from(*call).id, call.was_delivered_before());
         call.end();
       })},
      {"server: wait for room", sitting([](auto& server, auto& rest) {
         auto call = server.try_receive();
         const auto id = Size::read_from(*call).id;
         rest.note(id, call.was_delivered_before());
         for (std::uint32_t n = 0; n < reply_slots; ++n)
           (void)call.respond_part_for(Size::made(part_to(id, n)), milliseconds(n < reply_slots - 1 ? 0 : 5));
         (void)call.respond(Size::made(response_to(id)));
       })},
      {"server: drop a cancelled call", sitting([answer](auto& server, auto& rest) { answer(server, rest, 0); }), false,
       true},
      {"server: go on after another's death",
       [answer](const marks& here, server_world& rest) {
         auto server = rest.serve();
         here.begin();
         answer(server, rest, 1);
         here.end();
       },
       true},
      {"server: take the seat",
       [](const marks& here, server_world& rest) {
         here.begin();
         const auto server = rest.serve();
         here.end();
       }},
      {"server: leave with a call open",
       [](const marks& here, server_world& rest) {
         auto server = std::make_unique<server_type>(rest.serve());
         auto call = server->try_receive();
         rest.note(Size::read_from(*call).id, false);
         here.begin();
         server.reset();
         here.end();
       }},
  };
}

template <class Deeds, class Make>
void expect_others_go_on(const Deeds& deeds, const Make& make) {
  expect_none_broken(deeds,
                     [&](const auto& what, std::ostream& complaints) {
                       return die_everywhere({what.name, [&] { return make(what); }, false, false}, 30, complaints);
                     },
                     {.full = std::chrono::seconds(2000), .states = 3});
}

template <class Size>
void expect_clients_go_on(bool in_memfd) {
  expect_others_go_on(client_deeds<Size>(),
                      [in_memfd](const auto& what) { return std::make_unique<client_world<Size>>(what, in_memfd); });
}
template <class Size>
void expect_servers_go_on(bool in_memfd, bool has_another) {
  expect_others_go_on(server_deeds<Size>(), [=](const auto& what) {
    return std::make_unique<server_world<Size>>(what, in_memfd, has_another);
  });
}

TEST(TracedService, SurvivesRealDeathsOfAClient) { expect_clients_go_on<one_size>(true); }
TEST(TracedService, SurvivesRealDeathsOfAClientInAnonymousMemory) { expect_clients_go_on<one_size>(false); }
TEST(TracedService, SurvivesRealDeathsOfAServerWhoseSuccessorTakesItsSeat) {
  expect_servers_go_on<one_size>(true, false);
}
TEST(TracedService, SurvivesRealDeathsOfAServerBesideAnother) { expect_servers_go_on<one_size>(false, true); }
TEST(TracedService, SurvivesRealDeathsOfAClientWithLongRequests) { expect_clients_go_on<any_size>(true); }
TEST(TracedService, SurvivesRealDeathsOfAServerWithLongRequests) { expect_servers_go_on<any_size>(true, false); }

}  // namespace
}  // namespace sluice::detail::test::tracer

#endif
