// Real SIGKILLs in the middle of what users call: producer, consumer, their waiting, coming and going.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "crash/tracer_real.hpp"
#include "crash/tracer_table.hpp"
#include "crash/tracer_trial.hpp"
#include "sluice/channel.hpp"
#include "sluice/detail/part/mpmc/mpmc_ring.hpp"
#include "sluice/registry.hpp"
#include "sluice/segment.hpp"
#include "sluice/wait.hpp"
#include "support/behind.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

#if SLUICE_TRACES

namespace sluice::detail::test::tracer {
namespace {

using std::chrono::milliseconds;

constexpr auto a_tick = milliseconds(tick_ns / 1'000'000 + 10);
constexpr std::uint64_t childs_ids = std::uint64_t{9} << 32;

/// Where the channel is: in a file, or in memory without a name that the child inherits.
enum class place_of { file, anonymous, zero };

template <class Ring>
class channel_world;

template <class Ring>
struct action {
  std::string name;
  role dies = role::producer;
  std::uint64_t sent_before = 0;
  std::uint64_t sends = 0, receives = 0;  // what act does without a death
  bool sits_throughout = true;            // holds its seat at every place of the operation
  std::function<void(const marks&, channel_world<Ring>&)> act;
};

template <class Ring>
class channel_world final : public world {
 public:
  using channel_type = channel<message, Ring>;
  using producer_type = producer<message, Ring, park>;
  using consumer_type = consumer<message, Ring, park>;

  channel_world(const action<Ring>& what, place_of where) : what_(what), channel_(make(where)), where_(where) {
    {
      auto before = channel_.template producer<park>();
      for (std::uint64_t i = 1; i <= what.sent_before; ++i) {
        if (!before.try_send(message_of(i))) throw std::logic_error("no room for what is sent before");
        known_.insert(i);
      }
    }
    if (is_mpmc || what.dies == role::consumer) out_.push_back(channel_.template producer<park>());
    if (is_mpmc || what.dies == role::producer) in_.push_back(channel_.template consumer<park>());
    ring_ = out_.empty() ? details_of(in_[0]).ring() : details_of(out_[0]).ring();
  }

  void child(const marks& here) override { what_.act(here, *this); }

  [[nodiscard]] std::span<const std::byte> shared() const override {
    const auto* begin = reinterpret_cast<const std::byte*>(ring_.control);
    return {begin, ring_.slots + capacity * ring_.stride_bytes};
  }

  [[nodiscard]] std::string survive(std::uint64_t which_death) override {
    for (std::uint64_t i = 0; i < seen().count; ++i) ++delivered_[seen().all[i].id][seen().all[i].was_marked];
    scan();
    if (which_death == 0) check_completed();
    if (which_death % 2 == 0) fill_seats();
    notice_death();
    if (in_.empty()) come(role::consumer);
    receive_what_was_published();
    fill_seats();
    receive_what_was_published();
    for (int round = 0; round < 3; ++round) fill_and_empty();
    check_it_ends();
    return broken_;
  }

  // ---- For the child ---------------------------------------------------------------------------------------------------

  [[nodiscard]] producer_type produce() { return channel_.template producer<park>(); }
  [[nodiscard]] consumer_type consume() { return channel_.template consumer<park>(); }
  /// As another process finds it.
  [[nodiscard]] channel_type attach() {
    return where_ == place_of::file ? channel_type::attach(*names_, segment_name("orders")) : channel_;
  }
  [[nodiscard]] receipts& seen() noexcept { return *reinterpret_cast<receipts*>(receipts_.own().data()); }

  /// Claims `count`, publishes the first `published`.
  static void send(producer_type& out, std::uint64_t count, std::uint64_t published) {
    const auto claimed = raw_of(out).try_claim(count);
    for (std::uint64_t i = 0; i < claimed && i < published; ++i) fill(raw_of(out).claimed(i), childs_ids + i + 1);
    if (claimed != 0) raw_of(out).publish(std::min(claimed, published));
  }
  void receive(consumer_type& in, std::uint64_t count, std::uint64_t released) {
    const auto peeked = raw_of(in).try_peek(count);
    for (std::uint64_t i = 0; i < peeked; ++i)
      seen().note(read(raw_of(in).peeked(i)).id, raw_of(in).was_delivered_before(i));
    if (peeked != 0 && released != 0) raw_of(in).release(std::min(peeked, released));
  }

 private:
  static constexpr bool is_mpmc = Ring::kind == ring_kind::mpmc;
  static constexpr std::uint32_t seats = is_mpmc ? 3 : 1;

  channel_type make(place_of where) {
    const channel_options options{
        .capacity_slots = capacity, .producer_seats = is_mpmc ? seats : 0, .consumer_seats = is_mpmc ? seats : 0};
    switch (where) {
      case place_of::anonymous: return channel_type::template create_unnamed<anonymous_segment>(options);
      case place_of::zero: return channel_type::template create_unnamed<zero_segment>(options);
      case place_of::file: break;
    }
    return channel_type::create(*names_, segment_name("orders"), options);
  }

