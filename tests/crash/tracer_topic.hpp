#pragma once

// A topic with all its participants, and the promise about deaths as a function, as tracer_trial.hpp has them for rings: given
// the bytes that a death left, let the living go on and tell what of the promise is broken.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "crash/tracer.hpp"
#include "crash/tracer_table.hpp"
#include "crash/tracer_trial.hpp"
#include "sluice/detail/part/topic/lossy_reader.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test::tracer {

inline constexpr std::uint32_t topic_subscribers = 3;

/// A topic of messages of one size, as it is driven here.
template <publishers Publishers>
struct traced_topic : topic_ring<Publishers> {
  static constexpr publishers how_many = Publishers;
  using reader = lossy_reader<Publishers>;

  static void shape(ring_request&) {}
  static const std::byte* message_in(const ring_view&, const std::byte* payload) { return payload; }
};

/// All participants: publishers from seat 0 on, then three lossless subscribers, of which a scene makes some droppable; and a
/// lossy reader without a seat.
template <class Rules, std::uint64_t Capacity>
struct topic_cast {
  using rules = Rules;
  using publisher = typename rules::producer;
  using subscriber = typename rules::consumer;
  static constexpr std::uint32_t publisher_count = Rules::how_many == publishers::one ? 1 : 3;
  static constexpr std::uint32_t seats = publisher_count + topic_subscribers;

  explicit topic_cast(const ring_view& view) : ring(view) {}

  ring_view ring;
  std::array<std::optional<publisher>, seats> out{};
  std::array<std::optional<subscriber>, seats> in{};
  std::array<std::optional<lossy_subscriber<Rules::how_many>>, seats> droppable{};
  std::optional<typename rules::reader> reader;
  std::array<std::uint64_t, seats> next_number{};
  std::map<std::uint64_t, std::uint64_t> published;  // sequence to id, of all that ever was
  graves dead;                                       // with the state word's generation

  [[nodiscard]] static bool is_publisher(std::uint32_t seat) noexcept { return seat < publisher_count; }
  [[nodiscard]] static std::uint32_t subscriber_seat(std::uint32_t i) noexcept { return publisher_count + i; }
  [[nodiscard]] std::uint64_t new_id(std::uint32_t seat) noexcept {
    return std::uint64_t{seat + 1} << 32 | ++next_number[seat];
  }

  void sit(std::uint32_t seat, history wanted = history::none()) {
    auto& state = ring.seats[seat].state;
    state.store(seat_word(seat_state::taken, generation_of(state.load()) + 1));
    construct(seat, wanted);
  }
  void construct(std::uint32_t seat, history wanted = history::none()) {
    if (is_publisher(seat))
      out[seat].emplace(ring, seat);
    else if (is_named(topic_seat_of(ring, seat)))
      in[seat].emplace(ring, seat, named_subscription{{subscription_of(topic_seat_of(ring, seat))}, wanted});
    else
      in[seat].emplace(ring, seat, wanted);
  }
  /// Its subscriber leaves, and one of a new subscription comes.
  void construct_named(std::uint32_t seat, history wanted) {
    if (in[seat]) in[seat]->leave();
    in[seat].reset();
    set_subscription(topic_seat_of(ring, seat), subscription_name("a.name-of-several_words"));
    construct(seat, wanted);
  }
  /// What a subscriber of a subscription has seen up to, in a shared word that the library does not use.
  [[nodiscard]] std::atomic<std::uint64_t>& seen_up_to(std::uint32_t seat) const {
    return topic_control_of(ring).reserved1[seat];
  }
  void forget(std::uint32_t seat) {
    out[seat].reset();
    in[seat].reset();
    droppable[seat].reset();
  }
  void construct_droppable(std::uint32_t seat, history wanted) {
    if (in[seat]) in[seat]->leave();
    in[seat].reset();
    droppable[seat].emplace(ring, seat, wanted, resumes::at_oldest, messages_lie::in_slots, holding::until_dropped);
  }
  /// Its owner is dead, which no process has noticed.
  void die(std::uint32_t seat) {
    dead[seat] = generation_of(ring.seats[seat].state.load());
    forget(seat);
  }

