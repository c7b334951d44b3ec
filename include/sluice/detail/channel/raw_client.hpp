#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "sluice/detail/channel/raw_producer.hpp"
#include "sluice/detail/part/bytes/bytes_ring.hpp"
#include "sluice/detail/part/mpmc/mpmc_layout.hpp"
#include "sluice/detail/part/service/reply_lane.hpp"

namespace sluice::detail {

/// @throws error corrupted: the service's replies are not of the size that its type has.
void require_reply_bytes(const participant& owner, const desk_view& desks, std::uint64_t bytes);
/// @throws error misuse: `lanes` calls are open, and only this client can end them.
[[noreturn]] void throw_all_lanes_open(const participant& owner, std::uint32_t lanes);

/// How requests get into slots: those of one size are written there.
template <ring Ring, class Slots>
struct request_writer {
  request_writer(const ring_view&, const part_descriptor&, std::uint32_t) noexcept {}

  [[nodiscard]] static bool claims_late(std::size_t) noexcept { return false; }
  [[nodiscard]] std::byte* try_claim(Slots& slots, std::size_t) {
    return slots.try_claim(1) != 0 ? slots.claimed(0) : nullptr;
  }
  [[nodiscard]] bool publish(Slots& slots, std::size_t) noexcept {
    slots.publish_request();
    return true;
  }
  void abandon(Slots& slots) noexcept { slots.abandon(); }
  [[nodiscard]] std::uint64_t waits_for(const Slots& slots) const noexcept { return slots.waits_for(); }
};
/// Those of any length by the arena of the client's seat: long ones get their slots when they are published.
template <bytes_ring Ring, class Slots>
struct request_writer<Ring, Slots> {
  request_writer(const ring_view& ring, const part_descriptor& part, std::uint32_t seat_index)
      : bytes_(ring, part), writer_(ring, bytes_, seat_index) {}

  [[nodiscard]] bool claims_late(std::size_t bytes) const noexcept { return bytes > bytes_.bounds.inline_bytes; }
  [[nodiscard]] std::byte* try_claim(Slots& slots, std::size_t bytes) {
    if (!claims_late(bytes)) return writer_.try_claim(slots, bytes).data();
    if (!slots.may_claim()) return nullptr;
    auto* const room = writer_.try_claim(slots, bytes).data();
    if (room == nullptr) slots.polled_in_vain([&] { return waits_for(slots); });
    return room;
  }
  [[nodiscard]] bool publish(Slots& slots, std::size_t bytes) { return writer_.publish(slots, bytes); }
  void abandon(Slots& slots) noexcept { writer_.abandon(slots); }
  [[nodiscard]] std::uint64_t waits_for(const Slots& slots) const noexcept {
    const auto oldest = writer_.waits_for();
    return oldest != nothing_to_wait_for() ? oldest : slots.waits_for();
  }
  [[nodiscard]] std::uint64_t max_bytes() const noexcept { return bytes_.max_bytes(); }

 private:
  bytes_view bytes_;
  bytes_writer<Ring, Slots> writer_;
};

/// Calls a service whose message sizes are known at run time only. client<Request, Response> is this with types.
/// One thread at a time. A call is named by its lane: it is open from try_open() to the last reply, or to give_up().
/// A request is what writes it: max_bytes() is how much room it may need, its head included, and write(room) fills what lies
/// behind the head and says how much the message has then.
/// Killed at any instruction: its calls are given up, and no process that takes its seat sees their replies.
template <ring Ring, wait_strategy Wait>
class raw_client : public raw_producer<Ring, Wait> {
  using base = raw_producer<Ring, Wait>;
  using base::owner_, base::control_;

 public:
  static constexpr std::uint32_t no_lane = ~std::uint32_t{0};

  /// @param reply_bytes  of one reply; 0: they have any length.
  raw_client(const attached_segment& attached, std::uint32_t ring_index, Wait wait, std::uint64_t reply_bytes)
      : base(attached, ring_index, std::move(wait)),
        desks_(desk_view::of(owner_->ring(), owner_->descriptor())),
        writer_(owner_->ring(), owner_->descriptor(), owner_->seat_index()),
        generation_(static_cast<std::uint32_t>(generation_of(
            owner_->ring().seats[owner_->seat_index()].state.load(std::memory_order_relaxed)))) {  // this seat's own
    if (reply_bytes != 0) require_reply_bytes(*owner_, desks_, reply_bytes);
    lanes_.reserve(desks_.lanes);
    for (std::uint32_t i = 0; i < desks_.lanes; ++i) lanes_.emplace_back(desks_, owner_->seat_index(), i);
    last_request_ = this->position();
  }

