#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "sluice/detail/channel/endpoint.hpp"
#include "sluice/detail/channel/slot_reach.hpp"
#include "sluice/detail/part/topic/lossy_reader.hpp"

namespace sluice::detail {

/// A lossy subscriber of a topic whose message size is known at run time only. lossy_subscriber<T> is this with a type.
/// One thread at a time; moving it is allowed; one that was moved from throws misuse. Its seat is the process's that made it.
/// Killed at any instruction: it holds up nothing, and its seat goes to the next that asks.
template <publishers Publishers, wait_strategy Wait, ring Ring = topic_ring<Publishers>>
class raw_lossy_subscriber : public endpoint<Ring, detail::lossy_subscriber<Publishers>, role::consumer, Wait> {
  using ring_type = Ring;
  using base = endpoint<ring_type, detail::lossy_subscriber<Publishers>, role::consumer, Wait>;
  using base::mark_, base::owner_, base::polls_before_clock_, base::ring_;
  using base::owner;

 public:
  raw_lossy_subscriber(const attached_segment& attached, std::uint32_t ring_index, Wait wait, history wanted,
                       resumes where)
      : base(attached, ring_index, std::move(wait), wanted, where, Ring::lie),
        reach_(owner_->ring(), owner_->descriptor()) {}

  /// Whether the next message is there. @throws error wrong_process; truncated.
  [[nodiscard, gnu::always_inline]] bool try_peek() {
    require_here();
    return ring_.try_peek() || polled_in_vain();
  }
  /// In place: it may be overwritten at any moment. Until is_intact() has said yes, its bytes are input.
  [[nodiscard]] const std::byte* peeked() const noexcept { return ring_.peeked(); }
  [[nodiscard, gnu::always_inline]] bool is_intact() const noexcept { return ring_.is_intact(); }
  void release() noexcept { ring_.release(); }

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
  [[nodiscard]] const slot_reach<Ring>& reach() const noexcept { return reach_; }

  /// Waits until the next message is there. ready; closed: and it has got everything that it was not overtaken by;
  /// peer_gone: all publishers died, said once; timed_out; interrupted.
  /// @throws error wrong_process; corrupted; truncated; not_found, as a consumer.
  [[nodiscard]] wait_result peek_until(std::uint64_t deadline_ns, const stop_signal& stop) {
    if (try_peek()) return wait_result::ready;
    const auto look = [&]() -> wait_answer {
      if (ring_.try_peek()) return wait_result::ready;
      return owner_->is_closed() ? conclude() : std::nullopt;
    };
    const auto tick = [&](const auto& again) -> wait_answer {
      owner_->require_sane(ring_type::is_sane(owner_->ring()));
      mend();
      if (const auto answer = again()) return answer;
      return this->ask_for_the_end(again);
    };
    return this->wait_at(owner_->place(), look, tick, deadline_ns, stop);
  }

  /// Whether the topic was closed and nothing is left: what a wait would call `closed`.
  [[nodiscard]] bool is_finished() { return owner().is_closed() && !try_peek() && conclude() == wait_result::closed; }

  void skip_to_newest() noexcept { ring_.skip_to_newest(); }
  /// How many it was overtaken by; is_loss_exact(): and not at most so many.
  [[nodiscard]] std::uint64_t lost() const noexcept { return ring_.reader().lost(); }
  [[nodiscard]] bool is_loss_exact() const noexcept { return ring_.reader().is_loss_exact(); }
  [[nodiscard]] std::uint64_t next_sequence() const noexcept { return ring_.reader().next_sequence(); }

  /// Ends the topic for all participants; see raw_producer::close().
  void close() {
    owner().require_here();
    owner_->close();
  }

 private:
  friend struct access;
  /// An extent is input until the word is seen to be the same behind it.
  [[nodiscard]] bool try_find() {
    require_here();
    while (ring_.try_peek()) {
      found_ = reach_.message(ring_.peeked());
      if (!ring_.is_intact()) continue;
      if (found_.data() != nullptr) [[likely]]
        return true;
      require_here();
      throw_wrong_extent(owner());
    }
    return false;
  }
  [[gnu::always_inline]] void require_here() {
    if (!mark_.is_here()) [[unlikely]]
      owner().require_here();
  }
  /// What was copied came from the segment, or it throws.
  [[gnu::always_inline]] bool hand_over() {
    std::atomic_signal_fence(std::memory_order_acquire);  // fault_guard.hpp GX: the message is read before the mark
    require_here();
    return true;
  }

  /// The tick of callers that poll and never wait; whether there is a message after it.
  [[gnu::noinline]] bool polled_in_vain() {
    if (--polls_before_clock_ != 0) return false;
    polls_before_clock_ = 64;
    if (!owner_->tick_is_over()) return false;
    mend();
    owner_->require_answers();
    return ring_.try_peek();
  }
  void mend() noexcept {
    if (ring_.mend(owner_->keeper()) != 0) owner_->wake_all_of(role::consumer);
  }

  /// Of a topic that was seen closed.
  [[gnu::noinline]] wait_answer conclude() noexcept {
    auto& keeper = owner_->keeper();
    if (!ring_.is_exhausted(keeper) || !owner_->sees_every_claim() || !ring_.is_exhausted(keeper)) return std::nullopt;
    return ring_.try_peek() ? wait_result::ready : wait_result::closed;  // last: what came before the close (K)
  }

  [[no_unique_address]] slot_reach<Ring> reach_;
  std::span<const std::byte> found_;  // the next message, where its length is any
};

template <publishers Publishers, class Wait, class Ring>
void dispose(raw_lossy_subscriber<Publishers, Wait, Ring>* handle) noexcept {
  delete handle;
}

}  // namespace sluice::detail
