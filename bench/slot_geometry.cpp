// Where should a slot's word lie, and how often should the consumer tell its progress? Measures variants of the
// reference ring in interleaved rounds; the answers are in README.md. Not a comparison with peers.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "harness/measure.hpp"
#include "reference/seq_slot_spsc.hpp"

using namespace sluice_bench;

namespace {

struct variant {
  std::size_t message_bytes;
  std::string name;
  latency_run (*ping_pong)(const run_options&);
  throughput_run (*single)(const run_options&);
  throughput_run (*batch)(const run_options&);
};

std::vector<variant> variants;

template <std::size_t message_bytes, slot_geometry geometry, progress_policy policy = progress_policy{}>
void add(const char* name) {
  using ring = seq_slot_spsc<message_bytes, geometry, policy>;
  variants.push_back({message_bytes, name, ping_pong<ring, message_bytes>, throughput<ring, message_bytes, false>,
                      throughput<ring, message_bytes, true>});
}

void add_geometries() {
  add<8, slot_geometry{16, 8}>("stride 16");
  add<8, slot_geometry{64, 8}>("stride 64");
  add<8, slot_geometry{8, 0, true}>("words apart");
  add<56, slot_geometry{64, 8}>("stride 64");
  add<56, slot_geometry{128, 8}>("stride 128");
  add<56, slot_geometry{56, 0, true}>("words apart");
  add<64, slot_geometry{72, 8}>("stride 72 packed");
  add<64, slot_geometry{128, 8}>("stride 128, payload at 8");
  add<64, slot_geometry{128, 64}>("stride 128, payload at 64");
  add<64, slot_geometry{64, 0, true}>("words apart");
  add<256, slot_geometry{264, 8}>("stride 264 packed");
  add<256, slot_geometry{320, 8}>("stride 320, payload at 8");
  add<256, slot_geometry{320, 64}>("stride 320, payload at 64");
  add<256, slot_geometry{256, 0, true}>("words apart");
  add<4096, slot_geometry{4104, 8}>("stride 4104, payload at 8");
  add<4096, slot_geometry{4160, 8}>("stride 4160, payload at 8");
  add<4096, slot_geometry{4160, 64}>("stride 4160, payload at 64");
  add<65536, slot_geometry{65600, 8}>("stride 65600, payload at 8");
  add<65536, slot_geometry{65600, 64}>("stride 65600, payload at 64");
}

template <std::size_t message_bytes, slot_geometry geometry>
void add_policies() {
  add<message_bytes, geometry, progress_policy{8}>("every 1/8 of the ring");
  add<message_bytes, geometry, progress_policy{4}>("every 1/4");
  add<message_bytes, geometry, progress_policy{2}>("every 1/2");
  add<message_bytes, geometry, progress_policy{32}>("every 1/32");
  add<message_bytes, geometry, progress_policy{0, 64 / geometry.stride_bytes}>("every line of slots");
  add<message_bytes, geometry, progress_policy{0, 8 * (64 / geometry.stride_bytes)}>("every 8 lines of slots");
  add<message_bytes, geometry, progress_policy{0, 1}>("every message");
  add<message_bytes, geometry, progress_policy{8, 0, true}>("every 1/8 + exact each, own line");
}

double mean_probe(const surroundings& a) { return (a.before_ns + a.after_ns) / 2; }
bool was_disturbed(const surroundings& a) { return a.cpu_share < 0.97; }

}  // namespace

int main(int argc, char** argv) {
  const bool policies = argc > 1 && std::strcmp(argv[1], "progress") == 0;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 11;
  const std::size_t only = argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 0;
  if (argc < 2 || rounds < 1 || (!policies && std::strcmp(argv[1], "geometry") != 0)) {
    std::fprintf(stderr, "usage: bench_slot_geometry geometry|progress [rounds] [message bytes]\n");
    return 2;
  }
  (void)ns_per_tick();
  if (policies) {
    add_policies<8, slot_geometry{16, 8}>();
    add_policies<56, slot_geometry{64, 8}>();
  } else {
    add_geometries();
  }
  if (only != 0) std::erase_if(variants, [&](const variant& v) { return v.message_bytes != only; });

  struct cell {
    std::size_t variant;
    std::size_t ring_bytes;
    int what;  // 0 latency, 1 throughput, 2 in batches of 32
    std::vector<double> values, probe_ns;
    std::string failure;
  };
  std::vector<cell> cells;
  for (std::size_t v = 0; v < variants.size(); ++v)
    for (const std::size_t ring_bytes : {std::size_t{256} << 10, std::size_t{2} << 20})
      for (int what = 0; what < 3; ++what) cells.push_back({v, ring_bytes, what, {}, {}, {}});

  std::vector<std::size_t> order(cells.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::mt19937 random(std::random_device{}());
  const auto is_done = [&](const cell& at) { return at.values.size() >= static_cast<std::size_t>(rounds); };
  // A disturbed run is repeated in a later round; a machine that is never quiet ends the bench all the same.
  for (int round = 0; round < rounds * 10 && !std::all_of(cells.begin(), cells.end(), is_done); ++round) {
    std::shuffle(order.begin(), order.end(), random);
    for (const std::size_t i : order) {
      cell& at = cells[i];
      if (is_done(at)) continue;
      const variant& v = variants[at.variant];
      run_options options;
      options.ring_bytes = at.ring_bytes;
      options.run_ns = 20'000'000;
      options.warm_up_ns = 4'000'000;
      if (at.what == 0) {
        const latency_run run = v.ping_pong(options);
        if (!run.failure.empty()) at.failure = run.failure;
        if (!run.failure.empty() || was_disturbed(run.around)) continue;
        at.values.push_back(run.p50_ns);
        at.probe_ns.push_back(mean_probe(run.around));
      } else {
        options.batch = at.what == 2 ? 32 : 1;
        const throughput_run run = at.what == 2 ? v.batch(options) : v.single(options);
        if (!run.failure.empty()) at.failure = run.failure;
        if (!run.failure.empty() || was_disturbed(run.around)) continue;
        at.values.push_back(run.messages_per_second);
        at.probe_ns.push_back(mean_probe(run.around));
      }
    }
  }

  std::printf("%-6s %-34s %12s %12s %10s %10s %10s %10s %8s\n", "bytes", "variant", "p50@256K ns", "p50@2M ns",
              "M/s@256K", "batch", "M/s@2M", "batch", "raw ns");
  for (std::size_t v = 0; v < variants.size(); ++v) {
    const cell* c = &cells[v * 6];
    std::vector<double> probe;
    for (int i = 0; i < 6; ++i) {
      probe.insert(probe.end(), c[i].probe_ns.begin(), c[i].probe_ns.end());
      if (!c[i].failure.empty()) std::printf("failed: %s: %s\n", variants[v].name.c_str(), c[i].failure.c_str());
    }
    std::printf("%-6zu %-34s %12.1f %12.1f %10.3f %10.3f %10.3f %10.3f %8.1f\n", variants[v].message_bytes,
                variants[v].name.c_str(), median(c[0].values), median(c[3].values), upper_quartile(c[1].values) / 1e6,
                upper_quartile(c[2].values) / 1e6, upper_quartile(c[4].values) / 1e6, upper_quartile(c[5].values) / 1e6,
                median(probe));
  }
  return 0;
}
