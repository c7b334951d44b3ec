#include "sluice/detail/channel/participant.hpp"

#include <algorithm>
#include <utility>

#include "channel/held_seats.hpp"
#include "part/part_kind.hpp"
#include "sluice/detail/base/clock.hpp"
#include "sluice/detail/plan/segment_plan.hpp"
#include "sluice/detail/ring/ring_concept.hpp"
#include "sluice/detail/seat/seat_table.hpp"
#include "sluice/error.hpp"
#include "sluice/registry.hpp"

namespace sluice {

const char* to_string(peer_state value) noexcept {
  switch (value) {
    case peer_state::none: return "none";
    case peer_state::alive: return "alive";
    case peer_state::dead: return "dead";
  }
  return "unknown";
}

}  // namespace sluice

namespace sluice::detail {
namespace {

attached_segment joined(attached_segment attached) {
  attached.join_here();
  return attached;
}

std::string where(const attached_segment& attached, ring_kind kind, role own) {
  return std::string("take the ") + role_name(kind, own) + "'s seat of " + attached.what();
}

const part_descriptor& descriptor_of(const attached_segment& attached, std::uint32_t ring_index, ring_kind kind,
                                     role own) {
  const auto& header = attached.memory().header();
  if (ring_index >= header.part_count)
    throw error(errc::misuse, where(attached, kind, own) + ": there is no ring " + std::to_string(ring_index) +
                                  ", the segment has " + std::to_string(header.part_count) +
                                  "; rings are counted from 0");
  const auto& ring = header.parts[ring_index];
  if (ring.kind != static_cast<std::uint32_t>(kind))
    throw error(errc::wrong_kind, where(attached, kind, own) + ": ring " + std::to_string(ring_index) + " is " +
                                      to_string(static_cast<ring_kind>(ring.kind)) + ", not " + to_string(kind) +
                                      "; make the handle for the ring's own kind");
  return ring;
}

}  // namespace

struct participant::cold {
  attached_segment attached;
  seat_table table;
  held_seat seat;
  // By seat of the other side, the last generation that died: a seat that died once is news again only by a later one.
  std::vector<std::uint64_t> deaths_found = {};
  std::vector<std::uint64_t> deaths_told = {};
  std::uint64_t looked_at_name_ns = 0;
  name_state name_found = name_state::same;
  bool name_loss_was_told = false;

