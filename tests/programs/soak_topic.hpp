#pragma once

// Subscribers of a soak's topics. Each checks what it gets against the ledger: a lossless one everything of each publisher
// from where it joined, in order and once; one of the named subscription everything from where the one before it was killed,
// marked as far as that one had seen it; a lossy one that what it lost and what it got are what was published.

#include <sluice/topic.hpp>

#include <sched.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "sluice/detail/channel/access.hpp"
#include "soak_bytes.hpp"
#include "soak_ledger.hpp"
#include "soak_life.hpp"

namespace soak {

template <class Channel>
inline constexpr bool is_topic = false;
template <class T, sluice::publishers Publishers>
inline constexpr bool is_topic<sluice::channel<T, sluice::detail::topic_ring<Publishers>>> = true;

/// The worker of this place subscribes by name.
inline constexpr std::uint32_t named_place = 0;
inline constexpr const char* named_as = "soak";

/// What one subscriber has seen of each publisher's numbers. It joins somewhere from first_possible() on, and misses nothing
/// from must_see() on.
class seen_numbers {
 public:
  /// Before it joins. Numbers are left out where a publisher died, so how far its history reaches is not known.
  seen_numbers(const worker_context& own, bool wants_history)
      : book_(own.book), notes_(own.book.notes().consumers[own.place]) {
    for (std::uint32_t p = 0; p < book_.producers() && !wants_history; ++p)
      of_[p].first_possible = book_.notes().producers[p].published.load(std::memory_order_acquire);
  }
  /// After it has joined. @param claimed  how many each publisher may have claimed before, and announces and publishes
  ///                                      afterwards: a subscriber of many joins behind what is claimed.
  void has_joined(std::uint64_t claimed) noexcept {
    for (std::uint32_t p = 0; p < book_.producers(); ++p)
      of_[p].next = of_[p].must_see = book_.notes().producers[p].announced.load(std::memory_order_acquire) + claimed;
  }

  /// Before it joins as the one that has the named subscription: in place of what it found out itself.
  void follow(named_notes& before) {
    named_ = &before;
    const bool is_first = before.is_begun.load(std::memory_order_relaxed) == 0;
    for (std::uint32_t p = 0; p < book_.producers(); ++p) {
      auto& left = before.of[p];
      if (is_first) left.first_possible.store(of_[p].first_possible, std::memory_order_relaxed);
      of_[p].first_possible = left.first_possible.load(std::memory_order_relaxed);
    }
    before.is_begun.store(1, std::memory_order_relaxed);
  }
  /// After it has joined.
  void has_followed(std::uint64_t claimed) noexcept {
    const bool is_first = named_->has_joined.load(std::memory_order_relaxed) == 0;
    if (is_first) has_joined(claimed);
    for (std::uint32_t p = 0; p < book_.producers(); ++p) {
      auto& own = of_[p];
      auto& left = named_->of[p];
      if (is_first) left.released.store(own.next, std::memory_order_relaxed);
      own.was_seen = left.seen.load(std::memory_order_relaxed);
      own.next = left.released.load(std::memory_order_relaxed);
      own.has_begun = own.was_seen != 0;
    }
    named_->has_joined.store(1, std::memory_order_relaxed);
  }
  [[nodiscard]] bool is_named() const noexcept { return named_ != nullptr; }
  /// All that was noted.
  void have_released() noexcept {
    for (std::uint32_t p = 0; p < book_.producers() && named_ != nullptr; ++p)
      if (of_[p].has_begun) named_->of[p].released.store(of_[p].next, std::memory_order_relaxed);
  }

