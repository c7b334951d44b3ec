#pragma once

// A ring with all its participants, and the promise about deaths as a function: given the bytes that a death left,
// let the living go on and tell what of the promise is broken. No system calls: thousands of these a second.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sluice/detail/layout/ring_view.hpp"
#include "sluice/detail/part/mpmc/mpmc_layout.hpp"
#include "sluice/detail/part/spsc/spsc_layout.hpp"
#include "sluice/detail/plan/segment_plan.hpp"
#include "sluice/detail/ring/ring_concept.hpp"

namespace sluice::detail::test::tracer {

inline constexpr std::uint64_t capacity = 4;
inline constexpr std::uint32_t trial_seats = 6;  // mpmc: producers 0 to 2, consumers 3 to 5; spsc: 0 and 1

struct message {
  std::uint64_t id, inverse, product;
};
[[nodiscard]] constexpr message message_of(std::uint64_t id) noexcept { return {id, ~id, id * 0x9e3779b97f4a7c15ULL}; }
[[nodiscard]] constexpr bool is_whole(const message& m) noexcept {
  return m.inverse == ~m.id && m.product == m.id * 0x9e3779b97f4a7c15ULL;
}
[[nodiscard]] constexpr std::uint64_t sender_of(std::uint64_t id) noexcept { return id >> 32; }

/// Word by word, so that a death between two of them leaves a torn message.
inline void fill(std::byte* slot, std::uint64_t id) noexcept {
  const auto m = message_of(id);
  auto* words = reinterpret_cast<volatile std::uint64_t*>(slot);
  words[0] = m.id;
  words[1] = m.inverse;
  words[2] = m.product;
}
[[nodiscard]] inline message read(const std::byte* slot) noexcept {
  message m;
  std::memcpy(&m, slot, sizeof m);
  return m;
}

/// The message of a slot that says it holds one.
template <class Ring>
[[nodiscard]] const std::byte* message_in(const ring_view& ring, const std::byte* payload) {
  if constexpr (requires { Ring::message_in(ring, payload); })
    return Ring::message_in(ring, payload);
  else
    return payload;
}

/// What a process was handed out before it died. Lies beside the ring, in memory that outlives it.
struct receipts {
  struct receipt {
    std::uint64_t id;
    bool was_marked;
  };
  std::uint64_t count;
  receipt all[32];
  void note(std::uint64_t id, bool was_marked) noexcept {
    auto* place = const_cast<volatile receipt*>(&all[count]);
    place->id = id;
    place->was_marked = was_marked;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    *const_cast<volatile std::uint64_t*>(&count) = count + 1;
  }
};

/// The dead: seat to the generation that died there.
using graves = std::map<std::uint32_t, std::uint64_t>;

/// Is told which owners are dead; its locks live in this process alone and so fall with it.
class told_keeper final : public seat_keeper {
 public:
  told_keeper(const ring_view& ring, graves dead) : ring_(ring), dead_(std::move(dead)) {}

  bool is_dead(std::uint32_t i, std::uint64_t word) noexcept override {
    if (state_of(word) == seat_state::dead) return true;
    const auto grave = dead_.find(i);
    if (state_of(word) != seat_state::taken || grave == dead_.end() || grave->second != generation_of(word))
      return false;
    ring_.seats[i].state.compare_exchange_strong(word, seat_word(seat_state::dead, generation_of(word)));
    return true;
  }
  bool try_lock(std::uint32_t i) noexcept override { return std::exchange(locked_[i], true) == false; }
  void unlock(std::uint32_t i) noexcept override { locked_[i] = false; }
  void record(repair_kind, std::uint32_t, std::uint64_t, std::uint64_t) noexcept override { ++repairs_; }

 private:
  ring_view ring_;
  graves dead_;
  std::array<bool, trial_seats> locked_{};
  std::uint64_t repairs_ = 0;
};

/// All participants of a ring. Copies are independent as far as they do not touch the ring's memory.
template <class Ring>
struct cast {
  explicit cast(const ring_view& view) : ring(view) {}

  ring_view ring;
  std::array<std::optional<typename Ring::producer>, trial_seats> producers{};
  std::array<std::optional<typename Ring::consumer>, trial_seats> consumers{};
  std::array<std::uint64_t, trial_seats> next_number{};
  std::array<std::uint64_t, trial_seats> open_claims{};  // of the slow: will be published when they go on
  std::set<std::uint64_t> held;                          // ids in the hands of the slow
  std::set<std::uint32_t> losers;                        // stopped between announcing and noticing that they lost
  std::vector<std::uint64_t> sent;