  /// Opens a call and publishes its request; the lane, or no_lane: there is no room, or the service is closed.
  /// @throws error misuse: all lanes are open; bad_argument: no request can be so long; wrong_process; truncated; what the
  ///         request's write() throws.
  template <class Request>
  [[nodiscard]] std::uint32_t try_open(std::uint64_t deadline_ns, const Request& request) {
    const auto index = free_lane();
    if (index == no_lane) return no_lane;
    auto* const room = writer_.try_claim(*this, request.max_bytes());
    if (room == nullptr) return no_lane;
    const auto bytes = write(index, deadline_ns, room, request);
    if (writer_.publish(*this, bytes)) [[likely]]
      return index;
    take_back(index);
    return no_lane;
  }

  /// Waits for room until `until_ns`. ready: `index` is the call's lane; closed; peer_gone; timed_out; interrupted.
  template <class Request>
  [[nodiscard]] wait_result open_until(std::uint64_t until_ns, std::uint64_t deadline_ns, const Request& request,
                                       std::uint32_t& index, const stop_signal& stop) {
    if ((index = try_open(deadline_ns, request)) != no_lane) [[likely]]
      return wait_result::ready;
    return wait_to_open(until_ns, deadline_ns, request, index, stop);
  }

  /// The word of the next reply to an open call; 0: none has come.
  [[nodiscard, gnu::always_inline]] std::uint64_t look(std::uint32_t index) const noexcept {
    return lanes_[index].look(desks_);
  }
  /// Waits until one has come. peer_gone: all servers died; a call stays open, and goes to the next server. closed: the service
  /// was closed and no server lives.
  [[nodiscard]] wait_result await(std::uint32_t index, std::uint64_t until_ns, const stop_signal& stop) {
    this->owner().require_here();
    const auto look_here = [&]() -> wait_answer {
      return look(index) != 0 ? wait_answer(wait_result::ready) : std::nullopt;
    };
    if (const auto answer = look_here()) return *answer;
    return wait_for_reply(look_here, until_ns, stop);
  }
  [[nodiscard]] std::span<const std::byte> payload(std::uint32_t index) const noexcept {
    return lanes_[index].payload(desks_);
  }
  [[nodiscard]] std::uint32_t reply_index(std::uint32_t index) const noexcept { return lanes_[index].index(desks_); }
  /// Gives the slot of a reply back that look() found.
  void has_read(std::uint32_t index, std::uint64_t word) noexcept {
    auto& lane = lanes_[index];
    if (lane.has_read(word) && must_wake_at(*control_, lane.shared().parked)) [[unlikely]]
      wake_at(owner_->ring(), lane.shared().parked);
  }
  /// Ends a call that is open. A server that has it in its hands learns of it when it looks.
  void give_up(std::uint32_t index) noexcept {
    auto& lane = lanes_[index];
    if (!this->is_here() || !lane.is_open()) return;
    lane.give_up();
    if (must_wake_at(*control_, lane.shared().parked)) wake_at(owner_->ring(), lane.shared().parked);
  }

  /// How many calls of a client are under way at once, at most.
  [[nodiscard]] std::uint32_t calls_in_flight() const noexcept { return desks_.lanes; }

  // ---- For the writer of requests ---------------------------------------------------------------------------------------

  /// Of the slot that is claimed, with the request that was written last. Its sequence is noted first.
  void publish_request() noexcept {
    const auto& ring = owner_->ring();
    const auto intent = mpmc_seat_of(ring, owner_->seat_index()).intent.load(std::memory_order_relaxed);  // own word
    last_request_ = intent_first(intent, last_request_);
    lanes_[opening_].note_request(last_request_);
    base::publish(1);
    __builtin_prefetch(ring.slot(last_request_ + 1), 1);  // a server wrote its word last; there is time until the reply
  }
  /// As bytes_writer asks for it: 0 abandons.
  void publish(std::uint64_t count) noexcept {
    if (count == 0) return base::publish(0);
    publish_request();
  }
  /// The longest request that there can be, its head included.
  [[nodiscard]] std::uint64_t max_request_bytes() const noexcept { return writer_.max_bytes(); }

  // ---- Calls that outlive their client are void: the last of them deletes it --------------------------------------------

