#pragma once

// The end of a channel that messages go into.
//
//   auto out = sluice::create_or_attach<quote>("quotes").producer();
//   if (auto slot = out.try_claim()) {  // a slot of the ring: filled in place
//     *slot = {7, 1.0, 1.1};
//     slot.publish();
//   }
//   if (out.send_for(next, 100ms) != sluice::wait_result::ready) report(out.status());  // or by copy
//
// Calls come as try_x (now or not), x (waits), x_for (a duration), x_until (a steady time point), each that waits also with
// a std::stop_token (stop_token.hpp). The class says the rest: threads, lifetime, errors, what a crash leaves. What a handle
// can be asked about its channel (status, close, finish, drain, seats, …) is in detail/channel/handle.hpp.

#include "sluice/detail/base/language.hpp"

#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <utility>

#include "sluice/detail/channel/handle.hpp"
#include "sluice/detail/channel/message.hpp"
#include "sluice/detail/channel/raw_producer.hpp"
#include "sluice/detail/part/spsc/spsc_ring.hpp"
#include "sluice/error.hpp"
#include "sluice/wait.hpp"

namespace sluice {

using detail::max_open_loans;
using detail::ring;
using detail::role;
using detail::seat_list;
using detail::spsc_ring;
using detail::wait_strategy;

/// Puts messages of type T into a channel.
/// One thread at a time; move-only; made by channel<T>::producer(). Going out of scope gives the seat back and leaves the
/// channel open: close() ends it.
/// At most max_open_loans loans at a time, which end in any order, or one batch; more is errc::misuse. While any is open,
/// sending by copy is misuse: it would overtake. A message becomes visible in the order of the slots, which is that of the
/// claims unless an earlier one was abandoned meanwhile: of two open claims the younger becomes visible with the older.
/// Loans stay valid when the handle is moved. Those that outlive it are void: nothing is seen of them.
/// A wait throws errc::not_found, once for each handle, while there is no room and none can come: the channel's name leads
/// to another file by now, or it was removed (clear --force, rm) and no consumer lives. Attach again then.
/// A handle that was moved from throws errc::misuse. Killed at any instruction: its claims are void, what it published is
/// delivered, and its seat goes to the next process that asks.
template <class T, ring Ring = spsc_ring, wait_strategy Wait = spin_then_park>
class producer : public detail::producer_handle<detail::raw_producer<Ring, Wait>> {
  static_assert(detail::require_message<T>::value);
  using base = detail::producer_handle<detail::raw_producer<Ring, Wait>>;

 public:
  /// One claimed slot, to be filled in place. Dropped without publish() it is abandoned: nothing is ever seen of it.
  class [[nodiscard]] loan {
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
    [[nodiscard]] explicit operator bool() const& noexcept { return raw_ != nullptr; }
    /// `if (out.try_claim())` would abandon the slot that it asks for: write `if (auto slot = out.try_claim())`.
    explicit operator bool() && = delete;
    /// The message, with the bytes that were last in the slot: fill all of it.
    [[nodiscard]] T& operator*() const noexcept { return *message_; }
    [[nodiscard]] T* operator->() const noexcept { return message_; }

    /// Makes the message visible; the loan is empty afterwards. Of an empty loan: does nothing.
    [[gnu::always_inline]] void publish() noexcept {
      if (raw_ != nullptr) [[likely]]
        std::exchange(raw_, nullptr)->publish_lent(bytes());
    }
    void abandon() noexcept {
      if (raw_ != nullptr) std::exchange(raw_, nullptr)->abandon_lent(bytes());
    }

   private:
    friend class producer;
    loan(detail::raw_producer<Ring, Wait>& raw, std::byte* message) noexcept : raw_(&raw), message_(at(message)) {}
    [[nodiscard]] std::byte* bytes() const noexcept { return reinterpret_cast<std::byte*>(message_); }
    detail::raw_producer<Ring, Wait>* raw_ = nullptr;
    T* message_ = nullptr;
  };

  /// Several claimed slots. Dropped without publish() all are abandoned.
  class [[nodiscard]] batch {
   public:
    batch(batch&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    batch& operator=(batch&& other) noexcept {
      std::swap(raw_, other.raw_);
      std::swap(size_, other.size_);
      return *this;
    }
    ~batch() { publish(0); }

    /// How many slots were claimed: 0 to the number asked for.
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    [[nodiscard]] T& operator[](std::uint64_t i) const noexcept { return *at(raw_->claimed(i)); }
    /// Makes the first `count` messages visible, in order, and abandons the rest; the batch is empty afterwards.
    void publish(std::uint64_t count) noexcept {
      if (raw_ != nullptr) std::exchange(raw_, nullptr)->publish_batch(count < size_ ? count : size_);
      size_ = 0;
    }
    void publish() noexcept { publish(size_); }

   private:
    friend class producer;
    batch(detail::raw_producer<Ring, Wait>* raw, std::uint64_t size) noexcept : raw_(raw), size_(size) {}
    detail::raw_producer<Ring, Wait>* raw_;
    std::uint64_t size_;
  };

  producer(const attached_segment& attached, std::uint32_t ring_index, Wait wait)
      : base(new detail::raw_producer<Ring, Wait>(attached, ring_index, std::move(wait))) {}

  // ---- Zero copy: claim, fill, publish -------------------------------------------------------------------------------

