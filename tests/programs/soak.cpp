// Kills, stops, continues and restarts producers and consumers at random under full load, and accounts for every message
// in a ledger beside the channel:
//   soak SECONDS [--seed N] [--ring KIND|all] [--segment file|anonymous|zero|all] [--producers P] [--consumers C]
//        [--directory DIR] [--privileges kept|dropped]
// Each ring in each segment has at least one round, of 0.3 s at least, however few the seconds.
// --directory: where files are made, /dev/shm unless told. --privileges dropped (as root, files only): every worker becomes
// user and group 65534 after it took its seat, so that it cannot open the file of its segment again.
// Ends with 1 when anything was lost, torn, duplicated without a mark, out of order or leaked, or when all stood still.

#include <sluice/channel.hpp>
#include <sluice/port.hpp>
#include <sluice/registry.hpp>
#include <sluice/ring.hpp>
#include <sluice/segment.hpp>

#include <execinfo.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "part/part_kind.hpp"
#include "soak_latest.hpp"
#include "soak_ledger.hpp"
#include "soak_worker.hpp"
#include "support/behind.hpp"
#include "support/temp_registry.hpp"

namespace soak {
namespace {

using sluice::detail::monotonic_now_ns;
constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t wedge_ns = 10'000 * ms;  // no message for so long while none is stopped: it will never come

struct options {
  double seconds = 0;
  std::uint64_t seed = 0;
  std::string ring = "all";
  std::string segment = "all";
  std::uint32_t producers = 3;
  std::uint32_t consumers = 3;
  std::string directory = "/dev/shm";
  bool drops_privileges = false;
};

struct tally {
  std::uint64_t rounds = 0, kills = 0, stops = 0, restarts = 0, messages = 0, uncertain = 0, redelivered = 0, holes = 0;
  std::uint64_t longest_stall_ns = 0;
  // Each of these must stay 0.
  std::uint64_t lost = 0, torn = 0, duplicated = 0, disordered = 0, leaked_seats = 0, leaked_slots = 0, unexpected = 0,
                wedged = 0;

