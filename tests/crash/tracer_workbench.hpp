#pragma once

// Steps a child through an operation at a ring and holds a trial after every instruction that changed a shared byte.

#include <gtest/gtest.h>

#include <functional>
#include <sstream>
#include <string>

#include "crash/tracer.hpp"
#include "crash/tracer_table.hpp"
#include "crash/tracer_trial.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test::tracer {

/// What the child does; it is one of `all` and notes what it is handed.
template <class Ring>
using operation = std::function<void(cast<Ring>& all, receipts& seen)>;

/// For a scene in which the count depends on what an earlier death left.
inline constexpr std::uint64_t any_number = ~std::uint64_t{0};

/// One case: the participants, and what the owner of one seat does until it dies.
template <class Ring>
struct scene {
  std::string name;
  std::uint32_t child = 0;                   // its seat
  std::function<void(cast<Ring>&)> arrange;  // all sit already
  operation<Ring> act;
  std::uint64_t sends = 0, receives = 0;  // what act does without a death
  bool mends = true;                      // whether the living do
};

/// A state that a death left, for the death after that.
template <class Ring>
struct aftermath {
  std::vector<std::byte> bytes;
  receipts seen;
  cast<Ring> all;
  graves dead;
};

template <class Ring>
class workbench {
 public:
  workbench()
      : memory_(ring_memory_bytes(request())),
        receipts_(sizeof(receipts)),
        ring_(view_memory(memory_.own(), request())) {}

  /// Steps through `now` as it is when the ring has gone round to position `start`. Broken states go to `complaints`,
  /// distinct states to `states` when it is given.
  tally trace(const scene<Ring>& now, std::uint64_t start, std::ostream& complaints,
              std::vector<aftermath<Ring>>* states = nullptr) {
    memory_.join();
    receipts_.join();
    std::memset(memory_.own().data(), 0, memory_.own().size());
    std::memset(receipts_.own().data(), 0, receipts_.own().size());
    cast<Ring> all(ring_);
    for (std::uint32_t seat = 0; seat < ring_.producer_seats + ring_.consumer_seats; ++seat) all.sit(seat);
    all.turn(start);
    if (now.arrange) now.arrange(all);
    return step_through(now, all, {}, complaints, states);
  }

  /// The same, beginning from what an earlier death left.
  tally trace_after(const aftermath<Ring>& before, const scene<Ring>& now, std::ostream& complaints) {
    memory_.join();
    receipts_.join();
    std::memcpy(memory_.own().data(), before.bytes.data(), before.bytes.size());
    std::memcpy(receipts_.own().data(), &before.seen, sizeof before.seen);
    auto all = before.all;
    for (const auto& [seat, generation] : before.dead) {
      all.forget(seat);
      all.next_number[seat] += 50;  // the next owner's ids are its own
    }
    return step_through(now, all, before.dead, complaints, nullptr);
  }

 private:
  static ring_request request() {
    constexpr auto seats = Ring::has_many_seats ? 3U : 1U;
    ring_request request{
        identity_of<message>(),
        {.kind = Ring::kind, .capacity_slots = capacity, .producer_seats = seats, .consumer_seats = seats}};
    if constexpr (requires { Ring::shape(request); }) Ring::shape(request);
    return request;
  }

  static receipts& receipts_in(std::span<const std::byte> bytes) noexcept {
    return *reinterpret_cast<receipts*>(const_cast<std::byte*>(bytes.data()));
  }

