#pragma once

// The end of a channel that messages come out of.
//
//   auto in = sluice::attach<quote>("quotes").consumer();
//   while (auto slot = in.peek_for(5s))  // the slot itself; released at the end of the turn
//     use(*slot);
//   if (in.status() != sluice::wait_result::closed) report(in.status());  // timed_out, or peer_gone: the producer died
//
// Calls come as try_x (now or not), x (waits), x_for (a duration), x_until (a steady time point), each that waits also with
// a std::stop_token (stop_token.hpp). The class says the rest: threads, lifetime, errors, what a crash leaves. What a handle
// can be asked about its channel (status, close, peer, seats, …) is in detail/channel/handle.hpp.

#include "sluice/detail/base/language.hpp"

#include <cstdint>
#include <cstring>
#include <new>
#include <optional>
#include <span>
#include <utility>

#include "sluice/detail/channel/handle.hpp"
#include "sluice/detail/channel/message.hpp"
#include "sluice/detail/channel/raw_consumer.hpp"
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

/// Takes messages of type T out of a channel.
/// One thread at a time; move-only; made by channel<T>::consumer(). Going out of scope gives the seat back.
/// At most max_open_loans loans at a time, which end in any order, or one batch; more is errc::misuse. Beside one open loan
/// messages can be received by copy. Loans stay valid when the handle is moved. Those that outlive it are void: what they
/// had is delivered again, marked. A handle that was moved from throws errc::misuse.
/// A wait throws errc::not_found, once for each handle, when no message is left and none can come: the channel's name leads
/// to another file by now, or it was removed (clear --force, rm) and no producer lives. Attach again then.
/// Killed at any instruction: what it had not released is delivered again, marked, to the next consumer.
template <class T, ring Ring = spsc_ring, wait_strategy Wait = spin_then_park>
class consumer : public detail::consumer_handle<detail::raw_consumer<Ring, Wait>> {
  static_assert(detail::require_message<T>::value);
  using raw_type = detail::raw_consumer<Ring, Wait>;
  using base = detail::consumer_handle<raw_type>;

 public:
  /// The oldest message, in place. Going out of scope releases it, unless an exception is passing: then it is not
  /// released and will be handed out again. release() says so earlier and more cheaply. In a destructor that runs because
  /// of an exception say release(): the first message that goes out of scope there may be handed out twice.
  /// A thread that ends by pthread_exit or pthread_cancel leaves the scope as a return does: the message is released.
  class [[nodiscard]] loan {
   public:
    loan() noexcept = default;
    loan(loan&& other) noexcept
        : raw_(std::exchange(other.raw_, nullptr)), message_(other.message_), exceptions_(other.exceptions_) {}
    loan& operator=(loan&& other) noexcept {
      std::swap(raw_, other.raw_);
      std::swap(message_, other.message_);
      std::swap(exceptions_, other.exceptions_);
      return *this;
    }
    [[gnu::always_inline]] ~loan() {
      if (raw_ != nullptr) raw_->drop_lent(bytes(), exceptions_);
    }

    /// Whether there is a message: false when the channel was empty, closed, or the time was up.
    [[nodiscard]] explicit operator bool() const& noexcept { return raw_ != nullptr; }
    /// `if (in.try_peek())` would release the message that it asks for: write `if (auto message = in.try_peek())`, or ask
    /// in.empty().
    explicit operator bool() && = delete;
    [[nodiscard]] const T& operator*() const noexcept { return *message_; }
    [[nodiscard]] const T* operator->() const noexcept { return message_; }
    /// Whether a consumer that died may have seen it already.
    [[nodiscard]] bool was_delivered_before() const noexcept {
      return raw_ != nullptr && raw_->was_lent_delivered_before(bytes());
    }

    /// Hands the slot back; the loan is empty afterwards. Of an empty loan: does nothing.
    [[gnu::always_inline]] void release() noexcept {
      if (raw_ != nullptr) [[likely]]
        std::exchange(raw_, nullptr)->release_lent(bytes());
    }
    /// Leaves the message where it is: the next peek gets it again.
    void keep() noexcept {
      if (raw_ != nullptr) std::exchange(raw_, nullptr)->keep_lent(bytes());
    }