  [[nodiscard]] bool is_clean() const {
    return lost + torn + duplicated + disordered + leaked_seats + leaked_slots + unexpected + wedged == 0;
  }
  void add(const tally& other) {
    rounds += other.rounds, kills += other.kills, stops += other.stops, restarts += other.restarts;
    messages += other.messages, uncertain += other.uncertain, redelivered += other.redelivered, holes += other.holes;
    longest_stall_ns = std::max(longest_stall_ns, other.longest_stall_ns);
    lost += other.lost, torn += other.torn, duplicated += other.duplicated, disordered += other.disordered;
    leaked_seats += other.leaked_seats, leaked_slots += other.leaked_slots, unexpected += other.unexpected;
    wedged += other.wedged;
  }
};

void print_heading() {
  std::printf("%-10s %-9s %6s %6s %6s %8s %11s %4s %4s %12s %10s %11s %9s %6s %8s %12s %12s\n", "ring", "segment",
              "rounds", "kills", "stops", "restarts", "messages", "lost", "torn", "dup-unmarked", "disordered",
              "redelivered", "uncertain", "holes", "stall-ms", "leaked-seats", "leaked-slots");
}

void print_line(const char* ring, const char* segment, const tally& t) {
  using count = unsigned long long;
  std::printf(
      "%-10s %-9s %6llu %6llu %6llu %8llu %11llu %4llu %4llu %12llu %10llu %11llu %9llu %6llu %8.1f %12llu %12llu",
      ring, segment, count{t.rounds}, count{t.kills}, count{t.stops}, count{t.restarts}, count{t.messages},
      count{t.lost}, count{t.torn}, count{t.duplicated}, count{t.disordered}, count{t.redelivered}, count{t.uncertain},
      count{t.holes}, static_cast<double>(t.longest_stall_ns) / 1e6, count{t.leaked_seats}, count{t.leaked_slots});
  if (t.unexpected != 0) std::printf("  UNEXPECTED ERRORS %llu", count{t.unexpected});
  if (t.wedged != 0) std::printf("  WEDGED");
  std::printf("\n");
  std::fflush(stdout);
}

struct worker {
  sluice::role role = sluice::role::producer;
  std::uint32_t place = 0;
  std::uint32_t incarnation = 0;
  pid_t pid = 0;  // 0: none
  bool is_stopped = false;
  bool has_ended = false;  // and is a zombie as long as pid is not 0
  std::uint64_t continue_at_ns = 0, restart_at_ns = 0;
  [[nodiscard]] bool is_running() const { return pid != 0 && !has_ended; }
};

/// In a worker that crashes: says where, for addr2line, and dies of it.
void tell_where(int number, siginfo_t* info, void*) {
  char line[96];
  const auto length = std::snprintf(line, sizeof line, "soak: signal %d at address %p:\n", number, info->si_addr);
  void* frames[32];
  const auto depth = ::backtrace(frames, 32);
  if (::write(STDERR_FILENO, line, static_cast<std::size_t>(length)) > 0)
    ::backtrace_symbols_fd(frames, depth, STDERR_FILENO);
  ::raise(number);  // the handler is gone: SA_RESETHAND
}

void tell_of_crashes() {
  void* warm_up[1];
  ::backtrace(warm_up, 1);  // loads what it needs now, not in the handler
  struct sigaction action {};
  action.sa_sigaction = tell_where;
  action.sa_flags = SA_SIGINFO | static_cast<int>(SA_RESETHAND);
  for (const int number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) ::sigaction(number, &action, nullptr);
}

struct combination {
  std::string ring;
  std::string segment;
  tally counts;
};

template <class Channel>
struct ring_of;
template <class T, class Ring>
struct ring_of<sluice::channel<T, Ring>> {
  using type = Ring;
};

/// One channel, its workers and its ledger, from the first message to the audit.
template <class Channel>
class round_of {
 public:
  using channel = Channel;

  round_of(const options& how, const combination& which, std::uint64_t seed)
      : random_(seed),
        directory_(how.directory),
        drops_privileges_(how.drops_privileges),
        producers_(
            which.ring.starts_with("spsc") || which.ring == "topic" || which.ring == "topic-bytes" ? 1 : how.producers),
        consumers_(which.ring.starts_with("spsc") ? 1 : how.consumers),
        book_(producers_),
        through_(make(which.segment)),
        ring_(sluice::detail::test::details_of(through_.consumer()).ring()) {
    for (std::uint32_t i = 0; i < producers_; ++i) workers_.push_back({.role = sluice::role::producer, .place = i});
    for (std::uint32_t i = 0; i < consumers_; ++i) workers_.push_back({.role = sluice::role::consumer, .place = i});
  }
  round_of(const round_of&) = delete;
  round_of& operator=(const round_of&) = delete;
  ~round_of() {
    for (auto& w : workers_) {
      if (w.pid == 0) continue;
      ::kill(w.pid, SIGKILL);
      ::waitpid(w.pid, nullptr, 0);
    }
  }

  tally run(std::uint64_t duration_ns) {
    counts_.rounds = 1;
    const auto end = monotonic_now_ns() + duration_ns;
    tell_of_crashes();
    for (auto& w : workers_) spawn(w);
    restart_stall_clock();
    while (counts_.wedged == 0 && monotonic_now_ns() < end && !is_used_up()) {
      disturb_until(std::min(end, monotonic_now_ns() + 500 * ms));
      if (counts_.wedged == 0) watch_survivors();
    }
    if (counts_.wedged == 0) finish();
    for (auto& w : workers_) drop(w);
    audit_ledger();
    if (counts_.wedged == 0) audit_ring();
    return counts_;
  }

 private:
  // ---- Disturbing ---------------------------------------------------------------------------------------------------