  void complain(const std::string& what) {
    if (broken_.find(what) == std::string::npos) broken_ += (broken_.empty() ? "" : "; ") + what;
  }

  void scan() {
    const auto released = is_mpmc ? 0 : spsc_seat_of(ring_, 1).sequence.load();
    for (std::uint64_t i = 0; i < capacity; ++i) {
      const auto word = ring_.word(i).load();
      const auto q = lap_of(word) * capacity + i;
      if (kind_of(word) != slot_kind::published || q < released) continue;
      published_.insert(read(ring_.payload(q)).id);
    }
    for (const auto id : known_)
      if (!published_.contains(id) && !delivered_.contains(id)) complain("lost: " + std::to_string(id));
    known_.insert(published_.begin(), published_.end());
  }

  /// The first death is the one after the operation: it did what it is for.
  void check_completed() {
    const auto sent = std::count_if(published_.begin(), published_.end(), [](auto id) { return id > childs_ids; });
    if (static_cast<std::uint64_t>(sent) != what_.sends) complain("the operation did not send what it should");
    if (seen().count != what_.receives) complain("the operation did not receive what it should");
  }

  /// A living peer that waits hears of the death: the last of its kind is gone.
  void notice_death() {
    if (is_mpmc || !what_.sits_throughout || !broken_.empty() || is_seated(what_.dies)) return;
    for (int i = 0; i < ticks_allowed; ++i) {
      if (what_.dies == role::producer) {
        receive_for(a_tick);
        if (in_[0].status() == wait_result::peer_gone) return;
      } else {
        while (out_[0].try_send(message_of(next_id_))) known_.insert(next_id_), published_.insert(next_id_++);
        if (out_[0].send_for(message_of(next_id_), a_tick) == wait_result::peer_gone) return;
      }
    }
    complain("the peer's death goes unnoticed");
  }
  [[nodiscard]] bool is_seated(role whom) const { return whom == role::producer ? !out_.empty() : !in_.empty(); }

  /// A newcomer of a role: a dead one's seat must be free for it within a few ticks.
  void come(role own) {
    for (int i = 0; i < ticks_allowed; ++i) {
      try {
        if (own == role::producer)
          out_.push_back(channel_.template producer<park>());
        else
          in_.push_back(channel_.template consumer<park>());
        return;
      } catch (const error& problem) {
        if (problem.reason() != errc::seat_taken) throw;
        receive_for(a_tick);
      }
    }
    complain("a dead one's seat is not given to a successor");
  }
  void fill_seats() {
    if (!broken_.empty()) return;
    while (broken_.empty() && out_.size() < seats) come(role::producer);
    while (broken_.empty() && in_.size() < seats) come(role::consumer);
  }

  void note(const message& m, bool was_marked) {
    if (!is_whole(m)) return complain("delivered torn");
    if (!known_.contains(m.id)) return complain("delivered what was not published: " + std::to_string(m.id));
    auto& times = delivered_[m.id];
    ++times[was_marked];
    if (times[0] > 1) complain("delivered twice without a mark: " + std::to_string(m.id));
    published_.erase(m.id);
  }
  /// Whether anything came.
  bool look() {
    bool came = false;
    for (auto& in : in_) {
      while (auto slot = in.try_peek()) {
        note(*slot, slot.was_delivered_before());
        came = true;
      }
    }
    return came;
  }
  bool receive_for(milliseconds timeout) {
    bool came = look();
    if (came || in_.empty()) return came;
    if (auto slot = in_[0].peek_for(timeout)) {
      note(*slot, slot.was_delivered_before());
      came = true;
    }
    return came;
  }
  void receive_what_was_published() {
    for (int idle = 0; idle < ticks_allowed && !published_.empty();)
      if (!receive_for(a_tick)) ++idle;
    for (const auto id : published_) complain("never delivered: " + std::to_string(id));
  }

  void fill_and_empty() {
    if (!broken_.empty()) return;
    look();  // a dead producer's claims are stepped over by a look
    std::uint64_t room = 0;
    auto& out = out_[next_id_ % out_.size()];
    while (room <= capacity && out.try_send(message_of(next_id_))) {
      known_.insert(next_id_);
      published_.insert(next_id_++);
      ++room;
    }
    if (room != capacity) complain("capacity is " + std::to_string(room));
    receive_what_was_published();
  }

  /// No claim and no message of the dead keeps a consumer waiting.
  void check_it_ends() {
    if (!broken_.empty()) return;
    out_[0].close();
    message m;
    for (auto& in : in_)
      for (int i = 0; in.receive_for(m, a_tick) != wait_result::closed; ++i)
        if (i == ticks_allowed) return complain("a closed channel has no end");
  }

