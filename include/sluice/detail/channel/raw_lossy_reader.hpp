#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "sluice/detail/base/stop_signal.hpp"
#include "sluice/detail/channel/slot_reach.hpp"
#include "sluice/detail/wait/wait_strategy.hpp"
#include "sluice/error.hpp"

namespace sluice::detail {

/// Reads messages that may be overwritten meanwhile, whose size is known at run time only. `Place` is what a subscriber with
/// a seat and a watcher without one do each in their way: ring_, the reader; mark_; require_here_slowly(); tick_is_over();
/// tend(), at ticks, and require_sound() before and require_answers() after it; may_conclude(), of a topic that was seen
/// closed; is_closed(); wait_there(), which waits with a look and a tick; ask_for_the_end(); let_publishers_go_on(), after a
/// release; reach_here() and throw_wrong_extent(), for messages of any length.
/// One thread at a time; moving it is allowed; one that was moved from throws misuse.
template <class Place>
class raw_lossy_reader : public Place {
 protected:
  using Place::mark_, Place::polls_before_clock_, Place::ring_;

 public:
  template <class... How>
  explicit raw_lossy_reader(How&&... how) : Place(std::forward<How>(how)...), reach_(this->reach_here()) {}

  /// Whether the next message is there. @throws error wrong_process; truncated.
  [[nodiscard, gnu::always_inline]] bool try_peek() {
    require_here();
    return ring_.try_peek() || polled_in_vain();
  }
  /// In place: it may be overwritten at any moment. Until is_intact() has said yes, its bytes are input.
  [[nodiscard]] const std::byte* peeked() const noexcept { return ring_.peeked(); }
  [[nodiscard, gnu::always_inline]] bool is_intact() const noexcept { return ring_.is_intact(); }
  void release() noexcept {
    ring_.release();
    this->let_publishers_go_on();
  }

  /// Copies the next message, whole. False: there is none. @throws error as try_peek().
  [[nodiscard, gnu::always_inline]] bool try_receive(std::byte* into) {
    require_here();
    if (ring_.try_receive(into)) return hand_over();
    return polled_in_vain() && ring_.try_receive(into) && hand_over();
  }
  /// The same where messages have any length. `room` gives memory for so many bytes; what it throws passes through, and the
  /// message stays. Its length is acted upon after it was seen to be the message's own.
  /// @throws error corrupted; and as try_peek().
  template <class Room>
  [[nodiscard]] bool try_receive_into(const Room& room) {
    do {
      while (try_find()) {
        if (!ring_.copy(room(found_.size()), found_)) continue;
        ring_.release();
        return hand_over();
      }
    } while (polled_in_vain());
    return false;
  }
  /// The same in place. Its length is the message's; its bytes may be overwritten at any moment, as peeked() says.
  [[nodiscard]] bool try_view(std::span<const std::byte>& message) {
    if (!try_find() && !(polled_in_vain() && try_find())) return false;
    message = found_;
    return true;
  }
  /// How a message is reached from its slot.
  [[nodiscard]] const slot_reach<typename Place::ring_type>& reach() const noexcept { return reach_; }

  /// Waits until the next message is there. ready; closed: and it has got everything that it was not overtaken by;
  /// peer_gone: all publishers died, said once; timed_out; interrupted.
  /// @throws error wrong_process; corrupted; truncated; not_found, as a consumer.
  [[nodiscard]] wait_result peek_until(std::uint64_t deadline_ns, const stop_signal& stop) {
    if (try_peek()) return wait_result::ready;
    const auto look = [&]() -> wait_answer {
      if (ring_.try_peek()) return wait_result::ready;
      return this->is_closed() ? conclude() : std::nullopt;
    };
    const auto tick = [&](const auto& again) -> wait_answer {
      this->require_sound();
      this->tend();
      if (const auto answer = again()) return answer;
      return this->ask_for_the_end(again);
    };
    return this->wait_there(look, tick, deadline_ns, stop);
  }

  /// Whether the topic was closed and nothing is left: what a wait would call `closed`.
  [[nodiscard]] bool is_finished() {
    require_here();
    return this->is_closed() && !try_peek() && conclude() == wait_result::closed;
  }

  void skip_to_newest() noexcept { ring_.skip_to_newest(); }
  /// How many it was overtaken by; is_loss_exact(): and not at most so many.
  [[nodiscard]] std::uint64_t lost() const noexcept { return ring_.lost(); }
  [[nodiscard]] bool is_loss_exact() const noexcept { return ring_.is_loss_exact(); }
  [[nodiscard]] std::uint64_t next_sequence() const noexcept { return ring_.next_sequence(); }

 private:
  /// An extent is input until the word is seen to be the same behind it.
  [[nodiscard]] bool try_find() {
    require_here();
    while (ring_.try_peek()) {
      found_ = reach_.message(ring_.peeked());
      if (!ring_.is_intact()) continue;
      if (found_.data() != nullptr) [[likely]]
        return true;
      require_here();
      this->throw_wrong_extent();
    }
    return false;
  }
  [[gnu::always_inline]] void require_here() {
    if (!mark_.is_here()) [[unlikely]]
      this->require_here_slowly();
  }
  /// What was copied came from the segment, or it throws.
  [[gnu::always_inline]] bool hand_over() {
    std::atomic_signal_fence(std::memory_order_acquire);  // fault_guard.hpp GX: the message is read before the mark
    require_here();
    this->let_publishers_go_on();
    return true;
  }

  /// The tick of callers that poll and never wait; whether there is a message after it.
  [[gnu::noinline]] bool polled_in_vain() {
    if (--polls_before_clock_ != 0) return false;
    polls_before_clock_ = 64;
    if (!this->tick_is_over()) return false;
    this->tend();
    this->require_answers();
    return ring_.try_peek();
  }

  /// Of a topic that was seen closed.
  [[gnu::noinline]] wait_answer conclude() {
    if (!this->may_conclude()) return std::nullopt;
    return ring_.try_peek() ? wait_result::ready : wait_result::closed;  // last: what came before the close (K)
  }

  [[no_unique_address]] slot_reach<typename Place::ring_type> reach_;
  std::span<const std::byte> found_;  // the next message, where its length is any
};

template <class Place>
void dispose(raw_lossy_reader<Place>* handle) noexcept {
  delete handle;
}

}  // namespace sluice::detail