  [[nodiscard]] bool is_producer(std::uint32_t seat) const noexcept { return seat < ring.producer_seats; }
  [[nodiscard]] std::uint32_t first_consumer() const noexcept { return ring.producer_seats; }
  [[nodiscard]] bool is_slow(std::uint32_t seat) const noexcept {
    return open_claims[seat] != 0 || losers.contains(seat) || holders.contains(seat);
  }
  [[nodiscard]] std::uint64_t new_id(std::uint32_t seat) noexcept {
    return std::uint64_t{seat + 1} << 32 | ++next_number[seat];
  }

  void construct(std::uint32_t seat) {
    if (is_producer(seat))
      producers[seat].emplace(ring, seat);
    else
      consumers[seat].emplace(ring, seat);
  }
  void sit(std::uint32_t seat) {
    auto& state = ring.seats[seat].state;
    state.store(seat_word(seat_state::taken, generation_of(state.load()) + 1));
    construct(seat);
  }
  void forget(std::uint32_t seat) {
    producers[seat].reset();
    consumers[seat].reset();
    open_claims[seat] = 0;
    losers.erase(seat);
    holders.erase(seat);
  }

  /// `count` messages, published.
  void send(std::uint32_t seat, std::uint64_t count = 1) {
    claim(seat, count);
    go_on(seat);
  }
  /// A claim left open, as a slow producer does.
  void claim(std::uint32_t seat, std::uint64_t count) {
    open_claims[seat] = producers[seat]->try_claim(count);
    if (open_claims[seat] != count) throw std::logic_error("the scene has no room for a claim");
  }
  /// A message taken and not released, as a slow consumer does.
  void hold(std::uint32_t seat, std::uint64_t count = 1) {
    if (consumers[seat]->try_peek(count) != count) throw std::logic_error("the scene has nothing to hold");
    for (std::uint64_t i = 0; i < count; ++i) held.insert(read(consumers[seat]->peeked(i)).id);
    holders[seat] = count;
  }
  /// A claim given back: a hole.
  void abandon(std::uint32_t seat, std::uint64_t count) {
    if (producers[seat]->try_claim(count) != count) throw std::logic_error("the scene has no room for a hole");
    producers[seat]->publish(0);
  }
  void go_on(std::uint32_t seat) {
    if (losers.erase(seat) != 0) mpmc_seat_of(ring, seat).intent.store(0);
    if (const auto count = std::exchange(open_claims[seat], 0); count != 0) {
      for (std::uint64_t i = 0; i < count; ++i) {
        sent.push_back(new_id(seat));
        fill(producers[seat]->claimed(i), sent.back());
      }
      producers[seat]->publish(count);
    }
  }
  /// `count` messages go through and are gone, so that the ring stands somewhere in a later lap.
  void turn(std::uint64_t count) {
    const auto consumer = first_consumer();
    for (std::uint64_t i = 0; i < count; ++i) {
      send(0);
      if (consumers[consumer]->try_peek(1) != 1) throw std::logic_error("the scene does not turn");
      consumers[consumer]->release(1);
      sent.pop_back();
    }
  }

