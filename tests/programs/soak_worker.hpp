#pragma once

// What the workers of a soak do until they are killed: everything the channel offers, in random order, with pauses and
// sudden deaths of their own at the worst places.

#include <sluice/channel.hpp>

#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>
#include <span>
#include <system_error>
#include <thread>

#include "soak_bytes.hpp"
#include "soak_ledger.hpp"
#include "soak_life.hpp"
#include "soak_topic.hpp"

template <>
struct sluice::message_traits<soak::message> {
  static constexpr std::string_view name = "sluice.soak.message";
  static constexpr std::uint64_t version = 1;
};

namespace soak {

template <class Out>
class producing {
 public:
  producing(worker_context& own, Out out)
      : own_(own), notes_(own.book.notes().producers[own.place]), out_(std::move(out)) {}

  void run() {
    const auto& stop = own_.book.notes().producers_stop;
    auto& random = own_.random;
    const bool may_wait = !random.one_in(3);
    const auto favourite = random.roll(12);  // above 6: a bit of everything
    while (stop.load(std::memory_order_relaxed) == 0) {
      number_ = notes_.published.load(std::memory_order_relaxed);  // only this place's producer writes it
      if (number_ + 2 * max_batch >= numbers_per_producer) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        continue;
      }
      const auto what = favourite <= 6 && !random.one_in(16) ? favourite : random.roll(7);
      if (!act(what, may_wait) && !may_wait) ::sched_yield();
      if (random.one_in(200'000)) return;  // leaves in order
    }
  }

 private:
  bool act(std::uint64_t what, bool may_wait) {
    switch (what) {
      case 0: return send(may_wait);
      case 1: return send_batch(may_wait);
      case 2: return lend(out_.try_claim());
      case 3: return lend(may_wait ? out_.claim_for(some_time(own_.random)) : out_.try_claim());
      case 4: return own_.random.one_in(4) ? abandon() : lend(out_.try_claim());
      default: return lend_batch();
    }
  }

  void announce(std::uint64_t count) { notes_.announced.store(number_ + count, std::memory_order_release); }
  void published(std::uint64_t count) {
    notes_.published.store(number_ + count, std::memory_order_release);
    notes_.announced.store(number_ + count, std::memory_order_release);
  }
  void make(message& m, std::uint64_t i) { fill(m, own_.place, own_.incarnation, number_ + i); }

  bool send(bool may_wait) {
    message m;
    make(m, 0);
    announce(1);
    bool is_sent = out_.try_send(m);
    if (!is_sent && may_wait) is_sent = out_.send_for(m, some_time(own_.random)) == sluice::wait_result::ready;
    published(is_sent ? 1 : 0);
    return is_sent;
  }

  bool send_batch(bool may_wait) {
    message batch[max_batch];
    const auto count = 1 + own_.random.roll(max_batch);
    for (std::uint64_t i = 0; i < count; ++i) make(batch[i], i);
    announce(count);
    auto sent = out_.try_send(std::span<const message>(batch, count));
    if (sent == 0 && may_wait) sent = out_.send_for(batch[0], some_time(own_.random)) == sluice::wait_result::ready;
    published(sent);
    return sent != 0;
  }

  template <class Loan>
  bool lend(Loan slot) {
    if (!slot) return false;
    linger(own_.random);
    make(*slot, 0);
    linger(own_.random);
    announce(1);
    const bool is_published = publish(slot);
    published(is_published ? 1 : 0);
    return is_published;
  }

  bool abandon() {
    auto slot = out_.try_claim();
    if (!slot) return false;
    poison(*slot);
    linger(own_.random);
    return true;  // dropped: abandoned
  }

  bool lend_batch() {
    auto slots = out_.try_claim_batch(1 + own_.random.roll(max_batch));
    if (slots.size() == 0) return false;
    const auto count = own_.random.one_in(8) ? own_.random.roll(slots.size() + 1) : slots.size();
    for (std::uint64_t i = 0; i < slots.size(); ++i) i < count ? make(slots[i], i) : poison(slots[i]);
    linger(own_.random);
    announce(count);
    published(publish(slots, count));
    return true;
  }

  worker_context& own_;
  producer_notes& notes_;
  Out out_;
  std::uint64_t number_ = 0;  // of the next message
};

template <class In>
class consuming {
 public:
  consuming(worker_context& own, In in)
      : own_(own), notes_(own.book.notes().consumers[own.place]), in_(std::move(in)) {}

