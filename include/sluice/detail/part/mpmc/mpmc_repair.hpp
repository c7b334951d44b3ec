#pragma once

// What the dead leave in an mpmc ring, and how the living mend it: the cold half of mpmc_ring.hpp, where the protocol and
// its edges are explained. Every function may be repeated, may run in several processes at once, and may be interrupted
// by the death of its caller at any instruction.

#include <atomic>
#include <cstdint>
#include <optional>

#include "sluice/detail/ring/ring_concept.hpp"

namespace sluice::detail::mpmc_repair {

/// Turns what dead producers claimed and never published into holes, oldest first, up to the first claim that may be
/// alive. No lock. @return how many holes were made.
std::uint64_t mend_holes(const ring_view& ring, seat_keeper& keeper) noexcept;

/// Decides, under the lock of a dead consumer's seat, which messages were its own: their slots become taken by that
/// seat. What another seat is marked to have won never was. `freed` counts holes it had claimed.
/// @return false: a living consumer may own part of its range, or it is too much for one call; later.
bool arbitrate(const ring_view& ring, std::uint32_t dead_seat, seat_keeper& keeper, std::uint64_t& freed) noexcept;

/// Whether a consumer, living or dead, other than that of seat `except`, holds what it has not released.
[[nodiscard]] bool is_anything_held(const ring_view& ring, std::uint32_t except) noexcept;

/// Whether `sequence` is a message of the dead consumer `dead_seat` that waits to be delivered again.
[[nodiscard]] bool is_orphan(const ring_view& ring, std::uint32_t dead_seat, std::uint64_t sequence) noexcept;

/// The first orphan of `dead_seat` within its intents, other than `but`; false when there is none (any more).
bool first_orphan(const ring_view& ring, std::uint32_t dead_seat, std::uint64_t& sequence,
                  std::optional<std::uint64_t> but = std::nullopt) noexcept;

/// What an intent of a seat covers shrinks to the orphans that are left. By the seat's owner, or under its lock.
void narrow(const ring_view& ring, std::uint32_t seat_index, std::atomic<std::uint64_t>& intent) noexcept;

/// Looks for a dead consumer with orphans and makes them those of the living consumer in `own_seat`, as far as its intents
/// have room; the dead one's seat is free at once. @return whether `own_seat` has any now.
bool adopt(const ring_view& ring, std::uint32_t own_seat, seat_keeper& keeper, std::uint64_t& freed) noexcept;

/// Settles a dead seat, under its lock, for the newcomer that takes it: a producer's claims become holes; a consumer's
/// messages stay taken by the seat and are the newcomer's to deliver. @return false: later.
bool settle(const ring_view& ring, std::uint32_t dead_seat, seat_keeper& keeper) noexcept;

[[nodiscard]] constexpr std::uint32_t none() noexcept { return ~std::uint32_t{0}; }

}  // namespace sluice::detail::mpmc_repair
