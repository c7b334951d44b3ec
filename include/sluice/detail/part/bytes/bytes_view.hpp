#pragma once

// The memory of a ring of messages of any length beside its ring_view: where its arenas lie, and how a slot's payload
// becomes a message. Plain numbers of this process, computed once from a descriptor that was checked.

#include <span>

#include "sluice/detail/layout/ring_view.hpp"
#include "sluice/detail/part/bytes/bytes_layout.hpp"

namespace sluice::detail {

struct bytes_view {
  std::byte* arenas = nullptr;
  std::uint64_t inline_gap = 0;  // from a slot's payload, which is its extent, to a message in the slot
  bytes_bounds bounds;

  bytes_view() noexcept = default;
  /// @param part  of the ring: validated, or planned from the request that `ring` was made for.
  bytes_view(const ring_view& ring, const part_descriptor& part) noexcept
      : bytes_view(ring, arena_form_of(part), part.slots.payload_offset) {}

  /// The longest message, once its producer's arena is empty; of half that length there can always be another.
  [[nodiscard]] std::uint64_t max_bytes() const noexcept { return bounds.arena_bytes; }
  [[nodiscard]] std::byte* arena_of(std::uint32_t producer_seat) const noexcept {
    return arenas + producer_seat * bounds.arena_bytes;
  }
  /// Where a short message is put together: in its slot.
  [[nodiscard]] std::span<std::byte> room_in_slot(std::byte* payload, std::uint64_t bytes) const noexcept {
    return {payload + inline_gap, bytes};
  }

  /// The message of a peeked slot; its data is null when the extent is none that a producer writes: `corrupted`. Its word
  /// is read once, so no later change of it moves what was checked.
  [[nodiscard]] std::span<const std::byte> message(const std::byte* payload) const noexcept {
    const auto where =
        extent::of(extent_word(payload).load(std::memory_order_relaxed));  // the slot's word made it visible
    if (!bounds.allow(where)) [[unlikely]]
      return {};
    return {where.place == extent::in_slot ? payload + inline_gap : arenas + where.place * arena_unit_bytes,
            where.length};
  }

 private:
  bytes_view(const ring_view& ring, const arena_form& form, std::uint64_t payload_offset) noexcept
      : arenas(ring.slots + form.arena_offset),
        inline_gap(form.inline_offset - payload_offset),
        bounds(bytes_bounds::of(form, ring.producer_seats)) {}
};

}  // namespace sluice::detail