  bool try_send(std::uint32_t seat) {
    if (out[seat]->try_claim(1) == 0) return false;
    const auto q = out[seat]->claimed_run(1).first;
    published[q] = new_id(seat);
    fill(out[seat]->claimed(0), published[q]);
    out[seat]->publish(1);
    return true;
  }
  void send(std::uint32_t seat, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i)
      if (!try_send(seat)) throw std::logic_error("the scene has no room");
  }
  void claim(std::uint32_t seat, std::uint64_t count) {
    if (out[seat]->try_claim(count) != count) throw std::logic_error("the scene has no room for a claim");
  }
  void drain() {
    for (auto& one : in)
      while (one && one->try_peek(1) != 0) one->release(1);
  }
  /// `count` messages go through.
  void turn(std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      send(0, 1);
      drain();
    }
  }
};

template <class Cast>
bool take_in_topic(Cast& all, std::uint32_t seat, seat_keeper& keeper, history wanted = history::all()) {
  return take_seat(
      all.ring, seat, keeper, [&](std::uint32_t dead) { return Cast::rules::settle(all.ring, dead, keeper); },
      [&](std::uint32_t free) { all.construct(free, wanted); });
}

template <class Rules, std::uint64_t Capacity>
class topic_trial {
 public:
  using cast_type = topic_cast<Rules, Capacity>;

  explicit topic_trial(cast_type all) : all_(std::move(all)), keeper_(all_.ring, all_.dead) {
    for (const auto& [seat, generation] : all_.dead) {
      noted_[seat] = topic_seat_of(all_.ring, seat).sequence.load();
      all_.forget(seat);
      all_.next_number[seat] += 100;  // a successor's ids are not the dead one's
    }
    scan();
  }

  /// How many messages of that publisher are there that it had not published before.
  [[nodiscard]] std::uint64_t sent_by(std::uint32_t seat) const {
    return static_cast<std::uint64_t>(
        std::count_if(fresh_.begin(), fresh_.end(), [&](std::uint64_t id) { return sender_of(id) == seat + 1; }));
  }

  [[nodiscard]] std::string run(successors order) {
    check_nothing_kept_is_gone();
    if (order == successors::come_first) fill_seats();
    ticks();
    if (const auto kept_for = vacant_names(); kept_for.empty())
      go_on();
    else
      press_on(kept_for);
    fill_seats();
    ticks();
    go_on();
    read_lossy();
    if (broken_.empty()) check_capacity();
    return broken_;
  }