  tally step_through(const scene<Ring>& now, const cast<Ring>& all, graves dead, std::ostream& complaints,
                     std::vector<aftermath<Ring>>* states) {
    stepped_child child([&](const marks& here) {
      auto own = all;
      here.begin();
      now.act(own, receipts_in(receipts_.own()));
      here.end();
    });
    memory_.part();
    receipts_.part();
    // Until the child has taken its seat from a dead owner, the grave there is that owner's.
    const auto state = seat_in(memory_.live(), now.child);
    if (state_of(state) == seat_state::taken && !dead.contains(now.child)) dead[now.child] = generation_of(state);

    tally row;
    const auto received_before = receipts_in(receipts_.live()).count;
    check(now, all, dead, row, complaints, states);
    watched_bytes ring(memory_.live());
    watched_bytes notes(receipts_.live());
    for (bool goes_on = true; goes_on;) {
      goes_on = child.step();
      ++row.instructions;
      const bool has_changed = ring.have_changed();
      if (notes.have_changed() || has_changed) check(now, all, dead, row, complaints, states);
    }
    check_completed(now, all, dead, received_before, row, complaints);
    child.kill();
    return row;
  }

  [[nodiscard]] std::uint64_t seat_in(std::span<const std::byte> bytes, std::uint32_t seat) const noexcept {
    std::uint64_t word = 0;
    const auto offset = reinterpret_cast<const std::byte*>(&ring_.seats[seat].state) - memory_.own().data();
    std::memcpy(&word, bytes.data() + offset, sizeof word);
    return word;
  }

  void check(const scene<Ring>& now, const cast<Ring>& all, graves dead, tally& row, std::ostream& complaints,
             std::vector<aftermath<Ring>>* states) {
    // A newcomer that had just taken a dead owner's seat is the one that has died there now.
    const auto state = seat_in(memory_.live(), now.child);
    if (state_of(state) == seat_state::taken) dead[now.child] = generation_of(state);
    ++row.states;
    const auto seen = receipts_in(receipts_.live());
    bool is_remainder = false;
    for (const auto order : {successors::come_first, successors::come_last}) {
      std::memcpy(memory_.own().data(), memory_.live().data(), memory_.own().size());
      trial<Ring> verdict(all, dead, seen, now.mends);
      is_remainder = verdict.is_remainder();
      const auto broken = verdict.run(order);
      if (broken.empty()) continue;
      ++row.broken;
      complaints << now.name << ", instruction " << row.instructions << ", successors "
                 << (order == successors::come_first ? "first" : "last") << ": " << broken << '\n';
      break;
    }
    if (is_alone(all, dead, now.child) && state_of(state) == seat_state::taken) {
      std::memcpy(memory_.own().data(), memory_.live().data(), memory_.own().size());
      const auto broken = trial<Ring>(all, {}, seen, now.mends).run_beside_a_stopped(now.child);
      row.broken += !broken.empty();
      if (!broken.empty()) complaints << now.name << ", instruction " << row.instructions << ": " << broken << '\n';
    }
    row.remainders += is_remainder;
    if (states != nullptr) states->push_back({{memory_.live().begin(), memory_.live().end()}, seen, all, dead});
  }

  /// Whether only the child is slow or dead.
  static bool is_alone(const cast<Ring>& all, const graves& dead, std::uint32_t child) {
    if (dead.size() != dead.count(child) || !all.losers.empty() || !all.holders.empty()) return false;
    return std::all_of(all.open_claims.begin(), all.open_claims.end(), [](auto count) { return count == 0; });
  }

  /// The operation did what it is for; else all states before could be right because nothing happened.
  void check_completed(const scene<Ring>& now, const cast<Ring>& all, const graves& dead, std::uint64_t received_before,
                       tally& row, std::ostream& complaints) {
    std::memcpy(memory_.own().data(), memory_.live().data(), memory_.own().size());
    const auto seen = receipts_in(receipts_.live());
    const auto received = seen.count - received_before;
    const trial<Ring> verdict(all, dead, seen);
    std::uint64_t sent = 0;
    for (const auto& [id, position] : verdict.published())
      sent += sender_of(id) == now.child + 1 && std::find(all.sent.begin(), all.sent.end(), id) == all.sent.end();
    if ((now.sends == any_number || sent == now.sends) && (now.receives == any_number || received == now.receives))
      return;
    ++row.broken;
    complaints << now.name << ": the operation sent " << sent << " and received " << received << ", not " << now.sends
               << " and " << now.receives << '\n';
  }

