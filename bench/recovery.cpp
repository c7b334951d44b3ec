// bench_recovery: how long a channel is out of order when kill -9 ends one of its processes. The victim dies at a
// random moment, in the midst of messages of 64 bytes, without notice. See README.md.
//
//   told       a producer dies: until its waiting consumer is told peer_gone
//   successor  a producer dies: until a successor that has waited for the seat has got a first message through
//   stalled    several producers, one dies: the longest silence its consumers see from then on (mpmc)
//   taken over a consumer dies: until a successor has the first message (what the dead one had not released)
//
// Edges
//   K: the runner's note of the time (release) -> the children's look at it (acquire): the victim is dead from here on.
//   R: a child's note of what it saw (release) -> the runner's look at it (acquire): it is complete.
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <functional>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "harness/options.hpp"
#include "harness/report.hpp"
#include "ours/sluice_link.hpp"

using namespace sluice_bench;
using namespace std::chrono_literals;

namespace {

using message = plain_message<64>;

struct notes {
  alignas(64) std::atomic<std::uint64_t> received{0};  // counted by the consumers
  alignas(64) std::atomic<std::uint64_t> killed_ns{0};
  alignas(64) std::atomic<std::uint64_t> seen_ns{0};  // what the scenario waits for
  alignas(64) std::atomic<std::uint32_t> must_stop{0};
};

struct recovery_run {
  std::string failure;
  double recovered_ns = 0;
};

using body = std::function<void(notes&)>;

/// A forked process, pinned; killed with its guard.
class child {
 public:
  child(int core, notes& shared, const body& what) {
    std::fflush(nullptr);
    pid_ = ::fork();
    if (pid_ < 0) throw std::system_error(errno, std::system_category(), "fork");
    if (pid_ > 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(core), &set);
    ::sched_setaffinity(0, sizeof set, &set);
    try {
      what(shared);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "bench_recovery: %s\n", error.what());
      ::_exit(1);
    }
    ::_exit(0);
  }
  ~child() { kill(); }
  child(const child&) = delete;
  child& operator=(const child&) = delete;

  void kill() noexcept {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  /// SIGKILL without waiting for the end: the others go on while the kernel frees its memory.
  void strike() const noexcept { ::kill(pid_, SIGKILL); }

 private:
  pid_t pid_ = -1;
};

/// One scenario: the first of them is killed, after a thousand messages and a random while; the others note when the
/// channel works again.
recovery_run after_kill(const run_options& options, const std::vector<body>& bodies) {
  const shared_pages pages(sizeof(notes));
  auto& shared = *new (pages.data()) notes;
  const std::array<int, 2> cores{options.cores.first, options.cores.second};
  std::vector<std::unique_ptr<child>> children;
  for (std::size_t i = 0; i < bodies.size(); ++i)
    children.push_back(std::make_unique<child>(cores[i % 2], shared, bodies[i]));
  const std::uint64_t give_up_ns = monotonic_ns() + 8'000'000'000;
  const auto wait_until = [&](auto&& is_so) {
    while (!is_so())
      if (monotonic_ns() > give_up_ns)
        return false;
      else
        std::this_thread::sleep_for(100us);
    return true;
  };
  if (!wait_until([&] { return shared.received.load(std::memory_order_relaxed) >= 1000; }))
    return {std::string(no_answer) + ": no thousand messages before the kill", 0};
  static std::mt19937_64 random(std::random_device{}());
  std::this_thread::sleep_for(std::chrono::microseconds(1000 + random() % 5000));
  shared.killed_ns.store(monotonic_ns(), std::memory_order_release);  // K
  children.front()->strike();
  if (!wait_until([&] { return shared.seen_ns.load(std::memory_order_acquire) != 0; }))  // R
    return {std::string(no_answer) + ": no process went on after the kill", 0};
  const auto seen_ns = shared.seen_ns.load(std::memory_order_relaxed);
  shared.must_stop.store(1, std::memory_order_relaxed);
  return {"", static_cast<double>(seen_ns) - static_cast<double>(shared.killed_ns.load(std::memory_order_relaxed))};
}

template <sluice::ring Ring, class Wait>
struct scenarios {
  using channel = sluice::channel<message, Ring>;

