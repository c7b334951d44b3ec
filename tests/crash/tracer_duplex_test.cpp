// Real SIGKILLs in the child of a duplex, which holds a seat in each of two rings: the parent goes on in both.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "crash/tracer_real.hpp"
#include "crash/tracer_table.hpp"
#include "crash/tracer_trial.hpp"
#include "sluice/channel.hpp"
#include "sluice/segment.hpp"
#include "sluice/wait.hpp"
#include "support/behind.hpp"
#include "support/watchdog.hpp"

#if SLUICE_TRACES

namespace sluice::detail::test::tracer {
namespace {

using std::chrono::milliseconds;
using pair_type = duplex<message>;
using end_type = duplex_end<message, message, spsc_ring, park>;

constexpr auto a_tick = milliseconds(tick_ns / 1'000'000 + 10);
constexpr int ticks = 5;
constexpr std::uint64_t answers_from = std::uint64_t{9} << 32;

class duplex_world;

struct deed {
  std::string name;
  std::uint64_t questions = 0;            // wait for the child
  std::uint64_t asked = 0, answered = 0;  // what it receives and sends without a death
  bool sits_throughout = true;
  std::function<void(const marks&, duplex_world&)> act;
};

class duplex_world final : public world {
 public:
  duplex_world(const deed& what, bool in_memfd)
      : what_(what),
        both_(in_memfd ? pair_type::create<memfd_segment>({.capacity_slots = capacity})
                       : pair_type::create({.capacity_slots = capacity})),
        parent_(both_.parent<park>()),
        down_(details_of(parent_.out).ring()),
        up_(details_of(parent_.in).ring()) {
    for (std::uint64_t i = 1; i <= what.questions; ++i)
      if (!parent_.out.try_send(message_of(i))) throw std::logic_error("no room for the questions");
  }

  void child(const marks& here) override { what_.act(here, *this); }

  [[nodiscard]] std::span<const std::byte> shared() const override {
    const auto* begin = reinterpret_cast<const std::byte*>(std::min(down_.control, up_.control));
    const auto* end = std::max(down_.slots, up_.slots) + capacity * up_.stride_bytes;
    return {begin, end};
  }

  [[nodiscard]] std::string survive(std::uint64_t which_death) override {
    std::set<std::uint64_t> answers;
    for (std::uint64_t i = 0; i < capacity; ++i)
      if (kind_of(up_.word(i).load()) == slot_kind::published) answers.insert(read(up_.payload(i)).id);
    if (which_death == 0 && (answers.size() != what_.answered || seen().count != what_.asked))
      complain("undisturbed it did not do what it should");
    hear(answers);
    auto successor = succeed();
    if (!successor) return broken_;
    answer_what_was_asked(*successor);
    for (int round = 0; round < 2; ++round) {
      go_round(parent_.out, successor->in);
      go_round(successor->out, parent_.in);
    }
    return broken_;
  }

  // ---- For the child ---------------------------------------------------------------------------------------------------

  [[nodiscard]] end_type take() { return both_.child<park>(); }
  [[nodiscard]] receipts& seen() noexcept { return *reinterpret_cast<receipts*>(receipts_.own().data()); }
  /// Receives one and sends one for it, before the first is released.
  void answer(end_type& end) {
    if (raw_of(end.in).try_peek(1) == 0) return;
    seen().note(read(raw_of(end.in).peeked(0)).id, raw_of(end.in).was_delivered_before(0));
    say(end, 1);
    raw_of(end.in).release(1);
  }
  static void say(end_type& end, std::uint64_t count) {
    const auto claimed = raw_of(end.out).try_claim(count);
    for (std::uint64_t i = 0; i < claimed; ++i) fill(raw_of(end.out).claimed(i), answers_from + i + 1);
    if (claimed != 0) raw_of(end.out).publish(claimed);
  }

 private:
  void complain(const std::string& what) {
    if (broken_.find(what) == std::string::npos) broken_ += (broken_.empty() ? "" : "; ") + what;
  }