  /// A slot, at once or not at all. A temporary handle gives none: the slot would outlive its seat.
  /// @throws error misuse: max_open_loans are open, or a batch; wrong_process: made before fork, used after it in the child.
  [[nodiscard, gnu::always_inline]] loan try_claim() & {
    auto& raw = usable();
    std::byte* message = nullptr;
    return raw.try_lend(message) ? loan(raw, message) : loan();
  }

  /// Waits for a slot; empty when the channel is closed, the consumers died, the time is up, or the wait was interrupted:
  /// status() says which. A stop that is requested ends the wait at once.
  [[nodiscard]] loan claim(const detail::stop_signal& stop = {}) & { return claim_before(detail::never, stop); }
  [[nodiscard]] loan claim_for(detail::timeout at_most, const detail::stop_signal& stop = {}) & {
    if (auto slot = try_claim()) {
      status_ = wait_result::ready;
      return slot;
    }
    return claim_before(detail::deadline_after(at_most), stop);
  }
  [[nodiscard]] loan claim_until(detail::time_limit when, const detail::stop_signal& stop = {}) & {
    return claim_before(detail::deadline_at(when), stop);
  }

  /// Up to `count` slots at once, without waiting.
  [[nodiscard]] batch try_claim_batch(std::uint64_t count) & {
    auto& raw = usable();
    const auto claimed = raw.try_lend_batch(count);
    return {claimed != 0 ? &raw : nullptr, claimed};
  }
  /// Waits until at least one of up to `count` slots is claimed; empty for the same reasons as claim(), and when `count` is 0.
  [[nodiscard]] batch claim_batch(std::uint64_t count, const detail::stop_signal& stop = {}) & {
    return claim_batch_before(count, detail::never, stop);
  }
  [[nodiscard]] batch claim_batch_for(std::uint64_t count, detail::timeout at_most,
                                      const detail::stop_signal& stop = {}) & {
    return claim_batch_before(count, detail::deadline_after(at_most), stop);
  }
  [[nodiscard]] batch claim_batch_until(std::uint64_t count, detail::time_limit when,
                                        const detail::stop_signal& stop = {}) & {
    return claim_batch_before(count, detail::deadline_at(when), stop);
  }

  // ---- By copy -------------------------------------------------------------------------------------------------------

  /// False: full or closed. @throws error misuse: a loan or batch is open; wrong_process.
  [[nodiscard, gnu::always_inline]] bool try_send(const T& message) {
    auto& raw = usable();
    raw.require_nothing_lent("send");
    if (raw.try_claim(1) == 0) [[unlikely]]
      return false;
    put(raw, 0, message);
    raw.publish(1);
    return true;
  }

  /// As many of `messages` as there is room for now, in order; how many.
  [[nodiscard]] std::uint64_t try_send(std::span<const T> messages) {
    auto& raw = usable();
    raw.require_nothing_lent("send");
    const auto count = raw.try_claim(messages.size());
    for (std::uint64_t i = 0; i < count; ++i) put(raw, i, messages[i]);
    if (count != 0) raw.publish(count);
    return count;
  }

  /// Waits for room. ready: sent; closed; peer_gone: not sent, the consumers died and the ring is full (said once: a
  /// further call waits for a successor); interrupted: not sent, a stop was requested, or a signal came.
  [[nodiscard]] wait_result send(const T& message, const detail::stop_signal& stop = {}) {
    if (try_send(message)) [[likely]]
      return status_ = wait_result::ready;
    return send_before(message, detail::never, stop);
  }
  [[nodiscard]] wait_result send_for(const T& message, detail::timeout at_most, const detail::stop_signal& stop = {}) {
    if (try_send(message)) [[likely]]
      return status_ = wait_result::ready;
    return send_before(message, detail::deadline_after(at_most), stop);
  }
  [[nodiscard]] wait_result send_until(const T& message, detail::time_limit when,
                                       const detail::stop_signal& stop = {}) {
    return send_before(message, detail::deadline_at(when), stop);
  }

 private:
  friend struct detail::access;
  using base::status_, base::usable;
  [[nodiscard]] static T* at(std::byte* slot) noexcept {
    return std::launder(reinterpret_cast<T*>(slot));  // trivially copyable: the slot's bytes are the object
  }
  static void put(detail::raw_producer<Ring, Wait>& raw, std::uint64_t i, const T& message) noexcept {
    std::memcpy(raw.claimed(i), &message, sizeof(T));
  }

  loan claim_before(std::uint64_t deadline_ns, const detail::stop_signal& stop) {
    auto& raw = usable();
    std::byte* message = nullptr;
    status_ = raw.lend_until(deadline_ns, message, stop);
    return message != nullptr ? loan(raw, message) : loan();
  }

  batch claim_batch_before(std::uint64_t count, std::uint64_t deadline_ns, const detail::stop_signal& stop) {
    auto& raw = usable();
    status_ = wait_result::ready;
    std::uint64_t claimed = 0;
    if (count != 0) status_ = raw.lend_batch_until(deadline_ns, count, claimed, stop);
    return {claimed != 0 ? &raw : nullptr, claimed};
  }

  wait_result send_before(const T& message, std::uint64_t deadline_ns, const detail::stop_signal& stop) {
    auto& raw = usable();
    std::uint64_t claimed = 0;
    status_ = raw.claim_until(deadline_ns, 1, claimed, stop);
    if (claimed == 0) return status_;
    put(raw, 0, message);
    raw.publish(1);
    return wait_result::ready;
  }
};

}  // namespace sluice
