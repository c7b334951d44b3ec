#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include "sluice/detail/channel/bytes_reach.hpp"
#include "sluice/detail/channel/raw_consumer.hpp"
#include "sluice/detail/part/service/reply_lane.hpp"

namespace sluice::detail {

/// A request in a server's hands, and its way back.
struct held_call {
  const std::byte* message = nullptr;    // what its slot holds; null: there is none
  std::span<const std::byte> request{};  // from its head on
  std::uint64_t deadline_ns = never;
  bool was_delivered_before = false;
  reply_writer replies;
};

/// @throws error corrupted: the service's replies are not of the size that its type has.
void require_reply_bytes(const participant& owner, const desk_view& desks, std::uint64_t bytes);
/// @throws error misuse.
[[noreturn]] void throw_call_is_over();
/// @throws error bad_argument: a reply of `bytes`, where none is longer than `max_bytes`.
[[noreturn]] void throw_reply_too_long(const participant& owner, std::uint64_t bytes, std::uint64_t max_bytes);

/// Answers requests of a service whose message sizes are known at run time only. server<Request, Response> is this with
/// types. One thread at a time; at most max_open_loans calls at once.
/// Killed at any instruction: what it had in its hands goes to another server, marked.
template <ring Ring, wait_strategy Wait>
class raw_server : public raw_consumer<Ring, Wait> {
  using base = raw_consumer<Ring, Wait>;
  using base::owner_, base::control_;

 public:
  /// @param reply_bytes  of one reply; 0: they have any length.
  raw_server(const attached_segment& attached, std::uint32_t ring_index, Wait wait, std::uint64_t reply_bytes)
      : base(attached, ring_index, wait),
        desks_(desk_view::of(owner_->ring(), owner_->descriptor())),
        reply_wait_(std::move(wait)) {
    if (reply_bytes != 0) require_reply_bytes(*owner_, desks_, reply_bytes);
  }
  /// The longest reply.
  [[nodiscard]] std::uint64_t max_reply_bytes() const noexcept { return desks_.reply_bytes; }

  /// The next request that its client still wants answered. False: there is none. @throws error misuse: max_open_loans calls
  /// are open; wrong_process; truncated.
  [[nodiscard]] bool try_take(held_call& call) {
    while (this->try_lend(call.message))
      if (is_wanted(call)) return true;
    call.message = nullptr;
    return false;
  }
  /// Waits for it, as raw_consumer::lend_until(). Neither a call that is dropped nor the death of all clients ends the wait:
  /// others come.
  [[nodiscard]] wait_result take_until(std::uint64_t until_ns, held_call& call, const stop_signal& stop) {
    for (;;) {
      const auto result = this->lend_until(until_ns, call.message, stop);
      if (result == wait_result::peer_gone) continue;
      if (result != wait_result::ready) {
        call.message = nullptr;
        return result;
      }
      if (is_wanted(call)) return result;
    }
  }

  /// Where the next reply is put together. Null: the client has not read enough of those that came before; never null for
  /// the last one. @throws error wrong_process; truncated.
  [[nodiscard]] std::byte* try_room(held_call& call, bool is_last) {
    this->owner().require_here();
    return call.replies.room(desks_, is_last);
  }
  /// Waits for room. closed: the client gave the call up; peer_gone: it is gone; timed_out; interrupted.
  [[nodiscard]] wait_result room_until(std::uint64_t until_ns, held_call& call, std::byte*& room,
                                       const stop_signal& stop) {
    const auto look = [&]() -> wait_answer {
      if (const auto end = end_of(call)) return end;
      room = call.replies.room(desks_, false);
      return room != nullptr ? wait_answer(wait_result::ready) : std::nullopt;
    };
    this->owner().require_here();
    if (const auto answer = look()) return *answer;
    auto place = owner_->place().that_waits_at(call.replies.lane().parked, parked_for::reply);
    const auto tick = [&](const auto& again) -> wait_answer {
      owner_->require_sane(Ring::is_sane(owner_->ring()));
      probe(call);
      return again();
    };
    return wait_or_stop(reply_wait_, place, look, tick, until_ns, stop);
  }

