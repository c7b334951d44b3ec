#pragma once

// What handles of every kind of message have in common: what they can be asked about their channel, the range over messages,
// and the batch of peeked ones. The classes in producer.hpp, consumer.hpp, bytes.hpp and topic.hpp add the messages.

#include <cstdint>
#include <utility>

#include "sluice/detail/base/clock.hpp"
#include "sluice/detail/base/owned.hpp"
#include "sluice/detail/base/stop_signal.hpp"
#include "sluice/detail/channel/lending.hpp"
#include "sluice/detail/channel/seat_list.hpp"
#include "sluice/error.hpp"

namespace sluice::detail {

struct access;

/// What of a raw handle is of its channel and not of messages.
template <class Raw>
[[nodiscard, gnu::always_inline]] inline auto& channel_of(Raw& raw) noexcept {
  if constexpr (requires { raw.slots(); })
    return raw.slots();
  else
    return raw;
}

/// Of those that take part and those that only look. One thread at a time; move-only.
template <class Raw, role Own>
class handle {
 public:
  /// How the last wait ended.
  [[nodiscard]] wait_result status() const noexcept { return status_; }
  /// Whether a signal that is handled while a wait sleeps ends it with `interrupted`; at first it does not. A signal that
  /// comes while the wait polls, or in the moment before it sleeps, ends nothing: a time-out, or a stop token that a
  /// thread in sigwait(3) stops, covers those.
  void end_waits_on_signals(bool is_wanted) { channel().end_waits_on_signals(is_wanted); }

  [[nodiscard]] std::uint64_t capacity_slots() const { return channel().capacity_slots(); }
  /// System calls: some per seat.
  [[nodiscard]] peer_state peer() { return channel().peer(); }
  /// Every seat of the ring that was ever taken; seat_index() is which of them this handle has. seat_report::messages counts
  /// what a seat's owners published or released. System calls: a few per seat.
  [[nodiscard]] seat_list seats() const { return channel().seats(); }

 protected:
  explicit handle(Raw* raw) noexcept : raw_(raw) {}

  [[nodiscard, gnu::always_inline]] Raw& usable() const {
    if (!raw_) [[unlikely]]
      throw_moved_from(Own);
    return *raw_;
  }
  [[nodiscard]] auto& channel() const { return channel_of(usable()); }

  owned<Raw> raw_;  // where loans find it, wherever this handle is moved to
  wait_result status_ = wait_result::ready;
};

/// Of those that have a seat.
template <class Raw, role Own>
class seated_handle : public handle<Raw, Own> {
 public:
  /// Ends the channel, from either side: consumers get everything published and then `closed`, producers `closed` at once.
  void close() { this->channel().close(); }
  [[nodiscard]] std::uint32_t seat_index() const { return this->channel().seat_index(); }

 protected:
  using handle<Raw, Own>::handle;
};

template <class Raw>
class producer_handle : public seated_handle<Raw, role::producer> {
 public:
  /// Whether everything published was released.
  [[nodiscard]] bool is_drained() const { return this->channel().is_drained(); }
  /// Waits until it was. ready; peer_gone; timed_out; interrupted.
  [[nodiscard]] wait_result drain(const stop_signal& stop = {}) {
    return this->status_ = this->channel().drain_until(never, stop);
  }
  [[nodiscard]] wait_result drain_for(timeout at_most, const stop_signal& stop = {}) {
    return this->status_ = this->channel().drain_until(deadline_after(at_most), stop);
  }
  [[nodiscard]] wait_result drain_until(time_limit when, const stop_signal& stop = {}) {
    return this->status_ = this->channel().drain_until(deadline_at(when), stop);
  }
  /// Says that this producer has sent all that it has, and gives its seat back. The last one to finish closes the channel:
  /// consumers get everything published and then `closed`. Not closed while another living producer takes part that has not
  /// finished; one that died, or whose handle was destroyed instead, is not waited for, and closes nothing itself. The
  /// handle is void afterwards. Killed in the middle: as killed before, or closed.
  /// @return whether the channel is closed now.
  /// @throws error misuse: a loan or a batch is open; of a durable channel, what the disk says.
  bool finish() {
    const bool is_closed = this->usable().finish();
    this->raw_.reset();
    return is_closed;
  }
  /// Whether everything published was released, as far as can be told without asking the consumers.
  [[nodiscard]] bool empty() const { return size_approx() == 0; }
  /// How many messages were published and not released, at about this moment; of an mpmc ring, all producers' and what is
  /// claimed as well.
  [[nodiscard]] std::uint64_t size_approx() const { return this->channel().size_approx(); }

