#pragma once

#include <chrono>
#include <cstdint>
#include <cstring>
#include <exception>
#include <iterator>
#include <new>
#include <optional>
#include <span>
#include <stop_token>
#include <utility>

#include "sluice/channel/message.hpp"
#include "sluice/channel/raw_consumer.hpp"
#include "sluice/ring/spsc_ring.hpp"
#include "sluice/wait/spin_then_park.hpp"

namespace sluice {

/// Takes messages of type T out of a channel.
/// One thread at a time; move-only; made by channel<T>::consumer(). Going out of scope gives the seat back. At most one
/// loan or batch at a time.
/// Killed at any instruction: what it had not released is delivered again, marked, to the next consumer.
template <class T, ring Ring = spsc_ring, wait_strategy Wait = spin_then_park>
class consumer {
  static_assert(require_message<T>::value);

 public:
  /// The oldest message, in place. Going out of scope releases it, unless an exception is passing: then it is not
  /// released and will be handed out again. release() says so earlier and more cheaply. In a destructor that runs because
  /// of an exception say release(): the first message that goes out of scope there may be handed out twice.
  class loan {
   public:
    loan() noexcept = default;
    loan(loan&& other) noexcept
        : from_(std::exchange(other.from_, nullptr)), message_(other.message_), exceptions_(other.exceptions_) {}
    loan& operator=(loan&& other) noexcept {
      std::swap(from_, other.from_);
      std::swap(message_, other.message_);
      std::swap(exceptions_, other.exceptions_);
      return *this;
    }
    [[gnu::always_inline]] ~loan() {
      if (from_ != nullptr) from_->drop(exceptions_);
    }

    /// Whether there is a message: false when the channel was empty, closed, or the time was up.
    [[nodiscard]] explicit operator bool() const noexcept { return from_ != nullptr; }
    [[nodiscard]] const T& operator*() const noexcept { return *message_; }
    [[nodiscard]] const T* operator->() const noexcept { return message_; }
    /// Whether a consumer that died may have seen it already.
    [[nodiscard]] bool was_delivered_before() const noexcept { return from_->raw_.was_delivered_before(0); }

    /// Hands the slot back; the loan is empty afterwards.
    [[gnu::always_inline]] void release() noexcept { std::exchange(from_, nullptr)->raw_.release(1); }
    /// Leaves the message where it is: the next peek gets it again.
    void keep() noexcept { from_ = nullptr; }

   private:
    friend class consumer;
    loan(consumer& from, const T* message, int exceptions) noexcept
        : from_(&from), message_(message), exceptions_(exceptions) {}
    consumer* from_ = nullptr;
    const T* message_ = nullptr;
    int exceptions_ = 0;  // that were passing when it was made, as far as that was asked
  };

  /// Several of the oldest messages, in place. Going out of scope releases none that release() did not.
  class batch {
   public:
    /// How many messages there are: 0 to the number asked for.
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    [[nodiscard]] const T& operator[](std::uint64_t i) const noexcept { return *message_at(*raw_, i); }
    [[nodiscard]] bool was_delivered_before(std::uint64_t i) const noexcept { return raw_->was_delivered_before(i); }
    /// Hands the first `count` slots back; the batch is empty afterwards and the rest is peeked again next time.
    void release(std::uint64_t count) noexcept {
      const auto released = count < size_ ? count : size_;
      if (released != 0) raw_->release(released);
      size_ = 0;
    }
    void release() noexcept { release(size_); }

   private:
    friend class consumer;
    batch(raw_consumer<Ring, Wait>& raw, std::uint64_t size) noexcept : raw_(&raw), size_(size) {}
    raw_consumer<Ring, Wait>* raw_;
    std::uint64_t size_;
  };

  explicit consumer(raw_consumer<Ring, Wait> raw) noexcept : raw_(std::move(raw)) {}

  // ---- Zero copy: peek, use, release ---------------------------------------------------------------------------------

  /// The oldest message, at once or not at all. @throws error wrong_process: made before fork, used after it in the child.
  [[nodiscard, gnu::always_inline]] loan try_peek() { return raw_.try_peek(1) != 0 ? lend() : loan(); }

  /// Waits for a message; empty when the channel is closed and drained, the producers died, the time is up, or the wait was
  /// interrupted: status() says which. A stop that is requested ends the wait at once, and has consumed nothing.
  [[nodiscard]] loan peek(const std::stop_token& stop = {}) { return peek_before(never, stop); }
  template <class Rep, class Period>
  [[nodiscard]] loan peek_for(std::chrono::duration<Rep, Period> timeout, const std::stop_token& stop = {}) {
    if (auto slot = try_peek()) {
      status_ = wait_result::ready;
      return slot;
    }
    return peek_before(deadline_after(timeout), stop);
  }
  [[nodiscard]] loan peek_until(std::chrono::steady_clock::time_point when, const std::stop_token& stop = {}) {
    return peek_before(deadline_at(when), stop);
  }

  /// Up to `count` of the oldest messages, without waiting.
  [[nodiscard]] batch try_peek_batch(std::uint64_t count) { return {raw_, raw_.try_peek(count)}; }

  // ---- By copy -------------------------------------------------------------------------------------------------------

  /// False: empty. @throws error wrong_process; truncated: the file was cut short; `into` may hold a part of a message.
  [[nodiscard, gnu::always_inline]] bool try_receive(T& into) {
    if (raw_.try_peek(1) == 0) return false;
    get(0, into);
    hand_back(1);
    return true;
  }
  [[nodiscard]] std::optional<T> try_receive() {
    std::optional<T> message;
    if (raw_.try_peek(1) == 0) return message;
    get(0, message.emplace());
    hand_back(1);
    return message;
  }

