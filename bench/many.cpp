// bench_many: more processes than cores, all in one channel. Total throughput, and how evenly it is shared; and one
// publisher with several subscribers, each of which gets everything. 64-byte messages. See README.md.
#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "harness/many.hpp"
#include "harness/options.hpp"
#include "harness/report.hpp"

using namespace sluice_bench;

namespace {

struct cell {
  many_entry entry;
  crowd_size crowd;
  std::vector<many_run> runs;
};

/// What the numbers of a table are of.
struct group {
  delivery goes;
  crowd_size crowd;

  [[nodiscard]] bool has(const cell& at) const { return at.entry.goes == goes && at.crowd == crowd; }
  [[nodiscard]] const char* part() const { return goes == delivery::to_all ? "fan_out" : "crowd"; }
};

std::vector<group> groups_of(const bench_options& options) {
  std::vector<group> all;
  for (const crowd_size& crowd : options.crowds) all.push_back({delivery::to_one, crowd});
  for (const crowd_size& crowd : options.fan_outs) all.push_back({delivery::to_all, crowd});
  return all;
}

double median_of(const cell& at, double many_run::*field) {
  std::vector<double> values;
  for (const many_run& run : at.runs)
    if (run.failure.empty()) values.push_back(run.*field);
  return median(std::move(values));
}

}  // namespace

int main(int argc, char** argv) {
  bench_options options = parse_options(argc, argv, "several producers and consumers on two cores, 64-byte messages");
  std::vector<cell> cells;
  const auto groups = groups_of(options);
  for (const many_entry& entry : all_many()) {
    if (options.list) std::printf("%s\n", entry.name.c_str());
    for (const group& of : groups)
      if (entry.goes == of.goes && options.wants(entry.name) && options.wants_part(of.part()))
        cells.push_back({entry, of.crowd, {}});
  }
  if (options.list) return 0;
  // Several turns of the scheduler for each process.
  options.run.run_ns = std::max<std::uint64_t>(options.run.run_ns, 300'000'000);
  options.run.warm_up_ns = std::max<std::uint64_t>(options.run.warm_up_ns, 30'000'000);
  silent_transports silent;
  run_in_random_rounds(cells.size(), options.rounds, [&](std::size_t i) {
    cell& at = cells[i];
    if (silent.contains(at.entry.name)) return;
    at.runs.push_back(silent.note(at.entry.name, at.entry.run({options.run, at.crowd.producers, at.crowd.consumers})));
  });

  std::printf("%s, processes on cores %d and %d, %d rounds in random order, median of rounds\n", cpu_model().c_str(),
              options.run.cores.first, options.run.cores.second, options.rounds);
  bool all_went_well = true;
  for (const group& of : groups) {
    if (std::none_of(cells.begin(), cells.end(), [&](const cell& at) { return of.has(at); })) continue;
    double best_peer = 0, reference = 0;
    for (const cell& at : cells) {
      if (!of.has(at)) continue;
      const double rate = median_of(at, &many_run::messages_per_second);
      if (at.entry.from == origin::peer) best_peer = std::max(best_peer, rate);
      if (at.entry.from == origin::reference) reference = std::max(reference, rate);
    }
    const bool is_fan_out = of.goes == delivery::to_all;
    std::printf("\n%zu %s, %zu %s, 64 B messages\n%-30s %12s %8s %8s   %s\n", of.crowd.producers,
                is_fan_out ? "publishers" : "producers", of.crowd.consumers,
                is_fan_out ? "subscribers that get all of them, each counted" : "consumers", "", "messages/s", "x peer",
                "x ref", "least served consumer, producer (1: equal); worst round; longest silence");
    for (const cell& at : cells) {
      if (!of.has(at)) continue;
      const double rate = median_of(at, &many_run::messages_per_second);
      std::vector<double> rates;
      double gap_ns = 0;
      std::map<std::string, int> failures;
      for (const many_run& run : at.runs) {
        if (!run.failure.empty()) {
          ++failures[run.failure];
          continue;
        }
        rates.push_back(run.messages_per_second);
        gap_ns = std::max(gap_ns, run.longest_gap_ns);
      }
      std::printf("%-30s %12.0f %8s %8s   %.2f  %.2f  worst %.0f  %.0f ms\n", at.entry.name.c_str(), rate,
                  ratio(rate, best_peer).c_str(), ratio(rate, reference).c_str(),
                  median_of(at, &many_run::least_consumer_share), median_of(at, &many_run::least_producer_share),
                  quantile(rates, 0), gap_ns / 1e6);
      for (const auto& [why, count] : failures) std::printf("    %d runs failed: %s\n", count, why.c_str());
      // A peer that loses its order in a crowd is a result, not an error of this bench.
      all_went_well = all_went_well && (failures.empty() || at.entry.from == origin::peer);
    }
  }
  if (!options.json_path.empty()) {
    json_file json(options.json_path, "many", options, 0);
    for (const cell& at : cells)
      for (const many_run& run : at.runs) {
        json.begin_run(at.entry.name, at.entry.from, at.entry.goes == delivery::to_all ? "fan_out" : "crowd",
                       many_message_bytes, {}, run.failure);
        json.field("producers", static_cast<double>(at.crowd.producers));
        json.field("consumers", static_cast<double>(at.crowd.consumers));
        json.field("messages_per_second", run.messages_per_second);
        json.field("least_consumer_share", run.least_consumer_share);
        json.field("least_producer_share", run.least_producer_share);
        json.field("longest_gap_ns", run.longest_gap_ns);
      }
  }
  return all_went_well ? 0 : 1;
}