  void disturb_until(std::uint64_t end) {
    const bool with_stops = random_.one_in(2);
    const bool is_gentle = random_.one_in(4);  // workers live long enough to reach full speed
    auto next = monotonic_now_ns();
    while (monotonic_now_ns() < end && counts_.wedged == 0) {
      step();
      if (monotonic_now_ns() < next) continue;
      next = monotonic_now_ns() + random_.roll((is_gentle ? 40 : 3) * ms);
      auto& w = workers_[random_.roll(workers_.size())];
      if (!w.is_running()) continue;
      if (with_stops && !w.is_stopped && random_.one_in(2))
        stop(w);
      else
        kill(w);
    }
    for (auto& w : workers_) resume(w);
  }

  /// No worker is killed, stopped or restarted: the survivors must go on by themselves, beside the dead. They are given
  /// as long as it takes to carry two rings full.
  void watch_survivors() {
    revive_if_all_dead(sluice::role::producer);
    revive_if_all_dead(sluice::role::consumer);
    revive_named();
    restart_stall_clock();
    const auto begin = monotonic_now_ns();
    const auto from = delivered();
    while (counts_.wedged == 0) {
      nap();
      notice_ends();
      if (!may_go_on()) return;  // took their own lives
      if (is_used_up()) return;
      look_for_stall();
      if (monotonic_now_ns() - begin > 120 * ms && delivered() - from > 2 * through_.capacity_slots()) return;
    }
  }

  void step() {
    nap();
    notice_ends();
    const auto now = monotonic_now_ns();
    for (auto& w : workers_) {
      if (w.is_stopped && now >= w.continue_at_ns) resume(w);
      if (!w.is_running() && now >= w.restart_at_ns) spawn(w);
    }
    look_for_stall();
  }

  static void nap() { std::this_thread::sleep_for(std::chrono::microseconds(200)); }

  /// Notes which workers have ended; the zombies stay until their place is taken again.
  void notice_ends() {
    for (auto& w : workers_) {
      if (!w.is_running()) continue;
      siginfo_t info{};
      if (::waitid(P_PID, static_cast<id_t>(w.pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == w.pid)
        note_end(w, info.si_code != CLD_EXITED, info.si_status);
    }
  }

  void note_end(worker& w, bool by_signal, int status) {
    w.has_ended = true;
    w.is_stopped = false;
    w.restart_at_ns = monotonic_now_ns() + (random_.one_in(4) ? random_.roll(150 * ms) : 0);
    if (by_signal && status == SIGKILL) {
      ++counts_.kills;
    } else if (by_signal || status != 0) {
      std::fprintf(stderr, "soak: a %s ended by %s %d\n", sluice::to_string(w.role), by_signal ? "signal" : "exit",
                   status);
      ++counts_.unexpected;
    }
    counts_.uncertain +=
        w.role == sluice::role::producer ? book_.settle_producer(w.place) : book_.settle_consumer(w.place);
  }

  void kill(worker& w) {
    ::kill(w.pid, SIGKILL);
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(w.pid), &info, WEXITED | WNOWAIT) == 0)
      note_end(w, info.si_code != CLD_EXITED, info.si_status);
  }

  void stop(worker& w) {
    ::kill(w.pid, SIGSTOP);
    w.is_stopped = true;
    w.continue_at_ns = monotonic_now_ns() + random_.roll(random_.one_in(16) ? 120 * ms : 8 * ms);
    ++counts_.stops;
  }

  void resume(worker& w) {
    if (!w.is_stopped) return;
    ::kill(w.pid, SIGCONT);
    w.is_stopped = false;
    restart_stall_clock();
  }

  static void drop(worker& w) {
    if (w.pid == 0) return;
    ::waitpid(w.pid, nullptr, 0);
    w.pid = 0;
  }

  void spawn(worker& w) {
    drop(w);
    std::fflush(nullptr);
    const auto parent = ::getpid();
    const auto seed = random_();
    const bool attaches = names_ != nullptr && random_.one_in(2);
    const auto pid = ::fork();
    if (pid < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(0);
      ::_exit(live(w, seed, attaches));
    }
    if (w.incarnation != 0) ++counts_.restarts;
    ++w.incarnation;
    w.pid = pid;
    w.has_ended = false;
  }

