// A yardstick, not part of the library: Vyukov's ring, and in each participant's seat a counter of its operations, odd
// while one is under way. No participant writes down its claim. A position that was claimed and then left alone is dead
// when every living participant that was inside an operation has since left it: an owner would have moved on.
// It prices a grace period against an intent in the seat and an owner in the slot.
//
// Words of the slot for sequence s
//   s: free;  s + 1: message s;  s + 1 | hole: claimed by the dead, to be skipped;  s + capacity: free in the next lap
// Invariants
//   1. A counter is odd from before the claim until what was claimed is published or released.
//   2. So: position p claimed (tail > p, seen first), and each living counter seen even, or changed since: p has no
//      living owner, because an operation that began later found tail beyond p.
// What it cannot do: tell a participant that holds its claim for long, or is stopped, from the owner of p. Either one
// keeps every dead claim from being mended for as long as it stays inside.
//
// Edges
//   P: producer's ticket store s + 1 (release) -> ticket load (acquire): the payload is visible.
//   F: consumer's ticket store s + capacity (release) -> producer's ticket load (acquire): the slot may be overwritten.
//   T: tail and head exchange (release) -> mender's load (acquire): the claimer's odd counter is seen.
//   C: counter store (release) -> mender's counter load (acquire): what was published before it is seen.
//   H: mender's ticket exchange (acq_rel) -> ticket load (acquire): part of the publisher's release sequence.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "harness/link.hpp"
#include "harness/shared_pages.hpp"

namespace sluice_bench {

template <std::size_t message_bytes>
class grace_counter_mpmc {
 public:
  static constexpr std::size_t seats = 128;

  explicit grace_counter_mpmc(const link_options& options)
      : capacity_slots_(slots_for(stride_bytes, options.ring_bytes)),
        mask_(capacity_slots_ - 1),
        pages_(slots_offset + capacity_slots_ * stride_bytes),
        tail_(reinterpret_cast<std::atomic<std::uint64_t>*>(pages_.data())),
        head_(reinterpret_cast<std::atomic<std::uint64_t>*>(pages_.data() + 128)) {
    for (std::uint64_t i = 0; i < capacity_slots_; ++i)
      ticket(i).store(i, std::memory_order_relaxed);  // fork orders it
  }

  /// Several processes must differ in `number`, whatever their role.
  void join(role as, std::uint64_t number = 0) {
    own_ = &counter(number != 0 ? number : as == role::producer ? 1 : 2);
    operations_ = own_->load(std::memory_order_relaxed) & ~std::uint64_t{1};
    pages_.touch();
  }

  template <class Fill>
  [[gnu::always_inline]] bool try_send(Fill&& fill) {
    std::uint64_t sequence = 0;
    if (!claim(*tail_, 0, sequence)) return false;
    fill(payload(sequence));
    ticket(sequence).store(sequence + 1, std::memory_order_release);  // P
    leave();
    return true;
  }

  template <class Read>
  [[gnu::always_inline]] bool try_receive(Read&& read) {
    std::uint64_t sequence = 0;
    while (claim(*head_, 1, sequence)) {
      const bool is_message =
          ticket(sequence).load(std::memory_order_relaxed) == sequence + 1;  // claim's load ordered it
      if (is_message) read(static_cast<const std::byte*>(payload(sequence)));
      ticket(sequence).store(sequence + capacity_slots_, std::memory_order_release);  // F
      leave();
      if (is_message) return true;
    }
    return false;
  }

  // ---- Mending -------------------------------------------------------------------------------------------------------

  /// For trials in one process: what a participant has done that dies, or is slow, in the middle of a call.
  bool claim_as(role as, std::uint64_t number, std::uint64_t& sequence) {
    join(as, number);
    return as == role::producer ? claim(*tail_, 0, sequence) : claim(*head_, 1, sequence);
  }
  /// The consumer of claim_as goes on.
  void release_as(std::uint64_t number, std::uint64_t sequence) {
    join(role::consumer, number);
    ticket(sequence).store(sequence + capacity_slots_, std::memory_order_release);  // F
    leave();
  }

