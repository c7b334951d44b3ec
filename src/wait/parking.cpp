#include "sluice/detail/wait/parking.hpp"

#include <bit>
#include <limits>
#include <utility>

#include "os/cpu.hpp"
#include "os/futex.hpp"
#include "os/membarrier.hpp"
#include "sluice/detail/base/bytes.hpp"
#include "sluice/detail/wait/timed_bell.hpp"

namespace sluice::detail {
namespace {

// Seats of a role share the 64 bits of one word: seat i has bit i % 64.
constexpr std::uint32_t parked_bits = 64;

constexpr int all_sleepers = std::numeric_limits<int>::max();

std::atomic<std::uint64_t>& parked_of(const ring_view& ring, role whom) noexcept {
  return ring.control->parked[static_cast<std::uint32_t>(whom)];
}

/// Whether a seat of bit `bit`, other than `except`, is announced. The caller has cleared the bit (B).
bool shares_bit(const ring_view& ring, role whom, std::uint32_t bit, std::uint32_t except) noexcept {
  for (std::uint32_t i = bit; i < ring.seat_count(whom); i += parked_bits)
    if (i != except && ring.seats[ring.first_seat(whom) + i].parked.load(std::memory_order_relaxed) != 0) return true;
  return false;
}

/// Whether its owner was asleep; else it is dead, or not yet asleep and will look.
bool wake_seat(seat& sleeping) noexcept {
  sleeping.futex.fetch_add(1, std::memory_order_release);  // F
  return os::futex_wake(sleeping.futex, 1) != 0;
}

bool waits_for_a_turn(std::uint32_t what) noexcept { return what == static_cast<std::uint32_t>(parked_for::a_turn); }

/// Wakes the sleepers behind a bit that was just cleared: all that wait for something else than a turn, because no waker but
/// this one, which has the bit, sees them now, and of the others up to the first that was asleep. False: there was none.
bool wake_one_of(const ring_view& ring, role whom, std::uint32_t bit) noexcept {
  const auto first = ring.first_seat(whom);
  for (std::uint32_t i = bit; i < ring.seat_count(whom); i += parked_bits) {
    auto& sleeping = ring.seats[first + i];
    const auto what = sleeping.parked.load(std::memory_order_relaxed);  // B made it visible
    if (what == 0 || waits_for_a_turn(what)) continue;
    sleeping.parked.store(0, std::memory_order_relaxed);
    (void)wake_seat(sleeping);
  }
  for (std::uint32_t i = bit; i < ring.seat_count(whom); i += parked_bits) {
    auto& sleeping = ring.seats[first + i];
    auto a_turn = static_cast<std::uint32_t>(parked_for::a_turn);  // B made it visible
    // One that waits for something else may be woken above and announced again by now: it cannot use the turn.
    if (!sleeping.parked.compare_exchange_strong(a_turn, 0, std::memory_order_relaxed)) continue;
    // The others behind the bit are announced again before this one runs, or it could not pass a wake on to them.
    if (shares_bit(ring, whom, bit, i))
      parked_of(ring, whom).fetch_or(std::uint64_t{1} << bit, std::memory_order_release);  // B
    if (wake_seat(sleeping)) return true;
  }
  return false;
}

}  // namespace

void wake_sleepers(const ring_view& ring, role whom, std::uint64_t count) noexcept {
  auto& parked = parked_of(ring, whom);
  auto bits = parked.load(std::memory_order_relaxed);  // a guess; fetch_and decides
  for (; count > 0 && bits != 0; bits &= bits - 1) {
    const auto bit = static_cast<std::uint32_t>(std::countr_zero(bits));
    const auto mask = std::uint64_t{1} << bit;
    // Several may sleep behind it. Once it is clear another waker has it, or the last of them was woken.
    while (count > 0 && (parked.fetch_and(~mask, std::memory_order_acq_rel) & mask) != 0) {  // B
      if (!wake_one_of(ring, whom, bit)) break;
      --count;
    }
  }
}

void wake_for_arenas(const ring_view& ring, std::uint64_t seats) noexcept {
  // By the seats and not by their bits, as in wake_all(). A waker that has such a bit in its hands wakes these as well.
  for (std::uint32_t i = 0; i < ring.producer_seats; ++i) {
    auto& sleeping = ring.seats[i];
    if ((seats >> i % parked_bits & 1) == 0) continue;
    if (sleeping.parked.load(std::memory_order_relaxed) != static_cast<std::uint32_t>(parked_for::arena))
      continue;  // M made it visible
    sleeping.parked.store(0, std::memory_order_relaxed);
    (void)wake_seat(sleeping);
  }
}

void wake_all(const ring_view& ring, role whom) noexcept {
  // By the seats and not by the bits: another waker may have a shared bit in its hands at this moment, and would pass on
  // what it wakes for and not what all are to be told.
  fence_before_looking(*ring.control);
  const auto first = ring.first_seat(whom);
  for (auto i = first; i < first + ring.seat_count(whom); ++i) {
    auto& sleeping = ring.seats[i];
    if (sleeping.parked.load(std::memory_order_relaxed) == 0) continue;  // M made it visible
    sleeping.parked.store(0, std::memory_order_relaxed);
    (void)wake_seat(sleeping);
  }
}

void wake_at(const ring_view& ring, std::atomic<std::uint64_t>& mark) noexcept {
  const auto seat = mark.exchange(0, std::memory_order_acq_rel) - 1;  // B
  if (seat >= std::uint64_t{ring.producer_seats} + ring.consumer_seats) return;
  auto& sleeping = ring.seats[seat];
  sleeping.parked.store(0, std::memory_order_relaxed);
  (void)wake_seat(sleeping);
}

int ring_bell(std::atomic<std::uint32_t>& bell) noexcept {
  bell.fetch_add(1, std::memory_order_release);  // F
  return os::futex_wake(bell, all_sleepers);
}

void ring_for_sleepers(const ring_view& ring, role whom, std::atomic<std::uint32_t>& bell) noexcept {
  // The bits go first. A sleeper that sets one behind this reads the bell after it has rung, or sleeps on a value that it
  // does not have any more.
  if (parked_of(ring, whom).exchange(0, std::memory_order_acq_rel) != 0) (void)ring_bell(bell);  // B
}

bool barrier_for_all(ring_control& control) noexcept {
  const auto fence = static_cast<std::uint32_t>(wake_mode::fence);
  const bool is_fenced = control.mode.load(std::memory_order_relaxed) == fence;
  if (!is_fenced && os::membarrier_global()) return true;
  control.mode.store(fence, std::memory_order_relaxed);  // for good
  std::atomic_thread_fence(std::memory_order_seq_cst);   // M
  return is_fenced;
}

std::uint32_t sleeper::announce() noexcept {
  if (only_reads_) {
    next_sleep_ns_ = rings_for_it_ ? longest_unrung_ns() : 50'000;
    return futex().load(std::memory_order_acquire);  // F
  }
  auto& own = ring_.seats[seat_index_];
  const auto bit = (seat_index_ - ring_.first_seat(own_)) % parked_bits;
  const auto announced = futex().load(std::memory_order_acquire);                  // F
  own.parked.store(static_cast<std::uint32_t>(what_), std::memory_order_relaxed);  // bit or mark publishes it
  if (mark_ != nullptr)
    mark_->store(seat_index_ + std::uint64_t{1}, std::memory_order_release);  // B
  else
    parked_of(ring_, own_).fetch_or(std::uint64_t{1} << bit, std::memory_order_release);  // B
  (void)barrier_for_all(*ring_.control);  // false: a publisher that has not seen the new mode costs one tick
  return announced;
}

bool sleeper::sleep(std::uint32_t announced, std::uint64_t timeout_ns) {
  if (only_reads_) {
    const auto most = std::exchange(next_sleep_ns_, rings_for_it_ ? idle_tick_ns : 2 * next_sleep_ns_);
    return os::futex_wait(futex(), announced, lesser(timeout_ns, most)) == os::sleep_end::interrupted &&
           ends_on_signals_;
  }
  auto& own = ring_.seats[seat_index_];
  own.parks.store(own.parks.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);  // own counter
  return os::futex_wait(futex(), announced, timeout_ns) == os::sleep_end::interrupted && ends_on_signals_;
}

void sleeper::wake() noexcept {
  // In the moment before it sleeps this one wakes nothing, and its sleep lasts for a tick.
  if (only_reads_) return (void)os::futex_wake(*bell_, all_sleepers);
  if (bell_ != nullptr) return (void)ring_bell(*bell_);  // the others look as well, and sleep on
  (void)wake_seat(ring_.seats[seat_index_]);
}

bool sleeper::is_announced(std::uint32_t announced) const noexcept {
  if (only_reads_) return futex().load(std::memory_order_relaxed) == announced;  // the sleep ends at once if not
  const auto& own = ring_.seats[seat_index_];
  if (mark_ != nullptr)
    return mark_->load(std::memory_order_relaxed) == seat_index_ + std::uint64_t{1} &&
           own.parked.load(std::memory_order_relaxed) != 0 && futex().load(std::memory_order_relaxed) == announced;
  const auto mask = std::uint64_t{1} << (seat_index_ - ring_.first_seat(own_)) % parked_bits;
  // All three: a waker takes the bit first and the seat's word next, and may die before it adds to the futex word.
  return (parked_of(ring_, own_).load(std::memory_order_relaxed) & mask) != 0 &&
         own.parked.load(std::memory_order_relaxed) != 0 &&
         futex().load(std::memory_order_relaxed) == announced;  // relaxed: taken just now, the sleep ends at once
}

bool sleeper::shares_only_processor() noexcept {
  const auto only = os::only_processor();
  const auto noted = only ? *only + 1 : 0;
  if (!only_reads_)
    ring_.seats[seat_index_].only_processor.store(noted, std::memory_order_relaxed);  // a hint, nothing is read on it
  if (noted == 0) return false;
  bool is_anybody_there = false;
  const auto first = ring_.first_seat(peer_of(own_));
  for (auto i = first; i < first + ring_.seat_count(peer_of(own_)); ++i) {
    const auto& partner = ring_.seats[i];
    if (state_of(partner.state.load(std::memory_order_relaxed)) != seat_state::taken) continue;
    if (partner.only_processor.load(std::memory_order_relaxed) != noted) return false;
    is_anybody_there = true;
  }
  return is_anybody_there;
}

void sleeper::retract() noexcept {
  if (only_reads_) return;
  auto& parked = parked_of(ring_, own_);
  const auto place = seat_index_ - ring_.first_seat(own_);
  const auto mask = std::uint64_t{1} << place % parked_bits;
  ring_.seats[seat_index_].parked.store(0, std::memory_order_relaxed);  // own word
  if (mark_ != nullptr) {
    auto own = seat_index_ + std::uint64_t{1};  // else a waker has it
    mark_->compare_exchange_strong(own, 0, std::memory_order_relaxed);
    return;
  }
  if (bell_ != nullptr) return;  // a waker that has read the bit may not have rung yet: the bit is left to it
  if (shares_bit(ring_, own_, place % parked_bits, place)) return;  // theirs as well: left to the next waker
  parked.fetch_and(~mask, std::memory_order_acq_rel);               // B
  if (!shares_bit(ring_, own_, place % parked_bits, place)) return;
  // Another sleeper with this bit announced itself just before the bit went, and a publisher may have read it as clear:
  // wake that sleeper, so that it looks again.
  parked.fetch_or(mask, std::memory_order_release);  // B
  wake_one_of(ring_, own_, place % parked_bits);
}

}  // namespace sluice::detail