  /// The same when `child` is not dead but stopped there: it keeps its seat, what it claimed and what it may read.
  [[nodiscard]] std::string run_beside_a_stopped(std::uint32_t child) {
    all_.forget(child);
    std::map<std::uint64_t, std::uint64_t> words;  // that it may read, by sequence
    std::vector<std::uint64_t> claimed;
    const auto tail = claimed_up_to<Rules::how_many>(all_.ring);
    const auto oldest = tail - std::min(tail, Capacity);
    if (!cast_type::is_publisher(child)) {
      const auto keep = topic_seat_of(all_.ring, child).keep.load();
      if (keeps_anything(keep))  // while it joins it does not rely on what lies below the floors
        for (auto q = topic_repair::highest_floor(all_.ring, later_of(oldest, kept_near(keep, tail))); q < tail; ++q)
          words[q] = all_.ring.word(q).load();
    } else if (Rules::how_many == publishers::many) {
      for (auto q = oldest; q < tail; ++q)  // no other has a claim open: it is its own
        if (is_pending(q)) claimed.push_back(q);
    }
    const auto state = all_.ring.seats[child].state.load();
    ticks();
    for (std::uint64_t i = 0; i < 3 * Capacity; ++i) {
      for (std::uint32_t seat = 0; seat < cast_type::publisher_count; ++seat)
        if (all_.out[seat]) (void)(send_from(seat) || all_.out[seat]->mend(keeper_));
      ticks();
    }
    for (const auto& [q, word] : words)
      if (all_.ring.word(q).load() != word) complain("a stopped process lost sequence " + std::to_string(q));
    for (const auto q : claimed)
      if (!is_pending(q)) complain("a stopped publisher lost its claim of " + std::to_string(q));
    if (all_.ring.seats[child].state.load() != state) complain("a stopped process lost its seat");
    // What it was granted it may still use: a subscriber that joins now begins above.
    for (std::uint32_t i = 0; i < topic_subscribers; ++i) {
      const auto seat = cast_type::subscriber_seat(i);
      if (seat == child || !all_.in[seat]) continue;
      all_.in[seat]->leave();
      all_.in[seat].reset();
      all_.construct(seat, history::all());
      for (std::uint32_t p = 0; p < cast_type::publisher_count; ++p)
        if (is_before(all_.in[seat]->next_sequence(), topic_seat_of(all_.ring, p).floor.load()))
          complain("a subscriber joined below a floor");
      break;
    }
    return broken_;
  }

 private:
  [[nodiscard]] bool is_pending(std::uint64_t q) const {
    return read_word(all_.ring, all_.ring.word(q).load(), q) == topic_word::pending;
  }
  void complain(const std::string& what) {
    if (broken_.find(what) == std::string::npos) broken_ += (broken_.empty() ? "" : "; ") + what;
  }

  /// What the slots say at the moment of death; of the dead one no other record exists.
  void scan() {
    for (std::uint64_t i = 0; i < Capacity; ++i) {
      const auto word = all_.ring.word(i).load();
      const auto q = lap_of(word) * Capacity + i;
      if (kind_of(word) == gone) all_.published.try_emplace(q, 0);  // it was one
      if (kind_of(word) != slot_kind::published) continue;
      const auto m = read(Rules::message_in(all_.ring, all_.ring.payload(q)));
      if (!is_whole(m)) {
        complain("published torn");
        continue;
      }
      const auto [known, is_new] = all_.published.try_emplace(q, m.id);
      if (known->second != m.id) complain("another message under a sequence");
      if (is_new) fresh_.push_back(m.id);
    }
  }

  void check_nothing_kept_is_gone() {
    for (const auto& one : all_.in) {
      if (!one) continue;
      for (auto of = all_.published.lower_bound(one->next_sequence()); of != all_.published.end(); ++of)
        if (all_.ring.word(of->first).load() != all_.ring.word_for(of->first, slot_kind::published))
          complain("a message was overwritten that a subscriber keeps");
    }
  }

  /// Between where a subscriber was and the message that it got there may be holes, and nothing that was published.
  void note(std::uint64_t from, std::uint64_t q, const message& m) {
    if (!is_whole(m)) return complain("delivered torn");
    const auto known = all_.published.find(q);
    if (known == all_.published.end() || known->second != m.id) complain("delivered what was not published there");
    const auto next = all_.published.lower_bound(from);
    if (next != all_.published.end() && next->first < q) complain("a lossless subscriber missed a message");
  }

