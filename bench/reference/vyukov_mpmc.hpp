// A yardstick, not part of the library: the bounded MPMC queue of Dmitry Vyukov ("Bounded MPMC queue", 1024cores.net,
// 2010), written anew over shared memory. A slot's ticket says whose turn it is: s means "free for message s",
// s + 1 means "message s lies here", s + capacity means "free for the next lap". A producer that dies between its
// claim and its publication stops all others for ever: that is what the library's own ring has to do better.
//
// Edges
//   P: producer's ticket store s + 1 (release) -> consumer's ticket load (acquire): the payload is visible.
//   F: consumer's ticket store s + capacity (release) -> producer's ticket load (acquire): the slot may be overwritten.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "harness/link.hpp"
#include "harness/shared_pages.hpp"

namespace sluice_bench {

template <std::size_t message_bytes>
class vyukov_mpmc {
 public:
  explicit vyukov_mpmc(const link_options& options)
      : capacity_slots_(slots_for(stride_bytes, options.ring_bytes)),
        mask_(capacity_slots_ - 1),
        pages_(slots_offset + capacity_slots_ * stride_bytes),
        tail_(reinterpret_cast<std::atomic<std::uint64_t>*>(pages_.data())),
        head_(reinterpret_cast<std::atomic<std::uint64_t>*>(pages_.data() + 128)) {
    for (std::uint64_t i = 0; i < capacity_slots_; ++i)
      ticket(i).store(i, std::memory_order_relaxed);  // fork orders it
  }

  void join(role) { pages_.touch(); }

  template <class Fill>
  [[gnu::always_inline]] bool try_send(Fill&& fill) {
    std::uint64_t sequence = tail_->load(std::memory_order_relaxed);  // a guess; the CAS decides
    for (;;) {
      const std::uint64_t turn = ticket(sequence).load(std::memory_order_acquire);  // F
      if (turn == sequence) {
        if (tail_->compare_exchange_weak(sequence, sequence + 1, std::memory_order_relaxed)) break;
      } else if (turn < sequence) {
        return false;
      } else {
        sequence = tail_->load(std::memory_order_relaxed);
      }
    }
    fill(payload(sequence));
    ticket(sequence).store(sequence + 1, std::memory_order_release);  // P
    return true;
  }

  template <class Read>
  [[gnu::always_inline]] bool try_receive(Read&& read) {
    std::uint64_t sequence = head_->load(std::memory_order_relaxed);  // a guess; the CAS decides
    for (;;) {
      const std::uint64_t turn = ticket(sequence).load(std::memory_order_acquire);  // P
      if (turn == sequence + 1) {
        if (head_->compare_exchange_weak(sequence, sequence + 1, std::memory_order_relaxed)) break;
      } else if (turn < sequence + 1) {
        return false;
      } else {
        sequence = head_->load(std::memory_order_relaxed);
      }
    }
    read(static_cast<const std::byte*>(payload(sequence)));
    ticket(sequence).store(sequence + capacity_slots_, std::memory_order_release);  // F
    return true;
  }

 private:
  static constexpr std::size_t slots_offset = 256;
  static constexpr std::size_t stride_bytes = message_bytes + 8;

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
};

}  // namespace sluice_bench