   private:
    friend class consumer;
    [[gnu::always_inline]] loan(raw_type& raw, const std::byte* message) noexcept
        : raw_(&raw), message_(at(message)), exceptions_(raw.exceptions_to_note()) {}
    [[nodiscard]] const std::byte* bytes() const noexcept { return reinterpret_cast<const std::byte*>(message_); }
    raw_type* raw_ = nullptr;
    const T* message_ = nullptr;
    int exceptions_ = 0;  // that were passing when it was made, as far as that was asked
  };

  /// Several of the oldest messages, in place. Going out of scope releases none that release() did not.
  class [[nodiscard]] batch : public detail::peeked_batch<raw_type> {
   public:
    [[nodiscard]] const T& operator[](std::uint64_t i) const noexcept { return *at(this->raw_->peeked(i)); }

   private:
    friend class consumer;
    using detail::peeked_batch<raw_type>::peeked_batch;
  };

  /// `how`: of a topic, where it begins.
  template <class... How>
  consumer(const attached_segment& attached, std::uint32_t ring_index, Wait wait, const How&... how)
      : base(new raw_type(attached, ring_index, std::move(wait), how...)) {}

  // ---- Zero copy: peek, use, release ---------------------------------------------------------------------------------

  /// The oldest message that is not lent, at once or not at all. A temporary handle gives none: the message would outlive
  /// its seat.
  /// @throws error misuse: max_open_loans are open, or a batch; wrong_process: made before fork, used after it in the child.
  [[nodiscard, gnu::always_inline]] loan try_peek() & {
    auto& raw = usable();
    const std::byte* message = nullptr;
    return raw.try_lend(message) ? loan(raw, message) : loan();
  }

  /// Waits for a message; empty when the channel is closed and drained, the producers died, the time is up, or the wait was
  /// interrupted: status() says which. A stop that is requested ends the wait at once, and has consumed nothing.
  [[nodiscard]] loan peek(const detail::stop_signal& stop = {}) & { return peek_before(detail::never, stop); }
  [[nodiscard]] loan peek_for(detail::timeout at_most, const detail::stop_signal& stop = {}) & {
    if (auto slot = try_peek()) {
      status_ = wait_result::ready;
      return slot;
    }
    return peek_before(detail::deadline_after(at_most), stop);
  }
  [[nodiscard]] loan peek_until(detail::time_limit when, const detail::stop_signal& stop = {}) & {
    return peek_before(detail::deadline_at(when), stop);
  }

  /// Up to `count` of the oldest messages, without waiting.
  [[nodiscard]] batch try_peek_batch(std::uint64_t count) & {
    auto& raw = usable();
    const auto peeked = raw.try_lend_batch(count);
    return {peeked != 0 ? &raw : nullptr, peeked};
  }
  /// Waits until at least one of up to `count` messages is there; empty for the same reasons as peek(), and when `count` is 0.
  [[nodiscard]] batch peek_batch(std::uint64_t count, const detail::stop_signal& stop = {}) & {
    return peek_batch_before(count, detail::never, stop);
  }
  [[nodiscard]] batch peek_batch_for(std::uint64_t count, detail::timeout at_most,
                                     const detail::stop_signal& stop = {}) & {
    return peek_batch_before(count, detail::deadline_after(at_most), stop);
  }
  [[nodiscard]] batch peek_batch_until(std::uint64_t count, detail::time_limit when,
                                       const detail::stop_signal& stop = {}) & {
    return peek_batch_before(count, detail::deadline_at(when), stop);
  }

  // ---- By copy -------------------------------------------------------------------------------------------------------

  /// False: empty. @throws error misuse: two loans or a batch are open; wrong_process; truncated: the file was cut short;
  /// `into` may hold a part of a message.
  [[nodiscard, gnu::always_inline]] bool try_receive(T& into) {
    auto& raw = usable();
    if (raw.is_lending()) [[unlikely]]
      return receive_beside(raw, into);
    if (raw.try_peek(1) == 0) return false;
    get(raw, into);
    return true;
  }
  [[nodiscard]] std::optional<T> try_receive() {
    std::optional<T> message(std::in_place);
    if (!try_receive(*message)) message.reset();
    return message;
  }

  /// As many as there are now, up to into.size(), oldest first; how many.
  [[nodiscard]] std::uint64_t try_receive(std::span<T> into) {
    auto& raw = usable();
    if (raw.is_lending()) return receive_beside(raw, into);
    const auto count = raw.try_peek(into.size());
    if (count == 0) return 0;
    for (std::uint64_t i = 0; i < count; ++i) copy(raw.peeked(i), into[i]);
    redelivered_ = 0;
    while (redelivered_ < count && raw.was_delivered_before(redelivered_)) ++redelivered_;
    hand_back(raw, raw.release(count));
    return count;
  }