  /// The seats of subscriptions in which no process is.
  [[nodiscard]] std::vector<std::uint32_t> vacant_names() const {
    std::vector<std::uint32_t> seats;
    for (std::uint32_t i = 0; i < topic_subscribers; ++i) {
      const auto seat = cast_type::subscriber_seat(i);
      if (!all_.in[seat] && !all_.droppable[seat] && is_named(topic_seat_of(all_.ring, seat))) seats.push_back(seat);
    }
    return seats;
  }
  /// Publishers send all that they can, for many ticks. What those subscriptions keep stays.
  void press_on(const std::vector<std::uint32_t>& kept_for) {
    for (std::uint64_t i = 0; i < 2 * Capacity; ++i)
      for (std::uint32_t seat = 0; seat < cast_type::publisher_count; ++seat)
        if (all_.out[seat] && !send_from(seat)) ticks();
    for (const auto seat : kept_for) {
      const auto keep = topic_seat_of(all_.ring, seat).keep.load();
      if (!keeps_anything(keep) || is_joining(keep)) continue;
      const auto from = kept_near(keep, claimed_up_to<Rules::how_many>(all_.ring));
      for (auto of = all_.published.lower_bound(from); of != all_.published.end(); ++of)
        if (all_.ring.word(of->first).load() != all_.ring.word_for(of->first, slot_kind::published))
          complain("a message was overwritten that a subscription without a process keeps");
    }
  }

  /// Of a subscription: marked is what its dead subscriber has seen, and nothing that it cannot have seen.
  void check_mark(std::uint32_t seat, std::uint64_t q, bool is_marked) {
    if (!is_named(topic_seat_of(all_.ring, seat)) || !all_.dead.contains(seat)) return;
    if (is_before(q, all_.seen_up_to(seat).load()) && !is_marked) complain("what was seen is not marked");
    if (is_marked && !is_before(q, noted_[seat])) complain("marked, and no subscriber was handed it");
  }

  void drain() {
    for (std::uint32_t seat = 0; seat < cast_type::seats; ++seat) {
      auto& one = all_.in[seat];
      if (!one) continue;
      auto from = one->next_sequence();
      while (one->try_peek(1) != 0) {
        const auto q = one->next_sequence();
        note(from, q, read(one->peeked(0)));
        check_mark(seat, q, one->was_delivered_before(0));
        one->release(1);
        from = one->next_sequence();
      }
      const auto missed = all_.published.lower_bound(from);
      if (missed != all_.published.end() && missed->first < one->next_sequence())
        complain("a lossless subscriber missed a message");
      (void)one->owed();
    }
    for (auto& one : all_.droppable) {
      if (!one) continue;
      read_lossy(*one);
      if (!one->was_dropped() && one->lost() != 0) complain("a subscriber that was not dropped lost a message");
    }
  }

  void ticks() {
    for (int i = 0; i < ticks_allowed; ++i) {
      drain();
      for (auto& one : all_.in)
        if (one) (void)one->mend(keeper_);
      for (auto& one : all_.out)
        if (one) (void)one->mend(keeper_);
      drain();
    }
  }

  bool send_from(std::uint32_t seat) {
    all_.next_number[seat] += 1000;
    return all_.try_send(seat);
  }

  void go_on() {
    for (std::uint64_t i = 0; i < 2 * Capacity; ++i)
      for (std::uint32_t seat = 0; seat < cast_type::publisher_count; ++seat) {
        if (!all_.out[seat]) continue;
        drain();
        // What a dead subscriber keeps is in the way at some time: then a tick follows.
        if (!send_from(seat) && (ticks(), !send_from(seat))) return complain("a publisher is held up by the dead");
        if (i == Capacity) read_lossy();
      }
    drain();
    for (auto& one : all_.in)
      if (one && !one->is_exhausted(keeper_)) complain("a subscriber is held up by the dead");
  }

  void read_lossy() { read_lossy(*all_.reader); }
  template <class Reader>
  void read_lossy(Reader& one) {
    const auto start = one.next_sequence();
    const auto lost_before = one.lost();
    std::uint64_t delivered = 0;
    message m;
    while (one.try_receive(reinterpret_cast<std::byte*>(&m))) {
      const auto q = one.next_sequence() - 1;
      const auto known = all_.published.find(q);
      if (!is_whole(m)) complain("a lossy reader accepted torn bytes");
      if (known == all_.published.end() || known->second != m.id) complain("a lossy reader got what was not published");
      ++delivered;
    }
    const auto all = std::distance(all_.published.lower_bound(start), all_.published.lower_bound(one.next_sequence()));
    const auto told = delivered + one.lost() - lost_before;
    if (told < static_cast<std::uint64_t>(all)) complain("a lossy reader was told too little of what it lost");
    if (one.is_loss_exact() && told != static_cast<std::uint64_t>(all))
      complain("a lossy reader was told " + std::to_string(told) + " of " + std::to_string(all));
  }