  std::map<std::uint32_t, std::uint64_t> holders;  // slow consumers and how many they hold
};

/// Receives whatever there is, as raw_consumer does: pays what is owed after each call. `note(id, was_marked)`.
template <class Consumer, class Note>
void drain(Consumer& consumer, Note note) {
  for (;;) {
    const auto peeked = consumer.try_peek(1);
    const bool owed = consumer.owes();
    if (owed) (void)consumer.owed();  // in a trial no thread sleeps: none to wake
    if (peeked != 0) {
      note(read(consumer.peeked(0)), consumer.was_delivered_before(0));
      consumer.release(1);
      if (consumer.owes()) (void)consumer.owed();
    } else if (!owed) {
      return;
    }
  }
}

/// What a consumer does once a tick.
template <class Consumer, class Note>
void tick(Consumer& consumer, seat_keeper& keeper, Note note) {
  drain(consumer, note);
  consumer.mend(keeper);
  if (consumer.owes()) (void)consumer.owed();
  drain(consumer, note);
}

/// seat_table::take() without the kernel: settles a dead owner's seat under its lock, then sits there. `settle(seat)` says
/// whether the seat may be taken; `sit(seat)` makes what the newcomer has.
template <class Settle, class Sit>
bool take_seat(const ring_view& ring, std::uint32_t seat, seat_keeper& keeper, const Settle& settle, const Sit& sit) {
  auto& state = ring.seats[seat].state;
  auto word = state.load();
  if (state_of(word) == seat_state::taken && !keeper.is_dead(seat, word)) return false;
  if (!keeper.try_lock(seat)) return false;
  word = state.load();
  const bool is_ready = state_of(word) != seat_state::taken && (state_of(word) != seat_state::dead || settle(seat));
  if (is_ready) {
    state.store(seat_word(seat_state::taken, generation_of(word) + 1));
    sit(seat);
  }
  keeper.unlock(seat);
  return is_ready;
}

template <class Ring>
bool take(cast<Ring>& all, std::uint32_t seat, seat_keeper& keeper, bool settles = true) {
  return take_seat(
      all.ring, seat, keeper, [&](std::uint32_t dead) { return !settles || Ring::settle(all.ring, dead, keeper); },
      [&](std::uint32_t free) { all.construct(free); });
}

/// When newcomers take the seats of the dead.
enum class successors { come_first, come_last };

inline constexpr int ticks_allowed = 3;

template <class Ring>
class trial {
 public:
  /// `all`: the participants, the dead included. The ring's memory holds what the death left; the trial changes it.
  trial(cast<Ring> all, graves dead, const receipts& seen, bool mends = true)
      : all_(std::move(all)), dead_(std::move(dead)), keeper_(all_.ring, dead_), mends_(mends) {
    for (const auto& [seat, generation] : dead_) {
      all_.forget(seat);
      all_.next_number[seat] += 100;  // a successor's ids are not the dead one's
    }
    for (std::uint64_t i = 0; i < seen.count; ++i) ++delivered_[seen.all[i].id][seen.all[i].was_marked];
    for (const auto id : all_.sent) known_.insert(id);
    is_remainder_ = finds_remainder();
    scan();
  }

  /// The ids whose slots said "published" at the moment of death.
  [[nodiscard]] const std::map<std::uint64_t, std::uint64_t>& published() const noexcept { return published_; }
  /// Whether this is the one state in which the protocol promises less; see mpmc_ring.hpp, "What remains".
  [[nodiscard]] bool is_remainder() const noexcept { return is_remainder_; }

  /// The same when `child` is not dead but stopped there: it keeps its seat, what it claimed and what it was handed.
  /// For when no other is slow or dead, so that every open position is its own.
  [[nodiscard]] std::string run_beside_a_stopped(std::uint32_t child) {
    all_.forget(child);
    const auto& control = mpmc_control_of(all_.ring);
    const auto head = control.head.load();
    const auto tail = control.tail.load();
    std::map<std::uint64_t, std::uint64_t> kept;  // position to word; of spsc nothing could be taken away
    for (auto q = tail > capacity ? tail - capacity : 0; q < tail; ++q) {
      const auto word = all_.ring.word(q).load();
      const bool is_claimed = word == all_.ring.word_for(q, slot_kind::free);
      const bool is_handed_out = q < head && (word == all_.ring.word_for(q, slot_kind::published) ||
                                              word == all_.ring.word_for(q, slot_kind::hole));
      if (is_claimed || is_handed_out) kept[q] = word;
    }
    const auto state = all_.ring.seats[child].state.load();
    ticks();
    for (const auto& [q, word] : kept)
      if (all_.ring.word(q).load() != word) complain("a stopped process lost position " + std::to_string(q));
    if (take(all_, child, keeper_)) complain("a stopped process lost its seat");
    if (all_.ring.seats[child].state.load() != state) complain("a stopped process lost its seat");
    return broken_;
  }

  /// What is broken; empty: nothing.
  [[nodiscard]] std::string run(successors order) {
    if (order == successors::come_first && !is_remainder_) fill_seats();
    ticks();
    if (idle_consumer() == trial_seats) fill_up();
    check_nobody_waits_for_the_dead();
    for (std::uint32_t seat = 0; seat < trial_seats; ++seat) go_on(seat);
    ticks();
    fill_seats();
    ticks();
    check_everything_came();
    if (broken_.empty()) check_capacity();
    return broken_;
  }