  /// In the child. Where the segment has a name, half of them attach by it; the others use what they inherited.
  int live(const worker& w, std::uint64_t seed, bool attaches) const noexcept {
    try {
      worker_context own{book_, w.place, w.incarnation, dice(seed), drops_privileges_};
      if (attaches)
        work(seat([&] { return channel::attach(**names_, name()); }), w.role, own);
      else
        work(through_, w.role, own);
      return 0;
    } catch (const std::exception& problem) {
      std::fprintf(stderr, "soak: a %s met: %s\n", sluice::to_string(w.role), problem.what());
      return 9;
    }
  }

  void revive_if_all_dead(sluice::role role) {
    if (has_running(role)) return;
    for (auto& w : workers_)
      if (w.role == role) return spawn(w);
  }

  /// What a named subscription keeps holds publishers up until the next subscriber of its name.
  [[nodiscard]] bool is_named(const worker& w) const {
    return is_topic<channel> && w.role == sluice::role::consumer && w.place == named_place;
  }
  void revive_named() {
    for (auto& w : workers_)
      if (is_named(w) && !w.is_running()) spawn(w);
  }
  [[nodiscard]] bool may_go_on() const {
    return has_running(sluice::role::producer) && has_running(sluice::role::consumer) &&
           std::none_of(workers_.begin(), workers_.end(),
                        [&](const worker& w) { return is_named(w) && !w.is_running(); });
  }

  [[nodiscard]] bool has_running(sluice::role role) const {
    return std::any_of(workers_.begin(), workers_.end(),
                       [&](const worker& w) { return w.role == role && w.is_running(); });
  }

  // ---- Watching -----------------------------------------------------------------------------------------------------

  [[nodiscard]] std::uint64_t delivered() const {
    std::uint64_t sum = 0;
    for (const auto& c : book_.notes().consumers) sum += c.delivered.load(std::memory_order_relaxed);
    return sum;
  }

  [[nodiscard]] bool is_used_up() const {
    for (std::uint32_t p = 0; p < producers_; ++p)
      if (book_.notes().producers[p].published.load(std::memory_order_relaxed) + 4 * max_batch >= numbers_per_producer)
        return true;
    return false;
  }

  void restart_stall_clock() { moved_at_ns_ = monotonic_now_ns(); }

  /// A stall counts while both roles are running and no worker is stopped.
  void look_for_stall() {
    const auto now = monotonic_now_ns();
    const auto sum = delivered();
    const bool is_anybody_stopped =
        std::any_of(workers_.begin(), workers_.end(), [](const worker& w) { return w.is_stopped; });
    const bool counts = !is_anybody_stopped && may_go_on();
    if (counts) counts_.longest_stall_ns = std::max(counts_.longest_stall_ns, now - moved_at_ns_);
    if (!counts || sum != delivered_before_) moved_at_ns_ = now;
    delivered_before_ = sum;
    if (now - moved_at_ns_ > wedge_ns) diagnose("no message was delivered");
  }