  twin_memory memory_;
  twin_memory receipts_;
  ring_view ring_;
};

template <class Ring>
void expect_kept(workbench<Ring>& bench, const std::vector<scene<Ring>>& scenes) {
  expect_none_broken(scenes, [&bench](const scene<Ring>& now, std::ostream& complaints) {
    tally row;
    for (const auto start : starts_of(capacity)) row += bench.trace(now, start, complaints);
    return row;
  });
}

// ---- What a child does -------------------------------------------------------------------------------------------------

/// Claims `count`, fills and publishes the first `published` of them: the rest is abandoned.
template <class Ring>
operation<Ring> sends(std::uint32_t seat, std::uint64_t count, std::uint64_t published) {
  return [=](cast<Ring>& all, receipts&) {
    auto& producer = *all.producers[seat];
    const auto claimed = producer.try_claim(count);
    for (std::uint64_t i = 0; i < claimed && i < published; ++i) fill(producer.claimed(i), all.new_id(seat));
    if (claimed != 0) producer.publish(std::min(claimed, published));
  };
}

enum class ends { older_first, younger_first };

/// Two claims that are open at once, both filled; each is published or abandoned.
template <class Ring>
operation<Ring> claims_two(std::uint32_t seat, ends order, bool publishes_older, bool publishes_younger) {
  return [=](cast<Ring>& all, receipts&) {
    auto& producer = *all.producers[seat];
    if (producer.try_claim(1) != 1) return;
    auto* const older = producer.claimed(0);
    fill(older, all.new_id(seat));
    auto* const younger = producer.claim_another();
    if (younger == nullptr) return;
    fill(younger, all.new_id(seat));
    const auto seal = [](std::byte*, std::uint64_t) {};
    if (order == ends::older_first) producer.settle_one(older, publishes_older, seal);
    producer.settle_one(younger, publishes_younger, seal);
    if (order == ends::younger_first) producer.settle_one(older, publishes_older, seal);
  };
}

/// Two messages that are peeked one by one, and released.
template <class Ring>
operation<Ring> peeks_two(std::uint32_t seat, ends order) {
  return [=](cast<Ring>& all, receipts& seen) {
    auto& consumer = *all.consumers[seat];
    if (consumer.try_peek(1) != 1) return;
    const auto* const older = consumer.peeked(0);
    seen.note(read(older).id, consumer.was_delivered_before(0));
    const auto* const younger = consumer.peek_another();
    if (younger == nullptr) return;
    seen.note(read(younger).id, consumer.was_delivered_before_one(younger));
    if (order == ends::older_first) consumer.release_one(older);
    consumer.release_one(younger);
    if (order == ends::younger_first) consumer.release_one(older);
  };
}

/// The obvious loop: the next is peeked while the last one is held.
template <class Ring>
operation<Ring> peeks_each_beside_the_last(std::uint32_t seat) {
  return [=](cast<Ring>& all, receipts& seen) {
    auto& consumer = *all.consumers[seat];
    if (consumer.try_peek(1) != 1) return;
    const auto* held = consumer.peeked(0);
    seen.note(read(held).id, consumer.was_delivered_before(0));
    while (const auto* const next = consumer.peek_another()) {
      seen.note(read(next).id, consumer.was_delivered_before_one(next));
      consumer.release_one(std::exchange(held, next));
    }
    consumer.release_one(held);
  };
}

/// Peeks up to `count`, notes them, releases the first `released`.
template <class Ring>
operation<Ring> receives(std::uint32_t seat, std::uint64_t count, std::uint64_t released) {
  return [=](cast<Ring>& all, receipts& seen) {
    auto& consumer = *all.consumers[seat];
    const auto peeked = consumer.try_peek(count);
    for (std::uint64_t i = 0; i < peeked; ++i) seen.note(read(consumer.peeked(i)).id, consumer.was_delivered_before(i));
    if (std::min(peeked, released) != 0) consumer.release(std::min(peeked, released));
  };
}

}  // namespace sluice::detail::test::tracer