  void fill_seats() {
    for (std::uint32_t seat = 0; seat < cast_type::seats; ++seat) {
      if (all_.out[seat] || all_.in[seat] || all_.droppable[seat]) continue;
      if (!take_in_topic(all_, seat, keeper_)) complain("a dead one's seat is not given back");
    }
  }

  /// Nothing that the dead had takes room any more.
  void check_capacity() {
    drain();
    if constexpr (requires { Rules::arena_bytes; }) return check_arenas();
    std::uint64_t fitted = 0;
    const auto any = std::find_if(all_.out.begin(), all_.out.end(), [](const auto& one) { return one.has_value(); });
    const auto seat = static_cast<std::uint32_t>(any - all_.out.begin());
    while (fitted <= Capacity && send_from(seat)) ++fitted;
    if (fitted != Capacity) complain("room for " + std::to_string(fitted) + " of " + std::to_string(Capacity));
  }

  void check_arenas() {
    for (std::uint32_t seat = 0; seat < cast_type::publisher_count; ++seat) {
      if (!all_.out[seat]) continue;
      drain();
      if (!Rules::send(all_, seat, Rules::longest)) complain("no room in the arena of seat " + std::to_string(seat));
    }
    drain();
  }

  cast_type all_;
  told_keeper keeper_;
  std::vector<std::uint64_t> fresh_;
  std::array<std::uint64_t, cast_type::seats> noted_{};  // of the dead: handed out up to there
  std::string broken_;
};

/// What the child does; it is one of `all`.
template <class Cast>
struct topic_scene {
  std::string name;
  std::uint32_t child = 0;
  std::function<void(Cast&)> arrange;
  std::function<void(Cast&)> act;
  std::uint64_t sends = 0;  // without a death
};

template <class Rules, std::uint64_t Capacity>
class topic_workbench {
 public:
  using cast_type = topic_cast<Rules, Capacity>;
  using scene = topic_scene<cast_type>;

  topic_workbench() : memory_(ring_memory_bytes(request())), ring_(view_memory(memory_.own(), request())) {}

  void expect_kept(const std::vector<scene>& scenes) {
    expect_none_broken(scenes, [this](const scene& now, std::ostream& complaints) {
      tally row;
      for (const auto start : starts_of(Capacity)) row += trace(now, start, complaints);
      return row;
    });
  }

 private:
  static ring_request request() {
    ring_request request{identity_of<message>(), {cast_type::rules::kind, Capacity}};
    request.options.producer_seats = cast_type::publisher_count;
    request.options.consumer_seats = topic_subscribers;
    Rules::shape(request);
    return request;
  }

  tally trace(const scene& now, std::uint64_t start, std::ostream& complaints) {
    memory_.join();
    std::memset(memory_.own().data(), 0, memory_.own().size());
    cast_type all(ring_);
    all.reader.emplace(ring_);
    for (std::uint32_t seat = 0; seat < cast_type::seats; ++seat) all.sit(seat);
    all.turn(start);
    if (now.arrange) now.arrange(all);

    stepped_child child([&](const marks& here) {
      auto own = all;
      here.begin();
      now.act(own);
      here.end();
    });
    memory_.part();
    const auto was_dead = all.dead.contains(now.child);
    tally row;
    check(now, all, was_dead, row, complaints);
    watched_bytes bytes(memory_.live());
    for (bool goes_on = true; goes_on;) {
      goes_on = child.step();
      ++row.instructions;
      if (bytes.have_changed()) check(now, all, was_dead, row, complaints);
    }
    std::memcpy(memory_.own().data(), memory_.live().data(), memory_.own().size());
    if (const auto sent = topic_trial<Rules, Capacity>(all).sent_by(now.child); sent != now.sends) {
      ++row.broken;
      complaints << now.name << ": the operation sent " << sent << ", not " << now.sends << '\n';
    }
    child.kill();
    return row;
  }