  void diagnose(const char* what) {
    counts_.wedged = 1;
    const auto& ring = ring_;
    const auto& control = *ring.control;
    std::fprintf(stderr, "soak: WEDGED: %s for %.1f s (ring %s, segment %s, capacity %llu)\n", what,
                 static_cast<double>(wedge_ns) / 1e9, sluice::to_string(kind()),
                 sluice::to_string(static_cast<sluice::segment_kind>(through_.header().kind)), number(ring.capacity()));
    const auto [tail, head] = sluice::detail::part_kind_of(kind()).cursors(ring);
    std::fprintf(stderr, "  tail %llu head %llu parked %llx %llx mode %u closed %u repairs %llu holes %llu\n",
                 number(tail), number(head), number(control.parked[0].load()), number(control.parked[1].load()),
                 control.mode.load(), control.closed.load(), number(control.repairs.load()),
                 number(control.holes.load()));
    for (std::uint32_t s = 0; s < ring.producer_seats + ring.consumer_seats; ++s) {
      const auto& seat = ring.seats[s];
      std::fprintf(stderr, "  seat %u %s %s generation %llu pid %llu own words %llx %llx %llx parked %u mender %llx\n",
                   s, s < ring.producer_seats ? "producer" : "consumer",
                   sluice::to_string(sluice::detail::state_of(seat.state.load())),
                   number(sluice::detail::generation_of(seat.state.load())), number(seat.owner.load() & 0x3fffff),
                   number(seat.own[0].load()), number(seat.own[1].load()), number(seat.own[2].load()),
                   seat.parked.load(), number(seat.mender.load()));
    }
    const auto oldest = head;
    for (auto q = oldest >= 4 ? oldest - 4 : 0; q < oldest + 12; ++q) {
      const auto word = ring.word(q).load();
      std::fprintf(stderr, "  word %llu: lap %llu (of it: %llu) kind %llu seat %llu\n", number(q),
                   number(sluice::detail::lap_of(word)), number(ring.lap(q)), number(word & 3),
                   number(word >> 2 & 0x3fff));
    }
    for (const auto& w : workers_) {
      std::string state = "gone";
      if (std::ifstream file("/proc/" + std::to_string(w.pid) + "/syscall"); w.pid != 0 && file)
        std::getline(file, state);
      std::fprintf(stderr, "  %s %u: pid %d%s%s: %s\n", sluice::to_string(w.role), w.place, static_cast<int>(w.pid),
                   w.has_ended ? " ended" : "", w.is_stopped ? " stopped" : "", state.c_str());
    }
    for (auto& w : workers_)
      if (w.is_running()) kill(w);
  }

  static unsigned long long number(std::uint64_t value) { return value; }

  // ---- The end ------------------------------------------------------------------------------------------------------

  /// Some die, the others are asked to stop: producers first, then consumers, which drain what is left.
  void finish() {
    for (auto& w : workers_)
      if (w.is_running() && random_.one_in(3)) kill(w);
    revive_if_all_dead(sluice::role::consumer);
    revive_named();
    book_.notes().producers_stop.store(1);
    if (!wait_for_all(sluice::role::producer)) return diagnose("a producer that was asked to stop did not");
    revive_if_all_dead(sluice::role::consumer);
    if constexpr (is_topic<channel>) seat([&] { return through_.producer(); }).close();  // which every subscriber sees
    book_.notes().consumers_drain.store(1);
    if (!wait_for_all(sluice::role::consumer)) return diagnose("a consumer that was asked to stop did not");
    if constexpr (is_topic<channel>) return;
    // The last ones may have died draining.
    auto& own = book_.notes().consumers[max_workers];
    auto in = inlet(through_.consumer());
    while (auto slot = in.peek_for(std::chrono::nanoseconds(3 * sluice::tick_ns)))
      book_.note_delivery(own, *slot, slot.was_delivered_before());
  }

  bool wait_for_all(sluice::role role) {
    for (const auto begin = monotonic_now_ns(); has_running(role);) {
      nap();
      notice_ends();
      if (monotonic_now_ns() - begin > 2 * wedge_ns) return false;
    }
    return true;
  }

  void audit_ledger() {
    const auto& notes = book_.notes();
    for (std::uint32_t p = 0; p < producers_; ++p) counts_.messages += notes.producers[p].published.load();
    for (const auto& c : notes.consumers) {
      counts_.torn += c.torn.load();
      counts_.duplicated += c.duplicated.load();
      counts_.disordered += c.disordered.load();
      counts_.redelivered += c.marked.load();
    }
    counts_.holes = ring_.control->holes.load();
    if (counts_.wedged != 0) return;  // what a wedge holds back is not lost
    if constexpr (is_topic<channel>) {
      counts_.lost = book_.count_seen_and_missed();
      for (const auto& c : notes.consumers) counts_.lost += c.lost.load();
    } else {
      counts_.lost = book_.count_lost();
    }
  }