  /// Makes the reply visible whose room was filled, and wakes the client if it sleeps.
  void publish(held_call& call, reply_kind kind, std::uint64_t length) noexcept {
    call.replies.publish(desks_, kind, length);
    auto& mark = call.replies.desk().parked;
    if (must_wake_at(*control_, mark)) [[unlikely]]
      wake_at(owner_->ring(), mark);
  }

  /// Whether the call needs no reply any more: closed, its client gave it up; peer_gone, its client is gone, as far as is known.
  [[nodiscard]] wait_answer end_of(const held_call& call) const noexcept {
    if (!call.replies.client_is_there()) return wait_result::peer_gone;
    if (call.replies.is_cancelled()) return wait_result::closed;
    return std::nullopt;
  }
  /// The same, and asks the kernel about the client, once a tick at most for each of them.
  [[nodiscard]] wait_answer ask_end_of(const held_call& call) noexcept {
    const auto now = monotonic_coarse_ns();
    auto& asked_ns = asked_ns_[call.replies.client() % clients_remembered];
    if (now - asked_ns >= tick_ns) {
      asked_ns = now;
      probe(call);
    }
    return end_of(call);
  }

  /// Hands the request back. A call without a last reply is ended first, so that its client does not wait for it.
  void end(held_call& call, bool is_answered) noexcept {
    const auto* const message = std::exchange(call.message, nullptr);
    if (is_retired_) return drop_after_retiring();
    --held_calls_;
    if (!is_answered && this->is_here() && !end_of(call)) publish(call, reply_kind::ended, 0);
    this->release_lent(message);
  }

  /// Ends a handle on the heap. Calls that outlive it are void, and their requests go to other servers: the last of them
  /// deletes it.
  static void retire(raw_server* handle) noexcept {
    if (handle->held_calls_ == 0) {
      delete handle;
      return;
    }
    handle->is_retired_ = true;
    handle->leave_before_its_loans();
  }

 private:
  friend struct access;
  static constexpr std::uint32_t clients_remembered = 64;

  /// @throws error corrupted: a slot says what no client writes, and stays where it is.
  [[nodiscard]] std::span<const std::byte> request_at(const std::byte* message) {
    if constexpr (bytes_ring<Ring>) {
      const auto request = this->reach().message(message);
      if (request.data() != nullptr && request.size() >= sizeof(request_head)) [[likely]]
        return request;
      this->keep_lent(message);
      throw_wrong_extent(*owner_);
    } else {
      return {message, owner_->ring().message_bytes};
    }
  }

  [[nodiscard]] bool is_wanted(held_call& call) {
    call.request = request_at(call.message);
    request_head head;
    std::memcpy(&head, call.request.data(), sizeof head);
    call.deadline_ns = head.deadline_ns;
    call.was_delivered_before = this->was_lent_delivered_before(call.message);
    switch (call.replies.begin(owner_->ring(), desks_, head, call.was_delivered_before)) {
      case request_state::wanted: ++held_calls_; return true;
      case request_state::cancelled: publish(call, reply_kind::cancelled, 0); break;
      case request_state::late: publish(call, reply_kind::late, 0); break;
      case request_state::over: break;
    }
    this->release_lent(std::exchange(call.message, nullptr));
    return false;
  }

  /// A client that is proven dead is marked so: end_of() says it from then on.
  void probe(const held_call& call) noexcept {
    const auto word = call.replies.client_state();
    if (state_of(word) == seat_state::taken) (void)owner_->keeper().is_dead(call.replies.client(), word);
  }

  void drop_after_retiring() noexcept {
    if (--held_calls_ == 0) delete this;
  }

  desk_view desks_;
  Wait reply_wait_;
  std::uint32_t held_calls_ = 0;
  bool is_retired_ = false;
  std::uint64_t asked_ns_[clients_remembered]{};
};

template <class Ring, class Wait>
void dispose(raw_server<Ring, Wait>* handle) noexcept {
  raw_server<Ring, Wait>::retire(handle);
}

}  // namespace sluice::detail