  void check(const scene& now, cast_type all, bool was_dead, tally& row, std::ostream& complaints) {
    ++row.states;
    std::uint64_t state = 0;
    std::memcpy(&state,
                memory_.live().data() +
                    (reinterpret_cast<const std::byte*>(&ring_.seats[now.child].state) - memory_.own().data()),
                sizeof state);
    const bool is_there = state_of(state) == seat_state::taken;
    // A newcomer in a dead owner's seat is the one that has died there now.
    if (is_there && (!was_dead || generation_of(state) != all.dead[now.child]))
      all.dead[now.child] = generation_of(state);
    all.forget(now.child);
    const auto judge = [&](const std::string& broken) {
      if (broken.empty()) return;
      ++row.broken;
      complaints << now.name << ", instruction " << row.instructions << ": " << broken << '\n';
    };
    const auto reset = [&] { std::memcpy(memory_.own().data(), memory_.live().data(), memory_.own().size()); };
    for (const auto order : {successors::come_first, successors::come_last}) {
      reset();
      judge(topic_trial<Rules, Capacity>(all).run(order));
    }
    if (!is_there || was_dead || all.dead.size() != 1) return;
    reset();
    all.dead.clear();
    judge(topic_trial<Rules, Capacity>(all).run_beside_a_stopped(now.child));
  }

  twin_memory memory_;
  ring_view ring_;
};

// ---- What scenes are made of -----------------------------------------------------------------------------------------

template <class Cast>
using act = std::function<void(Cast&)>;

/// Claims `count`, fills and publishes the first `published` of them: the rest is abandoned.
template <class Cast>
act<Cast> sends(std::uint32_t seat, std::uint64_t count, std::uint64_t published) {
  return [=](Cast& all) {
    auto& out = *all.out[seat];
    const auto claimed = out.try_claim(count);
    for (std::uint64_t i = 0; i < claimed && i < published; ++i) fill(out.claimed(i), all.new_id(seat));
    if (claimed != 0) out.publish(std::min(claimed, published));
  };
}
template <class Cast>
act<Cast> sends_one_by_one(std::uint32_t seat, std::uint64_t count) {
  return [=](Cast& all) {
    for (std::uint64_t i = 0; i < count; ++i) sends<Cast>(seat, 1, 1)(all);
  };
}
template <class Cast>
act<Cast> receives(std::uint32_t seat, std::uint64_t count, std::uint64_t released) {
  return [=](Cast& all) {
    auto& in = *all.in[seat];
    const auto peeked = in.try_peek(count);
    for (std::uint64_t i = 0; i < peeked; ++i) {
      (void)read(in.peeked(i));
      if (is_named(topic_seat_of(all.ring, seat))) all.seen_up_to(seat).store(in.next_sequence() + i + 1);
    }
    if (std::min(peeked, released) != 0) in.release(std::min(peeked, released));
  };
}

/// The subscribers in seats other than `seat` leave: what stays is what that one keeps.
template <class Cast>
void leave_alone(Cast& all, std::uint32_t seat) {
  for (std::uint32_t i = 0; i < topic_subscribers; ++i) {
    const auto other = Cast::subscriber_seat(i);
    if (other == seat || !all.in[other]) continue;
    all.in[other]->leave();
    all.in[other].reset();
    auto& state = all.ring.seats[other].state;
    state.store(seat_word(seat_state::free, generation_of(state.load())));
  }
}

}  // namespace sluice::detail::test::tracer
