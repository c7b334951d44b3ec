#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "sluice/detail/base/owned.hpp"
#include "sluice/detail/base/pause.hpp"
#include "sluice/detail/base/stop_signal.hpp"
#include "sluice/detail/channel/participant.hpp"
#include "sluice/detail/channel/seat_list.hpp"
#include "sluice/detail/channel/waiting.hpp"
#include "sluice/detail/channel/watch_post.hpp"
#include "sluice/detail/part/latest/latest_values.hpp"
#include "sluice/detail/wait/wait_strategy.hpp"
#include "sluice/error.hpp"

namespace sluice::detail {

/// A reader's seat in a part that holds values. @throws error as participant.
[[nodiscard]] owned<participant> take_reader_seat(const attached_segment& attached, std::uint32_t ring_index,
                                                  ring_kind kind);

/// @throws error not_found: nothing was written yet.
[[noreturn]] void throw_no_value(const participant& reader);
[[noreturn]] void throw_no_value(const watch_post& reader);
/// @throws error corrupted: a value says that it is the newest, and its slot says that it holds another.
[[noreturn]] void throw_never_whole(const participant& reader);
[[noreturn]] void throw_never_whole(const watch_post& reader);

/// Reads values whose size is known at run time only. `Site` is a participant, whose seat writers and operators see, or a
/// watch_post, which the kernel lets only read and no process sees. One thread at a time.
template <class Site, wait_strategy Wait>
class raw_latest_reader {
  static constexpr bool is_watching = std::is_same_v<Site, watch_post>;

 public:
  raw_latest_reader(owned<Site> site, Wait wait)
      : site_(std::move(site)),
        view_(site_->ring(), site_->descriptor()),
        mark_(site_->mark()),
        wait_(std::move(wait)),
        got_(view_.entries()) {
    require_sound();
    move_to(0);
  }
  raw_latest_reader(const raw_latest_reader&) = delete;
  raw_latest_reader& operator=(const raw_latest_reader&) = delete;

  [[nodiscard]] const latest_view& view() const noexcept { return view_; }

  /// The entry of a key; no_entry: none has it yet.
  [[nodiscard]] std::uint64_t entry_of(const std::byte* key) {
    require_here();
    return find_key(view_, key);
  }
  /// Copies the newest value of an entry. False: none was written yet. `copy` as read_value() has it.
  /// @throws error wrong_process; truncated; corrupted.
  template <class Copy>
  [[nodiscard, gnu::always_inline]] bool try_get(std::uint64_t entry, Copy copy) {
    require_here();
    if (entry != entry_) move_to(entry);
    for (;;) {
      const auto version = newest_version(*slots_.entry);
      if (version == 0) {
        require_here();  // of a lost segment zeroes are all that is read
        return false;
      }
      if (read_value(slots_, version, got_[entry], copy)) return true;
      require_progress(version);
    }
  }
  /// The same of the only entry, where there are no keys, for a value that the compiler knows.
  template <class T, class Copy>
  [[nodiscard, gnu::always_inline]] bool try_get_only(Copy copy) {
    if (mark_.is_here()) [[likely]] {
      const value_slots_of<T> at{slots_.entry, slots_.first, slots_.mask};
      const auto version = newest_version(*at.entry);
      if (version != 0 && read_value(at, version, got_[0], copy)) [[likely]]
        return true;
    }
    return try_get_slowly(copy);
  }
  [[noreturn]] void throw_no_value() const { detail::throw_no_value(*site_); }

  /// What was copied of an entry last.
  [[nodiscard]] const value_stamp& got(std::uint64_t entry) const noexcept { return got_[entry]; }
  /// Whether a newer one is there.
  [[nodiscard]] bool has_news(std::uint64_t entry) const noexcept {
    return newest_version(view_.entry(entry)) != got_[entry].version;
  }
  /// An entry that has one, in turn; no_entry: none has.
  [[nodiscard]] std::uint64_t next_with_news() noexcept {
    for (auto left = view_.entries(); left != 0; --left) {
      const auto i = turn_++ & view_.mask();
      if (has_news(i)) return i;
    }
    return no_entry;
  }

  /// Waits until `has_come` is true. closed; peer_gone: all writers died, said once; timed_out; interrupted.
  /// @throws error wrong_process; truncated; not_found, as a consumer.
  template <class HasCome>
  [[nodiscard]] wait_result wait_until(const HasCome& has_come, std::uint64_t deadline_ns, const stop_signal& stop) {
    require_here();
    const auto look = [&]() -> wait_answer {
      if (has_come()) return wait_result::ready;
      if (!site_->is_closed()) return std::nullopt;
      return has_come() ? wait_result::ready : wait_result::closed;  // what came before the close (participant.hpp K)
    };
    if (has_come()) return wait_result::ready;
    const auto tick = [&](const auto& again) -> wait_answer {
      if constexpr (is_watching)
        if (!site_->tick_is_over()) return std::nullopt;  // its sleeps may be shorter
      require_sound();
      if (const auto answer = again()) return answer;
      return ask_for_the_end(*site_, again);
    };
    return wait_or_stop(wait_, site_->place(), look, tick, deadline_ns, stop);
  }

  [[nodiscard]] peer_state peer() { return site_->peer(); }
  [[nodiscard]] seat_list seats() const { return site_->seats(); }
  [[nodiscard]] std::uint64_t capacity_slots() const noexcept { return view_.entries(); }
  [[nodiscard]] std::uint32_t seat_index() const { return site_->seat_index(); }
  /// Ends the waits of all readers with `closed`, until the next writer comes.
  void close() {
    require_here();
    site_->close();
  }
  void end_waits_on_signals(bool is_wanted) noexcept { site_->place().end_on_signals(is_wanted); }

 private:
  friend struct access;
  [[nodiscard]] participant& owner() const noexcept { return *site_; }
  [[gnu::always_inline]] void require_here() const {
    if (!mark_.is_here()) [[unlikely]]
      site_->require_here();
  }
  void require_sound() {
    if constexpr (is_watching)
      site_->require_sound();
    else
      site_->require_sane(true);
  }
  void move_to(std::uint64_t entry) noexcept {
    entry_ = entry;
    slots_ = view_.slots(entry);
  }
  template <class Copy>
  [[nodiscard, gnu::noinline]] bool try_get_slowly(Copy copy) {
    return try_get(0, copy);
  }
  /// The value of `version` was overwritten while it was read. That a later one is the newest is seen at once.
  [[gnu::noinline]] void require_progress(std::uint64_t version) {
    constexpr int max_looks = 1 << 20;  // some milliseconds; a store becomes visible within nanoseconds
    for (int i = 0; i < max_looks; ++i) {
      if (newest_version(*slots_.entry) != version) return;
      if (slots_.slot(version).version.load(std::memory_order_relaxed) == version) return;  // the next try decides
      cpu_pause();
    }
    require_here();
    throw_never_whole(*site_);
  }

  owned<Site> site_;
  latest_view view_;
  process_mark mark_;
  Wait wait_;
  std::uint64_t entry_ = 0;  // the one that was read last:
  value_slots slots_;
  std::vector<value_stamp> got_;  // by entry
  std::uint64_t turn_ = 0;
};

template <class Site, wait_strategy Wait>
void dispose(raw_latest_reader<Site, Wait>* handle) noexcept {
  delete handle;
}

}  // namespace sluice::detail
