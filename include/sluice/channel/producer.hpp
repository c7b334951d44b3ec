#pragma once

#include <chrono>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <stop_token>
#include <utility>

#include "sluice/channel/message.hpp"
#include "sluice/channel/raw_producer.hpp"
#include "sluice/ring/spsc_ring.hpp"
#include "sluice/wait/spin_then_park.hpp"

namespace sluice {

/// Puts messages of type T into a channel.
/// One thread at a time; move-only; made by channel<T>::producer(). Going out of scope gives the seat back and leaves the
/// channel open: close() ends it. At most one loan or batch at a time.
/// Killed at any instruction: see raw_producer.
template <class T, ring Ring = spsc_ring, wait_strategy Wait = spin_then_park>
class producer {
  static_assert(require_message<T>::value);

 public:
  /// One claimed slot, to be filled in place. Dropped without publish() it is abandoned: nothing is ever seen of it.
  class loan {
   public:
    loan() noexcept = default;
    loan(loan&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)), message_(other.message_) {}
    loan& operator=(loan&& other) noexcept {
      std::swap(raw_, other.raw_);
      std::swap(message_, other.message_);
      return *this;
    }
    [[gnu::always_inline]] ~loan() {
      if (raw_ != nullptr) abandon();
    }

    /// Whether there is a slot: false when the channel was full, closed, or the time was up.
    [[nodiscard]] explicit operator bool() const noexcept { return raw_ != nullptr; }
    /// The message, with the bytes that were last in the slot: fill all of it.
    [[nodiscard]] T& operator*() const noexcept { return *message_; }
    [[nodiscard]] T* operator->() const noexcept { return message_; }

    /// Makes the message visible; the loan is empty afterwards.
    [[gnu::always_inline]] void publish() noexcept { std::exchange(raw_, nullptr)->publish(1); }
    void abandon() noexcept { std::exchange(raw_, nullptr)->abandon(); }

   private:
    friend class producer;
    loan(raw_producer<Ring, Wait>& raw, T* message) noexcept : raw_(&raw), message_(message) {}
    raw_producer<Ring, Wait>* raw_ = nullptr;
    T* message_ = nullptr;
  };

  /// Several claimed slots. Dropped without publish() all are abandoned.
  class batch {
   public:
    batch(batch&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    batch& operator=(batch&& other) noexcept {
      std::swap(raw_, other.raw_);
      std::swap(size_, other.size_);
      return *this;
    }
    ~batch() {
      if (raw_ != nullptr) raw_->abandon();
    }

    /// How many slots were claimed: 0 to the number asked for.
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    [[nodiscard]] T& operator[](std::uint64_t i) const noexcept { return *message_at(*raw_, i); }
    /// Makes the first `count` messages visible, in order, and abandons the rest; the batch is empty afterwards.
    void publish(std::uint64_t count) noexcept {
      if (raw_ != nullptr) std::exchange(raw_, nullptr)->publish(count < size_ ? count : size_);
      size_ = 0;
    }
    void publish() noexcept { publish(size_); }

   private:
    friend class producer;
    batch(raw_producer<Ring, Wait>* raw, std::uint64_t size) noexcept : raw_(raw), size_(size) {}
    raw_producer<Ring, Wait>* raw_;
    std::uint64_t size_;
  };

  explicit producer(raw_producer<Ring, Wait> raw) noexcept : raw_(std::move(raw)) {}

  // ---- Zero copy: claim, fill, publish -------------------------------------------------------------------------------

  /// A slot, at once or not at all. @throws error wrong_process: made before fork, used after it in the child.
  [[nodiscard, gnu::always_inline]] loan try_claim() { return raw_.try_claim(1) != 0 ? lend() : loan(); }

  /// Waits for a slot; empty when the channel is closed, the consumers died, the time is up, or the wait was interrupted:
  /// status() says which. A stop that is requested ends the wait at once.
  [[nodiscard]] loan claim(const std::stop_token& stop = {}) { return claim_before(never, stop); }
  template <class Rep, class Period>
  [[nodiscard]] loan claim_for(std::chrono::duration<Rep, Period> timeout, const std::stop_token& stop = {}) {
    if (auto slot = try_claim()) {
      status_ = wait_result::ready;
      return slot;
    }
    return claim_before(deadline_after(timeout), stop);
  }
  [[nodiscard]] loan claim_until(std::chrono::steady_clock::time_point when, const std::stop_token& stop = {}) {
    return claim_before(deadline_at(when), stop);
  }

