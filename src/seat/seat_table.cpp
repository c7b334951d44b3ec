#include "sluice/detail/seat/seat_table.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>

#include "os/address_space.hpp"
#include "os/byte_locks.hpp"
#include "os/file.hpp"
#include "os/membarrier.hpp"
#include "os/process.hpp"
#include "sluice/detail/base/clock.hpp"
#include "sluice/error.hpp"
#include "sluice/inspect.hpp"

namespace sluice::detail {
namespace {

liveness liveness_of(os::process_state state) noexcept {
  switch (state) {
    case os::process_state::alive: return liveness::alive;
    case os::process_state::stopped: return liveness::stopped;
    case os::process_state::dead: return liveness::dead;
    case os::process_state::unknown: break;
  }
  return liveness::unknown;
}

}  // namespace

constexpr std::uint32_t max_holders_named = 8;  // in an error's text
constexpr std::uint64_t longest_naming_ns = 1'000'000'000;

struct seat_table::impl final : seat_keeper {
  impl(segment memory_, const ring_view& ring_, std::uint32_t ring_index_, std::shared_ptr<os::byte_locks> locks_,
       std::optional<lock_sight> sight_ = std::nullopt)
      : memory(std::move(memory_)), ring(ring_), ring_index(ring_index_), locks(std::move(locks_)) {
    sight = sight_ ? std::move(*sight_) : lock_sight{memory.file(), memory.header().lock_inode == 0};
    if (!memory.has_file()) backing = os::backing_of(memory.bytes().data());
    const auto own = os::own_identity();
    pid_namespace = own.pid_namespace;
    // A time namespace shifts the start times that its processes read: there the pid alone must do, and what it does not
    // settle is alive.
    self = own.time_namespace == memory.header().time_namespace ? own.word : os::make_identity(os::pid_of(own.word), 0);
    // In another pid namespace than the creator's our pid would name a stranger: a mender that no process can judge.
    mender_word = pid_namespace == memory.header().pid_namespace ? self : os::make_identity(0, 1);
  }
  virtual ~impl() {
    if (!mark.is_here()) return;  // a forked child: the locks are the parent's
    for (const auto i : mending) unlock_seat(i);
  }

  segment memory;
  ring_view ring;
  std::uint32_t ring_index;
  std::shared_ptr<os::byte_locks> locks;  // null until a seat is taken, where no attachment brought them
  lock_sight sight;                       // where they are asked for without it
  std::optional<error> failure;           // why the last question about a peer could not be asked
  os::identity_word self = 0;
  os::identity_word mender_word;
  std::string backing;  // of memory without a file; what was seen of it last:
  mutable std::mutex looking;
  mutable os::identity_word looked_at = 0;
  mutable std::optional<os::address_space> space;  // it maps `backing`
  std::uint64_t pid_namespace = 0;
  process_mark mark = process_mark::here();
  std::set<std::uint32_t> mending;  // the seats whose locks keeper() holds

  [[nodiscard]] std::vector<seat_report> reports() const;

  [[nodiscard]] role role_of(std::uint32_t i) const noexcept {
    return i < ring.producer_seats ? role::producer : role::consumer;
  }

  [[nodiscard]] std::uint64_t lock_of(std::uint32_t i) const noexcept {
    return lock_shift(memory.file().offset_bytes) + seat_lock_offset(ring_index, i);
  }

  [[nodiscard]] liveness process_of(std::uint32_t i) const noexcept {
    const auto& record = ring.seats[i];
    if (record.pid_namespace.load(std::memory_order_relaxed) != pid_namespace)
      return liveness::unknown;                                                          // input; a verdict needs more
    return liveness_of(state_of_process(record.owner.load(std::memory_order_relaxed)));  // the caller compares states
  }

  /// As this process may compare it with what /proc shows: without a start time that counts in another time namespace.
  [[nodiscard]] os::identity_word comparable(os::identity_word word) const noexcept {
    const bool can_compare_start_times = os::time_namespace() == memory.header().time_namespace;  // now: setns(2)
    return can_compare_start_times ? word : os::make_identity(os::pid_of(word), 0);
  }

