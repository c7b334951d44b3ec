#pragma once

// The bytes that a service has beside those of its ring of requests: docs/format.md, tables 20 to 24. Its requests lie in an
// mpmc ring: clients are the producers, servers the consumers. Behind the slots each client's seat has a desk, with a lane
// for each call that it has under way at once. A lane is a short row of slots for the replies to one call; only the server
// that has the call's request in its hands writes there. What the words mean: reply_lane.hpp.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "sluice/detail/base/cache_line.hpp"
#include "sluice/detail/layout/ring_view.hpp"
#include "sluice/detail/layout/segment_header.hpp"

namespace sluice::detail {

/// In a descriptor, where topics have table 14.
struct reply_form {
  std::uint64_t desks_offset;    // of the first client seat's desk, from the beginning of the body
  std::uint64_t desk_bytes;      // from one desk to the next
  std::uint64_t lane_bytes;      // from one lane to the next; the first one begins behind the desk's head
  std::uint64_t reply_bytes;     // of one reply
  std::uint32_t lanes;           // of a client: how many calls it has under way at once
  std::uint32_t reply_slots;     // of a lane; a power of two
  std::uint32_t reply_stride;    // from one reply slot to the next
  std::uint32_t payload_offset;  // of a reply within its slot
};
inline constexpr std::size_t reply_form_at = 8;  // of slot_form::reserved
static_assert(reply_form_at * 8 + sizeof(reply_form) <= sizeof(slot_form::reserved) && sizeof(reply_form) == 48,
              "docs/format.md, table 20");

inline constexpr std::uint32_t max_lanes = 64;
inline constexpr std::uint32_t max_reply_slots = 1U << 16;

[[nodiscard]] inline reply_form reply_form_of(const part_descriptor& part) noexcept {
  reply_form form;
  std::memcpy(&form, part.slots.reserved + reply_form_at, sizeof form);
  return form;
}
inline void set_reply_form(part_descriptor& part, const reply_form& form) noexcept {
  std::memcpy(part.slots.reserved + reply_form_at, &form, sizeof form);
}

/// Where a desk begins.
struct alignas(2 * cache_line_bytes) desk_head {
  std::atomic<std::uint64_t>
      parked;  // 1 + the client's seat while it sleeps, or is about to, until a reply comes; else 0
  std::atomic<std::uint64_t> reserved[15];
};

/// Where a lane begins; its reply slots follow. The first line is the client's: it changes with every call. Servers read it
/// when something is out of the ordinary. The second changes when it is.
struct alignas(2 * cache_line_bytes) lane_head {
  std::atomic<std::uint64_t> call;      // number of the call that is under way, or was last
  std::atomic<std::uint64_t> request;   // 1 + the sequence of its request, noted before that is published
  std::atomic<std::uint64_t> released;  // replies below this number were read; only while more than one may come
  std::atomic<std::uint64_t> reserved1[5];
  std::atomic<std::uint64_t> cancelled;  // number of the last call that the client gave up
  std::atomic<std::uint64_t> parked;     // 1 + the seat of a server that sleeps until a reply is read; else 0
  std::atomic<std::uint64_t> reserved2[6];
};

/// Where a reply slot begins.
struct reply_head {
  std::atomic<std::uint64_t> word;  // reply_word()
  std::uint32_t index;              // of this reply among those of its attempt
  std::uint32_t length;             // of what follows, in bytes
};

/// In front of the message in a request's slot.
struct request_head {
  std::uint64_t call;         // its number in its lane, which is that of its first reply
  std::uint64_t deadline_ns;  // on CLOCK_MONOTONIC; all ones: none
  std::uint32_t lane;         // seat of the client * lanes of a client + its lane
  std::uint32_t generation;   // of the client's seat: its low half
};

static_assert(sizeof(desk_head) == 128 && sizeof(lane_head) == 128 && offsetof(lane_head, cancelled) == 64 &&
                  sizeof(reply_head) == 16 && sizeof(request_head) == 24,
              "docs/format.md, tables 21 to 24");

// ---- Reply words -----------------------------------------------------------------------------------------------------
// number (48 bits) << 16 | attempt (8 bits) << 8 | kind. Zero: none was written there yet, because numbers begin at 1.

enum class reply_kind : std::uint8_t {
  part = 1,       ///< more follow
  last = 2,       ///< the last one
  ended = 3,      ///< nothing, and no more follows: the server ended the call
  cancelled = 4,  ///< nothing: the client gave the call up
  late = 5,       ///< nothing: its deadline was over before a server took it
};

[[nodiscard]] constexpr std::uint64_t reply_word(std::uint64_t number, std::uint8_t attempt, reply_kind kind) noexcept {
  return number << 16 | std::uint64_t{attempt} << 8 | static_cast<std::uint64_t>(kind);
}
[[nodiscard]] constexpr std::uint64_t reply_number(std::uint64_t word) noexcept { return word >> 16; }
[[nodiscard]] constexpr std::uint8_t reply_attempt(std::uint64_t word) noexcept {
  return static_cast<std::uint8_t>(word >> 8);
}
[[nodiscard]] constexpr reply_kind reply_kind_of(std::uint64_t word) noexcept {
  return static_cast<reply_kind>(word & 0xff);
}

/// Pointers to the desks of a service, computed once from offsets that were checked.
struct desk_view {
  std::byte* desks = nullptr;
  std::uint64_t desk_bytes = 0;
  std::uint64_t lane_bytes = 0;
  std::uint64_t reply_bytes = 0;
  std::uint64_t slot_mask = 0;  // reply slots of a lane - 1
  std::uint64_t reply_stride = 0;
  std::uint64_t payload_offset = 0;
  std::uint32_t lanes = 0;

  [[nodiscard]] static desk_view of(const ring_view& ring, const part_descriptor& part) noexcept {
    const auto form = reply_form_of(part);
    return {ring.slots + form.desks_offset,      form.desk_bytes,   form.lane_bytes,     form.reply_bytes,
            form.reply_slots - std::uint64_t{1}, form.reply_stride, form.payload_offset, form.lanes};
  }
  [[nodiscard]] desk_head& desk(std::uint32_t client) const noexcept {
    return *reinterpret_cast<desk_head*>(desks + client * desk_bytes);
  }
  [[nodiscard]] lane_head& lane(std::uint32_t client, std::uint32_t index) const noexcept {
    return *reinterpret_cast<lane_head*>(desks + client * desk_bytes + sizeof(desk_head) + index * lane_bytes);
  }
  [[nodiscard]] reply_head& slot(lane_head& lane, std::uint64_t number) const noexcept {
    return *reinterpret_cast<reply_head*>(reinterpret_cast<std::byte*>(&lane + 1) +
                                          (number & slot_mask) * reply_stride);
  }
  [[nodiscard]] std::byte* payload(reply_head& slot) const noexcept {
    return reinterpret_cast<std::byte*>(&slot) + payload_offset;
  }
};

}  // namespace sluice::detail