  /// @return whether it is whole and one that may come now. Of a lossless subscriber: and nothing is missing before it.
  bool note(const message& m, bool is_lossy, bool is_marked = false) {
    if (!book_.is_announced(m)) {
      book_.torn(notes_, m, false);
      return false;
    }
    const auto p = m.who >> 32;
    auto& own = of_[p];
    book_.note_seen(p, m.number);
    // What a publisher published and died before it could say so is new to those that join then.
    const bool is_too_old = own.has_begun
                                ? m.number < own.next
                                : m.number < own.first_possible && book_.count_certain(p, m.number, m.number + 1) != 0;
    if (is_too_old) {
      ledger::add(notes_.disordered);
      book_.complain("older than what this subscriber may get", m);
    } else if (!is_lossy) {
      // What the one before had seen it may have released.
      note_missed(p, std::max(own.next, own.was_seen), m.number);
    }
    if (named_ != nullptr) {
      if (m.number < own.was_seen && !is_marked) {
        ledger::add(notes_.duplicated);
        book_.complain("seen before, and not marked", m);
      }
      auto& left = named_->of[p];
      if (!own.has_begun) left.released.store(m.number, std::memory_order_relaxed);
      if (left.seen.load(std::memory_order_relaxed) <= m.number)
        left.seen.store(m.number + 1, std::memory_order_relaxed);
    }
    own.next = m.number + 1;
    own.has_begun = true;
    ledger::add(notes_.delivered);
    if (is_marked) ledger::add(notes_.marked);
    return true;
  }

  /// Of a lossless subscriber, when the topic is closed and it has got everything.
  void note_end() {
    for (std::uint32_t p = 0; p < book_.producers(); ++p)
      note_missed(p, std::max(of_[p].next, of_[p].was_seen),
                  book_.notes().producers[p].published.load(std::memory_order_acquire));
  }

  /// How many messages there were for certain, and at most, from where it joined up to `number` of that publisher.
  struct bounds {
    std::uint64_t least = 0, most = 0;
  };
  [[nodiscard]] bounds before(std::uint64_t p, std::uint64_t number) const {
    const auto& own = of_[p];
    if (own.has_begun) return {book_.count_certain(p, own.next, number), number - own.next};
    return {book_.count_certain(p, own.must_see, number), number - std::min(number, own.first_possible)};
  }
  /// What was published for certain since it had joined, by all.
  [[nodiscard]] std::uint64_t certain_since_joined() const {
    std::uint64_t sum = 0;
    for (std::uint32_t p = 0; p < book_.producers(); ++p)
      sum +=
          book_.count_certain(p, of_[p].must_see, book_.notes().producers[p].published.load(std::memory_order_acquire));
    return sum;
  }

  void miscounted(const message& m) const {
    ledger::add(notes_.lost);
    book_.complain("not as many lost before it as the subscriber says", m);
  }
  void miscounted_in_all() const { ledger::add(notes_.lost); }

 private:
  void note_missed(std::uint64_t p, std::uint64_t from, std::uint64_t to) {
    for (auto n = from; n < to; ++n)
      if (!book_.note_missed(p, n)) ledger::add(notes_.lost);
  }

  struct numbers {
    std::uint64_t first_possible = 0;
    std::uint64_t must_see = 0;
    std::uint64_t next = 0;
    std::uint64_t was_seen = 0;  // by the one before it, below this
    bool has_begun = false;
  };
  const ledger& book_;
  consumer_notes& notes_;
  std::array<numbers, max_workers> of_;
  named_notes* named_ = nullptr;
};

template <class In>
class subscribing {
 public:
  subscribing(worker_context& own, In in, seen_numbers seen) : own_(own), in_(std::move(in)), seen_(std::move(seen)) {}

