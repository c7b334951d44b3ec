// A yardstick, not part of the library: an MPMC ring whose claim is a CAS on the slot's own word that writes the
// claimer's number into it, so a scan of the words alone tells each claim's owner. The shared counters are hints
// that any participant may push forward. It prices the owner in the slot against Vyukov's claim by counter.
//
// A word is lap (40 bits) | owner (16 bits) | state (8 bits). One slot goes free(l) > filling(l, producer) >
// full(l) > reading(l, consumer) > free(l + 1); all-zero memory is an empty ring.
//
// Edges
//   P: producer's store of full (release) -> consumer's load or CAS of the word (acquire): the payload is visible.
//   F: consumer's store of free (release) -> producer's load or CAS of the word (acquire): the slot may be overwritten.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "harness/link.hpp"
#include "harness/shared_pages.hpp"

namespace sluice_bench {

template <std::size_t message_bytes>
class owner_slot_mpmc {
 public:
  explicit owner_slot_mpmc(const link_options& options)
      : capacity_slots_(slots_for(stride_bytes, options.ring_bytes)),
        mask_(capacity_slots_ - 1),
        lap_shift_(static_cast<unsigned>(std::countr_zero(capacity_slots_))),
        pages_(slots_offset + capacity_slots_ * stride_bytes),
        tail_(reinterpret_cast<std::atomic<std::uint64_t>*>(pages_.data())),
        head_(reinterpret_cast<std::atomic<std::uint64_t>*>(pages_.data() + 128)) {}

  /// Several processes of one role must differ in `number`.
  void join(role, std::uint64_t number = 1) {
    owner_ = number;
    pages_.touch();
  }

  template <class Fill>
  [[gnu::always_inline]] bool try_send(Fill&& fill) {
    std::uint64_t sequence = 0;
    if (!claim(*tail_, state_free, state_filling, sequence)) return false;
    fill(payload(sequence));
    word(sequence).store(make_word(lap(sequence), 0, state_full), std::memory_order_release);  // P
    return true;
  }

  template <class Read>
  [[gnu::always_inline]] bool try_receive(Read&& read) {
    std::uint64_t sequence = 0;
    if (!claim(*head_, state_full, state_reading, sequence)) return false;
    read(static_cast<const std::byte*>(payload(sequence)));
    word(sequence).store(make_word(lap(sequence) + 1, 0, state_free), std::memory_order_release);  // F
    return true;
  }

  // ---- Mending -------------------------------------------------------------------------------------------------------

  /// For trials in one process: what a participant has done that dies, or is slow, in the middle of a call.
  bool claim_as(role as, std::uint64_t number, std::uint64_t& sequence) {
    join(as, number);
    return as == role::producer ? claim(*tail_, state_free, state_filling, sequence)
                                : claim(*head_, state_full, state_reading, sequence);
  }
  /// The consumer of claim_as goes on.
  void release_as(std::uint64_t, std::uint64_t sequence) {
    word(sequence).store(make_word(lap(sequence) + 1, 0, state_free), std::memory_order_release);  // F
  }

  /// A consumer that finds nothing calls it: true when the oldest claim was a dead producer's, and is free again. The
  /// hint at head steps over it by itself.
  template <class IsDead>
  bool try_mend(IsDead&& is_dead) {
    const std::uint64_t stuck = head_->load(std::memory_order_relaxed);  // a hint
    std::uint64_t found = word(stuck).load(std::memory_order_acquire);   // P F
    const std::uint64_t owner = found >> 8 & 0xFFFF;
    if (found != make_word(lap(stuck), owner, state_filling) || !is_dead(owner)) return false;
    return word(stuck).compare_exchange_strong(found, make_word(lap(stuck) + 1, 0, state_free),
                                               std::memory_order_acq_rel, std::memory_order_relaxed);  // F
  }

 private:
  static constexpr std::size_t slots_offset = 256;
  static constexpr std::size_t stride_bytes = message_bytes + 8;
  static constexpr std::uint64_t state_free = 0, state_filling = 1, state_full = 2, state_reading = 3;

  static constexpr std::uint64_t make_word(std::uint64_t lap, std::uint64_t owner, std::uint64_t state) noexcept {
    return lap << 24 | owner << 8 | state;
  }
  // A word without its owner grows with every step, so "older" and "newer" are a comparison.
  static constexpr std::uint64_t progress_of(std::uint64_t word) noexcept { return word >> 24 << 8 | (word & 0xFF); }

  [[gnu::always_inline]] bool claim(std::atomic<std::uint64_t>& hint, std::uint64_t from, std::uint64_t to,
                                    std::uint64_t& sequence) noexcept {
    sequence = hint.load(std::memory_order_relaxed);  // a hint; the word decides
    for (;;) {
      const std::uint64_t wanted = make_word(lap(sequence), 0, from);
      std::uint64_t found = word(sequence).load(std::memory_order_acquire);  // P F
      if (found == wanted) {
        if (word(sequence).compare_exchange_strong(found, make_word(lap(sequence), owner_, to),
                                                   std::memory_order_acquire,  // P F
                                                   std::memory_order_relaxed)) {
          // Failure means another participant has pushed the hint past us already.
          std::uint64_t at = sequence;
          hint.compare_exchange_strong(at, sequence + 1, std::memory_order_relaxed);
          return true;
        }
      }
      if (progress_of(found) < progress_of(wanted)) return false;
      // Another owner has it: push its hint, because an owner that dies before doing so would stop the rest.
      std::uint64_t at = sequence;
      if (hint.compare_exchange_strong(at, sequence + 1, std::memory_order_relaxed)) at = sequence + 1;
      sequence = at;
    }
  }

  [[nodiscard]] std::uint64_t lap(std::uint64_t sequence) const noexcept { return sequence >> lap_shift_; }
  std::atomic<std::uint64_t>& word(std::uint64_t sequence) const noexcept {
    return *reinterpret_cast<std::atomic<std::uint64_t>*>(pages_.data() + slots_offset +
                                                          (sequence & mask_) * stride_bytes);
  }
  std::byte* payload(std::uint64_t sequence) const noexcept {
    return pages_.data() + slots_offset + (sequence & mask_) * stride_bytes + 8;
  }

  std::size_t capacity_slots_;
  std::uint64_t mask_;
  unsigned lap_shift_;
  shared_pages pages_;
  std::atomic<std::uint64_t>* tail_;
  std::atomic<std::uint64_t>* head_;
  std::uint64_t owner_ = 1;
};

}  // namespace sluice_bench