  /// A consumer that finds nothing calls it again and again until it is true: the oldest claim is dead, and a hole now.
  /// `is_dead(seat)` is asked of every seat whose counter is odd and stands.
  template <class IsDead>
  bool try_mend(IsDead&& is_dead) {
    const std::uint64_t stuck = head_->load(std::memory_order_acquire);  // T
    if (tail_->load(std::memory_order_acquire) == stuck ||
        ticket(stuck).load(std::memory_order_acquire) != stuck) {  // P H T
      watched_ = nobody;
      return false;
    }
    if (watched_ != stuck) {
      for (std::size_t i = 0; i < seats; ++i) seen_[i] = counter(i).load(std::memory_order_acquire);  // C
      watched_ = stuck;
    }
    for (std::size_t i = 0; i < seats; ++i) {
      if ((seen_[i] & 1) == 0 || counter(i).load(std::memory_order_acquire) != seen_[i]) continue;  // C
      if (!is_dead(i)) return false;  // its own claim, or only slow: not known
      seen_[i] = 0;
    }
    watched_ = nobody;
    std::uint64_t expected = stuck;
    return ticket(stuck).compare_exchange_strong(expected, (stuck + 1) | hole, std::memory_order_acq_rel,
                                                 std::memory_order_relaxed);  // H
  }

 private:
  static constexpr std::size_t counters_offset = 256;
  static constexpr std::size_t slots_offset = counters_offset + seats * 64;
  static constexpr std::size_t stride_bytes = message_bytes + 8;
  static constexpr std::uint64_t nobody = ~std::uint64_t{0};

  static constexpr std::uint64_t hole = std::uint64_t{1} << 63;

  /// Wins the position that `next` stands at, when its ticket is `ahead` of it.
  [[gnu::always_inline]] bool claim(std::atomic<std::uint64_t>& next, std::uint64_t ahead,
                                    std::uint64_t& sequence) noexcept {
    sequence = next.load(std::memory_order_relaxed);  // a guess; the CAS decides
    for (;;) {
      const std::uint64_t turn = ticket(sequence).load(std::memory_order_acquire) & ~hole;  // F P H
      if (turn == sequence + ahead) {
        own_->store(operations_ + 1, std::memory_order_release);  // C
        if (next.compare_exchange_strong(sequence, sequence + 1, std::memory_order_release,
                                         std::memory_order_relaxed))  // T
          return true;
        leave();
      } else if (turn < sequence + ahead) {
        return false;
      } else {
        sequence = next.load(std::memory_order_relaxed);
      }
    }
  }

  void leave() noexcept { own_->store(operations_ += 2, std::memory_order_release); }  // C

  std::atomic<std::uint64_t>& counter(std::uint64_t seat) const noexcept {
    return *reinterpret_cast<std::atomic<std::uint64_t>*>(pages_.data() + counters_offset + seat * 64);
  }
  std::atomic<std::uint64_t>& ticket(std::uint64_t sequence) const noexcept {
    return *reinterpret_cast<std::atomic<std::uint64_t>*>(pages_.data() + slots_offset +
                                                          (sequence & mask_) * stride_bytes);
  }
  std::byte* payload(std::uint64_t sequence) const noexcept {
    return pages_.data() + slots_offset + (sequence & mask_) * stride_bytes + 8;
  }

  std::size_t capacity_slots_;
  std::uint64_t mask_;
  shared_pages pages_;
  std::atomic<std::uint64_t>* tail_;
  std::atomic<std::uint64_t>* head_;
  std::atomic<std::uint64_t>* own_ = nullptr;
  std::uint64_t operations_ = 0;  // twice as many as were finished
  std::uint64_t watched_ = nobody;
  std::array<std::uint64_t, seats> seen_{};
};

}  // namespace sluice_bench
