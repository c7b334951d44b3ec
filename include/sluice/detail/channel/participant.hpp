#pragma once

// What a producer and a consumer have in common, apart from the data path: the attachment, the seat, sleeping, deaths of
// the other side, closing. Everything here is cold.
//
// Edges
//   K: closing store (release) -> closed load (acquire): what was published before close() is visible to a participant that sees it.
//   E: producer's claim, then the fence (seq_cst) or compiler barrier, then its load of `closed` -> consumer's load of
//      `closed`, then the fence (seq_cst) or membarrier(2), then its look at the claims: a claim that stands is seen.
//   Q: a finishing producer's exchange of `closed` (acq_rel), or a newcomer's store of it (release) -> another finishing
//      producer's exchange (acq_rel): the mark in the seat of the one, the seat of the other, is seen.

#include <atomic>
#include <cstdint>

#include "sluice/detail/base/owned.hpp"
#include "sluice/detail/layout/ring_view.hpp"
#include "sluice/detail/ring/seat_keeper.hpp"
#include "sluice/detail/seat/process_mark.hpp"
#include "sluice/detail/wait/parking.hpp"
#include "sluice/error.hpp"

namespace sluice {
class attached_segment;
}

namespace sluice::detail {

class seat_list;

/// What it keeps for its cold calls alone, of types that its users need not know, is out of sight.
class participant {
 public:
  /// Takes a seat of `own` in ring `ring_index` of a validated segment. @throws error seat_taken; misuse: there is no such
  /// ring; wrong_kind: it is not of `kind`.
  /// @param bell  of the ring, where its consumers have one: see has_bell. Null: they have none.
  /// @param asked  of a kind that has subscriptions. @throws error in_use; not_found: see seat_table::take_for().
  participant(const attached_segment& attached, std::uint32_t ring_index, ring_kind kind, role own,
              const seat_rules& rules, std::atomic<std::uint32_t>& (*bell)(const ring_view&),
              const seat_request& asked = {});
  participant(const participant&) = delete;
  participant& operator=(const participant&) = delete;
  ~participant() = default;

  [[nodiscard]] const attached_segment& attached() const noexcept;
  [[nodiscard]] const ring_view& ring() const noexcept { return ring_; }
  [[nodiscard]] const part_descriptor& descriptor() const noexcept;
  [[nodiscard]] role own() const noexcept { return own_; }
  [[nodiscard]] std::uint32_t seat_index() const noexcept { return seat_index_; }
  [[nodiscard]] seat_keeper& keeper() noexcept { return *keeper_; }
  [[nodiscard]] sleeper& place() noexcept { return place_; }

  /// One load; throws in a forked child that uses its parent's handle, and once the segment's file was cut short.
  /// @throws error wrong_process; truncated.
  void require_here() const {
    if (!mark_.is_here()) [[unlikely]]
      throw_not_here();
  }
  [[nodiscard]] bool is_here() const noexcept { return mark_.is_here(); }
  /// For a handle that asks with every message.
  [[nodiscard]] const process_mark& mark() const noexcept { return mark_; }
  /// At attach and at ticks. @throws error corrupted unless `is_sane`: a process that is no correct
  /// participant wrote into the ring; truncated: the file was cut short, which comes first; misuse: the seat was lost, see held_seat.
  void require_sane(bool is_sane);
  /// After mending. @throws error when whether others live could not be told, see seat_table.
  void require_answers();
  /// Notes what this side cannot pass, for `inspect`; nothing_to_wait_for() changes nothing.
  void note_stall(std::uint64_t sequence) noexcept;
  /// Sets this participant's parked bit although it does not sleep: the other side's next release or publish takes its
  /// cold branch, and mends there when its tick is over.
  void ask_for_mending() noexcept;
  /// Whether a tick has passed since this last said so. For callers that poll and never wait.
  [[nodiscard]] bool tick_is_over() noexcept;
  [[nodiscard]] bool is_closed() const noexcept {
    return says_closed(ring_.control->closed.load(std::memory_order_acquire));  // K
  }

  /// Wakes all of a role that sleep, for news that concerns all of them.
  void wake_all_of(role whom) const noexcept;
  /// Ends the channel for all participants and wakes all that sleep.
  void close() noexcept;
  /// Of a producer whose claims are published or abandoned and that makes no more: closes the channel, unless another living
  /// producer takes part that has not come to this call. Exact however many finish, come and die meanwhile: one that comes
  /// in time keeps the channel open, and of those that finish at once the last closes it. System calls: a few for each
  /// producer's seat. Whether the channel is closed now.
  bool close_as_the_last() noexcept;
  /// Opens it again if it was closed: a new producer's last step, after everything that can fail.
  void open() noexcept { ring_.control->closed.store(0, std::memory_order_release); }  // K, Q
  /// Of a producer, after each claim: whether the claim stands. A claim is visible before `closed` is asked, so a
  /// consumer that saw `closed` and then sees no claim knows that none comes (E).
  [[nodiscard, gnu::noinline]] bool claim_stands() const noexcept;
  /// Of a consumer that saw `closed`: from now on it sees every claim that stands. False: not yet, at the next look.
  [[nodiscard]] bool sees_every_claim() noexcept { return barrier_for_all(*ring_.control); }  // parking.hpp M: here E

  [[nodiscard]] peer_state peer();
  /// Whether every participant of the other side has died, and death_was_told() was not called for it.
  [[nodiscard]] bool peer_has_died();
  /// The death that peer_has_died() found is no news any more.
  void death_was_told();

  /// At ticks of a wait that found nothing: whether nothing can come by the segment's name any more. The name leads to
  /// another file, or it was removed and the other side has no living participant. Asks once a second at most, and says
  /// so until throw_name_is_lost() was called once.
  [[nodiscard]] bool has_lost_its_name();
  /// @throws error not_found.
  [[noreturn]] void throw_name_is_lost();

  /// Of a consumer that reads in place, in a topic whose publishers drop it after `ns`. @throws error wrong_kind.
  [[noreturn]] void throw_would_be_dropped(std::uint64_t ns) const;

  /// Every seat of the ring. For people.
  [[nodiscard]] seat_list seats() const;

 private:
  [[noreturn]] void throw_not_here() const;
  [[nodiscard]] bool has_others_to_come() noexcept;

  struct cold;
  friend void dispose(cold*) noexcept;
  owned<cold> cold_;
  ring_view ring_;
  role own_;
  std::uint32_t ring_index_;
  std::uint32_t seat_index_;
  seat_keeper* keeper_;
  std::atomic<std::uint32_t>* bell_;  // null: consumers sleep each at its own seat
  sleeper place_;
  process_mark mark_;
  std::uint64_t last_tick_ns_ = 0;
};

void dispose(participant* gone) noexcept;

}  // namespace sluice::detail