  /// Receives what the dead child had published, each once, and is then told of its death.
  void hear(std::set<std::uint64_t> answers) {
    for (int i = 0; i < ticks + 1; ++i) {
      while (auto slot = parent_.in.try_peek()) {
        if (!is_whole(*slot)) complain("an answer is torn");
        if (answers.erase(slot->id) == 0) complain("an answer came that was not published, or twice");
      }
      (void)parent_.in.peek_for(a_tick);
      if (!what_.sits_throughout || parent_.in.status() == wait_result::peer_gone) break;
      if (i == ticks) complain("the child's death goes unnoticed");
    }
    if (!answers.empty()) complain("an answer was lost");
  }

  /// Another takes both seats of the dead.
  std::optional<end_type> succeed() {
    for (int i = 0; i < ticks; ++i) try {
        return both_.child<park>();
      } catch (const error& problem) {
        if (problem.reason() != errc::seat_taken) throw;
        (void)parent_.in.peek_for(a_tick);
      }
    complain("a dead one's seats are not given to a successor");
    return std::nullopt;
  }

  /// What the dead one had not released comes again, marked if it may have been seen.
  void answer_what_was_asked(end_type& end) {
    std::set<std::uint64_t> told;
    for (std::uint64_t i = 0; i < seen().count; ++i) told.insert(seen().all[i].id);
    while (auto slot = end.in.try_peek()) {
      if (!is_whole(*slot)) complain("a question is torn");
      if (told.contains(slot->id) && !slot.was_delivered_before()) complain("a question came twice without a mark");
      told.insert(slot->id);
    }
    for (std::uint64_t i = 1; i <= what_.questions; ++i)
      if (!told.contains(i)) complain("a question was lost");
  }

  /// Fills a ring to its capacity and empties it.
  template <class Out, class In>
  void go_round(Out& out, In& in) {
    std::uint64_t sent = 0, received = 0;
    const auto first = next_id_;
    while (sent <= capacity && out.try_send(message_of(next_id_))) ++next_id_, ++sent;
    if (sent != capacity) complain("capacity is " + std::to_string(sent));
    while (auto slot = in.try_peek())
      if (slot->id != first + received++ || !is_whole(*slot)) complain("out of order");
    if (received != sent) complain("received " + std::to_string(received) + " of " + std::to_string(sent));
  }

  const deed what_;
  twin_memory receipts_{sizeof(receipts)};
  pair_type both_;
  end_type parent_;
  ring_view down_, up_;  // to the child, to the parent
  std::uint64_t next_id_ = 1000;
  std::string broken_;
};

std::vector<deed> deeds() {
  const auto sitting = [](auto act) {
    return [act](const marks& here, duplex_world& rest) {
      auto end = rest.take();
      here.begin();
      act(end, rest);
      here.end();
    };
  };
  return {
      {"answer a question", 2, 1, 1, true, sitting([](auto& end, auto& rest) { rest.answer(end); })},
      {"send a batch of 3", 1, 0, 3, true, sitting([](auto& end, auto& rest) { rest.say(end, 3); })},
      {"wait in vain for a question", 0, 0, 0, true,
       sitting([](auto& end, auto&) { (void)end.in.peek_for(milliseconds(10)); })},
      {"take both seats", 1, 0, 0, false,
       [](const marks& here, duplex_world& rest) {
         here.begin();
         const auto end = rest.take();
         here.end();
       }},
      {"leave both seats", 1, 0, 1, false,
       [](const marks& here, duplex_world& rest) {
         auto end = std::make_unique<end_type>(rest.take());
         duplex_world::say(*end, 1);
         here.begin();
         end.reset();
         here.end();
       }},
  };
}

void expect_the_parent_goes_on(bool in_memfd) {
  expect_none_broken(deeds(),
                     [&](const auto& what, std::ostream& complaints) {
                       return die_everywhere(
                           {what.name, [&] { return std::make_unique<duplex_world>(what, in_memfd); }, false, false},
                           40, complaints);
                     },
                     {.states = 3});
}

TEST(TracedDuplex, SurvivesRealDeathsOfTheChildInAnonymousMemory) { expect_the_parent_goes_on(false); }
TEST(TracedDuplex, SurvivesRealDeathsOfTheChildInAMemfd) { expect_the_parent_goes_on(true); }

}  // namespace
}  // namespace sluice::detail::test::tracer

#endif
