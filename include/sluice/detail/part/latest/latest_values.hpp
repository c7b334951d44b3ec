#pragma once

// The newest value, whole, from one writer at a time to any number of readers. An entry has some slots, and values go round
// through them: the value of version v lies in slot v mod the number of slots. `newest` says which is the newest whole one.
//
// Invariants
//   1. `newest` is stored last. What a writer that dies leaves before that is seen by no reader, and its successor writes the
//      same version again, over it. So nothing is mended, and the value before stays readable.
//   2. A slot's version changes before a byte of it does (topic_ring.hpp V). A reader copies, and looks at the version again: what was overwritten
//      meanwhile it does not accept.
//   3. The slot of the newest value is not touched before all the others were written. So a reader repeats its look only when
//      its writer wrote that many values during one copy.
//   4. A writer has no loop, waits for no process, and reads nothing that a reader writes but whether one sleeps.
//   5. Only the process named by an entry's owner word writes to it. The word names a seat and a generation, so it is void as
//      soon as that owner has left or is dead, and no process has to clear it.
//   6. Keys are added under a lock, and never removed. A place is a key's when has_key says so: it is stored last.
//
// Edges
//   N: newest store (release) -> newest load (acquire): its value is visible, with version and time.
//   O: exchange of an owner word (acq_rel) -> its load (acquire): what the owner before wrote, if it did not die.
//   Y: has_key store (release) -> its load (acquire): the bytes of the key are visible.
//   Z: store of `adding` (release) or exchange (acq_rel) -> another writer's exchange (acq_rel): the keys added before.

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "sluice/detail/part/copy_if_intact.hpp"
#include "sluice/detail/part/latest/latest_layout.hpp"
#include "sluice/detail/ring/seat_keeper.hpp"

namespace sluice::detail {

// ---- Writing, by the owner of the entry --------------------------------------------------------------------------------

/// Which version the next value has. Only the owner stores it.
[[nodiscard, gnu::always_inline]] inline std::uint64_t next_version(const value_slots& at) noexcept {
  return at.entry->newest.load(std::memory_order_relaxed) + 1;  // a predecessor's is ordered by the owner word
}

/// Where the value is to be written. What lay there is gone; the newest value stays as it is.
[[nodiscard, gnu::always_inline]] inline std::byte* begin_value(const value_slots& at, std::uint64_t version) noexcept {
  at.slot(version).version.store(version, std::memory_order_relaxed);  // the fence orders it
  std::atomic_thread_fence(std::memory_order_release);                 // topic_ring.hpp V
  return at.value(version);
}

/// From here on it is the newest.
[[gnu::always_inline]] inline void publish_value(const value_slots& at, std::uint64_t version,
                                                 std::uint64_t now_ns) noexcept {
  at.slot(version).written_ns.store(now_ns, std::memory_order_relaxed);  // N publishes it
  at.entry->newest.store(version, std::memory_order_release);            // N
}

// ---- Reading ---------------------------------------------------------------------------------------------------------

[[nodiscard, gnu::always_inline]] inline std::uint64_t newest_version(const latest_entry& entry) noexcept {
  return entry.newest.load(std::memory_order_acquire);  // N
}

/// What came with a value.
struct value_stamp {
  std::uint64_t version = 0;
  std::uint64_t written_ns = 0;
};

/// One try to copy the value of `version`, which newest_version() said. `copy(from, word, expected)` is copy_if_intact().
/// @return false: it was overwritten meanwhile.
template <class Slots, class Copy>
[[nodiscard, gnu::always_inline]] inline bool read_value(const Slots& at, std::uint64_t version, value_stamp& stamp,
                                                         Copy copy) noexcept {
  const auto& slot = at.slot(version);
  const auto written_ns = slot.written_ns.load(std::memory_order_relaxed);  // looked at again with the bytes
  if (!copy(at.value(version), slot.version, version)) return false;        // checks the version behind the bytes
  stamp = {version, written_ns};
  return true;
}

// ---- Keys and owners; cold, but for find_key() -------------------------------------------------------------------------

inline constexpr std::uint64_t no_entry = ~std::uint64_t{0};

/// docs/format.md, table 17. The upper bits are good.
[[nodiscard]] std::uint64_t hash_of_key(const std::byte* key, std::uint64_t bytes) noexcept;

/// The entry of a key; no_entry: no writer has added it. Without keys the only entry.
[[nodiscard]] std::uint64_t find_key(const latest_view& view, const std::byte* key) noexcept;

[[nodiscard]] inline bool has_key(const latest_entry& entry) noexcept {
  return entry.has_key.load(std::memory_order_acquire) != 0;  // Y
}

/// What came of an attempt.
enum class attempt {
  done,
  held,  ///< by a living process: `holder`
  full,  ///< no entry is without a key
};
struct owned_by {
  attempt result = attempt::done;
  std::uint64_t entry = no_entry;
  std::uint32_t holder = 0;  // its seat
};

/// Whether the owner that a word names sits in its seat, as far as is known without a proof of its death.
[[nodiscard]] bool is_owner_there(const ring_view& ring, std::uint64_t owner) noexcept;

/// Adds a key that find_key() did not find, or finds it by now. `held`: another process is adding one at this moment.
[[nodiscard]] owned_by add_key(const latest_view& view, const std::byte* key, std::uint64_t own,
                               seat_keeper& keeper) noexcept;

/// Makes `own` the owner of an entry, unless another owner lives. Proves deaths.
[[nodiscard]] owned_by take_entry(const latest_view& view, std::uint64_t entry, std::uint64_t own,
                                  seat_keeper& keeper) noexcept;

/// What the seats ask. The dead leave nothing that would have to be settled.
[[nodiscard]] const seat_rules& latest_seat_rules(ring_kind kind) noexcept;

}  // namespace sluice::detail