  /// The sequence behind all that was published so far, by every producer that the channel ever had. Of an mpmc ring, what
  /// is claimed lies below it as well.
  [[nodiscard]] std::uint64_t position() const { return this->channel().position(); }
  /// Whether everything below `position`, which position() returned earlier, was released.
  [[nodiscard]] bool is_released_before(std::uint64_t position) const {
    return this->channel().is_released_before(position);
  }
  /// Waits until it was, whatever other producers send meanwhile: what drain() would wait for as well.
  [[nodiscard]] wait_result drain_before_until(std::uint64_t position, time_limit when, const stop_signal& stop = {}) {
    return this->status_ = this->channel().drain_before_until(position, deadline_at(when), stop);
  }

 protected:
  using seated_handle<Raw, role::producer>::seated_handle;
};

template <class Raw>
class consumer_handle : public seated_handle<Raw, role::consumer> {
 public:
  /// Whether the channel was closed and everything was delivered.
  [[nodiscard]] bool is_finished() { return this->usable().is_finished(); }
  /// Whether a look at this moment would find no message, beside those that are lent. Takes nothing.
  [[nodiscard]] bool empty() const { return this->usable().is_empty(); }
  /// How many messages were published and not released, at about this moment: what is lent is among them, and of an mpmc
  /// ring, what is claimed and not published as well.
  [[nodiscard]] std::uint64_t size_approx() const { return this->usable().size_approx(); }

 protected:
  using seated_handle<Raw, role::consumer>::seated_handle;
};

/// Several of the oldest messages, in place, of any kind. Going out of scope releases none that release() did not.
template <class Raw>
class peeked_batch {
 public:
  peeked_batch(peeked_batch&& other) noexcept
      : raw_(std::exchange(other.raw_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  peeked_batch& operator=(peeked_batch&& other) noexcept {
    std::swap(raw_, other.raw_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~peeked_batch() { end(0); }

  /// How many messages there are: 0 to the number asked for.
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] bool was_delivered_before(std::uint64_t i) const noexcept { return raw_->was_delivered_before(i); }
  /// Hands the first `count` slots back; the batch is empty afterwards and the rest is peeked again next time.
  void release(std::uint64_t count) noexcept { end(count < size_ ? count : size_); }
  void release() noexcept { end(size_); }

 protected:
  peeked_batch(Raw* raw, std::uint64_t size) noexcept : raw_(raw), size_(size) {}
  Raw* raw_;

 private:
  void end(std::uint64_t released) noexcept {
    if (raw_ != nullptr) std::exchange(raw_, nullptr)->release_batch(released);
    size_ = 0;
  }
  std::uint64_t size_;
};

/// What an iterator of messages is compared with.
struct end_of_messages {};

/// `for (const T& message : in)`: each message is released when the next is asked for, or when the loop is left other than by
/// an exception. A producer's death does not end it: it waits for the successor.
template <class Consumer>
class message_iterator {
 public:
  explicit message_iterator(Consumer& from) : from_(&from) { advance(); }
  [[nodiscard]] decltype(auto) operator*() const { return *slot_; }
  message_iterator& operator++() {
    slot_.release();
    advance();
    return *this;
  }
  [[nodiscard]] bool operator==(end_of_messages) const noexcept { return !slot_; }

 private:
  void advance() {
    do slot_ = from_->peek();
    while (!slot_ && from_->status() == wait_result::peer_gone);
  }
  Consumer* from_;
  typename Consumer::loan slot_;
};

}  // namespace sluice::detail