  static cold* of(attached_segment attached, std::uint32_t ring_index, ring_kind kind, role own,
                  const seat_rules& rules, const seat_request& asked) {
    const auto ring = view_ring(attached.memory().bytes(), descriptor_of(attached, ring_index, kind, own));
    seat_table table(attached.memory(), ring, ring_index, attached.locks());
    const auto what = where(attached, kind, own);
    auto seat = asked.subscription.is_none() ? table.take(own, rules, what) : table.take_for(asked, rules, what);
    return new cold{std::move(attached), std::move(table), std::move(seat)};
  }
};

void dispose(participant::cold* gone) noexcept { delete gone; }
void dispose(participant* gone) noexcept { delete gone; }

participant::participant(const attached_segment& attached, std::uint32_t ring_index, ring_kind kind, role own,
                         const seat_rules& rules, std::atomic<std::uint32_t>& (*bell)(const ring_view&),
                         const seat_request& asked)
    : cold_(cold::of(joined(attached), ring_index, kind, own, rules, asked)),
      ring_(view_ring(cold_->attached.memory().bytes(), cold_->attached.memory().header().parts[ring_index])),
      own_(own),
      ring_index_(ring_index),
      seat_index_(cold_->seat.index()),
      keeper_(&cold_->table.keeper()),
      bell_(bell != nullptr ? &bell(ring_) : nullptr),
      place_(bell_ != nullptr && own == role::consumer ? sleeper(ring_, own, seat_index_, *bell_)
                                                       : sleeper(ring_, own, seat_index_)),
      mark_(process_mark::here(cold_->attached.memory(), cold_->attached.what())) {
  (void)place_.shares_only_processor();  // noted for partners that wait, even if this side never does
  // Deaths from before this handle are no news to it: also of one in whose seat no process has looked yet.
  cold_->deaths_told = cold_->table.count(peer_of(own)).deaths;
}

const attached_segment& participant::attached() const noexcept { return cold_->attached; }
const part_descriptor& participant::descriptor() const noexcept {
  return cold_->attached.memory().header().parts[ring_index_];
}

void participant::wake_all_of(role whom) const noexcept {
  if (bell_ != nullptr && whom == role::consumer)
    ring_bell(*bell_);
  else
    wake_all(ring_, whom);
}

void participant::close() noexcept {
  ring_.control->closed.store(1, std::memory_order_release);  // K
  wake_all_of(role::producer);
  wake_all_of(role::consumer);
}

bool participant::close_as_the_last() noexcept {
  // The word says which producer looks, so that a producer that comes after the look undoes the closing by its own store.
  constexpr std::uint32_t looks = 2, token_bits = 17;
  auto& own = ring_.seats[seat_index()];
  auto& closed = ring_.control->closed;
  const auto generation = static_cast<std::uint32_t>(generation_of(own.state.load(std::memory_order_relaxed)));  // ours
  const auto token = looks | seat_index() << 2 | generation << (32 - token_bits);
  own.finishing.store(generation, std::memory_order_relaxed);  // Q publishes it
  auto seen = closed.load(std::memory_order_relaxed);          // the exchange decides
  do {
    if (says_closed(seen)) return true;
  } while (!closed.compare_exchange_weak(seen, token, std::memory_order_acq_rel, std::memory_order_relaxed));  // Q
  const bool is_last = !has_others_to_come();
  auto still = token;
  // Another token is one of a producer that came to this call later. It has seen the mark of this one, and decides.
  if (!closed.compare_exchange_strong(still, is_last ? 1 : 0, std::memory_order_release,
                                      std::memory_order_relaxed))  // K, Q
    return says_closed(still);
  if (!is_last) return false;
  wake_all_of(role::producer);
  wake_all_of(role::consumer);
  return true;
}

bool participant::has_others_to_come() noexcept {
  const auto first = ring_.first_seat(own_);
  for (auto i = first; i < first + ring_.seat_count(own_); ++i) {
    const auto& seat = ring_.seats[i];
    const auto word = seat.state.load(std::memory_order_acquire);  // seat_table.hpp A, D
    if (i == seat_index() || state_of(word) != seat_state::taken) continue;
    if (seat.finishing.load(std::memory_order_relaxed) == static_cast<std::uint32_t>(generation_of(word)))
      continue;  // Q
    if (!keeper().is_dead(i, word)) return true;
  }
  return false;
}

bool participant::claim_stands() const noexcept {
  const auto& control = *ring_.control;
  if (control.mode.load(std::memory_order_relaxed) != static_cast<std::uint32_t>(wake_mode::membarrier))
    std::atomic_thread_fence(std::memory_order_seq_cst);                // E
  return !says_closed(control.closed.load(std::memory_order_relaxed));  // nothing is read on its word
}

void participant::note_stall(std::uint64_t sequence) noexcept {
  if (sequence == nothing_to_wait_for()) return;
  auto& at = ring_.control->stalled_at[static_cast<std::uint32_t>(own_)];
  if (at.load(std::memory_order_relaxed) == sequence + 1) return;  // a note for people
  ring_.control->stalled_since_realtime_ns[static_cast<std::uint32_t>(own_)].store(realtime_now_ns(),
                                                                                   std::memory_order_relaxed);
  at.store(sequence + 1, std::memory_order_relaxed);
}

void participant::ask_for_mending() noexcept {
  const auto place = seat_index() - ring_.first_seat(own_);
  ring_.control->parked[static_cast<std::uint32_t>(own_)].fetch_or(
      std::uint64_t{1} << place % 64,
      std::memory_order_relaxed);  // nothing is read for it
}

bool participant::tick_is_over() noexcept {
  const auto now = monotonic_coarse_ns();
  if (now - last_tick_ns_ < tick_ns) return false;
  last_tick_ns_ = now;
  return true;
}

bool participant::has_lost_its_name() {
  constexpr std::uint64_t between_looks_ns = 1'000'000'000;
  if (cold_->name_loss_was_told) return false;
  const auto now = monotonic_coarse_ns();
  if (now - cold_->looked_at_name_ns < between_looks_ns) return false;
  cold_->looked_at_name_ns = now;
  cold_->name_found = cold_->attached.name_now();
  if (cold_->name_found == name_state::other) return true;
  if (cold_->name_found != name_state::removed) return false;
  const bool has_living = cold_->table.has_living(peer_of(own_));
  require_answers();
  return !has_living;
}

void participant::throw_name_is_lost() {
  cold_->name_loss_was_told = true;
  const std::string peer = role_name(static_cast<ring_kind>(descriptor().kind), peer_of(own_));
  if (cold_->name_found == name_state::other)
    throw error(errc::not_found, "wait on " + cold_->attached.what() +
                                     ": the name now leads to another file, made since this process attached, and a "
                                     "new " +
                                     peer + " comes there; attach again");
  throw error(errc::not_found, "wait on " + cold_->attached.what() + ": the name was removed and no " + peer +
                                   " is attached, so none can come; attach again once it was created anew");
}

seat_list participant::seats() const { return list_of(report_seats(cold_->table, ring_, kind_in(descriptor()))); }

peer_state participant::peer() {
  const auto peers = cold_->table.count(peer_of(own_));
  cold_->table.require_answers("ask for the other side of " + cold_->attached.what());
  return peers.alive > 0 ? peer_state::alive : peers.dead > 0 ? peer_state::dead : peer_state::none;
}

bool participant::peer_has_died() {
  const bool has_living = cold_->table.has_living(peer_of(own_));
  require_answers();
  if (has_living) return false;
  auto peers = cold_->table.count(peer_of(own_));
  require_answers();
  if (peers.alive > 0) return false;
  // Compare with "greater": a process that takes over a dead seat and leaves in order lowers the count, which is no death.
  bool is_news = false;
  for (std::size_t i = 0; i < peers.deaths.size(); ++i)
    is_news |= peers.deaths[i] > (i < cold_->deaths_told.size() ? cold_->deaths_told[i] : 0);
  if (is_news) cold_->deaths_found = std::move(peers.deaths);
  return is_news;
}

void participant::death_was_told() {
  cold_->deaths_told.resize(std::max(cold_->deaths_told.size(), cold_->deaths_found.size()));
  for (std::size_t i = 0; i < cold_->deaths_found.size(); ++i)
    cold_->deaths_told[i] = std::max(cold_->deaths_told[i], cold_->deaths_found[i]);
}

void participant::throw_would_be_dropped(std::uint64_t ns) const {
  throw error(errc::wrong_kind,
              where(cold_->attached, static_cast<ring_kind>(descriptor().kind), own_) +
                  ": this topic drops subscribers that hold a publisher up for " + std::to_string(ns / 1'000'000) +
                  " ms, so a message may be overwritten while it is read in place; take droppable_subscriber() or "
                  "lossy_subscriber(), which copy and check");
}

void participant::throw_not_here() const {
  cold_->attached.memory().require_whole(cold_->attached.what());
  cold_->seat.require_held("use " + cold_->attached.what());
  throw error(errc::wrong_process,
              std::string("use a ") + role_name(static_cast<ring_kind>(descriptor().kind), own_) + " of " +
                  cold_->attached.what() +
                  " made before fork: the seat belongs to the parent; make the handle in the process that uses it");
}

void participant::require_answers() {
  if (cold_->table.lacks_answers()) cold_->table.require_answers("use " + cold_->attached.what());
}

void participant::require_sane(bool is_sane) {
  cold_->attached.memory().require_whole(cold_->attached.what());
  require_here();
  cold_->seat.require_held("use " + cold_->attached.what());
  if (is_sane) return;
  throw error(
      errc::corrupted,
      "use " + cold_->attached.what() +
          ": the ring's counters contradict each other: a process that is no correct participant wrote into the "
          "segment; look with inspect, then remove it and create it anew");
}

}  // namespace sluice::detail