  /// As many as there are now, up to into.size(), oldest first; how many.
  [[nodiscard]] std::uint64_t try_receive(std::span<T> into) {
    const auto count = raw_.try_peek(into.size());
    for (std::uint64_t i = 0; i < count; ++i) get(i, into[i]);
    if (count != 0) hand_back(count);
    return count;
  }

  /// Waits for a message. ready: `into` has it; closed: and everything was delivered; peer_gone: the producers died and
  /// nothing is left (said once: a further call waits for a successor); interrupted: a stop was requested, or a signal came.
  [[nodiscard]] wait_result receive(T& into, const std::stop_token& stop = {}) {
    if (try_receive(into)) [[likely]]
      return status_ = wait_result::ready;
    return receive_before(into, never, stop);
  }
  template <class Rep, class Period>
  [[nodiscard]] wait_result receive_for(T& into, std::chrono::duration<Rep, Period> timeout,
                                        const std::stop_token& stop = {}) {
    if (try_receive(into)) [[likely]]
      return status_ = wait_result::ready;
    return receive_before(into, deadline_after(timeout), stop);
  }
  [[nodiscard]] wait_result receive_until(T& into, std::chrono::steady_clock::time_point when,
                                          const std::stop_token& stop = {}) {
    return receive_before(into, deadline_at(when), stop);
  }
  /// Whether a signal that is handled while a wait sleeps ends it with `interrupted`; at first it does not. A signal that
  /// comes while the wait polls, or in the moment before it sleeps, ends nothing: a time-out, or a stop token that a
  /// thread in sigwait(3) stops, covers those.
  void end_waits_on_signals(bool is_wanted) noexcept { raw_.end_waits_on_signals(is_wanted); }

  // ---- A range that ends when the channel is closed ------------------------------------------------------------------

  /// `for (const T& message : in)`: each message is released when the next is asked for, or when the loop is left other
  /// than by an exception. A producer's death does not end it: it waits for the successor.
  class iterator {
   public:
    explicit iterator(consumer& from) : from_(&from) { advance(); }
    [[nodiscard]] const T& operator*() const noexcept { return *slot_; }
    iterator& operator++() {
      slot_.release();
      advance();
      return *this;
    }
    [[nodiscard]] bool operator==(std::default_sentinel_t) const noexcept { return !slot_; }

   private:
    void advance() {
      do slot_ = from_->peek();
      while (!slot_ && from_->status() == wait_result::peer_gone);
    }
    consumer* from_;
    loan slot_;
  };
  [[nodiscard]] iterator begin() { return iterator(*this); }
  [[nodiscard]] static std::default_sentinel_t end() noexcept { return {}; }

  // ---- The channel ---------------------------------------------------------------------------------------------------

  /// How the last wait ended.
  [[nodiscard]] wait_result status() const noexcept { return status_; }
  /// Whether the channel was closed and everything was delivered.
  [[nodiscard]] bool is_finished() { return raw_.is_finished(); }
  /// Ends the channel from this side: producers get `closed`.
  void close() { raw_.close(); }
  [[nodiscard]] std::uint64_t capacity_slots() const noexcept { return raw_.capacity_slots(); }
  /// System calls: some per seat.
  [[nodiscard]] peer_state peer() { return raw_.peer(); }
  [[nodiscard]] raw_consumer<Ring, Wait>& raw() noexcept { return raw_; }

 private:
  [[nodiscard]] static const T* message_at(const raw_consumer<Ring, Wait>& raw, std::uint64_t i) noexcept {
    return std::launder(
        reinterpret_cast<const T*>(raw.peeked(i)));  // trivially copyable: the slot's bytes are the object
  }
  /// To ask how many exceptions are passing takes three calls, which halved the rate of a stream of 64-byte messages. So a
  /// loan is taken to be made while none is, until one was kept: that may have been wrong, and from then on it is asked
  /// for as long as it is.
  [[nodiscard, gnu::always_inline]] loan lend() noexcept {
    return {*this, message_at(raw_, 0), kept_one_ ? passing_exceptions() : 0};
  }
  [[gnu::cold, gnu::noinline]] int passing_exceptions() noexcept {
    const int passing = std::uncaught_exceptions();
    kept_one_ = passing != 0;
    return passing;
  }
  void drop(int exceptions_when_made) noexcept {
    if (std::uncaught_exceptions() <= exceptions_when_made) [[likely]]
      raw_.release(1);
    else
      kept_one_ = true;
  }

  void get(std::uint64_t i, T& into) const noexcept {
    std::memcpy(static_cast<void*>(&into), raw_.peeked(i), sizeof(T));
  }

  /// What was copied was whole, or it throws.
  void hand_back(std::uint64_t count) {
    if (!raw_.release(count)) [[unlikely]]
      raw_.details().require_here();
  }

  loan peek_before(std::uint64_t deadline_ns, const std::stop_token& stop) {
    std::uint64_t peeked = 0;
    status_ = raw_.peek_until(deadline_ns, 1, peeked, stop);
    return peeked != 0 ? lend() : loan();
  }

  wait_result receive_before(T& into, std::uint64_t deadline_ns, const std::stop_token& stop) {
    std::uint64_t peeked = 0;
    status_ = raw_.peek_until(deadline_ns, 1, peeked, stop);
    if (peeked == 0) return status_;
    get(0, into);
    hand_back(1);
    return wait_result::ready;
  }

  raw_consumer<Ring, Wait> raw_;
  wait_result status_ = wait_result::ready;
  bool kept_one_ = false;  // a loan, since it was last seen that no exception is passing
};

}  // namespace sluice
