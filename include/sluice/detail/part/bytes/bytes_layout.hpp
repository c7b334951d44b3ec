#pragma once

// The bytes that a ring of messages of any length has beside those of its ring: docs/format.md, table 11. Its slots
// are those of an spsc or mpmc ring whose message begins with an extent: how long the message is, and where it lies. A
// short one lies in the slot behind its extent, a long one in the arena of its producer's seat. Arenas hold message bytes
// and nothing else, so no process ever looks for a word where a producer writes a message.

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#include "sluice/detail/base/cache_line.hpp"
#include "sluice/detail/layout/segment_header.hpp"

namespace sluice::detail {

/// What a message in an arena is placed by; the space that it takes there is a multiple of it.
inline constexpr std::uint64_t arena_unit_bytes = cache_line_bytes;

inline constexpr std::uint64_t min_arena_bytes = 2 * arena_unit_bytes;
inline constexpr std::uint64_t max_arena_bytes = 1ULL << 31;       // a length has 32 bits
inline constexpr std::uint64_t max_all_arenas_bytes = 1ULL << 37;  // a place has 31 bits
inline constexpr std::uint64_t max_inline_bytes = 1U << 12;
/// Every message begins on a multiple of this.
inline constexpr std::uint64_t bytes_alignment = 16;

/// In a descriptor, behind the four words of slot_form that every kind of slots has.
struct arena_form {
  std::uint64_t inline_offset;  // of a message within its slot, behind its extent
  std::uint64_t inline_bytes;   // the longest message that lies there
  std::uint64_t arena_offset;   // of the first producer seat's arena, from the beginning of the body
  std::uint64_t arena_bytes;    // of each producer seat's; a power of two
};
static_assert(sizeof(arena_form) <= sizeof(slot_form::reserved), "docs/format.md, table 11");

[[nodiscard]] inline arena_form arena_form_of(const part_descriptor& part) noexcept {
  arena_form form;
  std::memcpy(&form, part.slots.reserved, sizeof form);
  return form;
}
inline void set_arena_form(part_descriptor& part, const arena_form& form) noexcept {
  std::memcpy(part.slots.reserved, &form, sizeof form);
}

/// Where a message lies, as its slot says it. One word: length << 32 | place.
struct extent {
  static constexpr std::uint32_t in_slot = ~std::uint32_t{0};

  std::uint32_t length = 0;
  std::uint32_t place = in_slot;  // or the unit where it begins, counted from the first arena

  [[nodiscard]] static constexpr extent of(std::uint64_t word) noexcept {
    return {static_cast<std::uint32_t>(word >> 32), static_cast<std::uint32_t>(word)};
  }
  [[nodiscard]] constexpr std::uint64_t word() const noexcept { return std::uint64_t{length} << 32 | place; }
};

/// The sizes that an extent is checked against. They come from a descriptor that was validated, or from a request.
struct bytes_bounds {
  std::uint64_t inline_bytes = 0;
  std::uint64_t arena_bytes = 0;
  std::uint64_t all_arenas_bytes = 0;

  [[nodiscard]] static constexpr bytes_bounds of(const arena_form& form, std::uint32_t producer_seats) noexcept {
    return {form.inline_bytes, form.arena_bytes, producer_seats * form.arena_bytes};
  }
  /// Whether a producer can have written it: its message lies in the slot, or within one arena. Extents are input.
  [[nodiscard]] constexpr bool allow(extent where) const noexcept {
    if (where.place == extent::in_slot) return where.length <= inline_bytes;
    const auto begin = where.place * arena_unit_bytes;
    return begin < all_arenas_bytes && where.length <= arena_bytes - (begin & (arena_bytes - 1));
  }
  /// Which seat's arena it lies in; none: in the slot. It is allowed.
  [[nodiscard]] constexpr std::optional<std::uint32_t> seat_of(extent where) const noexcept {
    if (where.place == extent::in_slot) return std::nullopt;
    return static_cast<std::uint32_t>(where.place * arena_unit_bytes >> std::countr_zero(arena_bytes));
  }
};

[[nodiscard]] inline std::atomic<std::uint64_t>& extent_word(std::byte* payload) noexcept {
  return *reinterpret_cast<std::atomic<std::uint64_t>*>(payload);
}
[[nodiscard]] inline const std::atomic<std::uint64_t>& extent_word(const std::byte* payload) noexcept {
  return *reinterpret_cast<const std::atomic<std::uint64_t>*>(payload);
}

}  // namespace sluice::detail