  void run() {
    const auto& drain = own_.book.notes().consumers_drain;
    auto& random = own_.random;
    const bool may_wait = !random.one_in(3);
    const auto favourite = random.roll(10);  // above 5: a bit of everything
    while (drain.load(std::memory_order_relaxed) == 0) {
      const auto what = favourite <= 5 && !random.one_in(16) ? favourite : random.roll(6);
      if (!act(what, may_wait) && !may_wait) ::sched_yield();
      if (random.one_in(200'000)) return;  // leaves in order
      if (random.one_in(400'000)) {        // leaves in order, but with a message in its hands
        auto slot = in_.try_peek();
        if (slot) own_.book.note_delivery(notes_, *slot, slot.was_delivered_before());
        slot.keep();
        return;
      }
    }
    // Everything is published: what is left comes within a few ticks, also what dead consumers held.
    if (may_wait) {
      while (look(in_.peek_for(std::chrono::nanoseconds(4 * sluice::tick_ns)))) {
      }
    } else {
      for (auto since = sluice::detail::monotonic_now_ns();
           sluice::detail::monotonic_now_ns() - since < 4 * sluice::tick_ns;) {
        if (look(in_.try_peek()))
          since = sluice::detail::monotonic_now_ns();
        else
          ::sched_yield();
      }
    }
  }

 private:
  bool act(std::uint64_t what, bool may_wait) {
    switch (what) {
      case 0: return look(in_.try_peek());
      case 1: return look(may_wait ? in_.peek_for(some_time(own_.random)) : in_.try_peek());
      case 2: return own_.random.one_in(4) ? keep() : look(in_.try_peek());
      case 3: return receive();
      default: return look_at_batch();
    }
  }

  void note(const message& m, bool is_marked) { own_.book.note_delivery(notes_, m, is_marked); }
  /// What is held must not change under its reader.
  void note_unchanged(const message& m, std::uint64_t who, std::uint64_t number) {
    if (!is_whole(m) || m.who != who || m.number != number) own_.book.torn(notes_, m, false);
  }

  template <class Loan>
  bool look(Loan slot) {
    if (!slot) return false;
    linger(own_.random);
    const auto who = (*slot).who;
    const auto number = (*slot).number;
    note(*slot, slot.was_delivered_before());
    linger(own_.random);
    note_unchanged(*slot, who, number);
    slot.release();
    return true;
  }

  bool keep() {
    auto slot = in_.try_peek();
    if (!slot) return false;
    linger(own_.random);
    slot.keep();  // not counted: the next peek gets it again
    return true;
  }

  /// By copy. What will come is peeked at first, so that the ledger knows what a death in between may cost.
  bool receive() {
    auto batch = in_.try_peek_batch(own_.random.one_in(2) ? 1 : max_batch);
    const auto count = batch.size();
    if (count == 0) return false;
    bool is_marked[max_batch];
    for (std::uint64_t i = 0; i < count; ++i) {
      is_marked[i] = batch.was_delivered_before(i);
      if (!own_.book.is_announced(batch[i])) {  // cannot be written down
        note(batch[i], is_marked[i]);
        batch.release(i + 1);
        return true;
      }
      notes_.pending[i] = {batch[i].who >> 32, batch[i].number};
    }
    notes_.pending_count.store(count, std::memory_order_release);
    batch.release(0);  // it ends; what it had comes by copy
    message copies[max_batch];
    std::uint64_t received = 0;
    if (count == 1) {
      const auto single = in_.try_receive();
      if (single) copies[received++] = *single;
    } else {
      received = in_.try_receive(std::span(copies, count));
    }
    for (std::uint64_t i = 0; i < received; ++i) note(copies[i], is_marked[i]);
    notes_.pending_count.store(0, std::memory_order_release);
    return received != 0;
  }

  bool look_at_batch() {
    auto batch = in_.try_peek_batch(1 + own_.random.roll(max_batch));
    if (batch.size() == 0) return false;
    linger(own_.random);
    const auto count = own_.random.one_in(8) ? own_.random.roll(batch.size() + 1) : batch.size();
    for (std::uint64_t i = 0; i < count; ++i) note(batch[i], batch.was_delivered_before(i));
    linger(own_.random);
    batch.release(count);
    return true;
  }

  worker_context& own_;
  consumer_notes& notes_;
  In in_;
};

/// Takes a seat, however long others need to let one go, and works. A seat may be refused while its settling waits for
/// a stopped process.
template <class Take>
auto seat(Take take) {
  for (;;) {
    try {
      return take();
    } catch (const sluice::error& problem) {
      if (problem.reason() != sluice::errc::seat_taken && problem.reason() != sluice::errc::in_use) throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

inline void drop_privileges() {
  constexpr unsigned unprivileged = 65534;
  if (::setgroups(0, nullptr) != 0 || ::setgid(unprivileged) != 0 || ::setuid(unprivileged) != 0 ||
      ::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)  // setuid(2) took it away
    throw std::system_error(errno, std::generic_category(), "drop privileges");
}

template <class Wait, class Channel>
void work_waiting(const Channel& through, sluice::role role, worker_context& own) {
  const auto seated = [&](auto take) {
    auto handle = seat(take);
    if (own.drops_privileges) drop_privileges();
    return handle;
  };
  if (role == sluice::role::producer)
    producing(own, outlet(seated([&] { return through.template producer<Wait>(); }))).run();
  else if constexpr (is_topic<Channel>)
    subscribe<Wait>(through, own, seated);
  else
    consuming(own, inlet(seated([&] { return through.template consumer<Wait>(); }))).run();
}

template <class Channel>
void work(const Channel& through, sluice::role role, worker_context& own) {
  switch (own.random.roll(4)) {
    case 0: return work_waiting<sluice::busy_spin>(through, role, own);
    case 1: return work_waiting<sluice::park>(through, role, own);
    default: return work_waiting<sluice::spin_then_park>(through, role, own);
  }
}

}  // namespace soak
