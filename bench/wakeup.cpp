// bench_wakeup: what sleeping costs, and what it costs to be able to sleep. A ping-pong, the waking of a consumer that has
// been idle for a while, what an idle consumer uses of its core, a stream in which both sides may sleep, and the system
// calls of a ping-pong in which neither has a reason to. 64-byte messages. See README.md.
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "harness/blocking.hpp"
#include "harness/options.hpp"
#include "harness/report.hpp"

using namespace sluice_bench;

namespace {

constexpr std::uint64_t idle_ns = 20'000'000;
constexpr std::size_t wakes_in_a_run = 15;
constexpr std::uint64_t idle_cpu_ns = 2'000'000'000;
constexpr int idle_runs = 2;
constexpr std::uint64_t counted_messages = 50'000;

struct cell {
  blocking_entry entry;
  std::vector<latency_run> ping_pongs;
  std::vector<wake_run> wakes;
  std::vector<idle_run> idles;
  std::vector<throughput_run> streams;
  std::vector<call_run> calls;

  [[nodiscard]] bool sleeps_first() const { return entry.from != origin::sluice || entry.name.ends_with(" park"); }
};

template <class Run>
double median_over(const std::vector<Run>& runs, double Run::*field) {
  std::vector<double> values;
  for (const Run& run : runs)
    if (run.failure.empty()) values.push_back(run.*field);
  return median(std::move(values));
}

template <class Run>
double upper_quartile_over(const std::vector<Run>& runs, double Run::*field) {
  std::vector<double> values;
  for (const Run& run : runs)
    if (run.failure.empty()) values.push_back(run.*field);
  return upper_quartile(std::move(values));
}

double least_over(const std::vector<throughput_run>& runs) {
  std::vector<double> values;
  for (const throughput_run& run : runs)
    if (run.failure.empty()) values.push_back(run.messages_per_second);
  return quantile(std::move(values), 0);
}

/// "sluice:spsc" of "sluice:spsc park".
std::string ring_of(const cell& at) { return at.entry.name.substr(0, at.entry.name.find(' ')); }

template <class Run>
void count_failures(std::map<std::string, int>& failures, const cell& at, const std::vector<Run>& runs) {
  for (const Run& run : runs)
    if (!run.failure.empty()) ++failures[at.entry.name + ": " + run.failure];
}

void write_json(const std::string& path, const bench_options& options, const std::vector<cell>& cells) {
  json_file json(path, "wakeup", options, 0);
  for (const cell& at : cells) {
    const auto begin = [&](const char* part, const surroundings& around, const std::string& failure) {
      json.begin_run(at.entry.name, at.entry.from, part, wake_message_bytes, around, failure);
    };
    for (const latency_run& run : at.ping_pongs) {
      begin("ping_pong", run.around, run.failure);
      json.field("p50_ns", run.p50_ns);
      json.field("p99_ns", run.p99_ns);
      json.field("max_ns", run.max_ns);
      json.field("curve_ns", run.curve_ns);
    }
    for (const wake_run& run : at.wakes) {
      begin("wake", run.around, run.failure);
      json.field("wake_p50_ns", run.wake_p50_ns);
      json.field("wake_max_ns", run.wake_max_ns);
      json.field("send_p50_ns", run.send_p50_ns);
    }
    for (const throughput_run& run : at.streams) {
      begin("stream", run.around, run.failure);
      json.field("messages_per_second", run.messages_per_second);
    }
    for (const idle_run& run : at.idles) {
      begin("idle", {}, run.failure);
      json.field("idle_cpu_share", run.cpu_share);
    }
    for (const call_run& run : at.calls) {
      begin("calls", {}, run.failure);
      json.field("messages", static_cast<double>(run.messages));
      json.field("system_calls", static_cast<double>(run.calls));
      json.field("names", run.names);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bench_options options = parse_options(argc, argv, "what sleeping costs, and being able to");
  std::vector<cell> cells;
  for (const blocking_entry& entry : all_blocking()) {
    if (options.list) std::printf("%-30s %s\n", entry.name.c_str(), entry.note.c_str());
    if (options.wants(entry.name)) cells.push_back({entry, {}, {}, {}, {}, {}});
  }
  if (options.list) return 0;
  (void)ns_per_tick();

  silent_transports silent;
  run_in_random_rounds(cells.size() * 3, options.rounds, [&](std::size_t i) {
    cell& at = cells[i / 3];
    const std::string& name = at.entry.name;
    if (silent.contains(name)) return;
    if (i % 3 == 0 && options.wants_part("ping_pong"))
      at.ping_pongs.push_back(silent.note(name, at.entry.ping_pong(options.run)));
    if (i % 3 == 1 && options.wants_part("wake"))
      at.wakes.push_back(silent.note(name, at.entry.wake(options.run, idle_ns, wakes_in_a_run)));
    if (i % 3 == 2 && at.entry.stream != nullptr && options.wants_part("stream"))
      at.streams.push_back(silent.note(name, at.entry.stream(options.run)));
  });
  // Neither depends on where the cores are: fewer runs will do. Calls are counted for links that poll first: for the
  // others they are known.
  run_in_random_rounds(cells.size(), std::min(options.rounds, idle_runs), [&](std::size_t i) {
    cell& at = cells[i];
    if (silent.contains(at.entry.name)) return;
    if (options.wants_part("idle"))
      at.idles.push_back(silent.note(at.entry.name, at.entry.idle(options.run, idle_cpu_ns)));
    if (!at.sleeps_first() && options.wants_part("calls"))
      at.calls.push_back(at.entry.calls(options.run, counted_messages));
  });

  // The clock of a sleeping run is the scheduler's, not the cache's: the placement is told, and drops nothing.
  std::vector<double> probes_ns;
  for (const cell& at : cells)
    for (const latency_run& run : at.ping_pongs)
      if (run.failure.empty()) probes_ns.push_back(run.around.before_ns);
  print_heading(options, median(probes_ns), "floor:word, median; all placements shown");
  double futex_ns = 0;
  double futex_wake_ns = 0;
  double best_peer_rate = 0;
  std::map<std::string, double> polling_rate;  // by ring: of the same calls that never sleep
  for (const cell& at : cells) {
    const double rate = upper_quartile_over(at.streams, &throughput_run::messages_per_second);
    if (at.entry.from == origin::peer) best_peer_rate = std::max(best_peer_rate, rate);
    if (at.entry.name.ends_with(" busy_spin")) polling_rate[ring_of(at)] = rate;
    if (at.entry.name != "floor:futex") continue;
    futex_ns = median_over(at.ping_pongs, &latency_run::p50_ns);
    futex_wake_ns = median_over(at.wakes, &wake_run::wake_p50_ns);
  }
  std::printf("\n64 byte messages, us       %36s   waking after %d ms of idleness          idle\n",
              "ping-pong, one way", static_cast<int>(idle_ns / 1'000'000));
  std::printf("%-30s %9s %9s %9s %8s   %9s %9s %9s %8s  %% of a core\n", "", "p50", "p99", "max", "x futex", "p50",
              "max", "send", "x futex");
  for (const cell& at : cells) {
    const double p50_ns = median_over(at.ping_pongs, &latency_run::p50_ns);
    const double wake_ns = median_over(at.wakes, &wake_run::wake_p50_ns);
    std::printf("%-30s %9.1f %9.1f %9.1f %8s   %9.1f %9.1f %9.1f %8s  %9.3f\n", at.entry.name.c_str(), p50_ns / 1e3,
                median_over(at.ping_pongs, &latency_run::p99_ns) / 1e3,
                median_over(at.ping_pongs, &latency_run::max_ns) / 1e3, ratio(p50_ns, futex_ns).c_str(), wake_ns / 1e3,
                median_over(at.wakes, &wake_run::wake_max_ns) / 1e3,
                median_over(at.wakes, &wake_run::send_p50_ns) / 1e3, ratio(wake_ns, futex_wake_ns).c_str(),
                100 * median_over(at.idles, &idle_run::cpu_share));
  }

  std::printf("\nBoth sides may sleep, a stream\n%-30s %12s %8s %8s %12s\n", "", "messages/s", "x peer", "x poll",
              "least");
  for (const cell& at : cells) {
    if (at.entry.stream == nullptr) continue;
    const double rate = upper_quartile_over(at.streams, &throughput_run::messages_per_second);
    std::printf("%-30s %12.0f %8s %8s %12.0f\n", at.entry.name.c_str(), rate, ratio(rate, best_peer_rate).c_str(),
                at.entry.from == origin::sluice ? ratio(rate, polling_rate[ring_of(at)]).c_str() : "-",
                least_over(at.streams));
  }
  std::printf("  x poll: against the same ring with busy_spin\n");

  std::printf("\nSystem calls of both sides in a ping-pong of %llu messages, counted by the kernel\n",
              static_cast<unsigned long long>(counted_messages));
  for (const cell& at : cells)
    for (const call_run& run : at.calls)
      if (run.failure.empty())
        std::printf("%-30s %8.6f a message: %s\n", at.entry.name.c_str(),
                    static_cast<double>(run.calls) / static_cast<double>(run.messages), run.names.c_str());

  std::map<std::string, int> failures;
  for (const cell& at : cells) {
    count_failures(failures, at, at.ping_pongs);
    count_failures(failures, at, at.wakes);
    count_failures(failures, at, at.idles);
    count_failures(failures, at, at.streams);
    count_failures(failures, at, at.calls);
  }
  for (const auto& [why, count] : failures) std::printf("    %d runs failed: %s\n", count, why.c_str());
  for (const std::string& name : absent_peers())
    std::printf("  absent: %s, not found when this was built\n", name.c_str());
  if (!options.json_path.empty()) write_json(options.json_path, options, cells);
  return failures.empty() ? 0 : 1;
}