  /// Up to `count` slots at once, without waiting.
  [[nodiscard]] batch try_claim_batch(std::uint64_t count) {
    const auto claimed = raw_.try_claim(count);
    return {claimed != 0 ? &raw_ : nullptr, claimed};
  }

  // ---- By copy -------------------------------------------------------------------------------------------------------

  /// False: full or closed.
  [[nodiscard, gnu::always_inline]] bool try_send(const T& message) {
    if (raw_.try_claim(1) == 0) [[unlikely]]
      return false;
    put(0, message);
    raw_.publish(1);
    return true;
  }

  /// As many of `messages` as there is room for now, in order; how many.
  [[nodiscard]] std::uint64_t try_send(std::span<const T> messages) {
    const auto count = raw_.try_claim(messages.size());
    for (std::uint64_t i = 0; i < count; ++i) put(i, messages[i]);
    if (count != 0) raw_.publish(count);
    return count;
  }

  /// Waits for room. ready: sent; closed; peer_gone: not sent, the consumers died and the ring is full (said once: a
  /// further call waits for a successor); interrupted: not sent, a stop was requested, or a signal came.
  [[nodiscard]] wait_result send(const T& message, const std::stop_token& stop = {}) {
    if (try_send(message)) [[likely]]
      return status_ = wait_result::ready;
    return send_before(message, never, stop);
  }
  template <class Rep, class Period>
  [[nodiscard]] wait_result send_for(const T& message, std::chrono::duration<Rep, Period> timeout,
                                     const std::stop_token& stop = {}) {
    if (try_send(message)) [[likely]]
      return status_ = wait_result::ready;
    return send_before(message, deadline_after(timeout), stop);
  }
  [[nodiscard]] wait_result send_until(const T& message, std::chrono::steady_clock::time_point when,
                                       const std::stop_token& stop = {}) {
    return send_before(message, deadline_at(when), stop);
  }
  /// As consumer::end_waits_on_signals().
  void end_waits_on_signals(bool is_wanted) noexcept { raw_.end_waits_on_signals(is_wanted); }

  // ---- The channel ---------------------------------------------------------------------------------------------------

  /// How the last wait ended.
  [[nodiscard]] wait_result status() const noexcept { return status_; }
  /// Whether everything published was released.
  [[nodiscard]] bool is_drained() const noexcept { return raw_.is_drained(); }
  /// Waits until it was. ready; peer_gone; timed_out; interrupted.
  [[nodiscard]] wait_result drain(const std::stop_token& stop = {}) { return status_ = raw_.drain_until(never, stop); }
  template <class Rep, class Period>
  [[nodiscard]] wait_result drain_for(std::chrono::duration<Rep, Period> timeout, const std::stop_token& stop = {}) {
    return status_ = raw_.drain_until(deadline_after(timeout), stop);
  }
  [[nodiscard]] wait_result drain_until(std::chrono::steady_clock::time_point when, const std::stop_token& stop = {}) {
    return status_ = raw_.drain_until(deadline_at(when), stop);
  }
  /// Ends the channel: consumers get everything published and then `closed`.
  void close() { raw_.close(); }
  [[nodiscard]] std::uint64_t capacity_slots() const noexcept { return raw_.capacity_slots(); }
  /// System calls: some per seat.
  [[nodiscard]] peer_state peer() { return raw_.peer(); }
  [[nodiscard]] raw_producer<Ring, Wait>& raw() noexcept { return raw_; }

 private:
  [[nodiscard]] static T* message_at(const raw_producer<Ring, Wait>& raw, std::uint64_t i) noexcept {
    return std::launder(reinterpret_cast<T*>(raw.claimed(i)));  // trivially copyable: the slot's bytes are the object
  }
  [[nodiscard, gnu::always_inline]] loan lend() noexcept { return {raw_, message_at(raw_, 0)}; }
  void put(std::uint64_t i, const T& message) noexcept { std::memcpy(raw_.claimed(i), &message, sizeof(T)); }

  loan claim_before(std::uint64_t deadline_ns, const std::stop_token& stop) {
    std::uint64_t claimed = 0;
    status_ = raw_.claim_until(deadline_ns, 1, claimed, stop);
    return claimed != 0 ? lend() : loan();
  }

  wait_result send_before(const T& message, std::uint64_t deadline_ns, const std::stop_token& stop) {
    std::uint64_t claimed = 0;
    status_ = raw_.claim_until(deadline_ns, 1, claimed, stop);
    if (claimed == 0) return status_;
    put(0, message);
    raw_.publish(1);
    return wait_result::ready;
  }

  raw_producer<Ring, Wait> raw_;
  wait_result status_ = wait_result::ready;
};

}  // namespace sluice
