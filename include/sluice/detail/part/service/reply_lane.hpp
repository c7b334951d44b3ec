#pragma once

// The way of replies: from the server that has a call's request in its hands, through the call's lane, to its client.
// No part of it waits, makes a system call or asks for a lock.
//
// A lane carries one call at a time. Its replies have numbers that only grow, from call to call as well, and a call is named
// by the number of its first reply. Reply n lies in slot n mod reply_slots, and its word says n.
// Invariants
//   1. Only the server that has the request of the lane's call in its hands writes replies there. A request is in one
//      server's hands at a time: it is a message of an mpmc ring, and goes to another one only when the first is dead.
//   2. A client begins a call in a lane when it has read the last reply to the call before, after which no server writes
//      there, or when that call's request was released in the ring. So no late reply meets a call that it is not for, and a
//      client's successor in its seat is not disturbed by servers that answer the dead one.
//   3. A server that gets a request once more looks at the words of the lane first. Its own replies follow the last that is
//      there, in the next attempt; where that is the last reply to the call, or the client has begun another, it answers
//      nothing. So a client gets one last reply, and no part of an attempt after one of a later attempt.
//   4. Of the replies that were not read, all but one slot may hold parts that others follow: the last reply always finds room,
//      and a client that does not read holds no server up.
//
// Edges
//   P: server's reply word store (release) -> word load (acquire): the reply is visible, and of a request that was delivered
//      again, what its client noted before it.
//   U: client's released store (release) -> server's load (acquire): its reads are over, the slot may be filled.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "sluice/detail/base/bytes.hpp"
#include "sluice/detail/base/clock.hpp"
#include "sluice/detail/part/service/service_layout.hpp"

namespace sluice::detail {

/// The last reply that lies in a lane; 0: none does.
[[nodiscard]] inline std::uint64_t last_reply_word(const desk_view& desks, lane_head& lane) noexcept {
  std::uint64_t last = 0;
  for (std::uint64_t i = 0; i <= desks.slot_mask; ++i) {
    const auto word = desks.slot(lane, i).word.load(std::memory_order_acquire);  // P
    if (reply_number(word) > reply_number(last)) last = word;
  }
  return last;
}

/// The client's side of a lane. Private to one process, but for what it notes in the lane.
class caller_lane {
 public:
  /// A predecessor in the seat may have left a call there.
  caller_lane(const desk_view& desks, std::uint32_t client, std::uint32_t index) noexcept
      : lane_(&desks.lane(client, index)) {}

  /// Whether a call may begin.
  [[nodiscard]] bool is_free(const ring_view& ring, const desk_view& desks) noexcept {
    return use_ == use::free || (use_ == use::left && was_given_back(ring, desks));
  }
  [[nodiscard]] bool is_open() const noexcept { return use_ == use::open; }

  /// Begins a call. Its request is noted and published next, or take_back() called.
  [[nodiscard]] std::uint64_t begin() noexcept {
    use_ = use::open;
    call_ = next_;
    lane_->call.store(call_, std::memory_order_relaxed);  // the request's word publishes it
    return call_;
  }
  /// Its request was not published.
  void take_back() noexcept { use_ = use::free; }
  void note_request(std::uint64_t sequence) noexcept {
    lane_->request.store(sequence + 1, std::memory_order_relaxed);  // the request's word publishes it
  }

  /// The next reply, where it has come; 0: not yet. Taken by has_read().
  [[nodiscard, gnu::always_inline]] std::uint64_t look(const desk_view& desks) const noexcept {
    const auto word = desks.slot(*lane_, next_).word.load(std::memory_order_acquire);  // P
    return reply_number(word) == next_ ? word : 0;
  }
  [[nodiscard]] std::span<const std::byte> payload(const desk_view& desks) const noexcept {
    auto& slot = desks.slot(*lane_, next_);
    return {desks.payload(slot), lesser(slot.length, desks.reply_bytes)};
  }
  [[nodiscard]] std::uint32_t index(const desk_view& desks) const noexcept { return desks.slot(*lane_, next_).index; }

  /// Gives the reply's slot back; after the last reply, the lane. Whether a server may wait for the slot.
  bool has_read(std::uint64_t word) noexcept {
    if (reply_number(word) != next_) return false;  // of a call that is over
    ++next_;
    if (reply_kind_of(word) != reply_kind::part) {
      use_ = use::free;
      return false;
    }
    lane_->released.store(next_, std::memory_order_release);  // U
    return true;
  }
  /// Its client wants no further reply. The lane is free once no server has the request any more.
  void give_up() noexcept {
    lane_->cancelled.store(call_, std::memory_order_relaxed);  // nothing is read on its word
    use_ = use::left;
  }

  [[nodiscard]] lane_head& shared() const noexcept { return *lane_; }

 private:
  enum class use : std::uint8_t { free, open, left };