  [[nodiscard]] os::process_state state_of_process(os::identity_word word) const noexcept {
    const auto state = os::state_of(comparable(word));
    if (memory.has_file() || state == os::process_state::dead || state == os::process_state::unknown) return state;
    return still_maps_it(word) ? state : os::process_state::dead;
  }

  /// Of memory without a file: whether the process did not become another program meanwhile. Pid and start time outlive an
  /// exec; what it had mapped does not. Unclear is yes.
  [[nodiscard]] bool still_maps_it(os::identity_word word) const noexcept {
    // A look through all that it maps costs tens of microseconds, and every tick asks for the same peer: the address space
    // of the last one is kept, in which no process lives after an exec.
    const std::unique_lock alone(looking, std::try_to_lock);
    if (alone && looked_at == word && space && space->is_lived_in()) return true;
    auto now = os::address_space::of(os::pid_of(word));
    const auto maps = now ? now->maps(backing) : std::nullopt;
    if (alone && maps == true) {
      looked_at = word;
      space = std::move(now);
    }
    return maps.value_or(true);
  }

  /// Whether the descriptor still leads to the segment's file: a program may have closed all that it found open, and
  /// opened others since. Asked before a lock on it is taken, or one that is free is believed.
  [[nodiscard]] bool descriptor_is_its_own() const noexcept {
    const auto& file = sight.file;
    if (file.inode == 0) return true;  // of a look, which holds its own
    try {
      const auto now = os::facts_of(file.descriptor, file.path);
      return now.inode == file.inode && now.device == file.device;
    } catch (const error&) {
      return false;  // closed
    }
  }

  /// What locks are held through. Those of an attachment are there already.
  os::byte_locks& own_locks() {
    if (locks == nullptr || locks->is_of_parent()) {
      const auto& file = memory.file();
      if (memory.header().lock_inode != 0)
        throw error(errc::bad_argument,
                    "lock a seat of " + file.path + ": its locks lie in another file; attach to it by its name");
      auto fresh =
          std::make_shared<os::byte_locks>(os::lockable_file{file.descriptor, file.path, file.device, file.inode});
      fresh->anchor(memory.placement().page_bytes);
      locks = std::move(fresh);
    }
    return *locks;
  }

  /// A question that could not be asked, for require_answers(); and for `inspect`, which sees it from outside.
  void note(const error& problem) noexcept {
    ring.control->unanswered.fetch_add(1, std::memory_order_relaxed);  // a count for people
    try {
      failure = problem;
    } catch (...) {  // no memory for the text: the next question tries again
    }
  }

  /// Whether a living process holds the lock of seat `i`; empty: not where this process can see it, and perhaps all the
  /// same. @throws error when that cannot be asked.
  [[nodiscard]] std::optional<bool> is_held(std::uint32_t i) const {
    if (locks != nullptr && !locks->is_of_parent()) return locks->has_owner(lock_of(i));
    if (descriptor_is_its_own()) {
      const bool is_held = os::is_locked(sight.file.descriptor, lock_of(i), 1, os::lock_mode::exclusive);
      const bool is_told = is_held || sight.is_complete || !is_attached();
      if (descriptor_is_its_own()) return is_told ? std::optional(is_held) : std::nullopt;
    }
    throw error(errc::misuse, "the program closed descriptor " + std::to_string(sight.file.descriptor) + " of " +
                                  sight.file.path + "; attach anew");
  }

  /// Whether a process may be attached at all: presence is a shared lock, which no reader can keep another one from.
  [[nodiscard]] bool is_attached() const {
    return os::is_locked(sight.file.descriptor, presence_lock_offset, 1, os::lock_mode::shared);
  }

  /// Whether the process that sits (or sat) there is gone; empty: that cannot be told.
  [[nodiscard]] std::optional<bool> owner_is_gone(std::uint32_t i) const noexcept {
    if (!memory.has_file()) return process_of(i) == liveness::dead;
    try {
      if (const auto held = is_held(i)) return !*held;
      if (process_of(i) == liveness::dead) return true;
    } catch (const error&) {
      // A look reports what it can.
    }
    return std::nullopt;
  }

