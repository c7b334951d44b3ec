#pragma once

// What mending asks of the world, so that a ring makes no system call itself. The seats answer: seat_table::keeper().

#include <atomic>
#include <cstdint>

#include "sluice/detail/layout/ring_view.hpp"
#include "sluice/detail/layout/subscription_name.hpp"

namespace sluice::detail {

/// Of a repair whose cause is not known: no seat's index.
[[nodiscard]] constexpr std::uint32_t unknown_seat() noexcept { return ~std::uint32_t{0}; }

/// What mending asks of the world: which owner is dead, and one lock a seat that falls with its holder. Only cold paths
/// call it.
class seat_keeper {
 public:
  /// Whether the owner that sat at `seat_index` when its state word was `word` (taken) is proven dead; if so the seat is
  /// marked dead before this returns. Whatever is unclear is alive.
  virtual bool is_dead(std::uint32_t seat_index, std::uint64_t word) noexcept = 0;
  /// Tries once for the lock of a seat whose owner is dead.
  virtual bool try_lock(std::uint32_t seat_index) noexcept = 0;
  virtual void unlock(std::uint32_t seat_index) noexcept = 0;
  /// Notes repairs of one kind in the ring's log: `count` of them, the first at `sequence`. `seat_index`: whose death made
  /// them necessary; unknown_seat(): cannot be told.
  virtual void record(repair_kind what, std::uint32_t seat_index, std::uint64_t sequence,
                      std::uint64_t count = 1) noexcept = 0;

 protected:
  ~seat_keeper() = default;
};

/// Which seat a participant asks for.
struct seat_request {
  subscription_name subscription;  // none: any that is kept for no subscription
  bool must_exist = false;         // a seat is kept for it already
};

/// Of a kind whose consumers may have a subscription that outlives them: their seat is kept for a successor that names it.
struct subscription_rules {
  /// The subscription that a seat is kept for, or none.
  subscription_name (*of)(const ring_view&, std::uint32_t seat_index) noexcept;
  /// Keeps a seat for one that no other seat is kept for. Under the seat's lock, by the process that may give names.
  void (*keep_for)(const ring_view&, std::uint32_t seat_index, const subscription_name&) noexcept;
  /// Where that process writes its identity in memory that has no file to lock.
  std::atomic<std::uint64_t>& (*naming)(const ring_view&) noexcept;
};

/// What the seats ask of the kind of their ring.
struct seat_rules {
  /// Settles what the dead owner of a seat left, under the seat's lock; false: not now, another process must act first.
  bool (*settle)(const ring_view&, std::uint32_t seat_index, seat_keeper&) noexcept;
  /// Whether the owner, which is this process and has left the ring, leaves something that others must deliver.
  bool (*holds_something)(const ring_view&, std::uint32_t seat_index) noexcept;
  /// The sequence at which a successor of a dead owner goes on, for the log; 0: none in particular.
  std::uint64_t (*resumes_at)(const ring_view&, std::uint32_t seat_index) noexcept;
  bool has_many_seats;                                ///< of each role, if it is created so
  ring_kind kind;                                     ///< for errors
  const subscription_rules* subscriptions = nullptr;  ///< null: consumers have none
};

}  // namespace sluice::detail