  [[nodiscard]] bool was_given_back(const ring_view& ring, const desk_view& desks) noexcept {
    if (const auto noted = lane_->request.load(std::memory_order_relaxed); noted != 0) {  // this seat's own word
      const auto sequence = noted - 1;
      const auto word = ring.word(sequence).load(std::memory_order_acquire);  // mpmc_ring.hpp R
      if (static_cast<std::int64_t>(word - ring.word_for(sequence, slot_kind::free)) <
          static_cast<std::int64_t>(slot_word(1, slot_kind::free)))
        return false;  // in the same lap
    }
    const auto last = reply_number(last_reply_word(desks, *lane_));
    const auto call = lane_->call.load(std::memory_order_relaxed);  // this seat's own word
    next_ = (last > call ? last : call) + 1;
    use_ = use::free;
    return true;
  }

  lane_head* lane_;
  std::uint64_t next_ = 0;  // number of the reply that is read next
  std::uint64_t call_ = 0;
  use use_ = use::left;
};

/// What becomes of a request that a server has taken.
enum class request_state {
  wanted,
  over,       ///< it was answered before, by a server that died; or its client is gone
  cancelled,  ///< its client gave it up
  late,       ///< its deadline is over
};

/// The server's side of a call's lane, from the request to the last reply.
class reply_writer {
 public:
  reply_writer() noexcept = default;

  /// Every word of `head` is input.
  [[nodiscard]] request_state begin(const ring_view& ring, const desk_view& desks, const request_head& head,
                                    bool was_delivered_before) noexcept {
    const auto client = head.lane / desks.lanes;
    if (client >= ring.producer_seats || head.call == 0) return request_state::over;
    seat_ = &ring.seats[client];
    desk_ = &desks.desk(client);
    lane_ = &desks.lane(client, head.lane % desks.lanes);
    client_ = client;
    generation_ = head.generation;
    call_ = next_ = read_ = head.call;
    attempt_ = 1;
    index_ = 0;
    if (!client_is_there()) return request_state::over;
    if (was_delivered_before && !continues(desks)) return request_state::over;
    if (is_cancelled()) return request_state::cancelled;
    if (head.deadline_ns != never && monotonic_now_ns() >= head.deadline_ns) return request_state::late;
    return request_state::wanted;
  }

  /// Whether the client's seat is still that of the process that called, as far as it is known.
  [[nodiscard]] bool client_is_there() const noexcept {
    const auto word = client_state();
    return state_of(word) == seat_state::taken && static_cast<std::uint32_t>(generation_of(word)) == generation_;
  }
  [[nodiscard]] std::uint64_t client_state() const noexcept {
    return seat_->state.load(std::memory_order_acquire);  // seat_table.hpp A, D
  }
  [[nodiscard]] bool is_cancelled() const noexcept {
    return lane_->cancelled.load(std::memory_order_relaxed) == call_;  // nothing is read on its word
  }

  /// Where the next reply is put together; null: the client has not read enough. Never null for the last one.
  [[nodiscard]] std::byte* room(const desk_view& desks, bool is_last) noexcept {
    if (!is_last && next_ - read_ >= desks.slot_mask) {
      const auto released = lane_->released.load(std::memory_order_acquire);  // U
      if (released > call_) read_ = released;
      if (next_ - read_ >= desks.slot_mask) return nullptr;
    }
    return desks.payload(desks.slot(*lane_, next_));
  }
  /// Makes it visible.
  void publish(const desk_view& desks, reply_kind kind, std::uint64_t length) noexcept {
    auto& slot = desks.slot(*lane_, next_);
    slot.index = index_++;
    slot.length = static_cast<std::uint32_t>(length);
    slot.word.store(reply_word(next_++, attempt_, kind), std::memory_order_release);  // P
  }

  [[nodiscard]] std::uint32_t client() const noexcept { return client_; }
  [[nodiscard]] desk_head& desk() const noexcept { return *desk_; }
  [[nodiscard]] lane_head& lane() const noexcept { return *lane_; }
  [[nodiscard]] std::uint8_t attempt() const noexcept { return attempt_; }

 private:
  /// Finds out how far a server came that died with this request. False: to the end, or the client is done with the call.
  [[nodiscard]] bool continues(const desk_view& desks) noexcept {
    const auto last = last_reply_word(desks, *lane_);
    if (lane_->call.load(std::memory_order_relaxed) != call_) return false;  // after the words: invariant 3
    if (reply_number(last) < call_) {
      attempt_ = 2;
      return true;
    }
    if (reply_kind_of(last) != reply_kind::part) return false;
    next_ = reply_number(last) + 1;
    attempt_ = static_cast<std::uint8_t>(reply_attempt(last) + 1);
    return true;
  }

  desk_head* desk_ = nullptr;
  lane_head* lane_ = nullptr;
  seat* seat_ = nullptr;
  std::uint32_t client_ = 0;
  std::uint32_t generation_ = 0;
  std::uint64_t call_ = 0;
  std::uint64_t next_ = 0;
  std::uint64_t read_ = 0;  // what was last seen of the client's progress
  std::uint32_t index_ = 0;
  std::uint8_t attempt_ = 0;
};

}  // namespace sluice::detail
