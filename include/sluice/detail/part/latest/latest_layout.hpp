#pragma once

// The bytes that a latest value, and a table of them by keys, has of its own: docs/format.md, tables 15 to 18. What they
// mean: latest_values.hpp. A latest value is a table of one entry that needs no key.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "sluice/detail/base/bytes.hpp"
#include "sluice/detail/layout/ring_view.hpp"
#include "sluice/detail/layout/segment_header.hpp"

namespace sluice::detail {

inline constexpr auto latest_kind = ring_kind::latest;
inline constexpr auto table_kind = ring_kind::table;

/// Behind ring_control.
struct alignas(2 * cache_line_bytes) latest_control {
  std::atomic<std::uint32_t> bell;  // readers sleep on it; a writer that wakes them adds one
  std::atomic<std::uint32_t> reserved1;
  std::atomic<std::uint64_t> adding;  // owner_word() of the writer that may be adding a key; 0: none
  std::atomic<std::uint64_t> keys;    // how many there are; one too few after a death. For people
  std::atomic<std::uint64_t> reserved2[13];
};

/// In a seat.
struct latest_seat {
  std::atomic<std::uint64_t> values;  // writer: written, over all owners. For people
  std::atomic<std::uint64_t> reserved[6];
};

/// At the beginning of an entry. The key follows, and then the slots.
struct latest_entry {
  std::atomic<std::uint64_t> newest;   // version of the newest whole value; 0: none was written yet
  std::atomic<std::uint64_t> owner;    // owner_word() of the writer that writes it; 0: none did yet
  std::atomic<std::uint64_t> has_key;  // 1: the entry is the one of its key, for ever
  std::atomic<std::uint64_t> reserved[5];
};

/// At the beginning of a slot. The value follows at latest_form::value_offset.
struct value_slot {
  std::atomic<std::uint64_t> version;     // of the value that lies here, or is written here
  std::atomic<std::uint64_t> written_ns;  // when, on CLOCK_MONOTONIC, to within a step of the coarse clock
};

static_assert(sizeof(latest_control) == 128 && sizeof(latest_seat) == sizeof(seat::own) &&
                  sizeof(latest_entry) == cache_line_bytes && sizeof(value_slot) == 16,
              "docs/format.md");

/// In a descriptor, at the beginning of slot_form::reserved. There capacity_slots counts entries, slot_stride_bytes leads
/// from one to the next, and payload_offset to the first value in an entry.
struct latest_form {
  std::uint64_t slots_offset;    // of the first slot within its entry
  std::uint64_t slots_each;      // of an entry: power of two, 2 to 1024
  std::uint64_t value_stride;    // from one slot to the next
  std::uint64_t value_offset;    // of the value within its slot
  std::uint64_t key_bytes;       // 0: no keys, and one entry
  std::uint64_t key_hash;        // of the type of the key, as type_hash is of the value's
  std::uint64_t keys;            // key_kind of options.hpp
  std::uint64_t wakes_watchers;  // 0 or 1
};
static_assert(sizeof(latest_form) <= sizeof(slot_form::reserved), "docs/format.md, table 18");

[[nodiscard]] inline latest_form latest_form_of(const part_descriptor& part) noexcept {
  latest_form form;
  std::memcpy(&form, part.slots.reserved, sizeof form);
  return form;
}
inline void set_latest_form(part_descriptor& part, const latest_form& form) noexcept {
  std::memcpy(part.slots.reserved, &form, sizeof form);
}

[[nodiscard]] inline latest_control& latest_control_of(const ring_view& ring) noexcept {
  return ring.control_of_kind<latest_control>();
}
[[nodiscard]] inline std::atomic<std::uint32_t>& latest_bell(const ring_view& ring) noexcept {
  return latest_control_of(ring).bell;
}
[[nodiscard]] inline bool latest_wakes_watchers(const part_descriptor& part) noexcept {
  return latest_form_of(part).wakes_watchers != 0;
}

/// Names one owner of one seat for ever: its generation is at least 1, so this is never zero.
[[nodiscard]] constexpr std::uint64_t owner_word(std::uint32_t seat_index, std::uint64_t generation) noexcept {
  return generation * max_seats | seat_index;
}
[[nodiscard]] constexpr std::uint32_t owner_seat(std::uint64_t word) noexcept {
  return static_cast<std::uint32_t>(word % max_seats);
}
[[nodiscard]] constexpr std::uint64_t owner_generation(std::uint64_t word) noexcept { return word / max_seats; }

/// Where the value lies in its slot, and how far apart slots are.
[[nodiscard]] constexpr std::uint64_t value_offset_for(std::uint64_t alignment) noexcept {
  return alignment > sizeof(value_slot) ? alignment : sizeof(value_slot);
}
[[nodiscard]] constexpr std::uint64_t value_stride_for(std::uint64_t bytes, std::uint64_t alignment) noexcept {
  return round_up(value_offset_for(alignment) + bytes, alignment > cache_line_bytes ? alignment : cache_line_bytes);
}

/// The slots of one entry, at addresses of this process.
struct value_slots {
  latest_entry* entry = nullptr;
  std::byte* first = nullptr;
  std::uint64_t mask = 0;  // how many, - 1
  std::uint64_t stride = 0;
  std::uint64_t value_offset = 0;

  [[nodiscard]] value_slot& slot(std::uint64_t version) const noexcept {
    return *reinterpret_cast<value_slot*>(first + (version & mask) * stride);
  }
  [[nodiscard]] std::byte* value(std::uint64_t version) const noexcept {
    return first + (version & mask) * stride + value_offset;
  }
};

/// The same where the compiler knows the value: no multiplication, and two loads fewer.
template <class T>
struct value_slots_of {
  latest_entry* entry;
  std::byte* first;
  std::uint64_t mask;

  [[nodiscard]] value_slot& slot(std::uint64_t version) const noexcept {
    return *reinterpret_cast<value_slot*>(first + (version & mask) * value_stride_for(sizeof(T), alignof(T)));
  }
  [[nodiscard]] std::byte* value(std::uint64_t version) const noexcept {
    return reinterpret_cast<std::byte*>(&slot(version)) + value_offset_for(alignof(T));
  }
};

/// All entries, of a descriptor that was validated.
class latest_view {
 public:
  latest_view(const ring_view& ring, const part_descriptor& part) noexcept : ring_(ring), form_(latest_form_of(part)) {}

  [[nodiscard]] const ring_view& ring() const noexcept { return ring_; }
  [[nodiscard]] std::uint64_t entries() const noexcept { return ring_.capacity(); }
  [[nodiscard]] std::uint64_t mask() const noexcept { return ring_.mask; }
  [[nodiscard]] std::uint64_t value_bytes() const noexcept { return ring_.message_bytes; }
  [[nodiscard]] std::uint64_t key_bytes() const noexcept { return form_.key_bytes; }
  [[nodiscard]] const latest_form& form() const noexcept { return form_; }

  [[nodiscard]] latest_entry& entry(std::uint64_t i) const noexcept {
    return *reinterpret_cast<latest_entry*>(ring_.slot(i));
  }
  [[nodiscard]] std::byte* key(std::uint64_t i) const noexcept { return ring_.slot(i) + sizeof(latest_entry); }
  [[nodiscard]] value_slots slots(std::uint64_t i) const noexcept {
    return {&entry(i), ring_.slot(i) + form_.slots_offset, form_.slots_each - 1, form_.value_stride,
            form_.value_offset};
  }

 private:
  ring_view ring_;
  latest_form form_;
};

}  // namespace sluice::detail
