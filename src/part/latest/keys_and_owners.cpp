// Which entry a key has, and which writer owns it.

#include <bit>
#include <cstring>

#include "sluice/detail/part/latest/latest_values.hpp"

namespace sluice::detail {

std::uint64_t hash_of_key(const std::byte* key, std::uint64_t bytes) noexcept {
  std::uint64_t hash = 0;
  for (std::uint64_t at = 0; at < bytes; at += sizeof hash) {
    std::uint64_t word = 0;
    if (bytes - at >= sizeof word)
      std::memcpy(&word, key + at, sizeof word);  // a size that the compiler knows
    else
      std::memcpy(&word, key + at, bytes - at);
    hash = (std::rotl(hash, 23) ^ word) * 0x9e3779b97f4a7c15ULL;
  }
  return hash;
}

namespace {

/// Where the search for a key ends: its entry, or the first without a key; no_entry: there is neither.
std::uint64_t place_of(const latest_view& view, const std::byte* key, bool& is_there) noexcept {
  is_there = true;
  if (view.key_bytes() == 0) return 0;
  auto i =
      hash_of_key(key, view.key_bytes()) >> std::countl_zero(view.mask());  // its upper bits, on which all others act
  for (std::uint64_t left = view.entries(); left != 0; --left, i = (i + 1) & view.mask()) {
    is_there = has_key(view.entry(i));
    if (!is_there || std::memcmp(view.key(i), key, view.key_bytes()) == 0) return i;
  }
  is_there = false;
  return no_entry;
}

/// Whether the owner that `word` names lives. A verdict of death is written into its seat.
bool lives(const ring_view& ring, std::uint64_t word, seat_keeper& keeper) noexcept {
  const auto seat = owner_seat(word);
  if (seat >= ring.producer_seats) return false;                              // input: no writer writes it
  const auto state = ring.seats[seat].state.load(std::memory_order_acquire);  // seat_table.hpp A, D
  return state == seat_word(seat_state::taken, owner_generation(word)) && !keeper.is_dead(seat, state);
}

/// Makes `word` say `own`, unless a living process holds it.
owned_by take_word(const ring_view& ring, std::atomic<std::uint64_t>& word, std::uint64_t own,
                   seat_keeper& keeper) noexcept {
  auto holder = word.load(std::memory_order_acquire);  // latest_values.hpp O, Z
  while (holder != own) {
    if (holder != 0 && lives(ring, holder, keeper)) return {attempt::held, no_entry, owner_seat(holder)};
    if (word.compare_exchange_strong(holder, own, std::memory_order_acq_rel,
                                     std::memory_order_acquire))  // latest_values.hpp O, Z
      break;
  }
  return {};
}

}  // namespace

std::uint64_t find_key(const latest_view& view, const std::byte* key) noexcept {
  bool is_there = false;
  const auto place = place_of(view, key, is_there);
  return is_there ? place : no_entry;
}

bool is_owner_there(const ring_view& ring, std::uint64_t owner) noexcept {
  return owner != 0 && owner_seat(owner) < ring.producer_seats &&
         ring.seats[owner_seat(owner)].state.load(std::memory_order_acquire) ==  // seat_table.hpp A, D
             seat_word(seat_state::taken, owner_generation(owner));
}

owned_by add_key(const latest_view& view, const std::byte* key, std::uint64_t own, seat_keeper& keeper) noexcept {
  auto& control = latest_control_of(view.ring());
  auto taken = take_word(view.ring(), control.adding, own, keeper);
  if (taken.result != attempt::done) return taken;
  bool is_there = false;
  taken.entry = place_of(view, key, is_there);
  if (taken.entry == no_entry) {
    taken.result = attempt::full;
  } else if (!is_there) {  // perhaps with bytes of a key whose writer died here
    std::memcpy(view.key(taken.entry), key, view.key_bytes());
    view.entry(taken.entry).has_key.store(1, std::memory_order_release);  // latest_values.hpp Y
    control.keys.store(control.keys.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);  // for people
  }
  control.adding.store(0, std::memory_order_release);  // latest_values.hpp Z
  return taken;
}

owned_by take_entry(const latest_view& view, std::uint64_t entry, std::uint64_t own, seat_keeper& keeper) noexcept {
  auto taken = take_word(view.ring(), view.entry(entry).owner, own, keeper);
  taken.entry = entry;
  return taken;
}

namespace {

bool settle_nothing(const ring_view&, std::uint32_t, seat_keeper&) noexcept { return true; }
bool holds_nothing(const ring_view&, std::uint32_t) noexcept { return false; }
std::uint64_t resumes_nowhere(const ring_view&, std::uint32_t) noexcept { return 0; }

constexpr seat_rules rules_of_one{settle_nothing, holds_nothing, resumes_nowhere, false, latest_kind};
constexpr seat_rules rules_of_many{settle_nothing, holds_nothing, resumes_nowhere, true, table_kind};

}  // namespace

const seat_rules& latest_seat_rules(ring_kind kind) noexcept {
  return kind == table_kind ? rules_of_many : rules_of_one;
}

}  // namespace sluice::detail
