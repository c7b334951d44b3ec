// A yardstick, not part of the library: Lamport's ring of 1983 with one index a side, each side keeping a private
// copy of the other's index and reading the real one only when the copy says full or empty. This is the shape of
// the fast SPSC queues people know; flag (the index) and payload lie in different lines, so a message costs two
// transfers, and the consumer stores its index for every message.
//
// Edges
//   T: producer's tail store (release) -> consumer's tail load (acquire): the payload is visible.
//   H: consumer's head store (release) -> producer's head load (acquire): the slot may be overwritten.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "harness/link.hpp"
#include "harness/shared_pages.hpp"

namespace sluice_bench {

template <std::size_t message_bytes>
class cached_index_spsc {
 public:
  explicit cached_index_spsc(const link_options& options)
      : capacity_slots_(slots_for(message_bytes, options.ring_bytes)),
        mask_(capacity_slots_ - 1),
        pages_(slots_offset + capacity_slots_ * message_bytes),
        tail_(reinterpret_cast<std::atomic<std::uint64_t>*>(pages_.data())),
        head_(reinterpret_cast<std::atomic<std::uint64_t>*>(pages_.data() + 128)) {}

  void join(role) { pages_.touch(); }

  template <class Fill>
  [[gnu::always_inline]] bool try_send(Fill&& fill) {
    if (mine_ - theirs_ == capacity_slots_) {
      theirs_ = head_->load(std::memory_order_acquire);  // H
      if (mine_ - theirs_ == capacity_slots_) return false;
    }
    fill(payload(mine_));
    tail_->store(++mine_, std::memory_order_release);  // T
    return true;
  }

  template <class Read>
  [[gnu::always_inline]] bool try_receive(Read&& read) {
    if (mine_ == theirs_) {
      theirs_ = tail_->load(std::memory_order_acquire);  // T
      if (mine_ == theirs_) return false;
    }
    read(static_cast<const std::byte*>(payload(mine_)));
    head_->store(++mine_, std::memory_order_release);  // H
    return true;
  }

 private:
  static constexpr std::size_t slots_offset = 256;

  std::byte* payload(std::uint64_t sequence) const noexcept {
    return pages_.data() + slots_offset + (sequence & mask_) * message_bytes;
  }

  std::size_t capacity_slots_;
  std::uint64_t mask_;
  shared_pages pages_;
  std::atomic<std::uint64_t>* tail_;
  std::atomic<std::uint64_t>* head_;
  std::uint64_t mine_ = 0;    // tail in the producer, head in the consumer
  std::uint64_t theirs_ = 0;  // the other's, as last seen
};

}  // namespace sluice_bench
