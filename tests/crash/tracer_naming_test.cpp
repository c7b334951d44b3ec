// Real SIGKILLs of a process that subscribes by name, or ends a subscription, at every place that others can see.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "crash/tracer_real.hpp"
#include "crash/tracer_table.hpp"
#include "crash/tracer_trial.hpp"
#include "sluice/inspect.hpp"
#include "sluice/topic.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

#if SLUICE_TRACES

namespace sluice::detail::test::tracer {
namespace {

using link = topic<message, publishers::many>;
using by_name = subscriber<message, publishers::many, park>;
constexpr auto a_tick = std::chrono::milliseconds(tick_ns / 1'000'000 + 10);
constexpr std::uint64_t sent_before = 4;

class naming_world;
struct naming {
  std::string name;
  bool has_predecessor = false;  // that has released the first message
  bool may_end_it = false;
  std::function<void(const marks&, naming_world&)> act;
};

class naming_world final : public world {
 public:
  naming_world(const naming& what, bool has_file) : what_(what), link_(make(has_file)), out_(link_.publisher<park>()) {
    for (std::uint64_t i = 1; i <= sent_before; ++i)
      if (!out_.try_send(message_of(i))) throw std::logic_error("no room for what is sent before");
    if (!what.has_predecessor) return;
    auto before = subscribe();
    receive(before);
  }

  void child(const marks& here) override { what_.act(here, *this); }
  [[nodiscard]] std::span<const std::byte> shared() const override { return link_.memory().bytes(); }

  [[nodiscard]] std::string survive(std::uint64_t) override {
    const auto kept = count_named();
    if (kept > 1) complain("two seats are kept for one subscription");
    if (what_.has_predecessor && !what_.may_end_it && kept != 1) complain("the subscription is gone");
    take_over();
    if (broken_.empty()) end_it();
    if (broken_.empty()) fill_all_seats();
    return broken_;
  }

  // ---- For the child ---------------------------------------------------------------------------------------------------

  [[nodiscard]] by_name subscribe() { return link_.named_subscriber<park>("billing", history::all()); }
  void unsubscribe() { link_.unsubscribe("billing"); }
  static void receive(by_name& in) {
    if (auto one = in.try_peek()) (void)read(reinterpret_cast<const std::byte*>(&*one));
  }

 private:
  static constexpr std::uint32_t seats = 3;

  link make(bool has_file) {
    const topic_options options{.capacity_slots = 8, .subscriber_seats = seats};
    return has_file ? link::create(*names_, segment_name("ticks"), options) : link::create_unnamed(options);
  }
  void complain(const std::string& what) { broken_ += (broken_.empty() ? "" : "; ") + what; }

  [[nodiscard]] std::int64_t count_named() const {
    const auto all = out_.seats();
    return std::count_if(all.begin(), all.end(), [](const auto& seat) { return seat.subscription == "billing"; });
  }

  /// Tries what a dead process may stand in the way of, for some ticks.
  bool try_for_ticks(const std::function<bool()>& call) {
    for (int i = 0; i < ticks_allowed; ++i) {
      if (call()) return true;
      std::this_thread::sleep_for(a_tick);
    }
    return false;
  }

  /// Another process subscribes by the name, and misses nothing that was not released.
  void take_over() {
    std::optional<by_name> in;
    const bool has_come = try_for_ticks([&] {
      try {
        in.emplace(subscribe());
      } catch (const error& problem) {
        if (problem.reason() != errc::seat_taken) throw;
      }
      return in.has_value();
    });
    if (!has_come) return complain("the name is not given to a successor");
    if (count_named() != 1) complain("not one seat is kept for the subscription");
    std::vector<std::uint64_t> got;
    while (auto one = in->try_peek()) {
      if (!is_whole(*one)) complain("delivered torn");
      got.push_back(one->id);
    }
    const auto first = got.empty() ? sent_before + 1 : got.front();
    if (first > 3) complain("it begins at " + std::to_string(first) + ", and no more than two were released");
    for (std::size_t i = 0; i < got.size(); ++i)
      if (got[i] != first + i) complain("a gap behind " + std::to_string(first + i));
    if (!got.empty() && got.back() != sent_before) complain("the last message is missing");
  }

  void end_it() {
    unsubscribe();
    if (count_named() != 0) complain("a seat is kept for what was ended");
  }

  /// No seat and no slot is lost.
  void fill_all_seats() {
    std::vector<subscriber<message, publishers::many>> all;
    const bool fit = try_for_ticks([&] {
      try {
        while (all.size() < seats) all.push_back(link_.subscriber());
      } catch (const error& problem) {
        if (problem.reason() != errc::seat_taken) throw;
      }
      return all.size() == seats;
    });
    if (!fit) complain("a seat is lost");
    for (std::uint64_t i = 0; i < 20; ++i) {
      const bool was_sent =
          try_for_ticks([&] { return out_.send_for(message_of(100 + i), a_tick) == wait_result::ready; });
      if (!was_sent) return complain("the publisher is held up");
      for (auto& in : all)
        if (!in.try_receive()) return complain("a subscriber misses a message");
    }
  }

  const watchdog limit_;
  temp_registry names_;
  const naming& what_;
  link link_;
  publisher<message, publishers::many, park> out_;
  std::string broken_;
};

void expect_survivors_go_on(bool has_file) {
  const std::vector<naming> all{
      {"subscribe by a new name, receive, leave", false, false,
       [](const marks& here, naming_world& rest) {
         here.begin();
         {
           auto in = rest.subscribe();
           naming_world::receive(in);
         }
         here.end();
       }},
      {"succeed in a subscription, receive, leave", true, false,
       [](const marks& here, naming_world& rest) {
         here.begin();
         {
           auto in = rest.subscribe();
           naming_world::receive(in);
         }
         here.end();
       }},
      {"unsubscribe", true, true,
       [](const marks& here, naming_world& rest) {
         here.begin();
         rest.unsubscribe();
         here.end();
       }},
  };
  expect_none_broken(all,
                     [&](const auto& one, std::ostream& complaints) {
                       return die_everywhere({one.name, [&] { return std::make_unique<naming_world>(one, has_file); }},
                                             60, complaints);
                     },
                     {.states = 11});
}

TEST(TracedNaming, SurvivesRealDeathsInATopicOfAFile) { expect_survivors_go_on(true); }
TEST(TracedNaming, SurvivesRealDeathsInATopicOfAnonymousMemory) { expect_survivors_go_on(false); }

}  // namespace
}  // namespace sluice::detail::test::tracer

#endif
