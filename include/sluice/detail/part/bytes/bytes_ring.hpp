#pragma once

// Rings whose messages have any length: the rings that there are, line for line, with an extent as their message, and a
// writer over their slots. What a consumer peeks at, bytes_view::message() reads. docs/decisions/0044-variable-length.md
// says why.

#include <cstddef>
#include <cstdint>
#include <span>

#include "sluice/detail/base/bytes.hpp"
#include "sluice/detail/part/bytes/arena_writer.hpp"
#include "sluice/detail/part/bytes/bytes_view.hpp"
#include "sluice/detail/part/mpmc/mpmc_ring.hpp"
#include "sluice/detail/part/spsc/spsc_ring.hpp"

namespace sluice::detail {

/// One producer, one consumer.
class spsc_bytes_ring : public spsc_ring {
 public:
  static constexpr ring_kind kind = ring_kind::spsc_bytes;
  using releases = spsc_releases;
};

/// Any number of producers and consumers; each producer seat has an arena of its own, so none can starve another.
class mpmc_bytes_ring : public mpmc_ring {
 public:
  static constexpr ring_kind kind = ring_kind::mpmc_bytes;
  using releases = mpmc_releases;
};

static_assert(ring<spsc_bytes_ring> && ring<mpmc_bytes_ring>);

template <class R>
concept bytes_ring = ring<R> && requires {
  typename R::releases;
};

/// @throws error bad_argument: a message of `bytes`, where none is longer than `max_bytes`.
[[noreturn]] void throw_too_long(std::uint64_t bytes, std::uint64_t max_bytes);

/// Writes messages of any length into slots. `Slots` claims and publishes them: the ring's producer, or a handle over it.
/// A short message is put together in its slot, which is claimed before it is filled. A long one is put together in the
/// arena; where others publish too its slot is claimed when it is published, so a producer that is stopped while it fills
/// holds up no other. One thread at a time, and one claim or batch at a time.
template <bytes_ring Ring, class Slots = typename Ring::producer>
class bytes_writer {
 public:
  bytes_writer(const ring_view& ring, const bytes_view& bytes, std::uint32_t seat_index)
      : bytes_(bytes), arena_(ring, bytes, seat_index) {}

  /// Room for one message of up to `bytes`, to be published or abandoned before the next claim. Its data is null: full.
  /// @throws error bad_argument: no message of this ring can be so long.
  [[nodiscard, gnu::always_inline]] std::span<std::byte> try_claim(Slots& slots, std::uint64_t bytes) {
    if (bytes <= bytes_.bounds.inline_bytes) [[likely]] {
      if (is_long_) [[unlikely]]
        drop_long();
      if (slots.try_claim(1) == 0) return {};
      return bytes_.room_in_slot(slots.claimed(0), bytes);
    }
    return try_claim_long(slots, bytes);
  }

  /// Makes the claimed message visible, cut to its first `bytes`. False: full, where others publish too; it stays claimed.
  [[nodiscard, gnu::always_inline]] bool publish(Slots& slots, std::uint64_t bytes) {
    if (is_long_) {
      if (claims_late && slots.try_claim(1) == 0) return false;
      arena_.commit(slots.claimed(0), 0, bytes);
    } else {
      store_short(slots.claimed(0), bytes);
    }
    slots.publish(1);
    is_long_ = false;
    return true;
  }

  /// Gives the claim back; no process sees anything of it.
  void abandon(Slots& slots) noexcept {
    const bool has_slot = !is_long_ || !claims_late;
    drop_long();
    if (has_slot) slots.publish(0);
  }

  /// @return false: full. @throws error as try_claim().
  [[nodiscard]] bool try_send(Slots& slots, std::span<const std::byte> message) {
    const auto room = try_claim(slots, message.size());
    if (room.data() == nullptr) return false;
    copy_bytes(room.data(), message);
    if (publish(slots, message.size())) return true;
    abandon(slots);
    return false;
  }

  /// Of a claim that was refused although slots were free: the sequence that must be released first. For people.
  [[nodiscard]] std::uint64_t waits_for() const noexcept { return arena_.waits_for(); }

  // ---- A batch: slots first, so that it is published as a whole. claim_room() in the order of the slots, once for each.

  [[nodiscard]] std::uint64_t try_claim_batch(Slots& slots, std::uint64_t count) { return slots.try_claim(count); }

  /// Room for the message of the `i`-th claimed slot. Its data is null: there is none in the arena, and the batch ends before it.
  [[nodiscard]] std::span<std::byte> claim_room(Slots& slots, std::uint64_t i, std::uint64_t bytes) {
    if (bytes <= bytes_.bounds.inline_bytes) return bytes_.room_in_slot(slots.claimed(i), bytes);
    require_fits(bytes);
    auto* const room = arena_.reserve(slots, bytes);
    return {room, room != nullptr ? bytes : 0};
  }
  /// The message in `room`, as claim_room() gave it for the `i`-th slot, has its first `bytes`. In the order of the slots.
  void finish_room(Slots& slots, std::uint64_t i, std::span<const std::byte> room, std::uint64_t bytes) noexcept {
    auto* const payload = slots.claimed(i);
    if (room.data() == bytes_.room_in_slot(payload, 0).data())
      store_short(payload, bytes);
    else
      arena_.commit(payload, i, bytes);
  }
  /// Publishes the first `count` of the `finished` ones, and abandons the rest.
  void publish_batch(Slots& slots, std::uint64_t count, std::uint64_t finished) noexcept {
    arena_.drop();
    std::uint64_t unsent = 0;  // of those that lie in the arena
    for (auto i = count; i < finished; ++i)
      unsent += extent::of(extent_word(slots.claimed(i)).load(std::memory_order_relaxed)).place !=
                extent::in_slot;  // this producer's slots
    arena_.take_back(unsent);
    slots.publish(count);
  }

 private:
  static constexpr bool claims_late = Ring::has_many_seats;

  void require_fits(std::uint64_t bytes) const {
    if (bytes > bytes_.max_bytes()) throw_too_long(bytes, bytes_.max_bytes());
  }

  [[nodiscard, gnu::always_inline]] std::span<std::byte> try_claim_long(Slots& slots, std::uint64_t bytes) {
    require_fits(bytes);
    arena_.drop();
    auto* const room = arena_.reserve(slots, bytes);
    if (room == nullptr) return {};
    is_long_ = true;
    if (claims_late || slots.try_claim(1) != 0) return {room, bytes};
    drop_long();
    return {};
  }

  [[gnu::noinline]] void drop_long() noexcept {
    arena_.drop();
    is_long_ = false;
  }

  [[gnu::always_inline]] static void store_short(std::byte* payload, std::uint64_t bytes) noexcept {
    extent_word(payload).store(extent{static_cast<std::uint32_t>(bytes), extent::in_slot}.word(),
                               std::memory_order_relaxed);  // the slot's word publishes it
  }

  bytes_view bytes_;
  bool is_long_ = false;  // what is claimed lies in the arena
  arena_writer<typename Ring::releases> arena_;
};

}  // namespace sluice::detail
