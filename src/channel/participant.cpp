#include "sluice/channel/participant.hpp"

#include <algorithm>
#include <utility>

#include "part/part_kind.hpp"
#include "sluice/base/clock.hpp"
#include "sluice/base/error.hpp"
#include "sluice/plan/segment_plan.hpp"
#include "sluice/ring/ring_concept.hpp"

namespace sluice {
namespace {

attached_segment joined(attached_segment attached) {
  attached.join_here();
  return attached;
}

std::string where(const attached_segment& attached, role own) {
  return std::string("take the ") + to_string(own) + "'s seat of " + attached.what();
}

const part_descriptor& descriptor_of(const attached_segment& attached, std::uint32_t ring_index, ring_kind kind,
                                     role own) {
  const auto& header = attached.memory().header();
  if (ring_index >= header.part_count)
    throw error(errc::misuse, where(attached, own) + ": there is no ring " + std::to_string(ring_index) +
                                  ", the segment has " + std::to_string(header.part_count) +
                                  "; rings are counted from 0");
  const auto& ring = header.parts[ring_index];
  if (ring.kind != static_cast<std::uint32_t>(kind))
    throw error(errc::wrong_kind, where(attached, own) + ": ring " + std::to_string(ring_index) + " is " +
                                      to_string(static_cast<ring_kind>(ring.kind)) + ", not " + to_string(kind) +
                                      "; make the handle for the ring's own kind");
  return ring;
}

}  // namespace

const char* to_string(peer_state value) noexcept {
  switch (value) {
    case peer_state::none: return "none";
    case peer_state::alive: return "alive";
    case peer_state::dead: return "dead";
  }
  return "unknown";
}

participant::participant(attached_segment attached, std::uint32_t ring_index, ring_kind kind, role own,
                         const seat_rules& rules)
    : attached_(joined(std::move(attached))),
      ring_(view_ring(attached_.memory().bytes(), descriptor_of(attached_, ring_index, kind, own))),
      table_(attached_.memory(), ring_, ring_index, attached_.locks()),
      own_(own),
      seat_(table_.take(own, rules, where(attached_, own))),
      place_(ring_, own, seat_.index()),
      mark_(process_mark::here(attached_.memory(), attached_.what())),
      ring_index_(ring_index) {
  (void)place_.shares_only_processor();  // noted for partners that wait, even if this side never does
  // Deaths from before this handle are no news to it: also of one in whose seat no process has looked yet.
  deaths_told_ = table_.count(peer_of(own)).deaths;
}

void participant::close() noexcept {
  ring_.control->closed.store(1, std::memory_order_release);  // K
  wake_all(ring_, role::producer);
  wake_all(ring_, role::consumer);
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
  wake_all(ring_, role::producer);
  wake_all(ring_, role::consumer);
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
  if (name_loss_was_told_) return false;
  const auto now = monotonic_coarse_ns();
  if (now - looked_at_name_ns_ < between_looks_ns) return false;
  looked_at_name_ns_ = now;
  name_found_ = attached_.name_now();
  if (name_found_ == name_state::other) return true;
  if (name_found_ != name_state::removed) return false;
  const bool has_living = table_.has_living(peer_of(own_));
  require_answers();
  return !has_living;
}

void participant::throw_name_is_lost() {
  name_loss_was_told_ = true;
  const std::string peer = to_string(peer_of(own_));
  if (name_found_ == name_state::other)
    throw error(errc::not_found, "wait on " + attached_.what() +
                                     ": the name now leads to another file, made since this process attached, and a "
                                     "new " +
                                     peer + " comes there; attach again");
  throw error(errc::not_found, "wait on " + attached_.what() + ": the name was removed and no " + peer +
                                   " is attached, so none can come; attach again once it was created anew");
}

std::vector<seat_report> participant::seats() const { return report_seats(table_, ring_, kind_in(descriptor())); }

peer_state participant::peer() {
  const auto peers = table_.count(peer_of(own_));
  table_.require_answers("ask for the other side of " + attached_.what());
  return peers.alive > 0 ? peer_state::alive : peers.dead > 0 ? peer_state::dead : peer_state::none;
}

bool participant::peer_has_died() {
  const bool has_living = table_.has_living(peer_of(own_));
  require_answers();
  if (has_living) return false;
  auto peers = table_.count(peer_of(own_));
  require_answers();
  if (peers.alive > 0) return false;
  // Compare with "greater": a process that takes over a dead seat and leaves in order lowers the count, which is no death.
  bool is_news = false;
  for (std::size_t i = 0; i < peers.deaths.size(); ++i)
    is_news |= peers.deaths[i] > (i < deaths_told_.size() ? deaths_told_[i] : 0);
  if (is_news) deaths_found_ = std::move(peers.deaths);
  return is_news;
}

void participant::death_was_told() {
  deaths_told_.resize(std::max(deaths_told_.size(), deaths_found_.size()));
  for (std::size_t i = 0; i < deaths_found_.size(); ++i) deaths_told_[i] = std::max(deaths_told_[i], deaths_found_[i]);
}

void participant::throw_not_here() const {
  attached_.memory().require_whole(attached_.what());
  seat_.require_held("use " + attached_.what());
  throw error(errc::wrong_process,
              std::string("use a ") + to_string(own_) + " of " + attached_.what() +
                  " made before fork: the seat belongs to the parent; make the handle in the process that uses it");
}

void participant::require_answers() {
  if (table_.lacks_answers()) table_.require_answers("use " + attached_.what());
}

void participant::require_sane(bool is_sane) {
  attached_.memory().require_whole(attached_.what());
  require_here();
  seat_.require_held("use " + attached_.what());
  if (is_sane) return;
  throw error(
      errc::corrupted,
      "use " + attached_.what() +
          ": the ring's counters contradict each other: a process that is no correct participant wrote into the "
          "segment; look with inspect, then remove it and create it anew");
}

}  // namespace sluice
