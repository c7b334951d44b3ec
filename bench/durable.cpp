// bench_durable: what it costs that messages outlast a reset of the machine: messages a second through one spsc channel on a
// disk, for each durability. Google Benchmark; one process is both sides, so that nothing but the durability differs.
#include <benchmark/benchmark.h>

#include <sys/statfs.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "harness/clock.hpp"
#include "sluice/channel.hpp"
#include "sluice/registry.hpp"

using namespace sluice_bench;

namespace {

template <std::size_t Bytes>
struct message {
  std::uint64_t words[Bytes / 8];
};

bool is_on_a_disk(const std::string& folder) {
  constexpr long tmpfs = 0x01021994;
  struct statfs facts {};
  return ::statfs(folder.c_str(), &facts) == 0 && facts.f_type != tmpfs && ::access(folder.c_str(), W_OK) == 0;
}

/// Timed: `count` messages are sent, and as many received, and the producer leaves: what is to be on the disk is there.
template <std::size_t Bytes>
void stream(benchmark::State& state, const std::string& folder, const sluice::durability& how, std::uint64_t count) {
  using link = sluice::channel<message<Bytes>>;
  const sluice::registry names(folder);
  const sluice::segment_name name("bench-durable-" + std::to_string(::getpid()));
  const auto made = link::create(names, name, {.capacity_slots = 1024, .durability = how});
  names.remove(name, true);  // a durable name would stay
  made.memory().flush();
  auto in = made.consumer();
  message<Bytes> out_message{}, in_message{};
  std::uint64_t sum = 0, expected = 0;
  for (auto _ : state) {
    const auto began = monotonic_ns();
    {
      auto out = made.producer();
      for (std::uint64_t i = 0; i < count; ++i) {
        out_message.words[0] = i;
        if (!out.try_send(out_message) || !in.try_receive(in_message)) {
          state.SkipWithError("the ring was full, or empty");
          return;
        }
        sum += in_message.words[0];
      }
    }
    state.SetIterationTime(static_cast<double>(monotonic_ns() - began) / 1e9);
    expected += count * (count - 1) / 2;
  }
  if (sum != expected) state.SkipWithError("what was received is not what was sent");
  state.SetItemsProcessed(static_cast<std::int64_t>(count) * static_cast<std::int64_t>(state.iterations()));
}

template <std::size_t Bytes>
void add(const std::string& folder) {
  const std::pair<const char*, sluice::durability> all[] = {{"none", sluice::durability::none()},
                                                            {"on_close", sluice::durability::on_close()},
                                                            {"every_1000", sluice::durability::every(1000)},
                                                            {"every_100", sluice::durability::every(100)},
                                                            {"every_message", sluice::durability::every(1)}};
  for (const auto& [text, how] : all) {
    const std::uint64_t count = how == sluice::durability::every(1) ? 200 : how.messages == 100 ? 10'000 : 100'000;
    benchmark::RegisterBenchmark(
        ("durable/" + std::to_string(Bytes) + "/" + text).c_str(),
        [folder, how = how, count](benchmark::State& state) { stream<Bytes>(state, folder, how, count); })
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond)
        ->Iterations(3)
        ->Repetitions(5)
        ->ReportAggregatesOnly();
  }
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  std::string folder;
  if (argc == 3 && std::string_view(argv[1]) == "--folder") folder = argv[2];
  if (argc != 1 && folder.empty()) {
    std::fprintf(stderr, "usage: bench_durable [--folder PATH] [Google Benchmark's options]\n");
    return 2;
  }
  for (const char* candidate : {"/var/tmp", "/tmp", "."})
    if (folder.empty() && is_on_a_disk(candidate)) folder = candidate;
  if (folder.empty() || !is_on_a_disk(folder)) {
    std::fprintf(stderr, "bench_durable: no folder on a disk that can be written to; name one with --folder\n");
    return 2;
  }
  add<64>(folder);
  add<4096>(folder);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
