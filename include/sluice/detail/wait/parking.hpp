#pragma once

// Sleeping without being forgotten, and waking without paying while no participant sleeps.
//
// The danger: the publisher stores its message and then looks whether a participant sleeps; the waiter says "I sleep" and
// then looks whether there is a message. Each side stores and then loads what the other stored, the one order that even
// x86 does not keep, and both could miss each other. A full fence on both sides cures it, but the publisher would pay
// for it with every message. So the rare side pays for both: the waiter, having said that it sleeps, calls
// membarrier(2), which runs a full barrier on every processor where a participant runs. After that either the publisher
// sees the waiter or the waiter sees the message. The publisher needs a compiler barrier only.
// Where membarrier is missing the ring is in fence mode, for good, and publishing costs a fence.
//
// What deaths do: a publisher may die between message and wake, and a woken process before it looks. Both are the
// tick's: no participant sleeps longer than tick_ns, or idle_tick_ns when idle, without looking again.
//
// Edges
//   F: waker's futex word add (release) -> sleeper's futex word load (acquire): what was published before is visible.
//   B: sleeper's parked bit set (release) -> the clear of that bit (acq_rel): the seat behind the bit is seen as parked.
//      At a bell: what the sleeper had seen is seen by the waker.
//   M: publisher's word store, then the fence (seq_cst) or compiler barrier -> waiter's parked bit, then the fence
//      (seq_cst) or membarrier(2): one of the two sees the other.

#include <atomic>
#include <cstdint>

#include "sluice/detail/layout/ring_view.hpp"

namespace sluice::detail {

/// How long a participant sleeps without looking again: what bounds the delay that a death can cause.
inline constexpr std::uint64_t tick_ns = 50'000'000;
/// The same for a participant that has slept for two ticks and was not woken: most of what idling costs is the waking up for it.
inline constexpr std::uint64_t idle_tick_ns = 90'000'000;

/// Wakes up to `count` sleepers of a role that wait for a turn. Sleepers that died do not count, and neither do those that
/// wait for something else, which are woken in addition. One or two system calls a sleeper.
void wake_sleepers(const ring_view& ring, role whom, std::uint64_t count) noexcept;

/// Wakes the producers that sleep for their arena, of `seats`: bit i % 64 for seat i. After must_wake() said yes. One load a
/// seat, one system call a sleeper.
void wake_for_arenas(const ring_view& ring, std::uint64_t seats) noexcept;

/// Wakes every sleeper of a role, for news that concerns all of them. One load a seat, one system call a sleeper.
void wake_all(const ring_view& ring, role whom) noexcept;

/// Wakes every sleeper at a bell (see sleeper), for news that concerns all of them; how many slept. One system call.
int ring_bell(std::atomic<std::uint32_t>& bell) noexcept;

/// The same after a message, when must_wake() says that one sleeps: of several processes that publish at once, one rings.
/// Every sleeper of the role must sleep at this bell.
void ring_for_sleepers(const ring_view& ring, role whom, std::atomic<std::uint32_t>& bell) noexcept;

/// Between a store that others wait for and the look whether they sleep.
[[gnu::always_inline]] inline void fence_before_looking(const ring_control& control) noexcept {
  if (control.mode.load(std::memory_order_relaxed) == static_cast<std::uint32_t>(wake_mode::membarrier)) [[likely]]
    std::atomic_signal_fence(std::memory_order_seq_cst);  // M
  else
    std::atomic_thread_fence(std::memory_order_seq_cst);  // M
}

/// After publishing or releasing: whether a participant sleeps for it. A load and a branch.
[[nodiscard, gnu::always_inline]] inline bool must_wake(const ring_control& control, role whom) noexcept {
  fence_before_looking(control);
  return control.parked[static_cast<std::uint32_t>(whom)].load(std::memory_order_relaxed) != 0;
}

/// After publishing or releasing `count` slots: wakes the participants that sleep for it. A load and a branch when none does.
/// Threads and processes: any.
inline void wake_parked(const ring_view& ring, role whom, std::uint64_t count) noexcept {
  if (must_wake(*ring.control, whom)) [[unlikely]]
    wake_sleepers(ring, whom, count);
}

/// The rare side's half of an edge like M: everything that a participant stored before what it loads next is visible
/// after this call, or that load sees what the caller stored or saw before it. A system call.
/// @return false: the ring has just become one in fence mode, and a participant may not have noticed yet.
bool barrier_for_all(ring_control& control) noexcept;

/// Whether a participant sleeps at a mark of its own (see sleeper) for what was just stored. A load and a branch.
[[nodiscard, gnu::always_inline]] inline bool must_wake_at(const ring_control& control,
                                                           const std::atomic<std::uint64_t>& mark) noexcept {
  fence_before_looking(control);
  return mark.load(std::memory_order_relaxed) != 0;
}
/// Wakes it. A mark is input. One system call.
void wake_at(const ring_view& ring, std::atomic<std::uint64_t>& mark) noexcept;

/// One participant's place to sleep: its seat's futex word, and its bit among the parked of its role.
/// One thread at a time. A death while parked leaves the bit; the next waker pays one system call for it, once.
///
/// Or a bell: one futex word for all sleepers of a role that wait for the same message, so that one system call wakes them
/// all. Only a waker clears bits there, all of them and before it rings: a sleeper that announces itself in between finds
/// that the bell has rung.
///
/// Or a bell, of a process that may only read: it cannot say that it sleeps. Where publishers ring for such sleepers
/// (timed_bell.hpp) its first sleep is short, for what was published just after a ringing, and the next ones last until it
/// rings; where they do not, it sleeps for 50 us at first, and each time twice as long.
///
/// Or a mark: a word in which it stands alone, because it waits for what concerns no other participant. It says 1 + its seat.
class sleeper {
 public:
  sleeper(const ring_view& ring, role own, std::uint32_t seat_index, parked_for what = parked_for::a_turn) noexcept
      : ring_(ring), own_(own), seat_index_(seat_index), what_(what) {}
  sleeper(const ring_view& ring, role own, std::uint32_t seat_index, std::atomic<std::uint32_t>& bell) noexcept
      : ring_(ring), own_(own), seat_index_(seat_index), bell_(&bell) {}
  /// Of a process that may only read.
  [[nodiscard]] static sleeper that_only_reads(const ring_view& ring, role own, std::atomic<std::uint32_t>& bell,
                                               bool rings_for_it) noexcept {
    sleeper place(ring, own, 0, bell);
    place.only_reads_ = true;
    place.rings_for_it_ = rings_for_it;
    return place;
  }