  /// Every seat can be taken at once, and through them the ring filled to the last slot and emptied, twice.
  void audit_ring() {
    const auto& ring = ring_;
    std::vector<decltype(through_.producer())> out;
    std::vector<decltype(through_.consumer())> in;
    if constexpr (is_topic<channel>) end_named_subscription();
    take_all(out, ring.producer_seats, [&] { return through_.producer(); });
    take_all(in, ring.consumer_seats, [&] { return through_.consumer(); });
    if (out.empty() || in.empty()) return;
    for (int lap = 0; lap < 2; ++lap) {
      std::uint64_t sent = 0;
      std::uint64_t received = 0;
      message m;
      for (bool is_full = false; !is_full; ++sent) {
        fill(m, 0, 0, sent);
        is_full = !send_short(out[sent % out.size()], m);
        if (is_full) break;
      }
      if constexpr (is_topic<channel>) {
        received = ring.capacity();
        for (auto& one : in) received = std::min(received, count_whole(one));
      } else {
        while (receive_short(in[received % in.size()], m)) {
          counts_.torn += is_whole(m) && m.number == received ? 0 : 1;
          ++received;
        }
      }
      if (sent != ring.capacity() || received != ring.capacity())
        std::fprintf(stderr, "soak: capacity %llu: %llu sent, %llu received\n", number(ring.capacity()), number(sent),
                     number(received));
      counts_.leaked_slots += ring.capacity() - std::min(sent, received);
      for (std::uint64_t i = 0; i < out.size(); ++i)
        counts_.leaked_slots +=
            can_fill_its_arena(out[i], in, is_topic<channel> ? 0 : i % in.size(), is_topic<channel>) ? 0 : 1;
    }
  }

  void end_named_subscription() {
    try {
      sluice::end_subscription(sluice::detail::access::attached(through_), named_as);
    } catch (const sluice::error& problem) {
      if (problem.reason() != sluice::errc::not_found) throw;  // none lived until it had joined
    }
  }

  template <class In>
  std::uint64_t count_whole(In& in) {
    std::uint64_t count = 0;
    for (message m; receive_short(in, m); ++count) counts_.torn += is_whole(m) && m.number == count ? 0 : 1;
    return count;
  }

  template <class Handles, class Take>
  void take_all(Handles& handles, std::uint32_t seats, Take take) {
    for (std::uint32_t i = 0; i < seats; ++i) {
      try {
        handles.push_back(take());
      } catch (const sluice::error& problem) {
        std::fprintf(stderr, "soak: %s\n", problem.what());
        ++counts_.leaked_seats;
      }
    }
  }

  // ---- The channel --------------------------------------------------------------------------------------------------

  static sluice::segment_name name() { return sluice::segment_name("soak"); }

  channel make(const std::string& segment) {
    constexpr std::uint64_t capacities[] = {2, 4, 16, 64, 256, 1024};
    sluice::channel_options how;
    if constexpr (has_any_length<channel>) how.capacity_bytes = arena_bytes;
    how.capacity_slots = capacities[random_.roll(std::size(capacities))];
    // Sometimes none to spare: then a newcomer must settle a dead one.
    using ring_type = typename ring_of<channel>::type;
    const auto spare = [&] { return static_cast<std::uint32_t>(random_.roll(3)); };
    if constexpr (ring_type::has_many_seats) how.producer_seats = producers_ + spare();
    if constexpr (ring_type::has_many_seats || is_topic<channel>) how.consumer_seats = consumers_ + spare();
    if (segment == "anonymous") return channel::template create_unnamed<sluice::anonymous_segment>(how);
    if (segment == "zero") return channel::template create_unnamed<sluice::zero_segment>(how);
    names_ = std::make_unique<sluice::detail::test::temp_registry>(directory_);
    return channel::create(**names_, name(), how);
  }
  [[nodiscard]] sluice::ring_kind kind() const {
    return static_cast<sluice::ring_kind>(through_.header().parts[0].kind);
  }