  /// For a participant, which must not wait for ever for an answer that it cannot get. Unclear is no.
  [[nodiscard]] bool owner_is_proven_gone(std::uint32_t i) noexcept {
    if (!memory.has_file()) return process_of(i) == liveness::dead;
    try {
      return is_held(i) == false;
    } catch (const error& problem) {
      note(problem);
      return false;
    }
  }

  bool is_dead(std::uint32_t i, std::uint64_t word) noexcept override {
    if (state_of(word) == seat_state::dead) return true;
    if (state_of(word) != seat_state::taken || !owner_is_proven_gone(i)) return false;
    std::atomic_thread_fence(
        std::memory_order_seq_cst);  // D: what the dead wrote is visible to the process that acts on the verdict
    mark_dead(i, word);
    return true;  // when the word has changed meanwhile: the owner of then is gone all the same
  }

  void mark_dead(std::uint32_t i, std::uint64_t word) noexcept {
    ring.seats[i].state.compare_exchange_strong(word, seat_word(seat_state::dead, generation_of(word)),
                                                std::memory_order_acq_rel);  // D
  }

  /// Tries once for the lock of a seat: a kernel lock where there is a file, else the seat's mender word.
  /// @throws error when the lock cannot be asked for; in_use when a reader is in the way.
  [[nodiscard]] bool lock_seat(std::uint32_t i) { return lock(i, ring.seats[i].mender); }
  void unlock_seat(std::uint32_t i) noexcept { unlock(i, ring.seats[i].mender); }

  /// The same for naming_seat, which has no seat and brings its word.
  [[nodiscard]] bool lock(std::uint32_t i, std::atomic<std::uint64_t>& mender) {
    if (memory.has_file()) {
      const auto answer = own_locks().try_lock(lock_of(i), os::lock_mode::exclusive);
      if (answer == os::lock_answer::held_by_reader)
        throw error(errc::in_use, os::shared_lock_text(memory.file().path, "the byte of seat " + std::to_string(i),
                                                       own_locks().reader_of(lock_of(i))));
      return answer == os::lock_answer::locked;
    }
    auto holder = mender.load(std::memory_order_relaxed);  // the exchange decides
    if (holder != 0 && state_of_process(holder) != os::process_state::dead) return false;
    return mender.compare_exchange_strong(holder, mender_word, std::memory_order_acq_rel,
                                          std::memory_order_relaxed);  // L
  }
  void unlock(std::uint32_t i, std::atomic<std::uint64_t>& mender) noexcept {
    if (memory.has_file()) {
      if (locks != nullptr) locks->unlock(lock_of(i));
    } else {
      mender.exchange(0, std::memory_order_acq_rel);  // L
    }
  }

  /// Which seats serve one that takes a seat.
  struct choice {
    subscription_name kept_for;  // none: those that are kept for no subscription
    subscription_name new_name;  // the seat is kept for it from now on
  };
  [[nodiscard]] bool serves(std::uint32_t i, const choice& which, const seat_rules& kind) const noexcept {
    if (kind.subscriptions == nullptr || role_of(i) != role::consumer) return true;
    return kind.subscriptions->of(ring, i) == which.kept_for;
  }
  [[nodiscard]] std::unique_ptr<held_seat::impl> try_take(role own, const choice& which, const seat_rules& kind,
                                                          const std::string& where, const std::shared_ptr<impl>& self_);
  [[nodiscard]] bool is_kept_for(const subscription_name& subscription, const seat_rules& kind) const noexcept {
    for (auto i = ring.producer_seats; i < ring.producer_seats + ring.consumer_seats; ++i)
      if (kind.subscriptions->of(ring, i) == subscription) return true;
    return false;
  }

  bool try_lock(std::uint32_t i) noexcept override {
    try {
      if (!mending.insert(i).second) return false;  // held by this keeper already
      if (lock_seat(i)) return true;
    } catch (const error& problem) {
      note(problem);
    } catch (const std::bad_alloc&) {
      return false;  // nothing is locked; asked again at the next tick
    }
    mending.erase(i);
    return false;
  }

  void unlock(std::uint32_t i) noexcept override {
    if (mending.erase(i) != 0) unlock_seat(i);
  }

