// bench_ping_pong: one-way latency of every transport and size, in interleaved rounds. See README.md.
#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "harness/options.hpp"
#include "harness/placement.hpp"
#include "harness/report.hpp"

using namespace sluice_bench;

namespace {

struct cell {
  const transport_entry* transport;
  std::size_t message_bytes;
  latency_run (*ping_pong)(const run_options&);
  std::vector<latency_run> runs;
};

double median_of(const cell& at, const placement_names& places, const std::string& place, double latency_run::*field) {
  std::vector<double> values;
  for (const latency_run& run : at.runs)
    if (run.failure.empty() && places.name(run.around) == place) values.push_back(run.*field);
  return median(std::move(values));
}

void write_json(const std::string& path, const bench_options& options, const placement_names& places,
                const std::vector<cell>& cells) {
  json_file json(path, "ping_pong", options, places.near_ns());
  for (const cell& at : cells)
    for (const latency_run& run : at.runs) {
      json.begin_run(at.transport->name, at.transport->from, "ping_pong", at.message_bytes, run.around, run.failure);
      json.field("p50_ns", run.p50_ns);
      json.field("p99_ns", run.p99_ns);
      json.field("p999_ns", run.p999_ns);
      json.field("max_ns", run.max_ns);
      json.field("samples", static_cast<double>(run.samples));
      json.field("curve_ns", run.curve_ns);
    }
}

}  // namespace

int main(int argc, char** argv) {
  const bench_options options =
      parse_options(argc, argv, "one-way latency between two processes, half the round trip, busy poll");
  const std::vector<transport_entry> transports = all_transports();
  if (options.list) return list_transports(transports);
  (void)ns_per_tick();

  std::vector<cell> cells;
  for (const std::size_t size : options.sizes)
    for (const transport_entry& transport : transports) {
      const size_entry& entry = transport.by_size[size_index(size)];
      if (entry.ping_pong != nullptr && options.wants(transport.name))
        cells.push_back({&transport, size, entry.ping_pong, {}});
    }
  silent_transports silent;
  run_in_random_rounds(cells.size(), options.rounds, [&](std::size_t i) {
    const std::string& name = cells[i].transport->name;
    if (!silent.contains(name)) cells[i].runs.push_back(silent.note(name, cells[i].ping_pong(options.run)));
  });

  std::vector<double> all_probes;
  for (const cell& at : cells)
    for (const latency_run& run : at.runs)
      if (run.failure.empty()) all_probes.insert(all_probes.end(), {run.around.before_ns, run.around.after_ns});
  const placement_names places(all_probes);
  print_heading(options, places.near_ns(), "floor:word, one line both ways");

  summary ratios(options.sizes);
  std::map<std::string, int> places_seen;
  for (const std::size_t size : options.sizes) {
    // The rows this table's ratios are taken against.
    double floor_ns = 0;
    double best_peer_ns = 0;
    double vyukov_ns = 0;
    for (const cell& at : cells) {
      if (at.message_bytes != size) continue;
      const double p50_ns = median_of(at, places, options.placement, &latency_run::p50_ns);
      if (p50_ns == 0) continue;
      const bool is_slot = at.transport->from == origin::floor && at.transport->name.starts_with("floor:slot");
      if (is_slot && (floor_ns == 0 || p50_ns < floor_ns)) floor_ns = p50_ns;
      if (at.transport->from == origin::peer && (best_peer_ns == 0 || p50_ns < best_peer_ns)) best_peer_ns = p50_ns;
      if (at.transport->name == "ref:vyukov_mpmc") vyukov_ns = p50_ns;
    }
    std::printf("\n%s B messages, one way, ns\n%-30s %10s %10s %10s %12s %8s %8s %8s %6s\n", size_name(size).c_str(),
                "", "p50", "p99", "p99.9", "max", "x floor", "x word", "x peer", "runs");
    for (const cell& at : cells) {
      if (at.message_bytes != size) continue;
      std::size_t counted = 0;
      std::string failure;
      for (const latency_run& run : at.runs) {
        const std::string place = run.failure.empty() ? places.name(run.around) : "failed";
        ++places_seen[place];
        counted += place == options.placement ? 1 : 0;
        if (!run.failure.empty()) failure = run.failure;
      }
      const double p50_ns = median_of(at, places, options.placement, &latency_run::p50_ns);
      if (counted == 0) {
        std::printf("%-30s no run in the %s placement%s%s\n", at.transport->name.c_str(), options.placement.c_str(),
                    failure.empty() ? "" : "; failed: ", failure.c_str());
        continue;
      }
      if (at.transport->from == origin::sluice) {
        ratios.add("p50 / slot floor", at.transport->name, size, p50_ns, floor_ns);
        ratios.add("p50 / raw one-word ping-pong", at.transport->name, size, p50_ns, places.near_ns());
        ratios.add("p50 / best peer", at.transport->name, size, p50_ns, best_peer_ns);
        if (at.transport->name.find("mpmc") != std::string::npos)
          ratios.add("p50 / ref:vyukov_mpmc", at.transport->name, size, p50_ns, vyukov_ns);
      }
      std::printf("%-30s %10.0f %10.0f %10.0f %12.0f %8s %8s %8s %6zu%s%s\n", at.transport->name.c_str(), p50_ns,
                  median_of(at, places, options.placement, &latency_run::p99_ns),
                  median_of(at, places, options.placement, &latency_run::p999_ns),
                  median_of(at, places, options.placement, &latency_run::max_ns), ratio(p50_ns, floor_ns).c_str(),
                  ratio(p50_ns, places.near_ns()).c_str(), ratio(p50_ns, best_peer_ns).c_str(), counted,
                  failure.empty() ? "" : "  a run failed: ", failure.c_str());
    }
  }
  std::printf("\nOurs against the rest: less than 1 is faster\n");
  ratios.print();
  print_footing(places_seen, transports);
  if (!options.json_path.empty()) write_json(options.json_path, options, places, cells);
  return places_seen["failed"] == 0 ? 0 : 1;
}