  void run() {
    auto& random = own_.random;
    const bool may_wait = !random.one_in(3);
    while (own_.book.notes().consumers_drain.load(std::memory_order_relaxed) == 0) {
      if (!act(random.roll(6), may_wait) && !may_wait) ::sched_yield();
      if (random.one_in(200'000)) return;  // leaves in order
    }
    for (;;) {
      if (look(in_.peek_for(some_time(random)))) continue;
      if (in_.status() == sluice::wait_result::closed) return seen_.note_end();
    }
  }

 private:
  bool act(std::uint64_t what, bool may_wait) {
    switch (what) {
      case 0: return look(in_.try_peek());
      case 1: return look(may_wait ? in_.peek_for(some_time(own_.random)) : in_.try_peek());
      case 2: return own_.random.one_in(4) ? keep() : look_at_two();
      case 3: return seen_.is_named() ? look_at_batch() : receive();  // a copy is released before it is noted
      default: return look_at_batch();
    }
  }

  template <class Loan>
  bool look(Loan slot) {
    if (!slot) return false;
    linger(own_.random);
    const auto before = *slot;
    (void)seen_.note(before, false, slot.was_delivered_before());
    linger(own_.random);
    require_unchanged(*slot, before);
    slot.release();
    seen_.have_released();
    return true;
  }
  /// What a lossless subscriber has in its hands is overwritten by no publisher.
  void require_unchanged(const message& now, const message& before) {
    if (!is_whole(now) || now.who != before.who || now.number != before.number)
      own_.book.torn(own_.book.notes().consumers[own_.place], now, false);
  }

  /// The younger one is released first.
  bool look_at_two() {
    auto older = in_.try_peek();
    if (!older) return false;
    auto younger = in_.try_peek();
    const auto first = *older;
    (void)seen_.note(first, false, older.was_delivered_before());
    linger(own_.random);
    if (younger) {
      (void)seen_.note(*younger, false, younger.was_delivered_before());
      younger.release();
    }
    linger(own_.random);
    require_unchanged(*older, first);
    older.release();
    seen_.have_released();
    return true;
  }

  bool keep() {
    auto slot = in_.try_peek();
    if (!slot) return false;
    linger(own_.random);
    slot.keep();  // comes again
    return true;
  }

  bool receive() {
    message copies[max_batch];
    const auto received = in_.try_receive(std::span(copies, 1 + own_.random.roll(max_batch)));
    for (std::uint64_t i = 0; i < received; ++i) (void)seen_.note(copies[i], false);
    return received != 0;
  }

  bool look_at_batch() {
    auto batch = in_.try_peek_batch(1 + own_.random.roll(max_batch));
    if (batch.size() == 0) return false;
    linger(own_.random);
    const auto count = own_.random.one_in(8) ? own_.random.roll(batch.size() + 1) : batch.size();
    for (std::uint64_t i = 0; i < count; ++i) (void)seen_.note(batch[i], false, batch.was_delivered_before(i));
    linger(own_.random);
    batch.release(count);
    if (count != 0) seen_.have_released();
    return true;
  }

  worker_context& own_;
  In in_;
  seen_numbers seen_;
};

template <class In>
class subscribing_lossy {
 public:
  subscribing_lossy(worker_context& own, In in, seen_numbers seen)
      : own_(own), in_(std::move(in)), seen_(std::move(seen)), has_one_publisher_(own.book.producers() == 1) {}

  void run() {
    auto& random = own_.random;
    const bool may_wait = !random.one_in(3);
    const bool is_slow = random.one_in(3);
    while (own_.book.notes().consumers_drain.load(std::memory_order_relaxed) == 0) {
      if (!act(random.roll(6), may_wait) && !may_wait) ::sched_yield();
      if (is_slow && random.one_in(64)) std::this_thread::sleep_for(std::chrono::microseconds(random.roll(2'000)));
      if (random.one_in(200'000)) return;  // leaves in order
    }
    message m;
    for (;;) {
      const auto result = in_.receive_for(m, some_time(random));
      if (result == sluice::wait_result::ready) note(m);
      if (result == sluice::wait_result::closed) break;
    }
    // Each publisher's gaps end with its next message, so of many the sum alone tells.
    if (received_ + in_.lost_in_all() < seen_.certain_since_joined()) seen_.miscounted_in_all();
  }

 private:
  bool act(std::uint64_t what, bool may_wait) {
    message m;
    switch (what) {
      case 0: return view();
      case 1: return may_wait && in_.receive_for(m, some_time(own_.random)) == sluice::wait_result::ready && note(m);
      case 2: return own_.random.one_in(16) && in_.try_receive_newest(m) && note(m);
      default: return in_.try_receive(m) && note(m);
    }
  }

  /// In place. What may be another message by now is looked at no further, and not left behind: the next look counts it.
  bool view() {
    const auto* slot = in_.try_view();
    if (slot == nullptr) return false;
    linger(own_.random);
    message copy;
    std::memcpy(&copy, slot, sizeof copy);
    linger(own_.random);
    if (!in_.still_valid()) return true;
    in_.next();
    return note(copy);
  }

  bool note(const message& m) {
    ++received_;
    const auto lost = in_.lost();
    const auto publisher = m.who >> 32;
    if (has_one_publisher_ && own_.book.is_announced(m)) {
      const auto between = seen_.before(publisher, m.number);
      if (lost < between.least || lost > between.most) seen_.miscounted(m);
    }
    return seen_.note(m, true);
  }

  worker_context& own_;
  In in_;
  seen_numbers seen_;
  bool has_one_publisher_;
  std::uint64_t received_ = 0;
};

/// A lossy subscriber of messages of any length, seen as one of messages of one size.
template <sluice::publishers Publishers, class Wait>
class lossy_bytes_inlet {
  using handle = sluice::lossy_subscriber<sluice::bytes, Publishers, Wait>;

 public:
  explicit lossy_bytes_inlet(handle in) : in_(std::move(in)) {}

  bool try_receive(message& m) { return in_.try_receive(bytes_) && take(m); }
  bool try_receive_newest(message& m) { return in_.try_receive_newest(bytes_) && take(m); }
  sluice::wait_result receive_for(message& m, std::chrono::microseconds at_most) {
    const auto result = in_.receive_for(bytes_, at_most);
    if (result == sluice::wait_result::ready) take(m);
    return result;
  }
  /// What the bytes say at this moment, which may be torn.
  const message* try_view() {
    const auto seen = in_.try_view();
    if (!seen) return nullptr;
    viewed_ = message_in(*seen);
    return &viewed_;
  }
  [[nodiscard]] bool still_valid() const { return in_.still_valid(); }
  void next() { in_.next(); }
  std::uint64_t lost() { return in_.lost(); }
  [[nodiscard]] std::uint64_t lost_in_all() const { return in_.lost_in_all(); }

 private:
  bool take(message& m) {
    m = message_in(bytes_);
    return true;
  }

  handle in_;
  std::vector<std::byte> bytes_;
  message viewed_;
};

template <sluice::publishers Publishers, class Wait>
auto lossy_inlet(sluice::lossy_subscriber<message, Publishers, Wait> in) {
  return in;
}
template <sluice::publishers Publishers, class Wait>
auto lossy_inlet(sluice::lossy_subscriber<sluice::bytes, Publishers, Wait> in) {
  return lossy_bytes_inlet<Publishers, Wait>(std::move(in));
}

/// `seated` takes the seat, however long that needs.
template <class Wait, class T, sluice::publishers Publishers, class Seated>
void subscribe(const sluice::channel<T, sluice::detail::topic_ring<Publishers>>& through, worker_context& own,
               const Seated& seated) {
  const auto& attached = sluice::detail::access::attached(through);
  auto& random = own.random;
  const auto wanted = random.one_in(2)   ? sluice::history::none()
                      : random.one_in(2) ? sluice::history::last(1 + random.roll(8))
                                         : sluice::history::all();
  const bool is_named = own.place == named_place;
  seen_numbers seen(own, wanted.count != 0 && !is_named);
  constexpr auto claimed = Publishers == sluice::publishers::one ? 0 : max_batch;
  if (is_named) {
    using sluice::detail::named_subscription;
    seen.follow(own.book.notes().named);
    const named_subscription named{{sluice::detail::subscription_name(named_as)}, {}};
    auto in = inlet(seated([&] { return sluice::subscriber<T, Publishers, Wait>(attached, 0, Wait(), named); }));
    seen.has_followed(claimed);
    return subscribing(own, std::move(in), std::move(seen)).run();
  }
  if (!random.one_in(3)) {
    auto in = inlet(seated([&] { return sluice::subscriber<T, Publishers, Wait>(attached, 0, Wait(), wanted); }));
    seen.has_joined(claimed);
    return subscribing(own, std::move(in), std::move(seen)).run();
  }
  const auto where = random.one_in(3) ? sluice::resumes::at_newest : sluice::resumes::at_oldest;
  auto in = lossy_inlet(
      seated([&] { return sluice::lossy_subscriber<T, Publishers, Wait>(attached, 0, Wait(), wanted, where); }));
  seen.has_joined(claimed);
  subscribing_lossy(own, std::move(in), std::move(seen)).run();
}

}  // namespace soak
