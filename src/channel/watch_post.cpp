#include "sluice/detail/channel/watch_post.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "channel/held_seats.hpp"
#include "channel/readable_locks.hpp"
#include "os/file.hpp"
#include "os/membarrier.hpp"
#include "part/part_kind.hpp"
#include "registry/await_name.hpp"
#include "sluice/detail/base/clock.hpp"
#include "sluice/detail/plan/segment_plan.hpp"
#include "sluice/detail/registry/requirements.hpp"
#include "sluice/inspect.hpp"
#include "sluice/registry.hpp"

namespace sluice::detail {
namespace {

constexpr std::uint32_t only_ring = 0;  // of a topic, or values

std::string name_of(const segment& memory) { return memory.has_file() ? memory.file().path : "memory without a file"; }

/// What leads to a file that was opened by its path.
name_state name_of_file_now(const segment_file& file) noexcept {
  try {
    const auto now = os::facts_of_name(os::working_directory, file.path);
    if (now) return now->device == file.device && now->inode == file.inode ? name_state::same : name_state::other;
    return os::facts_of(file.descriptor, file.path).names == 0 ? name_state::removed : name_state::unknown;
  } catch (const std::exception&) {
    return name_state::unknown;  // no permission to look, or the program closed the descriptor
  }
}

}  // namespace

struct watch_post::cold {
  observer mapped;
  ring_view ring;
  readable_locks locks;
  seat_table table;
  std::string what;
  std::vector<std::uint64_t> deaths_told = {}, deaths_found = {};
  std::uint64_t looked_at_name_ns = 0;
  name_state name_found = name_state::same;
  bool name_loss_was_told = false;