  void call_is_held() noexcept { ++held_calls_; }
  void call_is_dropped() noexcept {
    if (--held_calls_ == 0 && is_retired_) delete this;
  }
  [[nodiscard]] bool is_retired() const noexcept { return is_retired_; }
  static void retire(raw_client* handle) noexcept {
    for (std::uint32_t i = 0; i < handle->desks_.lanes; ++i) handle->give_up(i);
    if (handle->held_calls_ == 0) {
      delete handle;
      return;
    }
    handle->is_retired_ = true;
    handle->leave_before_its_claim();
  }

 private:
  friend struct access;

  [[nodiscard]] std::uint32_t free_lane() {
    this->owner().require_here();
    // The lane of the call before comes first: its lines are near.
    std::uint32_t open = 0;
    for (std::uint32_t i = 0, at = last_lane_; i < desks_.lanes; ++i, at = at + 1 == desks_.lanes ? 0 : at + 1) {
      if (lanes_[at].is_free(owner_->ring(), desks_)) return last_lane_ = at;
      open += lanes_[at].is_open();
    }
    if (open == desks_.lanes) throw_all_lanes_open(*owner_, open);
    return no_lane;
  }

  template <class Request>
  std::size_t write(std::uint32_t index, std::uint64_t deadline_ns, std::byte* room, const Request& request) {
    opening_ = index;
    const request_head head{lanes_[index].begin(), deadline_ns, owner_->seat_index() * desks_.lanes + index,
                            generation_};
    std::memcpy(room, &head, sizeof head);
    if constexpr (noexcept(request.write(room))) {
      return request.write(room);
    } else {
      try {
        return request.write(room);
      } catch (...) {
        take_back(index);
        throw;
      }
    }
  }
  void take_back(std::uint32_t index) noexcept {
    writer_.abandon(*this);
    lanes_[index].take_back();
  }

  template <class Request>
  [[gnu::noinline]] wait_result wait_to_open(std::uint64_t until_ns, std::uint64_t deadline_ns, const Request& request,
                                             std::uint32_t& index, const stop_signal& stop) {
    std::byte* room = nullptr;
    const auto claim = [&] {
      index = free_lane();
      return index != no_lane && (room = writer_.try_claim(*this, request.max_bytes())) != nullptr;
    };
    const auto waits_for = [this] { return writer_.waits_for(*this); };
    auto place = owner_->place();
    if (writer_.claims_late(request.max_bytes())) place = place.that_waits_for(parked_for::arena);
    auto result = this->take_until(until_ns, claim, place, waits_for, stop);
    if (result == wait_result::ready) {
      const auto bytes = write(index, deadline_ns, room, request);
      if (writer_.publish(*this, bytes)) return wait_result::ready;
      result = this->take_until(
          until_ns, [&] { return writer_.publish(*this, bytes); }, owner_->place(), waits_for, stop);
      if (result == wait_result::ready) return result;
      take_back(index);
    }
    index = no_lane;
    return result;
  }

  template <class Look>
  [[gnu::noinline]] wait_result wait_for_reply(const Look& look, std::uint64_t until_ns, const stop_signal& stop) {
    auto place = owner_->place().that_waits_at(desks_.desk(owner_->seat_index()).parked, parked_for::reply);
    const auto tick = [this](const auto& again) -> wait_answer {
      owner_->require_sane(Ring::is_sane(owner_->ring()));
      // A request may be in the hands of a server that died, while the others are too busy for a tick of their own.
      owner_->ask_for_mending();
      if (owner_->is_closed() && owner_->peer() != peer_state::alive) {
        const auto answer = again();
        return answer ? answer : wait_answer(wait_result::closed);
      }
      return this->ask_for_the_end(again);
    };
    return this->wait_at(place, look, tick, until_ns, stop);
  }

  desk_view desks_;
  std::vector<caller_lane> lanes_;
  request_writer<Ring, raw_client> writer_;
  std::uint32_t generation_;
  std::uint32_t opening_ = 0;  // the lane of the request that is being written
  std::uint32_t last_lane_ = 0;
  std::uint64_t last_request_ = 0;  // sequence, or one near it
  std::uint32_t held_calls_ = 0;
  bool is_retired_ = false;
};

template <class Ring, class Wait>
void dispose(raw_client<Ring, Wait>* handle) noexcept {
  raw_client<Ring, Wait>::retire(handle);
}

}  // namespace sluice::detail
