#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "sluice/detail/base/clock.hpp"
#include "sluice/detail/base/owned.hpp"
#include "sluice/detail/channel/kept_attachment.hpp"
#include "sluice/detail/channel/participant.hpp"
#include "sluice/detail/channel/seat_list.hpp"
#include "sluice/detail/part/latest/latest_values.hpp"
#include "sluice/detail/wait/timed_bell.hpp"

namespace sluice::detail {

/// Writes values whose size is known at run time only. latest_writer<T> and table_writer<Key, T> are this with types.
/// One thread at a time, one slot open at a time. Its seat is the process's that made it: after fork the child gets
/// wrong_process. Killed at any instruction: the value before stays, and the seat and its keys go to the next that asks.
class raw_latest_writer {
 public:
  /// Takes a writer's seat and, where there are no keys, the only entry. @throws error as participant.
  raw_latest_writer(const attached_segment& attached, std::uint32_t ring_index, ring_kind kind);
  raw_latest_writer(const raw_latest_writer&) = delete;
  raw_latest_writer& operator=(const raw_latest_writer&) = delete;
  ~raw_latest_writer() = default;

  /// Where the next value of an entry that is its own goes. The caller publishes, or leaves it as if nothing had been.
  /// @throws error wrong_process; truncated; misuse: a slot is open.
  [[nodiscard, gnu::always_inline]] std::byte* begin(std::uint64_t entry) {
    if (!mark_.is_here() || is_open_) [[unlikely]]
      require_usable();
    if (entry != entry_) [[unlikely]]
      move_to(entry);
    if (slots_.entry->owner.load(std::memory_order_relaxed) != own_word_)
        [[unlikely]]  // no word of others is acted upon
      throw_lost();
    version_ = next_version(slots_);
    return begin_value(slots_, version_);
  }
  [[gnu::always_inline]] void publish() noexcept {
    publish_value(slots_, version_, monotonic_coarse_ns());
    own_->values.store(own_->values.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);  // own counter
    if (must_wake(*control_, role::consumer) || wakes_watchers_) [[unlikely]]
      ring();
  }

  /// The entry of a key, which is this writer's from now on. Adds the key if need be.
  /// @throws error seat_taken, with the pid: another writer's; no_space: the table is full; in_use: a process is stopped
  ///         while it adds a key; wrong_process; truncated.
  [[nodiscard]] std::uint64_t entry_of(const std::byte* key) {
    if (!mark_.is_here()) [[unlikely]]
      require_usable();
    const auto entry = find_key(view_, key);
    if (entry != no_entry && view_.entry(entry).owner.load(std::memory_order_relaxed) == own_word_) [[likely]]
      return entry;  // only a process that has proven this one dead changes it
    return take(key, entry);
  }

  // ---- A slot that a program fills in place; it may outlive the handle, and is void then -------------------------------

  [[nodiscard]] std::byte* lend(std::uint64_t entry) {
    auto* const value = begin(entry);
    is_open_ = true;
    return value;
  }
  void end_loan(bool publishes) noexcept {
    if (is_retired_) return dispose_retired();
    is_open_ = false;
    if (publishes && mark_.is_here()) publish();
  }
  [[nodiscard]] bool is_lending() const noexcept { return is_open_; }
  /// Leaves the seat; the memory stays mapped until the slot that is open ends.
  void retire() noexcept;

  [[nodiscard]] const latest_view& view() const noexcept { return view_; }
  /// Ends the waits of readers with `closed`, until the next writer comes. @throws error wrong_process.
  void close();
  [[nodiscard]] peer_state peer() { return owner_->peer(); }
  [[nodiscard]] std::uint32_t seat_index() const { return owner_->seat_index(); }
  [[nodiscard]] seat_list seats() const { return owner_->seats(); }
  [[nodiscard]] std::uint64_t capacity_slots() const noexcept { return view_.entries(); }
  void end_waits_on_signals(bool is_wanted) noexcept { owner_->place().end_on_signals(is_wanted); }

 private:
  friend struct access;
  [[nodiscard]] participant& owner() const noexcept { return *owner_; }
  void require_usable() const;
  void move_to(std::uint64_t entry) noexcept;
  [[nodiscard]] std::uint64_t take(const std::byte* key, std::uint64_t entry);
  [[noreturn]] void throw_lost() const;
  [[noreturn]] void throw_held(const owned_by& by) const;
  void ring() noexcept;
  void dispose_retired() noexcept { delete this; }

  owned<participant> owner_;
  latest_view view_;
  ring_control* control_;
  latest_seat* own_;
  std::uint64_t own_word_;
  process_mark mark_;
  bool wakes_watchers_;
  bool is_open_ = false;
  bool is_retired_ = false;
  std::uint64_t entry_ = no_entry;  // the one that is written, or was last:
  value_slots slots_;
  std::uint64_t version_ = 0;  // that is written, or was last
  timed_bell watchers_;
  kept_attachment memory_of_loan_;  // that outlives the handle
};

void dispose(raw_latest_writer* handle) noexcept;

}  // namespace sluice::detail
