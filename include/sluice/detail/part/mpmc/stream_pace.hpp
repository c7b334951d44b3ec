#pragma once

// Keeps the two sides of a stream out of each other's lines. A consumer that has caught up with a producer looks at the
// slot that is being filled, and its processor fetches the ones after it beforehand: the producer then loses each line
// once more before it is done with it, becomes slower by that, and so stays caught. The same holds for a producer that
// comes back to each slot the moment it is free. Neither gets out of it by itself: 11 million messages a second of 64
// bytes instead of 44 (docs/decisions/0012). So a side that catches up with a stream lets the other side get ahead.
//
// It delays no side that waits for single messages: one message at a time, as in a question and answer, is no stream, nor
// is anything after which one polled in vain for long; and a turn given to a side that does not use it is taken back.

#include <cstddef>
#include <cstdint>

#include "sluice/detail/base/bytes.hpp"
#include "sluice/detail/base/cache_line.hpp"
#include "sluice/detail/base/pause.hpp"
#include "sluice/detail/layout/ring_view.hpp"

namespace sluice::detail {

/// One side's view of how the stream goes. One thread at a time; private to its process.
class stream_pace {
 public:
  /// @param messages   that have passed so far, counted by either side
  stream_pace(const ring_view& ring, std::uint64_t messages) noexcept
      : lead_slots_(lesser(lead_bytes / ring.stride_bytes, ring.capacity() / 4)), passed_(messages) {}

  /// Nothing was found, `messages` having passed so far. True, and not again before more have passed: the caller has
  /// caught up with a stream, and gives a lead before it looks again.
  [[nodiscard, gnu::always_inline]] bool has_caught_up(std::uint64_t messages) noexcept {
    if (messages == passed_) [[likely]] {
      ++polls_;
      return false;
    }
    return ends_a_run(messages);
  }

  /// Waits a little, and while the other side is quick until it is well ahead. `has_passed(d)` tells whether it has done
  /// with the slot `d` from the one that the caller wants; only slots far ahead are asked for, so no other line is disturbed.
  template <class Has_passed>
  void give_lead(Has_passed&& has_passed) noexcept {
    for (int turn = 0; turn < max_turns; ++turn) {
      if (has_passed(lead_slots_)) return;
      if (turn == first_turns && !has_passed(lead_slots_ / 32)) break;
      cpu_pause();
    }
    if (!has_passed(lead_slots_ / 32)) in_a_row_ = 0;
  }

 private:
  static constexpr std::uint64_t lead_bytes = 128 * cache_line_bytes;
  static constexpr std::uint64_t fewest_lead_slots = 16;  // of few and large slots the lines do not matter
  static constexpr std::uint64_t max_polls = 64;          // after more of them in vain the stream has ended
  static constexpr std::uint64_t shortest_stream = 64;
  static constexpr int first_turns = 32;  // some 0.5 to 1.5 us
  static constexpr int max_turns = 192;   // what 512 messages of 8 bytes take, about

  [[gnu::noinline]] bool ends_a_run(std::uint64_t messages) noexcept {
    in_a_row_ = polls_ > max_polls ? 0 : in_a_row_ + (messages - passed_ - 1);
    passed_ = messages;
    polls_ = 0;
    return in_a_row_ >= shortest_stream && lead_slots_ >= fewest_lead_slots;
  }

  std::uint64_t lead_slots_;
  std::uint64_t passed_;        // messages when nothing was found last
  std::uint64_t polls_ = 0;     // in vain, since then
  std::uint64_t in_a_row_ = 0;  // messages that came right after another, since the stream began
};

}  // namespace sluice::detail
