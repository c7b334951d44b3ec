#pragma once

// What the dead leave in a topic, and how the living mend it; and what a publisher asks of the subscribers' seats. The cold
// half of topic_ring.hpp, where the protocol and its edges are explained. Every function may be repeated, may run in several
// processes at once, and may be interrupted by the death of its caller at any instruction.

#include <cstdint>
#include <functional>

#include "sluice/detail/part/topic/topic_layout.hpp"
#include "sluice/detail/ring/ring_concept.hpp"

namespace sluice::detail::topic_repair {

/// How far below `want` a lossless subscriber keeps messages: the least of their keeps, or `want`. The caller has announced
/// its floor. With a keeper, asks whether those that are in the way live, and marks the dead: system calls.
[[nodiscard]] std::uint64_t least_kept(const ring_view& ring, std::uint64_t want, seat_keeper* keeper) noexcept;

/// What publishers may destroy at the most, as they announced it: a subscriber that joins starts no earlier. The caller has
/// announced its keep.
[[nodiscard]] std::uint64_t highest_floor(const ring_view& ring, std::uint64_t near) noexcept;

/// The subscriber of a seat keeps nothing from now on. By its owner, or under its lock.
void keep_nothing(const ring_view& ring, std::uint32_t seat_index) noexcept;
/// Ends the subscription that the seat is kept for, if any. By its owner.
void end_subscription(const ring_view& ring, std::uint32_t seat_index) noexcept;

/// Many publishers: turns what dead ones claimed and never published into holes, from `from` on, up to the first claim that
/// may be alive. No lock. @return how many holes were made.
std::uint64_t mend_holes(const ring_view& ring, std::uint64_t from, seat_keeper& keeper) noexcept;

/// Many publishers: whether `sequence` was claimed by a publisher that is dead, so that it is never published. Writes nothing.
/// `is_dead` tells whether the owner that sat in a seat when its state word was that one (taken) is proven dead.
[[nodiscard]] bool is_never_published(const ring_view& ring, std::uint64_t sequence,
                                      const std::function<bool(std::uint32_t, std::uint64_t)>& is_dead);

/// Notes that `sequence` becomes a hole, before it does, so that no subscriber counts it as lost.
void note_hole(const ring_view& ring, std::uint64_t sequence) noexcept;

/// How many different holes from `from` up to before `end` are noted; `are_all` says whether none can have been forgotten
/// since there were `notes_before` notes.
[[nodiscard]] std::uint64_t holes_between(const ring_view& ring, std::uint64_t from, std::uint64_t end,
                                          std::uint64_t notes_before, bool& are_all) noexcept;

/// Settles a dead seat, under its lock, for the newcomer that takes it: a publisher's claim becomes holes, a subscriber keeps
/// nothing, unless its seat is named. @return false: later.
template <publishers Publishers>
bool settle(const ring_view& ring, std::uint32_t dead_seat, seat_keeper& keeper) noexcept;

/// Whether the keeps of all subscribers are such as correct ones leave them.
template <publishers Publishers>
[[nodiscard]] bool is_sane(const ring_view& ring) noexcept;

}  // namespace sluice::detail::topic_repair
