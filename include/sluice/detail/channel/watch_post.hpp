#pragma once

// What a process has that only reads a topic or values: the mapping, the bell, which publishers live, what became of the name. It
// writes nothing to shared memory, takes no lock, and is not seen by others. Everything here is cold.

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "sluice/detail/base/owned.hpp"
#include "sluice/detail/base/stop_signal.hpp"
#include "sluice/detail/layout/ring_view.hpp"
#include "sluice/detail/layout/type_identity.hpp"
#include "sluice/detail/seat/process_mark.hpp"
#include "sluice/detail/wait/parking.hpp"
#include "sluice/error.hpp"
#include "sluice/options.hpp"

namespace sluice {
class registry;
class segment;
class segment_name;
}  // namespace sluice

namespace sluice::detail {

class seat_list;

/// What is to be watched.
struct watched_kind {
  type_identity type;
  ring_kind ring;
  std::atomic<std::uint32_t>& (*bell)(const ring_view&);
  bool (*wakes_watchers)(const part_descriptor&) noexcept;
  value_policy keys = {};  // of a table
};

/// One thread at a time, as the watcher that has it.
class watch_post {
 public:
  /// @throws error wrong_type; wrong_kind; and all of observer::attach().
  [[nodiscard]] static owned<watch_post> at(std::string_view name_or_path, const watched_kind& kind);
  [[nodiscard]] static owned<watch_post> at(const registry& where, const segment_name& name, const watched_kind& kind);
  /// The same, and waits until the name exists. @throws error as registry::attach_before().
  [[nodiscard]] static owned<watch_post> at_before(std::uint64_t deadline_ns, std::string_view name_or_path,
                                                   const watched_kind& kind, const stop_signal& stop);
  [[nodiscard]] static owned<watch_post> at_before(std::uint64_t deadline_ns, const registry& where,
                                                   const segment_name& name, const watched_kind& kind,
                                                   const stop_signal& stop);
  /// In memory that was mapped with view::read_only. @throws error bad_argument: it may be written to.
  [[nodiscard]] static owned<watch_post> in(const segment& memory, const watched_kind& kind);

  watch_post(const watch_post&) = delete;
  watch_post& operator=(const watch_post&) = delete;

  [[nodiscard]] const ring_view& ring() const noexcept { return ring_; }
  [[nodiscard]] const part_descriptor& descriptor() const noexcept;
  /// How errors call it.
  [[nodiscard]] const std::string& what() const noexcept;
  [[nodiscard]] sleeper& place() noexcept { return place_; }
  [[nodiscard]] const process_mark& mark() const noexcept { return mark_; }

  /// @throws error wrong_process, in a forked child; truncated.
  void require_here() const;
  /// At ticks. @throws error truncated; corrupted: another segment was written over this one.
  void require_sound() const;
  [[nodiscard]] bool tick_is_over() noexcept;
  [[nodiscard]] bool is_closed() const noexcept {
    return says_closed(ring_.control->closed.load(std::memory_order_acquire));  // participant.hpp K
  }
  /// As participant::sees_every_claim().
  [[nodiscard]] bool sees_every_claim() noexcept;
  /// Whether the owner of a seat, whose state was `state`, is proven dead. Unclear is no.
  [[nodiscard]] bool is_dead(std::uint32_t seat, std::uint64_t state) const;

  /// Of the publishers, here and below.
  [[nodiscard]] peer_state peer() const;
  /// Whether all of them have died and death_was_told() was not called for it.
  [[nodiscard]] bool peer_has_died();
  void death_was_told() noexcept;
  /// At ticks: whether nothing can come by the name any more; asks once a second, as participant::has_lost_its_name().
  [[nodiscard]] bool has_lost_its_name();
  /// @throws error not_found.
  [[noreturn]] void throw_name_is_lost();

  [[nodiscard]] seat_list seats() const;

  /// @throws error corrupted; misuse. As raw_bytes_producer.hpp has them of a participant.
  [[noreturn]] void throw_wrong_extent() const;
  [[noreturn]] void throw_too_short(std::uint64_t given, std::uint64_t bytes) const;

 private:
  struct cold;
  friend void dispose(cold*) noexcept;
  watch_post(cold* made, const watched_kind& kind);

  owned<cold> cold_;
  ring_view ring_;
  sleeper place_;
  process_mark mark_;
  std::uint64_t last_tick_ns_ = 0;
  std::uint64_t refused_since_ns_ = 0;  // a barrier; 0: none was
};

void dispose(watch_post* gone) noexcept;

}  // namespace sluice::detail