  /// "all 64 producer seats are taken: 60 by pid 4711 (feed, alive), …", and what to do.
  [[nodiscard]] std::string holders_of(role own, const seat_rules& kind) const;
  /// "pid 4711 (feed, alive) sits there".
  [[nodiscard]] std::string sitting_for(const subscription_name& subscription, const seat_rules& kind) const;

  void record(repair_kind what, std::uint32_t i, std::uint64_t sequence, std::uint64_t count) noexcept override {
    auto& control = *ring.control;
    const auto number = control.repairs.fetch_add(1, std::memory_order_relaxed) + 1;  // a log for people
    auto& counter = what == repair_kind::hole         ? control.holes
                    : what == repair_kind::redelivery ? control.redelivered
                                                      : control.settled;
    counter.fetch_add(count, std::memory_order_relaxed);
    auto& entry = control.log[(number - 1) % repair_log_entries];
    entry.number.store(0, std::memory_order_relaxed);
    entry.realtime_ns.store(realtime_now_ns(), std::memory_order_relaxed);
    entry.mender.store(self, std::memory_order_relaxed);
    entry.dead.store(i == unknown_seat() ? 0 : ring.seats[i].owner.load(std::memory_order_relaxed),
                     std::memory_order_relaxed);
    entry.seat_and_what.store(std::uint64_t{i} << 8 | static_cast<std::uint64_t>(what), std::memory_order_relaxed);
    entry.sequence.store(sequence, std::memory_order_relaxed);
    entry.number.store(number, std::memory_order_relaxed);
  }
};

struct held_seat::impl {
  std::shared_ptr<seat_table::impl> table;
  bool (*holds_something)(const ring_view&, std::uint32_t) noexcept = nullptr;
  std::uint32_t index = 0;
  std::uint64_t generation = 0;
  process_mark mark = process_mark::here();

  impl() = default;
  ~impl() {
    if (table == nullptr) return;  // no seat was to be had
    if (!mark.is_here()) return;   // a forked child: the seat is the parent's
    if (!is_mine()) {              // lost, and perhaps another's by now; or the file was cut short and reads as zeroes
      if (table->memory.has_file()) table->unlock_seat(index);
      return;
    }
    auto& record = table->ring.seats[index];
    record.parked.store(0, std::memory_order_relaxed);               // A publishes it
    const auto word = record.state.load(std::memory_order_relaxed);  // ours since we took it
    // A consumer that leaves with messages in its hands leaves them to be adopted, as a dead one does; but it is no death.
    const bool holds_messages = holds_something(table->ring, index);
    if (holds_messages) record.left.store(generation_of(word), std::memory_order_relaxed);  // A publishes it
    const auto after = holds_messages ? seat_state::dead : seat_state::free;
    record.state.store(seat_word(after, generation_of(word)), std::memory_order_release);  // A
    if (table->memory.has_file()) table->unlock_seat(index);
  }