 private:
  void complain(const std::string& what) {
    if (broken_.find(what) == std::string::npos) broken_ += (broken_.empty() ? "" : "; ") + what;
  }
  static std::string name(std::uint64_t id) {
    return std::to_string(sender_of(id) - 1) + "." + std::to_string(id & 0xffffffffU);
  }

  [[nodiscard]] std::uint32_t seats() const noexcept { return all_.ring.producer_seats + all_.ring.consumer_seats; }
  [[nodiscard]] bool is_spsc() const noexcept { return !Ring::has_many_seats; }

  void scan() {
    const auto released = is_spsc() ? spsc_seat_of(all_.ring, 1).sequence.load() : 0;
    for (std::uint64_t i = 0; i < capacity; ++i) {
      const auto word = all_.ring.word(i).load();
      const auto q = lap_of(word) * capacity + i;
      const auto kind = kind_of(word);
      if ((kind != slot_kind::published && kind != slot_kind::taken) || q < released) continue;
      const auto m = read(message_in<Ring>(all_.ring, all_.ring.payload(q)));
      if (!is_whole(m)) complain("published torn");
      published_[m.id] = q;
      known_.insert(m.id);
    }
    for (const auto id : all_.sent)
      if (!published_.contains(id) && !delivered_.contains(id)) complain("lost before it was received: " + name(id));
  }

  bool finds_remainder() const {
    for (const auto loser : all_.losers) {
      const auto theirs = mpmc_seat_of(all_.ring, loser).intent.load();
      const bool produces = all_.is_producer(loser);
      const auto counter = (produces ? mpmc_control_of(all_.ring).tail : mpmc_control_of(all_.ring).head).load();
      for (const auto& [seat, generation] : dead_) {
        if (all_.is_producer(seat) != produces) continue;
        for (const auto intent :
             {mpmc_seat_of(all_.ring, seat).intent.load(), mpmc_seat_of(all_.ring, seat).second_intent.load()}) {
          if (intent_won(intent)) continue;
          for (std::uint64_t q = intent >> 16; q < (intent >> 16) + intent_count(intent); ++q)
            if (counter > q && intent_covers(theirs, q) &&
                all_.ring.word(q).load() == all_.ring.word_for(q, produces ? slot_kind::free : slot_kind::published))
              return true;
        }
      }
    }
    return false;
  }

  void note(std::uint32_t consumer, const message& m, bool was_marked) {
    if (!is_whole(m)) return complain("delivered torn");
    if (!known_.contains(m.id)) return complain("delivered what was not published, or was released: " + name(m.id));
    auto& times = delivered_[m.id];
    ++times[was_marked];
    if (times[0] > 1 || (!was_marked && times[1] > 0)) complain("delivered twice without a mark: " + name(m.id));
    came_.insert(m.id);
    if (was_marked) return;
    auto& last = last_[{consumer, sender_of(m.id)}];
    if (m.id <= last) complain("out of order: " + name(m.id));
    last = m.id;
  }

  void ticks() {
    for (int i = 0; i < ticks_allowed; ++i)
      for (std::uint32_t seat = 0; seat < trial_seats; ++seat) {
        auto& consumer = all_.consumers[seat];
        if (!consumer || all_.is_slow(seat)) continue;
        const auto receive = [&](const message& m, bool was_marked) { note(seat, m, was_marked); };
        if (mends_)
          tick(*consumer, keeper_, receive);
        else
          drain(*consumer, receive);
      }
  }

  void go_on(std::uint32_t seat) {
    if (all_.holders.erase(seat) != 0) {
      const auto count = all_.consumers[seat]->try_peek(capacity);  // what it holds already
      for (std::uint64_t i = 0; i < count; ++i)
        note(seat, read(all_.consumers[seat]->peeked(i)), all_.consumers[seat]->was_delivered_before(i));
      all_.consumers[seat]->release(count);
      all_.held.clear();
    }
    all_.go_on(seat);
    for (const auto id : all_.sent) known_.insert(id);
  }

  void fill_seats() {
    for (int i = 0; i < ticks_allowed; ++i) {
      bool all_sit = true;
      for (const auto& [seat, generation] : dead_)
        if (!all_.producers[seat] && !all_.consumers[seat]) all_sit &= take(all_, seat, keeper_, mends_);
      if (all_sit) return;
      ticks();
    }
    complain("a dead one's seat is not given to a successor");
  }