  /// A channel with a name of its own that goes with it. Small, so that both sides meet full and empty.
  struct held {
    explicit held(const run_options& options)
        : where("/dev/shm/" + options.run_name),
          made(channel::create(where, sluice::segment_name("killed"), {.capacity_slots = 256})) {}
    ~held() {
      where.remove(sluice::segment_name("killed"), true);
      ::rmdir(where.directory().c_str());
    }
    held(const held&) = delete;
    held& operator=(const held&) = delete;
    sluice::registry where;
    channel made;
  };

  /// Takes a seat as soon as it is free.
  template <class Take>
  static auto seat_when_free(const Take& take) {
    for (;;) {
      try {
        return take();
      } catch (const sluice::error& error) {
        if (error.reason() != sluice::errc::seat_taken) throw;
        std::this_thread::sleep_for(100us);
      }
    }
  }

  static void note_once(notes& shared) {
    std::uint64_t none = 0;
    shared.seen_ns.compare_exchange_strong(none, monotonic_ns(), std::memory_order_release,  // R
                                           std::memory_order_relaxed);
  }

  static void produce_for_ever(const channel& at) {
    auto out = at.template producer<Wait>();
    for (message each{};;) (void)out.send(each);
  }

  static recovery_run told(const run_options& options) {
    const held here(options);
    return after_kill(options, {[&](notes&) { produce_for_ever(here.made); },
                                [&](notes& shared) {
                                  auto in = here.made.template consumer<Wait>();
                                  while (auto slot = in.peek()) shared.received.fetch_add(1, std::memory_order_relaxed);
                                  if (in.status() == sluice::wait_result::peer_gone) note_once(shared);
                                }});
  }

  static recovery_run successor(const run_options& options) {
    const held here(options);
    return after_kill(options, {[&](notes&) { produce_for_ever(here.made); },
                                [&](notes& shared) {
                                  auto in = here.made.template consumer<Wait>();
                                  for (;;) {
                                    auto slot = in.peek();
                                    if (!slot) continue;
                                    shared.received.fetch_add(1, std::memory_order_relaxed);
                                    if (slot->bytes[0] == std::byte{1}) note_once(shared);
                                  }
                                },
                                [&](notes& shared) {
                                  while (shared.killed_ns.load(std::memory_order_acquire) == 0)  // K
                                    std::this_thread::sleep_for(100us);
                                  auto out = seat_when_free([&] { return here.made.template producer<Wait>(); });
                                  message mark{};
                                  mark.bytes[0] = std::byte{1};
                                  while (out.send(mark) != sluice::wait_result::ready) {
                                  }
                                }});
  }

  static recovery_run taken_over(const run_options& options) {
    const held here(options);
    return after_kill(options, {[&](notes& shared) {
                                  auto in = here.made.template consumer<Wait>();
                                  for (;;)
                                    if (auto slot = in.peek()) shared.received.fetch_add(1, std::memory_order_relaxed);
                                },
                                [&](notes&) { produce_for_ever(here.made); },
                                [&](notes& shared) {
                                  while (shared.killed_ns.load(std::memory_order_acquire) == 0)  // K
                                    std::this_thread::sleep_for(100us);
                                  auto in = seat_when_free([&] { return here.made.template consumer<Wait>(); });
                                  for (;;)
                                    if (auto slot = in.peek()) {
                                      note_once(shared);
                                      return;
                                    }
                                }});
  }