  /// Whether the shared bytes still say so: false once another process has declared this one dead.
  [[nodiscard]] bool is_mine() const noexcept {
    return table->ring.seats[index].state.load(std::memory_order_relaxed) ==  // compared for equality alone
           seat_word(seat_state::taken, generation);
  }
};

held_seat::held_seat(std::unique_ptr<impl> held) noexcept : impl_(std::move(held)) {}
held_seat::held_seat(held_seat&&) noexcept = default;
held_seat& held_seat::operator=(held_seat&&) noexcept = default;
held_seat::~held_seat() = default;
std::uint32_t held_seat::index() const noexcept { return impl_->index; }

void held_seat::require_held(const std::string& what) const {
  auto& table = *impl_->table;
  bool is_locked = true;
  if (table.memory.has_file() && impl_->mark.is_here()) {
    try {
      is_locked = table.locks->holds(table.lock_of(impl_->index));
    } catch (const error& problem) {
      table.note(problem);
      throw error(problem.reason(), what + ": " + problem.what());
    }
  }
  if (is_locked && impl_->is_mine()) return;
  if (auto* const mark = table.memory.mark()) mark->store(0, std::memory_order_relaxed);  // compared for equality alone
  throw error(errc::misuse,
              what +
                  ": its seat was lost: the program closed the descriptor that held the seat's lock, on a filesystem "
                  "where nothing else holds one, and another process took the seat or declared this one dead; keep "
                  "the descriptors that the library opens, and attach anew");
}

seat_table::seat_table(segment memory, const ring_view& ring, std::uint32_t ring_index,
                       std::shared_ptr<os::byte_locks> locks)
    : impl_(std::make_shared<impl>(std::move(memory), ring, ring_index, std::move(locks))) {}

seat_table::seat_table(segment memory, const ring_view& ring, std::uint32_t ring_index, lock_sight sight)
    : impl_(std::make_shared<impl>(std::move(memory), ring, ring_index, nullptr, std::move(sight))) {}

std::string seat_table::impl::holders_of(role own, const seat_rules& kind) const {
  std::vector<std::pair<std::string, std::uint32_t>> holders;  // a process may hold several
  for (const auto& seat : reports()) {
    if (seat.role != own || seat.state != seat_state::taken) continue;
    auto text = process_text(seat);
    const auto known = std::ranges::find(holders, text, [](const auto& holder) { return holder.first; });
    if (known != holders.end())
      ++known->second;
    else
      holders.emplace_back(std::move(text), 1);
  }
  const auto count = ring.seat_count(own);
  const std::string name = role_name(kind.kind, own);
  auto text =
      count == 1 ? "the " + name + " seat is taken" : "all " + std::to_string(count) + " " + name + " seats are taken";
  if (holders.empty())
    return text + " by a process that is coming or leaving, or that settles what a dead one left; try again";
  for (std::size_t i = 0; i < std::min<std::size_t>(holders.size(), max_holders_named); ++i)
    text += (i == 0 ? " by " : ", ") + holders[i].first +
            (holders[i].second > 1 ? " in " + std::to_string(holders[i].second) + " of them" : "");
  if (holders.size() > max_holders_named)
    text += " and " + std::to_string(holders.size() - max_holders_named) + " more";
  if (own == role::consumer && kind.subscriptions != nullptr) {
    std::uint32_t kept = 0;
    for (auto i = ring.producer_seats; i < ring.producer_seats + ring.consumer_seats; ++i)
      kept += state_of(ring.seats[i].state.load(std::memory_order_relaxed)) != seat_state::taken &&  // for people
              !kind.subscriptions->of(ring, i).is_none();
    if (kept != 0) text += ", and " + std::to_string(kept) + " kept for subscriptions in which no process is";
  }
  if (kind.has_many_seats) text += "; create the channel with more " + name + "_seats, or let one of them end";
  return text;
}

std::string seat_table::impl::sitting_for(const subscription_name& subscription, const seat_rules& kind) const {
  for (const auto& seat : reports())
    if (seat.role == role::consumer && seat.state == seat_state::taken &&
        kind.subscriptions->of(ring, seat.index) == subscription)
      return process_text(seat) + " has it; one process at a time subscribes by a name";
  return "a process is coming or leaving there, or settles what a dead one left; try again";
}

std::unique_ptr<held_seat::impl> seat_table::impl::try_take(role own, const choice& which, const seat_rules& kind,
                                                            const std::string& where,
                                                            const std::shared_ptr<impl>& self_) {
  auto held = std::make_unique<held_seat::impl>();  // whatever can fail, fails before a lock is held
  // Before the seat is ours, or another's membarrier would miss this process.
  if (!os::membarrier_register())
    ring.control->mode.store(static_cast<std::uint32_t>(wake_mode::fence), std::memory_order_relaxed);

  failure.reset();

  // Those that say they are taken come last: to prove one of them dead costs system calls.
  const auto first = ring.first_seat(own), count = ring.seat_count(own);
  for (std::uint32_t turn = 0; turn < 2 * count; ++turn) {
    const auto i = first + turn % count;
    const bool is_second_look = turn >= count;
    auto& record = ring.seats[i];
    if (!serves(i, which, kind)) continue;
    const auto seen = record.state.load(std::memory_order_acquire);  // A, D
    if (state_of(seen) == seat_state::taken && (!is_second_look || !is_dead(i, seen))) continue;
    try {
      if (!lock_seat(i)) continue;
    } catch (const error& problem) {
      if (problem.reason() != errc::in_use) throw error(problem.reason(), where + ": " + problem.what());
      failure = problem;  // a reader is in the way here, and perhaps not at the next seat
      continue;
    }
    auto word = record.state.load(std::memory_order_acquire);  // A, D: it may have changed before we had the lock
    if (state_of(word) == seat_state::taken) {
      // A kernel lock is the owner's for as long as it sits there: now that it is ours, the owner is dead.
      if (memory.has_file()) {
        mark_dead(i, word);
      } else if (!is_dead(i, word)) {
        unlock_seat(i);
        continue;
      }
      word = record.state.load(std::memory_order_acquire);  // A, D
    }
    const bool was_dead = state_of(word) == seat_state::dead;
    if (!serves(i, which, kind) || (was_dead && !kind.settle(ring, i, *this))) {
      unlock_seat(i);
      continue;
    }
    if (was_dead && !left_in_order(record, word)) this->record(repair_kind::takeover, i, kind.resumes_at(ring, i), 1);
    if (!which.new_name.is_none()) kind.subscriptions->keep_for(ring, i, which.new_name);
    record.owner.store(self, std::memory_order_relaxed);  // A publishes these
    record.pid_namespace.store(pid_namespace, std::memory_order_relaxed);
    record.taken_realtime_ns.store(realtime_now_ns(), std::memory_order_relaxed);
    record.parked.store(0, std::memory_order_relaxed);
    record.state.store(seat_word(seat_state::taken, generation_of(word) + 1), std::memory_order_release);  // A
    held->table = self_;
    held->holds_something = kind.holds_something;
    held->index = i;
    held->generation = generation_of(word) + 1;
    if (!memory.has_file()) unlock_seat(i);  // the mender word; the kernel lock is the seat's
    return held;
  }
  if (failure) throw error(failure->reason(), where + ": " + failure->what());
  return nullptr;
}

held_seat seat_table::take(role own, const seat_rules& kind, const std::string& where) {
  if (auto held = impl_->try_take(own, {}, kind, where, impl_)) return held_seat(std::move(held));
  throw error(errc::seat_taken, where + ": " + impl_->holders_of(own, kind));
}

held_seat seat_table::take_for(const seat_request& asked, const seat_rules& kind, const std::string& where) {
  auto& table = *impl_;
  const auto& subscription = asked.subscription;
  auto& naming = kind.subscriptions->naming(table.ring);
  const auto called = "subscription \"" + subscription.text() + "\"";
  // One process at a time looks for the name and gives it, or two seats would be kept for one subscription.
  for (const auto begun_ns = monotonic_now_ns(); !table.lock(naming_seat, naming);) {
    if (monotonic_now_ns() - begun_ns > longest_naming_ns)
      throw error(errc::in_use, where + " for " + called +
                                    ": another process is subscribing by a name, and did not get on with it for a "
                                    "second; try again");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const auto unlock = [&table](std::atomic<std::uint64_t>* word) { table.unlock(naming_seat, *word); };
  const std::unique_ptr<std::atomic<std::uint64_t>, decltype(unlock)> locked(&naming, unlock);

  const bool is_kept = table.is_kept_for(subscription, kind);
  if (!is_kept && asked.must_exist)
    throw error(errc::not_found, where + ": there is no " + called + "; `sluice inspect` shows those that there are");
  const impl::choice kept{.kept_for = subscription, .new_name = {}}, named{.kept_for = {}, .new_name = subscription};
  if (auto held = table.try_take(role::consumer, is_kept ? kept : named, kind, where, impl_))
    return held_seat(std::move(held));
  if (!is_kept) throw error(errc::seat_taken, where + ": " + table.holders_of(role::consumer, kind));
  throw error(errc::seat_taken, where + " for " + called + ": " + table.sitting_for(subscription, kind));
}

peer_count seat_table::count(role whom) {
  const auto& ring = impl_->ring;
  const auto first = ring.first_seat(whom);
  for (std::uint32_t i = first; i < first + ring.seat_count(whom); ++i)
    (void)impl_->is_dead(i, ring.seats[i].state.load(std::memory_order_acquire));  // A, D
  return known(whom);
}

peer_count seat_table::known(role whom) const {
  peer_count peers;
  const auto& ring = impl_->ring;
  const auto first = ring.first_seat(whom);
  for (std::uint32_t i = first; i < first + ring.seat_count(whom); ++i) {
    const auto word = ring.seats[i].state.load(std::memory_order_acquire);  // A, D
    if (state_of(word) == seat_state::taken) ++peers.alive;
    if (state_of(word) != seat_state::dead && state_of(word) != seat_state::settled) continue;
    if (left_in_order(ring.seats[i], word)) continue;
    ++peers.dead;
    peers.deaths.resize(ring.seat_count(whom));
    peers.deaths[i - first] = generation_of(word);
  }
  return peers;
}

bool seat_table::has_living(role whom) {
  const auto& ring = impl_->ring;
  const auto first = ring.first_seat(whom);
  for (std::uint32_t i = first; i < first + ring.seat_count(whom); ++i) {
    const auto word = ring.seats[i].state.load(std::memory_order_acquire);  // A, D
    if (state_of(word) == seat_state::taken && !impl_->is_dead(i, word)) return true;
  }
  return false;
}

void seat_table::require_answers(const std::string& what) {
  if (!impl_->failure) return;
  const error problem = *impl_->failure;
  impl_->failure.reset();
  throw error(problem.reason(), what + ": whether other participants live cannot be told: " + problem.what());
}

bool seat_table::lacks_answers() const noexcept { return impl_->failure.has_value(); }

std::vector<seat_report> seat_table::report() const { return impl_->reports(); }
std::optional<bool> seat_table::owner_is_gone(std::uint32_t seat_index) const noexcept {
  return impl_->owner_is_gone(seat_index);
}

std::vector<seat_report> seat_table::impl::reports() const {
  std::vector<seat_report> seats;
  for (std::uint32_t i = 0; i < ring.producer_seats + ring.consumer_seats; ++i) {
    const auto& record = ring.seats[i];
    const auto word = record.state.load(std::memory_order_acquire);  // A, D
    if (generation_of(word) == 0) continue;
    seat_report seat;
    seat.index = i;
    seat.role = role_of(i);
    seat.state = state_of(word);
    seat.generation = generation_of(word);
    seat.left_in_order =
        seat.state == seat_state::free || (seat.state != seat_state::taken && left_in_order(record, word));
    seat.pid = os::pid_of(record.owner.load(std::memory_order_relaxed));
    seat.taken_realtime_ns = record.taken_realtime_ns.load(std::memory_order_relaxed);
    const auto owner_namespace = record.pid_namespace.load(std::memory_order_relaxed);
    seat.same_pid_namespace = owner_namespace != 0 && owner_namespace == pid_namespace;
    seat.knows_pid_namespace = owner_namespace != 0;
    seat.is_parked = record.parked.load(std::memory_order_relaxed) != 0;
    seat.parks = record.parks.load(std::memory_order_relaxed);
    const auto process = process_of(i);
    seat.process_state = to_string(process);
    if (seat.state == seat_state::taken) {
      const auto is_gone = owner_is_gone(i);
      const auto owner = record.owner.load(std::memory_order_relaxed);
      const bool exits = process == liveness::dead || (seat.same_pid_namespace && os::is_exiting(comparable(owner)));
      seat.alive = !is_gone                       ? liveness::unknown
                   : *is_gone                     ? liveness::dead
                   : exits                        ? liveness::exiting
                   : process == liveness::stopped ? liveness::stopped
                                                  : liveness::alive;
      if (is_gone != true && seat.same_pid_namespace && process != liveness::dead)
        seat.command = os::command_of(seat.pid);
    } else {
      seat.alive = liveness::dead;
    }
    seats.push_back(std::move(seat));
  }
  return seats;
}

seat_keeper& seat_table::keeper() noexcept { return *impl_; }

}  // namespace sluice::detail