  /// Of what was last received by copy, how many messages a consumer that died may have seen already: the first so many.
  [[nodiscard]] std::uint64_t last_redelivered() const noexcept { return redelivered_; }
  /// The same of one message.
  [[nodiscard]] bool last_was_redelivered() const noexcept { return redelivered_ != 0; }

  /// Waits for a message. ready: `into` has it; closed: and everything was delivered; peer_gone: the producers died and
  /// nothing is left (said once: a further call waits for a successor); interrupted: a stop was requested, or a signal came.
  [[nodiscard]] wait_result receive(T& into, const detail::stop_signal& stop = {}) {
    if (try_receive(into)) [[likely]]
      return status_ = wait_result::ready;
    return receive_before(into, detail::never, stop);
  }
  [[nodiscard]] wait_result receive_for(T& into, detail::timeout at_most, const detail::stop_signal& stop = {}) {
    if (try_receive(into)) [[likely]]
      return status_ = wait_result::ready;
    return receive_before(into, detail::deadline_after(at_most), stop);
  }
  [[nodiscard]] wait_result receive_until(T& into, detail::time_limit when, const detail::stop_signal& stop = {}) {
    return receive_before(into, detail::deadline_at(when), stop);
  }

  // ---- A range that ends when the channel is closed ------------------------------------------------------------------

  using iterator = detail::message_iterator<consumer>;
  [[nodiscard]] iterator begin() & { return iterator(*this); }
  [[nodiscard]] static detail::end_of_messages end() noexcept { return {}; }

 private:
  friend struct detail::access;
  using base::status_, base::usable;
  [[nodiscard]] static const T* at(const std::byte* slot) noexcept {
    return std::launder(reinterpret_cast<const T*>(slot));  // trivially copyable: the slot's bytes are the object
  }
  static void copy(const std::byte* message, T& into) noexcept {
    std::memcpy(static_cast<void*>(&into), message, sizeof(T));
  }

  [[gnu::always_inline]] void get(raw_type& raw, T& into) {
    copy(raw.peeked(0), into);
    redelivered_ = raw.was_delivered_before(0);
    hand_back(raw, raw.release(1));
  }

  /// What was copied was whole, or it throws.
  static void hand_back(raw_type& raw, bool was_released) {
    if (!was_released) [[unlikely]]
      raw.require_here();
  }

  /// Beside an open loan: as a loan that ends at once.
  [[gnu::noinline]] bool receive_beside(raw_type& raw, T& into) {
    const std::byte* message = nullptr;
    if (!raw.try_lend(message)) return false;
    get_lent(raw, message, into);
    return true;
  }
  std::uint64_t receive_beside(raw_type& raw, std::span<T> into) {
    std::uint64_t count = 0, redelivered = 0;
    for (; count < into.size() && receive_beside(raw, into[count]); ++count)
      redelivered += count == redelivered && redelivered_;
    if (count != 0) redelivered_ = redelivered;
    return count;
  }
  void get_lent(raw_type& raw, const std::byte* message, T& into) {
    copy(message, into);
    redelivered_ = raw.was_lent_delivered_before(message);
    hand_back(raw, raw.release_lent(message));
  }

  loan peek_before(std::uint64_t deadline_ns, const detail::stop_signal& stop) {
    auto& raw = usable();
    const std::byte* message = nullptr;
    status_ = raw.lend_until(deadline_ns, message, stop);
    return message != nullptr ? loan(raw, message) : loan();
  }

  batch peek_batch_before(std::uint64_t count, std::uint64_t deadline_ns, const detail::stop_signal& stop) {
    auto& raw = usable();
    status_ = wait_result::ready;
    std::uint64_t peeked = 0;
    if (count != 0) status_ = raw.lend_batch_until(deadline_ns, count, peeked, stop);
    return {peeked != 0 ? &raw : nullptr, peeked};
  }

  wait_result receive_before(T& into, std::uint64_t deadline_ns, const detail::stop_signal& stop) {
    auto& raw = usable();
    const std::byte* message = nullptr;
    status_ = raw.lend_until(deadline_ns, message, stop);
    if (message != nullptr) get_lent(raw, message, into);
    return status_;
  }

  std::uint64_t redelivered_ = 0;  // of what was received last
};

}  // namespace sluice