  /// The victim is one of two producers; the silence is measured over 250 ms from the kill on: five ticks of a waiter.
  static recovery_run stalled(const run_options& options) {
    const held here(options);
    return after_kill(
        options, {[&](notes&) { produce_for_ever(here.made); }, [&](notes&) { produce_for_ever(here.made); },
                  [&](notes& shared) {
                    auto in = here.made.template consumer<Wait>();
                    std::uint64_t last_ns = monotonic_ns(), longest_ns = 0;
                    for (std::uint64_t killed_ns = 0;;) {
                      if (auto slot = in.peek()) shared.received.fetch_add(1, std::memory_order_relaxed);
                      const std::uint64_t now_ns = monotonic_ns();
                      if (killed_ns == 0) killed_ns = shared.killed_ns.load(std::memory_order_acquire);  // K
                      const std::uint64_t from_ns = std::max(last_ns, killed_ns);  // the kill may be newer than `now`
                      if (killed_ns != 0 && now_ns > from_ns) longest_ns = std::max(longest_ns, now_ns - from_ns);
                      last_ns = now_ns;
                      if (killed_ns != 0 && now_ns > killed_ns + 250'000'000) break;
                    }
                    shared.seen_ns.store(shared.killed_ns.load(std::memory_order_relaxed) + longest_ns,
                                         std::memory_order_release);  // R
                  }});
  }
};

struct cell {
  std::string name;
  const char* part;
  recovery_run (*run)(const run_options&);
  std::vector<recovery_run> runs;
};

template <sluice::ring Ring, class Wait>
void add_scenarios(std::vector<cell>& cells, const bench_options& options, const std::string& name) {
  using all = scenarios<Ring, Wait>;
  if (!options.wants(name)) return;
  cells.push_back({name, "told", all::told, {}});
  cells.push_back({name, "successor", all::successor, {}});
  cells.push_back({name, "taken over", all::taken_over, {}});
  if constexpr (Ring::kind == sluice::ring_kind::mpmc) cells.push_back({name, "stalled", all::stalled, {}});
}

}  // namespace

int main(int argc, char** argv) {
  const bench_options options = parse_options(argc, argv, "time to go on after kill -9");
  std::vector<cell> cells;
  add_scenarios<sluice::spsc_ring, sluice::spin_then_park>(cells, options, "sluice:spsc spin_then_park");
  add_scenarios<sluice::spsc_ring, sluice::busy_spin>(cells, options, "sluice:spsc busy_spin");
  add_scenarios<sluice::mpmc_ring, sluice::spin_then_park>(cells, options, "sluice:mpmc spin_then_park");
  add_scenarios<sluice::mpmc_ring, sluice::busy_spin>(cells, options, "sluice:mpmc busy_spin");
  if (options.list) {
    for (const cell& at : cells) std::printf("%s\n", at.name.c_str());
    return 0;
  }
  run_in_random_rounds(cells.size(), options.rounds,
                       [&](std::size_t i) { cells[i].runs.push_back(cells[i].run(options.run)); });

  std::printf("%s, processes on cores %d and %d, %d kills a row, at random moments\n", cpu_model().c_str(),
              options.run.cores.first, options.run.cores.second, options.rounds);
  std::printf("\nms after kill -9%39s %8s %8s %8s\n", "", "median", "least", "worst");
  int failed = 0;
  for (const cell& at : cells) {
    std::vector<double> ms;
    for (const recovery_run& run : at.runs) {
      if (run.failure.empty())
        ms.push_back(run.recovered_ns / 1e6);
      else
        std::printf("%-30s %-24s failed: %s\n", at.name.c_str(), at.part, run.failure.c_str()), ++failed;
    }
    std::printf("%-30s %-24s %8.2f %8.2f %8.2f\n", at.name.c_str(), at.part, median(ms), quantile(ms, 0),
                quantile(ms, 1));
  }
  std::printf(
      "  told: until a waiting consumer is told; successor: until a waiting one's first message is there;\n"
      "  taken over: until a waiting consumer has a message; stalled: longest silence for the rest, within 250 ms\n");
  if (!options.json_path.empty()) {
    json_file json(options.json_path, "recovery", options, 0);
    for (const cell& at : cells)
      for (const recovery_run& run : at.runs) {
        json.begin_run(at.name, origin::sluice, at.part, sizeof(message), {}, run.failure);
        json.field("recovered_ns", run.recovered_ns);
      }
  }
  return failed == 0 ? 0 : 1;
}
