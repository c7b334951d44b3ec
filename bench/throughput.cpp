// bench_throughput: messages and bytes a second, one producer, one consumer, busy poll. See README.md.
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "harness/options.hpp"
#include "harness/placement.hpp"
#include "harness/report.hpp"
#include "harness/shared_pages.hpp"

using namespace sluice_bench;

namespace {

struct cell {
  const transport_entry* transport;
  std::size_t message_bytes;
  bool is_batch;
  throughput_run (*run)(const run_options&);
  std::vector<throughput_run> runs;

  [[nodiscard]] std::string name() const { return is_batch ? transport->name + " batch" : transport->name; }
};

double rate_of(const cell& at, const placement_names& places, const std::string& place) {
  std::vector<double> values;
  for (const throughput_run& run : at.runs)
    if (run.failure.empty() && places.name(run.around) == place) values.push_back(run.messages_per_second);
  return upper_quartile(std::move(values));
}

/// One process, from ordinary memory into shared pages it has touched: what a copy costs without any waiting.
void print_memcpy(core_pair cores) {
  constexpr std::size_t largest_bytes = std::size_t{64} << 20;
  const shared_pages target(largest_bytes);
  const shared_pages rates(4096);
  process_pair pair(cores, 20);
  const std::string failure = pair.run(
      [&](control_page&) {
        target.touch();
        const std::vector<std::byte> source(largest_bytes, std::byte{1});
        auto* rate = reinterpret_cast<double*>(rates.data());
        for (const std::size_t size : {std::size_t{4096}, std::size_t{65'536}, std::size_t{1} << 20, largest_bytes}) {
          const std::size_t copies = (std::size_t{1} << 30) / size;
          std::vector<double> rounds;
          for (int round = 0; round < 5; ++round) {
            const std::uint64_t began = monotonic_ns();
            for (std::size_t i = 0; i < copies; ++i) {
              std::memcpy(target.data(), source.data(), size);
              __asm__ __volatile__("" : : "r"(target.data()) : "memory");  // the copy counts as used
            }
            rounds.push_back(static_cast<double>(size * copies) / static_cast<double>(monotonic_ns() - began));
          }
          *rate++ = median(std::move(rounds));
        }
      },
      [](control_page&) {});
  const auto* rate = reinterpret_cast<const double*>(rates.data());
  if (failure.empty())
    std::printf("memcpy into shared pages, one process, GB/s: 4K %.0f, 64K %.0f, 1M %.0f, 64M %.0f\n", rate[0], rate[1],
                rate[2], rate[3]);
  else
    std::printf("memcpy: %s\n", failure.c_str());
}

void write_json(const std::string& path, const bench_options& options, const placement_names& places,
                const std::vector<cell>& cells) {
  json_file json(path, "throughput", options, places.near_ns());
  for (const cell& at : cells)
    for (const throughput_run& run : at.runs) {
      json.begin_run(at.transport->name, at.transport->from, at.is_batch ? "batch" : "single", at.message_bytes,
                     run.around, run.failure);
      json.field("messages_per_second", run.messages_per_second);
      json.field("messages", static_cast<double>(run.messages));
    }
}

}  // namespace

int main(int argc, char** argv) {
  bench_options options = parse_options(argc, argv, "messages a second from one process to another, busy poll");
  const std::vector<transport_entry> transports = all_transports();
  if (options.list) return list_transports(transports);
  (void)ns_per_tick();

  std::vector<cell> cells;
  for (const std::size_t size : options.sizes)
    for (const transport_entry& transport : transports) {
      if (!options.wants(transport.name)) continue;
      const size_entry& entry = transport.by_size[size_index(size)];
      if (entry.single != nullptr && options.wants_part("single"))
        cells.push_back({&transport, size, false, entry.single, {}});
      if (entry.batch != nullptr && options.wants_part("batch"))
        cells.push_back({&transport, size, true, entry.batch, {}});
    }
  if (options.run.batch == 1) options.run.batch = 32;
  silent_transports silent;
  run_in_random_rounds(cells.size(), options.rounds, [&](std::size_t i) {
    const std::string& name = cells[i].transport->name;
    if (!silent.contains(name)) cells[i].runs.push_back(silent.note(name, cells[i].run(options.run)));
  });

  std::vector<double> all_probes;
  for (const cell& at : cells)
    for (const throughput_run& run : at.runs)
      if (run.failure.empty()) all_probes.insert(all_probes.end(), {run.around.before_ns, run.around.after_ns});
  const placement_names places(all_probes);
  print_heading(options, places.near_ns(), "floor:word, one line both ways");
  if (options.wants_part("memcpy")) print_memcpy(options.run.cores);

  summary ratios(options.sizes);
  std::map<std::string, int> places_seen;
  for (const std::size_t size : options.sizes) {
    double floor = 0;
    double best_peer = 0;
    double vyukov = 0;
    for (const cell& at : cells) {
      if (at.message_bytes != size) continue;
      const double rate = rate_of(at, places, options.placement);
      if (at.transport->from == origin::floor) floor = std::max(floor, rate);
      if (at.transport->from == origin::peer) best_peer = std::max(best_peer, rate);
      if (at.transport->name == "ref:vyukov_mpmc") vyukov = rate;
    }
    std::printf("\n%s B messages\n%-36s %14s %10s %8s %8s %6s\n", size_name(size).c_str(), "", "messages/s", "GB/s",
                "x floor", "x peer", "runs");
    for (const cell& at : cells) {
      if (at.message_bytes != size) continue;
      std::size_t counted = 0;
      std::string failure;
      for (const throughput_run& run : at.runs) {
        const std::string place = run.failure.empty() ? places.name(run.around) : "failed";
        ++places_seen[place];
        counted += place == options.placement ? 1 : 0;
        if (!run.failure.empty()) failure = run.failure;
      }
      if (counted == 0) {
        std::printf("%-36s no run in the %s placement%s%s\n", at.name().c_str(), options.placement.c_str(),
                    failure.empty() ? "" : "; failed: ", failure.c_str());
        continue;
      }
      const double rate = rate_of(at, places, options.placement);
      if (at.transport->from == origin::sluice) {
        ratios.add("messages/s / stream floor", at.name(), size, rate, floor);
        ratios.add("messages/s / best peer", at.name(), size, rate, best_peer);
        if (at.transport->name.find("mpmc") != std::string::npos)
          ratios.add("messages/s / ref:vyukov_mpmc", at.name(), size, rate, vyukov);
      }
      std::printf("%-36s %14.0f %10.2f %8s %8s %6zu%s%s\n", at.name().c_str(), rate,
                  rate * static_cast<double>(size) / 1e9, ratio(rate, floor).c_str(), ratio(rate, best_peer).c_str(),
                  counted, failure.empty() ? "" : "  a run failed: ", failure.c_str());
    }
  }
  std::printf("\nOurs against the rest: more than 1 is faster\n");
  ratios.print();
  print_footing(places_seen, transports);
  if (!options.json_path.empty()) write_json(options.json_path, options, places, cells);
  return places_seen["failed"] == 0 ? 0 : 1;
}
