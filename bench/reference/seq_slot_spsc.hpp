// A yardstick, not part of the library: one producer, one consumer, and each slot's 64-bit word says which message
// lies in it, so that a message that fits beside its word costs one cache-line transfer. The consumer tells its
// progress only every few messages; the producer reads it only when its own copy says "full".
//
// Invariants
//   1. The word of slot i is s + 1 once message s (s & mask == i) is there; 0 was never written.
//   2. Only the producer writes words and payload; only the consumer writes progress.
//   3. told progress <= messages read, and lags by less than the ring.
//
// Edges
//   P: producer's word store (release) -> consumer's word load (acquire): the payload is visible.
//   F: consumer's progress store (release) -> producer's load (acquire): the slots before it may be overwritten.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "harness/link.hpp"
#include "harness/shared_pages.hpp"

namespace sluice_bench {

/// Where a slot's word and payload lie.
struct slot_geometry {
  std::size_t stride_bytes;
  std::size_t payload_offset;     // from the slot's start
  bool word_is_in_array = false;  // words apart from the slots, eight in a line
};

/// When the consumer tells the producer how far it is.
struct progress_policy {
  std::size_t tells_per_lap = 8;  // used when messages_per_tell is 0
  std::size_t messages_per_tell = 0;
  bool also_stores_each = false;  // the exact progress too, in a line that is not read while all goes well
};

/// The word and up to 56 bytes share a line; anything longer is packed behind its word.
template <std::size_t message_bytes>
inline constexpr slot_geometry packed_slot = {message_bytes + 8, 8};

template <std::size_t message_bytes, slot_geometry geometry = packed_slot<message_bytes>,
          progress_policy policy = progress_policy{}>
class seq_slot_spsc {
 public:
  explicit seq_slot_spsc(const link_options& options)
      : capacity_slots_(slots_for(geometry.stride_bytes, options.ring_bytes)),
        mask_(capacity_slots_ - 1),
        tell_mask_((policy.messages_per_tell != 0 ? policy.messages_per_tell : capacity_slots_ / policy.tells_per_lap) -
                   1),
        words_bytes_(geometry.word_is_in_array ? ((capacity_slots_ * 8 + 63) & ~std::size_t{63}) : 0),
        pages_(slots_offset + words_bytes_ + capacity_slots_ * geometry.stride_bytes),
        progress_(reinterpret_cast<std::atomic<std::uint64_t>*>(pages_.data())),
        exact_progress_(reinterpret_cast<std::atomic<std::uint64_t>*>(pages_.data() + 128)),
        words_(pages_.data() + slots_offset),
        slots_(words_ + words_bytes_) {}

  void join(role) { pages_.touch(); }

  template <class Fill>
  [[gnu::always_inline]] bool try_send(Fill&& fill) {
    if (next_ - told_ == capacity_slots_) [[unlikely]] {
      told_ = progress_->load(std::memory_order_acquire);  // F
      if (next_ - told_ == capacity_slots_) return false;
    }
    fill(payload(next_));
    word(next_).store(next_ + 1, std::memory_order_release);  // P
    ++next_;
    return true;
  }

  template <class Read>
  [[gnu::always_inline]] bool try_receive(Read&& read) {
    if (word(next_).load(std::memory_order_acquire) != next_ + 1) return false;  // P
    read(static_cast<const std::byte*>(payload(next_)));
    ++next_;
    if constexpr (policy.also_stores_each) exact_progress_->store(next_, std::memory_order_release);  // F, by hand
    if ((next_ & tell_mask_) == 0) progress_->store(next_, std::memory_order_release);                // F
    return true;
  }

  template <class Fill>
  [[gnu::always_inline]] std::size_t try_send_batch(std::size_t count, Fill&& fill) {
    if (next_ - told_ + count > capacity_slots_) [[unlikely]] {
      told_ = progress_->load(std::memory_order_acquire);  // F
      const std::size_t room = capacity_slots_ - (next_ - told_);
      if (count > room) count = room;
    }
    for (std::size_t i = 0; i < count; ++i) {
      fill(payload(next_ + i), i);
      word(next_ + i).store(next_ + i + 1, std::memory_order_release);  // P
    }
    next_ += count;
    return count;
  }

  template <class Read>
  [[gnu::always_inline]] std::size_t try_receive_batch(std::size_t count, Read&& read) {
    std::size_t i = 0;
    for (; i < count && word(next_ + i).load(std::memory_order_acquire) == next_ + i + 1; ++i)  // P
      read(static_cast<const std::byte*>(payload(next_ + i)), i);
    const std::uint64_t before = next_;
    next_ += i;
    if constexpr (policy.also_stores_each)
      if (i != 0) exact_progress_->store(next_, std::memory_order_release);  // F, by hand
    if ((before & ~tell_mask_) != (next_ & ~tell_mask_)) progress_->store(next_, std::memory_order_release);  // F
    return i;
  }

 private:
  static constexpr std::size_t slots_offset = 256;

  [[gnu::always_inline]] std::atomic<std::uint64_t>& word(std::uint64_t sequence) const noexcept {
    const std::size_t index = sequence & mask_;
    std::byte* at = geometry.word_is_in_array ? words_ + index * 8 : slots_ + index * geometry.stride_bytes;
    return *reinterpret_cast<std::atomic<std::uint64_t>*>(at);
  }
  [[gnu::always_inline]] std::byte* payload(std::uint64_t sequence) const noexcept {
    return slots_ + (sequence & mask_) * geometry.stride_bytes + geometry.payload_offset;
  }

  std::size_t capacity_slots_;
  std::uint64_t mask_;
  std::uint64_t tell_mask_;
  std::size_t words_bytes_;
  shared_pages pages_;
  std::atomic<std::uint64_t>* progress_;
  std::atomic<std::uint64_t>* exact_progress_;
  std::byte* words_;
  std::byte* slots_;
  std::uint64_t next_ = 0;
  std::uint64_t told_ = 0;
};

}  // namespace sluice_bench
