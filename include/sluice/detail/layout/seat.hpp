#pragma once

// A seat: the record that one participant of a ring has in the shared bytes. Its second line belongs to its owner's kind of
// ring, and is written by its owner alone, with plain stores, so what it counts costs nothing; its first line changes only
// when a process takes or leaves it, parks, wakes or mends.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sluice/detail/base/cache_line.hpp"

namespace sluice::detail {

enum class role : std::uint32_t { producer = 0, consumer = 1 };

[[nodiscard]] constexpr role peer_of(role own) noexcept {
  return own == role::producer ? role::consumer : role::producer;
}
[[nodiscard]] const char* to_string(role value) noexcept;

/// What a seat's state word says; the generation beside it counts the owners the seat has had.
enum class seat_state : std::uint64_t {
  free = 0,     ///< never taken, or the last owner left in order
  taken = 1,    ///< has an owner, which may have died and no process has noticed yet
  dead = 2,     ///< the owner is gone and what it left is not settled yet: proven dead, or it left_in_order()
  settled = 3,  ///< free, but the last owner died rather than left
};

[[nodiscard]] const char* to_string(seat_state value) noexcept;

[[nodiscard]] constexpr std::uint64_t seat_word(seat_state state, std::uint64_t generation) noexcept {
  return generation << 2 | static_cast<std::uint64_t>(state);
}
[[nodiscard]] constexpr seat_state state_of(std::uint64_t word) noexcept { return static_cast<seat_state>(word & 3); }
[[nodiscard]] constexpr std::uint64_t generation_of(std::uint64_t word) noexcept { return word >> 2; }

/// What the owner of a seat sleeps for, or is about to.
enum class parked_for : std::uint32_t {
  nothing = 0,  ///< it does not sleep
  a_turn = 1,   ///< a message, or room for one
  drained = 2,  ///< a drained ring: woken in addition to the others, so that it takes no wake-up from them
  arena = 3,    ///< a release of its own messages, which lie in its arena: no other participant waits for that
  reply = 4,    ///< service: the reply to a call, or room for one. Its bit is at its desk or lane, not among the parked
};

/// docs/format.md, table 4.
struct alignas(2 * cache_line_bytes) seat {
  std::atomic<std::uint64_t> state;   // seat_word
  std::atomic<std::uint64_t> owner;   // process_identity word: pid | start time
  std::atomic<std::uint64_t> mender;  // process_identity word of the process that settles it, where no lock says so
  std::atomic<std::uint64_t> pid_namespace;  // the owner's; a pid means nothing elsewhere
  std::atomic<std::uint64_t> taken_realtime_ns;
  std::atomic<std::uint32_t> futex;   // others add one to it and wake; the owner sleeps on it
  std::atomic<std::uint32_t> parked;  // parked_for
  std::atomic<std::uint64_t> parks;   // how often the owner slept, over all owners
  std::atomic<std::uint64_t> left;    // generation of the last owner that left in order with messages in its hands

  // The owner's line.
  alignas(cache_line_bytes) std::atomic<std::uint64_t> own[7];  // of the kind: spsc_seat, mpmc_seat
  std::atomic<std::uint32_t> only_processor;  // 1 + the only one that the owner may run on; 0: several, or not known
  std::atomic<std::uint32_t> finishing;  // producer: the low half of its generation, once it has sent all that it has
};

static_assert(sizeof(seat) == 128 && offsetof(seat, futex) == 40 && offsetof(seat, left) == 56 &&
                  offsetof(seat, own) == 64 && offsetof(seat, only_processor) == 120,
              "docs/format.md, table 4");
static_assert(std::is_standard_layout_v<seat>, "other processes compute these offsets");
static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "a lock inside would be per process");
static_assert(std::atomic<std::uint32_t>::is_always_lock_free, "a lock inside would be per process");

/// The words of a seat as its kind names them. `Words` has the size of seat::own.
template <class Words>
[[nodiscard]] Words& words_of(seat& record) noexcept {
  static_assert(sizeof(Words) == sizeof(record.own) && std::is_standard_layout_v<Words>);
  return *reinterpret_cast<Words*>(record.own);
}
template <class Words>
[[nodiscard]] const Words& words_of(const seat& record) noexcept {
  return words_of<Words>(const_cast<seat&>(record));
}

/// Whether the owner that `word` calls dead or settled left in order, with messages in its hands that others settle. A later
/// generation in `left` means that the seat went on after `word` was read: no death is news then either.
[[nodiscard]] inline bool left_in_order(const seat& record, std::uint64_t word) noexcept {
  return record.left.load(std::memory_order_relaxed) >= generation_of(word);  // published by the word's own store
}

}  // namespace sluice::detail