  dice random_;
  std::string directory_;
  bool drops_privileges_;
  std::uint32_t producers_;
  std::uint32_t consumers_;
  ledger book_;
  std::unique_ptr<sluice::detail::test::temp_registry> names_;  // of the segment that has a file
  channel through_;
  sluice::ring_view ring_;  // of it, for the diagnosis
  std::vector<worker> workers_;
  tally counts_;
  std::uint64_t moved_at_ns_ = 0;
  std::uint64_t delivered_before_ = 0;
};

template <class Of>
tally run_values(const options& how, std::uint64_t seed, std::uint64_t duration_ns) {
  values_round<Of> round(seed, how.directory);
  const auto counts = round.run(duration_ns);
  const auto& book = round.book();
  tally all;
  all.rounds = 1;
  all.kills = counts.kills, all.stops = counts.stops, all.restarts = counts.restarts;
  all.messages = round.values_set();
  all.lost = book.missing, all.torn = book.torn, all.duplicated = book.twice, all.disordered = book.back;
  all.leaked_seats = counts.leaked_seats, all.unexpected = counts.unexpected, all.wedged = counts.wedged;
  if (book.got == 0) ++all.wedged;  // no reader got anything
  return all;
}

tally run_round(const combination& which, const options& how, std::uint64_t seed, std::uint64_t duration_ns) {
  using sluice::bytes, sluice::channel, sluice::mpmc_ring, sluice::publishers, sluice::spsc_ring;
  using sluice::detail::topic_ring;
  if (which.ring == "latest") return run_values<soaked_latest>(how, seed, duration_ns);
  if (which.ring == "table") return run_values<soaked_table>(how, seed, duration_ns);
  if (which.ring == "spsc") return round_of<channel<message, spsc_ring>>(how, which, seed).run(duration_ns);
  if (which.ring == "mpmc") return round_of<channel<message, mpmc_ring>>(how, which, seed).run(duration_ns);
  if (which.ring == "spsc-bytes") return round_of<channel<bytes, spsc_ring>>(how, which, seed).run(duration_ns);
  if (which.ring == "topic")
    return round_of<channel<message, topic_ring<publishers::one>>>(how, which, seed).run(duration_ns);
  if (which.ring == "topic-many")
    return round_of<channel<message, topic_ring<publishers::many>>>(how, which, seed).run(duration_ns);
  if (which.ring == "topic-bytes")
    return round_of<channel<bytes, topic_ring<publishers::one>>>(how, which, seed).run(duration_ns);
  if (which.ring == "topic-many-bytes")
    return round_of<channel<bytes, topic_ring<publishers::many>>>(how, which, seed).run(duration_ns);
  return round_of<channel<bytes, mpmc_ring>>(how, which, seed).run(duration_ns);
}

/// Not messages: only files have a round of these.
bool are_values(std::string_view ring) { return ring == "latest" || ring == "table"; }

[[noreturn]] void usage() {
  std::fputs(
      "usage: soak SECONDS [--seed N]\n"
      "            [--ring spsc|mpmc|spsc-bytes|mpmc-bytes|topic|topic-many|topic-bytes|topic-many-bytes|\n"
      "             latest|table|all]   (the last two in files only)\n"
      "            [--segment file|anonymous|zero|all]\n"
      "            [--producers 1..16] [--consumers 1..16] [--directory DIR] [--privileges kept|dropped]\n"
      "--privileges dropped needs root and --segment file\n",
      stderr);
  std::exit(2);
}

std::uint64_t number_from(const char* text) {
  char* end = nullptr;
  const auto value = std::strtoull(text, &end, 10);
  if (*text < '0' || *text > '9' || *end != '\0') usage();
  return value;
}

options parse(int argc, char** argv) {
  options how;
  how.seed = monotonic_now_ns();
  if (argc < 2 || argc % 2 != 0) usage();
  how.seconds = static_cast<double>(number_from(argv[1]));
  if (how.seconds < 1) usage();
  for (int i = 2; i < argc; i += 2) {
    const std::string_view option = argv[i];
    const std::string value = argv[i + 1];
    const auto one_of = [&](std::initializer_list<const char*> allowed) {
      if (std::find(allowed.begin(), allowed.end(), value) == allowed.end()) usage();
      return value;
    };
    const auto workers = [&] {
      const auto count = number_from(value.c_str());
      if (count < 1 || count > max_workers) usage();
      return static_cast<std::uint32_t>(count);
    };
    if (option == "--seed")
      how.seed = number_from(value.c_str());
    else if (option == "--ring")
      how.ring = one_of({"spsc", "mpmc", "spsc-bytes", "mpmc-bytes", "topic", "topic-many", "topic-bytes",
                         "topic-many-bytes", "latest", "table", "all"});
    else if (option == "--segment")
      how.segment = one_of({"file", "anonymous", "zero", "all"});
    else if (option == "--producers")
      how.producers = workers();
    else if (option == "--consumers")
      how.consumers = workers();
    else if (option == "--directory")
      how.directory = value;
    else if (option == "--privileges")
      how.drops_privileges = one_of({"kept", "dropped"}) == "dropped";
    else
      usage();
  }
  if (are_values(how.ring) && (how.segment != "file" && how.segment != "all")) usage();
  if (how.drops_privileges && (how.segment != "file" || ::geteuid() != 0)) usage();
  return how;
}

int run(const options& how) {
  std::vector<combination> combinations;
  for (const char* segment : {"file", "anonymous", "zero"})
    for (const char* ring : {"mpmc", "spsc", "mpmc-bytes", "spsc-bytes", "topic", "topic-many", "topic-bytes",
                             "topic-many-bytes", "latest", "table"})
      if ((!are_values(ring) || segment == std::string_view("file")) && (how.ring == "all" || how.ring == ring) &&
          (how.segment == "all" || how.segment == segment))
        combinations.push_back({ring, segment, {}});

  std::printf("soak: %.0f s, seed %llu\n", how.seconds, static_cast<unsigned long long>(how.seed));
  std::fflush(stdout);
  dice random(how.seed);
  const auto total_ns = static_cast<std::uint64_t>(how.seconds * 1e9);
  // A round ends with some ticks of silence; so long is spent on disturbing before that.
  const auto share_ns = total_ns / combinations.size();
  const auto round_ns = std::clamp(share_ns - std::min(share_ns, 600 * ms), 300 * ms, 4'000 * ms);
  const auto end = monotonic_now_ns() + total_ns;
  do {
    for (auto& which : combinations) {
      const auto seed = random();
      const auto counts = run_round(which, how, seed, std::min(round_ns, total_ns));
      which.counts.add(counts);
      if (!counts.is_clean()) {
        std::printf("FAILED in a round of %s %s:\n", which.ring.c_str(), which.segment.c_str());
        print_line(which.ring.c_str(), which.segment.c_str(), counts);
      }
      const bool had_each_its_turn = combinations.back().counts.rounds != 0;
      if (counts.wedged != 0 || (had_each_its_turn && monotonic_now_ns() >= end)) break;
    }
  } while (monotonic_now_ns() < end &&
           std::none_of(combinations.begin(), combinations.end(), [](const auto& c) { return c.counts.wedged != 0; }));

  print_heading();
  tally all;
  std::uint64_t passed = 0;
  std::uint64_t failed = 0;
  for (const auto& which : combinations) {
    print_line(which.ring.c_str(), which.segment.c_str(), which.counts);
    all.add(which.counts);
    if (which.counts.rounds == 0) continue;
    ++(which.counts.is_clean() ? passed : failed);
  }
  print_line("all", "", all);
  std::printf("%llu passed, %llu failed\n", static_cast<unsigned long long>(passed),
              static_cast<unsigned long long>(failed));
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace soak

int main(int argc, char** argv) try {
  return soak::run(soak::parse(argc, argv));
} catch (const std::exception& problem) {
  std::fprintf(stderr, "soak: %s\n", problem.what());
  return 1;
}