  const action<Ring> what_;
  temp_registry names_;
  twin_memory receipts_{sizeof(receipts)};
  channel_type channel_;
  place_of where_;
  std::vector<producer_type> out_;
  std::vector<consumer_type> in_;
  ring_view ring_;
  std::uint64_t next_id_ = 1000;
  std::set<std::uint64_t> published_, known_;
  std::map<std::uint64_t, std::array<std::uint32_t, 2>> delivered_;
  std::string broken_;
};

template <class Ring>
std::vector<action<Ring>> actions() {
  using here_type = channel_world<Ring>;
  const auto producing = [](auto act) {
    return [act](const marks& here, here_type& rest) {
      auto out = rest.attach().template producer<park>();
      here.begin();
      act(out, rest);
      here.end();
    };
  };
  const auto consuming = [](auto act) {
    return [act](const marks& here, here_type& rest) {
      auto in = rest.attach().template consumer<park>();
      here.begin();
      act(in, rest);
      here.end();
    };
  };
  return {
      {"send", role::producer, 1, 1, 0, true, producing([](auto& out, here_type&) { here_type::send(out, 1, 1); })},
      {"send a batch of 3", role::producer, 0, 3, 0, true,
       producing([](auto& out, here_type&) { here_type::send(out, 3, 3); })},
      {"abandon 1 of 3", role::producer, 0, 2, 0, true,
       producing([](auto& out, here_type&) { here_type::send(out, 3, 2); })},
      {"send, waiting in vain", role::producer, capacity, 0, 0, true,
       producing([](auto& out, here_type&) { (void)out.send_for(message_of(childs_ids + 1), milliseconds(10)); })},
      {"attach and take the producer's seat", role::producer, 1, 0, 0, false,
       [](const marks& here, here_type& rest) {
         here.begin();
         auto out = rest.attach().template producer<park>();
         here.end();
       }},
      {"leave the producer's seat", role::producer, 1, 0, 0, false,
       [](const marks& here, here_type& rest) {
         std::optional out(rest.attach().template producer<park>());
         (void)out->try_claim();
         here.begin();
         out.reset();
         here.end();
       }},
      {"close", role::producer, 1, 0, 0, false, producing([](auto& out, here_type&) { out.close(); })},
      {"receive", role::consumer, 2, 0, 1, true, consuming([](auto& in, here_type& rest) { rest.receive(in, 1, 1); })},
      {"receive a batch of 3", role::consumer, 3, 0, 3, true,
       consuming([](auto& in, here_type& rest) { rest.receive(in, 3, 3); })},
      {"release 1 of 3", role::consumer, 4, 0, 3, true,
       consuming([](auto& in, here_type& rest) { rest.receive(in, 3, 1); })},
      {"receive, waiting in vain", role::consumer, 0, 0, 0, true, consuming([](auto& in, here_type& rest) {
         if (auto slot = in.peek_for(milliseconds(10))) rest.seen().note(slot->id, slot.was_delivered_before());
       })},
      {"attach and take the consumer's seat", role::consumer, 1, 0, 0, false,
       [](const marks& here, here_type& rest) {
         here.begin();
         auto in = rest.attach().template consumer<park>();
         here.end();
       }},
      {"leave the consumer's seat, a message in hand", role::consumer, 2, 0, 1, false,
       [](const marks& here, here_type& rest) {
         std::optional in(rest.attach().template consumer<park>());
         rest.receive(*in, 1, 0);
         here.begin();
         in.reset();
         here.end();
       }},
  };
}

template <class Ring>
void expect_survivors_go_on(place_of where, std::uint64_t at_most) {
  expect_none_broken(
      actions<Ring>(),
      [&](const auto& what, std::ostream& complaints) {
        return die_everywhere(
            {what.name, [&] { return std::make_unique<channel_world<Ring>>(what, where); }, false, false}, at_most,
            complaints);
      },
      {.states = 3});
}

TEST(TracedChannel, SurvivesRealDeathsInAnSpscChannelOfAFile) { expect_survivors_go_on<spsc_ring>(place_of::file, 40); }
TEST(TracedChannel, SurvivesRealDeathsInAnMpmcChannelOfAFile) { expect_survivors_go_on<mpmc_ring>(place_of::file, 40); }
TEST(TracedChannel, SurvivesRealDeathsInAnSpscChannelOfAnonymousMemory) {
  expect_survivors_go_on<spsc_ring>(place_of::anonymous, 40);
}
TEST(TracedChannel, SurvivesRealDeathsInAnMpmcChannelOfDevZero) {
  expect_survivors_go_on<mpmc_ring>(place_of::zero, 40);
}

}  // namespace
}  // namespace sluice::detail::test::tracer

#endif