  static cold* of(observer mapped, const watched_kind& kind) {
    auto what = "watch " + name_of(mapped.memory());
    require_ring(mapped.header(), only_ring, kind.ring, kind.type, what);
    ring_options found;
    part_kind_of(mapped.header().parts[only_ring]).recall(mapped.header().parts[only_ring], found);
    require_keys(kind.keys, found.values, what);
    const auto ring = view_ring(mapped.memory().bytes(), mapped.header().parts[only_ring]);
    auto locks = readable_locks::of(mapped.memory());
    seat_table table(mapped.memory(), ring, only_ring, locks.sight);
    return new cold{std::move(mapped), ring, std::move(locks), std::move(table), std::move(what)};
  }
  [[nodiscard]] bool is_dead(std::uint32_t seat, std::uint64_t state) const {
    return state_of(state) == seat_state::dead || table.owner_is_gone(seat) == true;
  }
  /// By publisher's seat, the generation that died there and none follows; 0: none.
  [[nodiscard]] std::vector<std::uint64_t> deaths() const {
    std::vector<std::uint64_t> found(ring.producer_seats);
    for (std::uint32_t s = 0; s < ring.producer_seats; ++s) {
      const auto state = ring.seats[s].state.load(std::memory_order_acquire);  // seat_table.hpp A, D
      if (state_of(state) != seat_state::free && is_dead(s, state)) found[s] = generation_of(state);
    }
    return found;
  }
  [[nodiscard]] const segment& memory() const noexcept { return mapped.memory(); }
  [[nodiscard]] const part_descriptor& descriptor() const noexcept { return mapped.header().parts[only_ring]; }
};

void dispose(watch_post::cold* gone) noexcept { delete gone; }
void dispose(watch_post* gone) noexcept { delete gone; }

owned<watch_post> watch_post::at(std::string_view name_or_path, const watched_kind& kind) {
  return owned(new watch_post(cold::of(observer::attach(name_or_path), kind), kind));
}
owned<watch_post> watch_post::at(const registry& where, const segment_name& name, const watched_kind& kind) {
  return owned(new watch_post(cold::of(observer::attach(where, name), kind), kind));
}
owned<watch_post> watch_post::at_before(std::uint64_t deadline_ns, std::string_view name_or_path,
                                        const watched_kind& kind, const stop_signal& stop) {
  const auto located = locate(name_or_path);
  return at_before(deadline_ns, located.where, located.name, kind, stop);
}
owned<watch_post> watch_post::at_before(std::uint64_t deadline_ns, const registry& where, const segment_name& name,
                                        const watched_kind& kind, const stop_signal& stop) {
  owned<watch_post> made;
  await_name(deadline_ns, stop, [&] { made = at(where, name, kind); });
  return made;
}
owned<watch_post> watch_post::in(const segment& memory, const watched_kind& kind) {
  return owned(new watch_post(cold::of(observer(memory), kind), kind));
}

watch_post::watch_post(cold* made, const watched_kind& kind)
    : cold_(made),
      ring_(made->ring),
      place_(
          sleeper::that_only_reads(ring_, role::consumer, kind.bell(ring_), kind.wakes_watchers(made->descriptor()))),
      mark_(process_mark::here(made->memory(), made->what)) {
  cold_->deaths_told = cold_->deaths();  // from before this watcher: no news to it
}

void watch_post::require_here() const {
  cold_->memory().require_whole(cold_->what);
  throw error(errc::wrong_process,
              cold_->what + " in a forked child: the watcher is its parent's; make one in the process that uses it");
}

void watch_post::require_sound() const {
  cold_->memory().require_whole(cold_->what);
  if (!mark_.is_here()) require_here();
}

bool watch_post::tick_is_over() noexcept {
  const auto now_ns = monotonic_coarse_ns();
  if (now_ns - last_tick_ns_ < tick_ns) return false;
  last_tick_ns_ = now_ns;
  return true;
}

bool watch_post::sees_every_claim() noexcept {
  if (ring_.control->mode.load(std::memory_order_relaxed) == static_cast<std::uint32_t>(wake_mode::fence)) {
    std::atomic_thread_fence(std::memory_order_seq_cst);  // participant.hpp E
    return true;
  }
  if (os::membarrier_global()) return true;  // participant.hpp E
  // It may not say that the ring is to be one in fence mode. A claim from before the closing is no secret a tick later.
  const auto now_ns = monotonic_now_ns();
  if (refused_since_ns_ == 0) refused_since_ns_ = now_ns;
  return now_ns - refused_since_ns_ > tick_ns;
}

bool watch_post::is_dead(std::uint32_t seat, std::uint64_t state) const { return cold_->is_dead(seat, state); }

peer_state watch_post::peer() const {
  bool has_dead = false;
  for (std::uint32_t s = 0; s < ring_.producer_seats; ++s) {
    const auto state = ring_.seats[s].state.load(std::memory_order_acquire);  // seat_table.hpp A, D
    if (state_of(state) == seat_state::free) continue;
    if (!is_dead(s, state)) return peer_state::alive;
    has_dead = true;
  }
  return has_dead ? peer_state::dead : peer_state::none;
}

bool watch_post::peer_has_died() {
  if (peer() != peer_state::dead) return false;
  cold_->deaths_found = cold_->deaths();
  return !std::equal(cold_->deaths_found.begin(), cold_->deaths_found.end(), cold_->deaths_told.begin(),
                     [](std::uint64_t found, std::uint64_t told) { return found <= told; });
}

void watch_post::death_was_told() noexcept { cold_->deaths_told.swap(cold_->deaths_found); }

bool watch_post::has_lost_its_name() {
  constexpr std::uint64_t between_looks_ns = 1'000'000'000;
  const auto now_ns = monotonic_coarse_ns();
  if (cold_->name_loss_was_told || now_ns - cold_->looked_at_name_ns < between_looks_ns) return false;
  cold_->looked_at_name_ns = now_ns;
  cold_->name_found = name_of_file_now(cold_->memory().file());
  if (cold_->name_found == name_state::other) return true;
  return cold_->name_found == name_state::removed && peer() != peer_state::alive;
}

void watch_post::throw_name_is_lost() {
  cold_->name_loss_was_told = true;
  const std::string peer = role_name(kind_in(cold_->descriptor()), role::producer);
  if (cold_->name_found == name_state::other)
    throw error(errc::not_found,
                cold_->what + ": the name now leads to another file, made since this process attached, and a new " +
                    peer + " comes there; watch it again");
  throw error(errc::not_found, cold_->what + ": the name was removed and no " + peer +
                                   " is attached, so none can come; watch it again once it was created anew");
}

const part_descriptor& watch_post::descriptor() const noexcept { return cold_->descriptor(); }
const std::string& watch_post::what() const noexcept { return cold_->what; }

void watch_post::throw_wrong_extent() const {
  throw error(
      errc::corrupted,
      cold_->what +
          ": a slot says a place or a length that no publisher writes: a process that is no correct participant "
          "wrote into the segment; look with inspect, then remove it and create it anew");
}

void watch_post::throw_too_short(std::uint64_t given, std::uint64_t bytes) const {
  throw error(errc::misuse, cold_->what + ": a message into " + std::to_string(given) + " bytes: it has " +
                                std::to_string(bytes) + ", and stays where it is");
}

seat_list watch_post::seats() const { return list_of(report_seats(cold_->table, ring_, kind_in(cold_->descriptor()))); }

}  // namespace sluice::detail