  /// Without consumers: the producer goes on until it is full, and must not run over what a successor still has to get.
  void fill_up() {
    const auto producer = idle_producer();
    for (std::uint64_t i = 0; producer != trial_seats && i < capacity; ++i) {
      if (all_.producers[producer]->try_claim(1) == 0) return;
      all_.open_claims[producer] = 1;
      all_.go_on(producer);
      known_.insert(all_.sent.back());
    }
  }

  /// While slow participants are still slow: the messages before theirs come, and one more as well.
  void check_nobody_waits_for_the_dead() {
    const bool has_receiver = idle_consumer() != trial_seats;
    if (!has_receiver) return;
    const bool has_open_claim =
        std::any_of(all_.open_claims.begin(), all_.open_claims.end(), [](std::uint64_t count) { return count != 0; });
    bool stalls = false;
    for (const auto& [id, q] : published_)
      stalls |= !came_.contains(id) && !all_.held.contains(id) && !is_behind_an_open_claim(q);
    if (const auto producer = idle_producer(); producer != trial_seats && !has_open_claim) {
      if (all_.producers[producer]->try_claim(1) == 1) {
        all_.open_claims[producer] = 1;
        all_.go_on(producer);
        known_.insert(all_.sent.back());
        ticks();
        stalls |= !came_.contains(all_.sent.back());
      } else if (all_.holders.empty()) {
        stalls = true;  // everything was received, and yet it is full
      }
    }
    if (stalls && !is_remainder_) complain("the living wait for the dead");
    if (!stalls && is_remainder_) complain("does not stall where it is said to");
  }

  [[nodiscard]] bool is_behind_an_open_claim(std::uint64_t q) const {
    for (std::uint32_t seat = 0; seat < trial_seats; ++seat)
      if (all_.open_claims[seat] != 0 && (mpmc_seat_of(all_.ring, seat).intent.load() >> 16) < q) return true;
    return false;
  }

  void check_everything_came() {
    for (const auto& [id, q] : published_)
      if (!came_.contains(id)) complain("never delivered: " + name(id));
    for (const auto id : all_.sent)
      if (!came_.contains(id) && !delivered_.contains(id)) complain("never delivered: " + name(id));
  }

  /// Twice around: the whole ring can be filled and emptied, and every seat can be used.
  void check_capacity() {
    for (std::uint32_t round = 0; round < 2 * seats(); ++round) {
      const auto producer = round % all_.ring.producer_seats;
      if (!all_.producers[producer]) continue;
      std::uint64_t room = 0;
      while (room <= capacity && all_.producers[producer]->try_claim(1) == 1) {
        all_.open_claims[producer] = 1;
        all_.go_on(producer);
        known_.insert(all_.sent.back());
        ++room;
      }
      if (room != capacity) return complain("capacity is " + std::to_string(room) + " of " + std::to_string(capacity));
      for (std::uint32_t i = 0; i < all_.ring.consumer_seats; ++i) {
        const auto seat = all_.first_consumer() + (round + i) % all_.ring.consumer_seats;
        if (!all_.consumers[seat]) continue;
        drain(*all_.consumers[seat], [&](const message& m, bool mark) { note(seat, m, mark); });
      }
    }
    check_everything_came();
    for (const auto& consumer : all_.consumers)
      if (consumer && !consumer->is_exhausted(keeper_)) complain("a closed channel has no end");
    for (const auto& [seat, generation] : dead_)
      if (!all_.producers[seat] && !all_.consumers[seat]) complain("a dead one's seat stays empty");
  }

  [[nodiscard]] std::uint32_t idle_consumer() const {
    for (std::uint32_t seat = 0; seat < trial_seats; ++seat)
      if (all_.consumers[seat] && !all_.is_slow(seat)) return seat;
    return trial_seats;
  }
  [[nodiscard]] std::uint32_t idle_producer() const {
    for (std::uint32_t seat = 0; seat < trial_seats; ++seat)
      if (all_.producers[seat] && !all_.is_slow(seat)) return seat;
    return trial_seats;
  }

  cast<Ring> all_;
  graves dead_;
  told_keeper keeper_;
  bool mends_;
  bool is_remainder_ = false;
  std::map<std::uint64_t, std::uint64_t> published_;                 // id to position
  std::map<std::uint64_t, std::array<std::uint32_t, 2>> delivered_;  // times, without and with the mark, the dead's too
  std::set<std::uint64_t> came_;                                     // to the living
  std::set<std::uint64_t> known_;                                    // may be delivered
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::uint64_t> last_;
  std::string broken_;
};

}  // namespace sluice::detail::test::tracer