  /// Says "I sleep" so that every later publisher sees it. The caller must look again before sleep().
  /// @return what sleep() needs.
  [[nodiscard]] std::uint32_t announce() noexcept;
  /// Sleeps until woken since announce(), or for `timeout_ns`, or spuriously. @throws error what futex(2) says.
  /// @return whether a signal ended it and signals are to end waits here.
  bool sleep(std::uint32_t announced, std::uint64_t timeout_ns);
  /// From any thread: the participant that sleeps here looks again, now or before it sleeps next.
  void wake() noexcept;
  /// Whether a handled signal ends the sleep and the wait, rather than being slept on after.
  void end_on_signals(bool is_wanted) noexcept { ends_on_signals_ = is_wanted; }
  /// The same place for a wait of another kind.
  [[nodiscard]] sleeper that_waits_for(parked_for what) const noexcept {
    auto other = *this;
    other.what_ = what;
    return other;
  }
  /// The same place for a wait that `mark` alone announces.
  [[nodiscard]] sleeper that_waits_at(std::atomic<std::uint64_t>& mark, parked_for what) const noexcept {
    auto other = that_waits_for(what);
    other.bell_ = nullptr;
    other.mark_ = &mark;
    return other;
  }
  /// Whether announce() still stands: no waker has taken the bit since.
  [[nodiscard]] bool is_announced(std::uint32_t announced) const noexcept;
  /// Awake again. After every announce().
  void retract() noexcept;

  /// Notes in the seat which processor this thread may run on, if it is only one. A system call.
  /// @return whether the other role is there, and all of it noted the same processor: while one polls, they stand still.
  bool shares_only_processor() noexcept;

 private:
  ring_view ring_;
  role own_;
  [[nodiscard]] std::atomic<std::uint32_t>& futex() const noexcept {
    return bell_ != nullptr ? *bell_ : ring_.seats[seat_index_].futex;
  }

  std::uint32_t seat_index_;
  parked_for what_ = parked_for::a_turn;
  std::atomic<std::uint32_t>* bell_ = nullptr;  // null: its seat's own word
  std::atomic<std::uint64_t>* mark_ = nullptr;  // null: its bit among the parked of its role
  bool ends_on_signals_ = false;
  bool only_reads_ = false;
  bool rings_for_it_ = false;
  std::uint64_t next_sleep_ns_ = 0;  // of one that only reads, at most
};

}  // namespace sluice::detail
