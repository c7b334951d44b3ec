#pragma once

// The bytes that a topic has of its own: docs/format.md, tables 12 and 13. What they mean: topic_ring.hpp.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "sluice/detail/layout/ring_view.hpp"
#include "sluice/detail/layout/segment_header.hpp"
#include "sluice/detail/layout/subscription_name.hpp"

namespace sluice::detail {

/// How many publishers a topic has at once. With one there are no claims to win, and no holes.
enum class publishers { one, many };

/// Where the messages of a topic lie: all in their slots, or some in arenas, which may be overwritten before their slots are.
enum class messages_lie { in_slots, in_arenas };

/// Of the positions that became holes, so many of the last are remembered.
inline constexpr std::size_t remembered_holes = 8;

/// Behind ring_control. What publishers exchange with each message lies two lines apart from what is rarely written.
struct alignas(2 * cache_line_bytes) topic_control {
  std::atomic<std::uint64_t> tail;  // many publishers: next sequence to claim
  std::atomic<std::uint64_t> reserved1[15];
  std::atomic<std::uint64_t> keeping;  // bit i: a subscriber of the seats i, i + 64, … may keep messages
  std::atomic<std::uint32_t> bell;     // subscribers sleep on it; a publisher that wakes them adds one
  std::atomic<std::uint32_t> reserved2;
  std::atomic<std::uint64_t> holes;                      // many publishers: how often one was noted below
  std::atomic<std::uint64_t> hole_at[remembered_holes];  // its sequence + 1; note number n is at n mod 8
  std::atomic<std::uint64_t> naming;  // identity of the process that may name subscriptions; memory without a file only
  std::atomic<std::uint64_t> reserved3[4];
};

/// In a seat.
struct topic_seat {
  std::atomic<std::uint64_t> sequence;   // one publisher: published up to here. Lossy subscriber: reads here next
  std::atomic<std::uint64_t> floor;      // publisher: what lies below it, it may destroy
  std::atomic<std::uint64_t> keep;       // lossless subscriber: keep_word()
  std::atomic<std::uint64_t> intent;     // publisher: as mpmc_seat::intent; the only one: claimed up to here
  std::atomic<std::uint64_t> messages;   // published or delivered, over all owners
  std::atomic<std::uint64_t> lost;       // lossy subscriber: that it was overtaken by, over all owners
  std::atomic<std::uint64_t> abandoned;  // publisher: claims given back unfilled
};

static_assert(sizeof(topic_control) == 256 && offsetof(topic_control, keeping) == 128 &&
                  sizeof(topic_seat) == sizeof(seat::own),
              "docs/format.md");

/// In a descriptor, behind what arenas have there: docs/format.md, table 14.
struct topic_form {
  std::uint64_t drop_stalled_after_ns;  // 0: never
  std::uint64_t wakes_watchers;         // 0 or 1
};
inline constexpr std::size_t topic_form_at = 8;  // of slot_form::reserved
static_assert(topic_form_at * 8 + sizeof(topic_form) <= sizeof(slot_form::reserved), "docs/format.md, table 14");

[[nodiscard]] inline topic_form topic_form_of(const part_descriptor& part) noexcept {
  topic_form form;
  std::memcpy(&form, part.slots.reserved + topic_form_at, sizeof form);
  return form;
}
inline void set_topic_form(part_descriptor& part, const topic_form& form) noexcept {
  std::memcpy(part.slots.reserved + topic_form_at, &form, sizeof form);
}

[[nodiscard]] inline topic_control& topic_control_of(const ring_view& ring) noexcept {
  return ring.control_of_kind<topic_control>();
}
[[nodiscard]] inline topic_seat& topic_seat_of(const ring_view& ring, std::uint32_t seat_index) noexcept {
  return words_of<topic_seat>(ring.seats[seat_index]);
}

// ---- Keep ------------------------------------------------------------------------------------------------------------
// One word: sequence (62 bits) << 2 | is joining << 1 | 1. Zero: it keeps nothing. 2: a publisher took its keep away.

[[nodiscard]] constexpr std::uint64_t keep_word(std::uint64_t sequence, bool is_joining = false) noexcept {
  return sequence << 2 | static_cast<std::uint64_t>(is_joining) << 1 | 1;
}
inline constexpr std::uint64_t dropped_keep = 2;
[[nodiscard]] constexpr bool keeps_anything(std::uint64_t word) noexcept { return (word & 1) != 0; }
[[nodiscard]] constexpr bool is_joining(std::uint64_t word) noexcept { return (word & 2) != 0; }
/// The sequence it begins at, given one near it: its 62 bits are read relative to that.
[[nodiscard]] constexpr std::uint64_t kept_near(std::uint64_t word, std::uint64_t near) noexcept {
  return near + static_cast<std::uint64_t>(static_cast<std::int64_t>((word & ~std::uint64_t{3}) - (near << 2)) >> 2);
}

// ---- Named subscriptions ---------------------------------------------------------------------------------------------

/// Whether the seat is a subscriber's that is kept for a subscription: its keep stands whatever becomes of its owner.
[[nodiscard]] inline bool is_named(const topic_seat& subscriber) noexcept {
  return subscriber.floor.load(std::memory_order_acquire) != 0;  // topic_ring.hpp N
}
[[nodiscard]] inline subscription_name subscription_of(const topic_seat& subscriber) noexcept {
  const auto first = subscriber.floor.load(std::memory_order_acquire);  // topic_ring.hpp N
  if (first == 0) return {};
  return subscription_name({first, subscriber.intent.load(std::memory_order_relaxed),  // N orders them
                            subscriber.abandoned.load(std::memory_order_relaxed)});
}
/// Or none. Its first word stands last, and falls first.
inline void set_subscription(topic_seat& subscriber, const subscription_name& name) noexcept {
  const auto& words = name.as_stored();
  subscriber.floor.store(0, std::memory_order_release);          // topic_ring.hpp N
  subscriber.intent.store(words[1], std::memory_order_relaxed);  // N orders them
  subscriber.abandoned.store(words[2], std::memory_order_relaxed);
  subscriber.floor.store(words[0], std::memory_order_release);  // topic_ring.hpp N
}

inline constexpr std::uint32_t keeping_bits = 64;
[[nodiscard]] constexpr std::uint64_t keeping_bit(const ring_view& ring, std::uint32_t seat_index) noexcept {
  return std::uint64_t{1} << (seat_index - ring.producer_seats) % keeping_bits;
}

// ---- Sequences and words ---------------------------------------------------------------------------------------------

/// Whether `a` comes before `b`: as distances, because sequences wrap.
[[nodiscard]] constexpr bool is_before(std::uint64_t a, std::uint64_t b) noexcept {
  return static_cast<std::int64_t>(a - b) < 0;
}
[[nodiscard]] constexpr std::uint64_t later_of(std::uint64_t a, std::uint64_t b) noexcept {
  return is_before(a, b) ? b : a;
}
[[nodiscard]] constexpr std::uint64_t earlier_of(std::uint64_t a, std::uint64_t b) noexcept {
  return is_before(a, b) ? a : b;
}

/// The kind of word of a message that was published and whose bytes, in the arena of its publisher, are another's by now or will be.
inline constexpr slot_kind gone = slot_kind::taken;

/// What a slot's word says of the message `sequence`.
enum class topic_word {
  pending,    ///< it may come: not filled yet, or not even claimed
  published,  ///< it is there
  hole,       ///< it never comes
  passed,     ///< it was, and its place is another message's, or its bytes are: gone
};

[[nodiscard]] inline topic_word read_word(const ring_view& ring, std::uint64_t word, std::uint64_t sequence) noexcept {
  const auto free = ring.word_for(sequence, slot_kind::free);
  if (word == free + slot_word(0, slot_kind::published)) [[likely]]
    return topic_word::published;
  if (word == free + slot_word(0, slot_kind::hole)) return topic_word::hole;
  return is_before(word, free + slot_word(0, slot_kind::published)) ? topic_word::pending : topic_word::passed;
}

/// Whether the slot of `sequence` was done with in the lap before, or never used, so that it may be claimed.
[[nodiscard]] inline bool is_done_before(const ring_view& ring, std::uint64_t word, std::uint64_t sequence) noexcept {
  const auto free = ring.word_for(sequence, slot_kind::free);
  const auto since_lap_before = word - (free - slot_word(1, slot_kind::free));
  return since_lap_before - 1 < 3 || (word == 0 && free == 0);
}

/// One more than the last sequence that was claimed; what lies a lap below it is gone.
template <publishers Publishers>
[[nodiscard]] std::uint64_t claimed_up_to(const ring_view& ring) noexcept {
  if constexpr (Publishers == publishers::one)
    return topic_seat_of(ring, 0).intent.load(std::memory_order_acquire);  // topic_ring.hpp T
  else
    return topic_control_of(ring).tail.load(std::memory_order_acquire);  // topic_ring.hpp T
}
/// Where a subscriber that wants new messages alone begins.
template <publishers Publishers>
[[nodiscard]] std::uint64_t published_up_to(const ring_view& ring) noexcept {
  if constexpr (Publishers == publishers::one)
    return topic_seat_of(ring, 0).sequence.load(std::memory_order_acquire);  // topic_ring.hpp T
  else
    return claimed_up_to<Publishers>(ring);
}

}  // namespace sluice::detail
