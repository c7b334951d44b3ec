// bench_micro: what single calls cost one process, with no process on the other side to wait for. Google Benchmark; at
// the end the pair of push and pop is set against the reference, interleaved. See README.md.
#include <benchmark/benchmark.h>

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "harness/clock.hpp"
#include "harness/payload.hpp"
#include "harness/statistics.hpp"
#include "ours/sluice_link.hpp"
#include "reference/vyukov_mpmc.hpp"
#include "sluice/latest.hpp"
#include "sluice/port.hpp"
#include "sluice/registry.hpp"
#include "sluice/ring.hpp"
#include "sluice/topic.hpp"

using namespace sluice_bench;

namespace {

template <std::size_t message_bytes>
using spsc = sluice_in_place<message_bytes, sluice::spsc_ring, memory_kind::file>;
template <std::size_t message_bytes>
using mpmc = sluice_in_place<message_bytes, sluice::mpmc_ring, memory_kind::file>;

const std::string run_name = "sluice_bench_micro_" + std::to_string(::getpid());
const sluice::registry directory("/dev/shm/" + run_name);
const sluice::segment_name name("channel");

template <class Link>
class both_ends {
 public:
  explicit both_ends(std::size_t ring_bytes) : link_({ring_bytes, 0, run_name}) {
    link_.join(role::producer);
    link_.join(role::consumer);
  }
  Link& operator*() noexcept { return link_; }

 private:
  Link link_;
};

/// `count` messages through the ring and out again, one at a time. @return whether all of them were right.
template <class Link, std::size_t message_bytes>
[[gnu::noinline]] bool push_and_pop(Link& link, std::size_t count) {
  bool all_right = true;
  for (std::size_t i = 0; i < count; ++i) {
    all_right &= link.try_send([&](std::byte* at) { fill_payload<message_bytes>(at, i); });
    all_right &= link.try_receive([&](const std::byte* at) { all_right &= payload_is<message_bytes>(at, i); });
  }
  return all_right;
}

constexpr std::size_t small_ring_bytes = 64 << 10;  // stays in the second-level cache

template <template <std::size_t> class Link, std::size_t message_bytes>
void push_pop(benchmark::State& state) {
  both_ends<Link<message_bytes>> ends(small_ring_bytes);
  constexpr std::size_t pairs = 1000;
  for (auto _ : state)
    if (!push_and_pop<Link<message_bytes>, message_bytes>(*ends, pairs))
      state.SkipWithError("a message was lost or damaged");
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(pairs));
}
BENCHMARK(push_pop<spsc, 8>);
BENCHMARK(push_pop<mpmc, 8>);
BENCHMARK(push_pop<vyukov_mpmc, 8>);
BENCHMARK(push_pop<spsc, 64>);
BENCHMARK(push_pop<mpmc, 64>);
BENCHMARK(push_pop<vyukov_mpmc, 64>);

/// The same through ports, whose calls are virtual: so many messages a claim and a peek.
template <sluice::ring Ring, std::uint64_t batch>
void push_pop_by_port(benchmark::State& state) {
  const auto made = sluice::channel<plain_message<8>, Ring>::create(directory, name, {.capacity_slots = 4096});
  const auto out = sluice::open_producer(directory.attach(name));
  const auto in = sluice::open_consumer(directory.attach(name));
  for (auto _ : state) {
    const auto claimed = out->try_claim(batch);
    for (std::uint64_t i = 0; i < claimed; ++i) fill_payload<8>(out->claimed(i).data(), i);
    out->publish();
    const auto peeked = in->try_peek(batch);
    bool all_right = peeked == batch;
    for (std::uint64_t i = 0; i < peeked; ++i) all_right &= payload_is<8>(in->peeked(i).data(), i);
    in->release();
    if (!all_right) state.SkipWithError("a message was lost or damaged");
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(batch));
  directory.remove(name, true);
}
BENCHMARK(push_pop_by_port<sluice::spsc_ring, 1>);
BENCHMARK(push_pop_by_port<sluice::spsc_ring, 64>);
BENCHMARK(push_pop_by_port<sluice::mpmc_ring, 1>);
BENCHMARK(push_pop_by_port<sluice::mpmc_ring, 64>);

/// And through channel<T>.
template <sluice::ring Ring, std::uint64_t batch>
void push_pop_by_batch(benchmark::State& state) {
  const auto made = sluice::channel<plain_message<8>, Ring>::create(directory, name, {.capacity_slots = 4096});
  auto out = made.producer();
  auto in = made.consumer();
  for (auto _ : state) {
    auto claimed = out.try_claim_batch(batch);
    for (std::uint64_t i = 0; i < claimed.size(); ++i) fill_payload<8>(claimed[i].bytes, i);
    claimed.publish();
    auto peeked = in.try_peek_batch(batch);
    bool all_right = peeked.size() == batch;
    for (std::uint64_t i = 0; i < peeked.size(); ++i) all_right &= payload_is<8>(peeked[i].bytes, i);
    peeked.release();
    if (!all_right) state.SkipWithError("a message was lost or damaged");
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(batch));
  directory.remove(name, true);
}
BENCHMARK(push_pop_by_batch<sluice::spsc_ring, 1>);
BENCHMARK(push_pop_by_batch<sluice::spsc_ring, 64>);
BENCHMARK(push_pop_by_batch<sluice::mpmc_ring, 1>);
BENCHMARK(push_pop_by_batch<sluice::mpmc_ring, 64>);

/// With so many lossy subscribers that never look.
template <sluice::publishers Publishers>
void publish_to_topic(benchmark::State& state) {
  struct message {
    std::uint64_t words[8];
  };
  const auto topic = sluice::topic<message, Publishers>::create_unnamed({.capacity_slots = 1024});
  auto out = topic.publisher();
  std::vector<sluice::lossy_subscriber<message, Publishers>> lossy;
  for (int i = 0; i < state.range(0); ++i) lossy.push_back(topic.lossy_subscriber());
  message sent{};
  for (auto _ : state) {
    auto slot = out.try_claim();
    ++sent.words[0];
    *slot = sent;
    slot.publish();
  }
}
BENCHMARK(publish_to_topic<sluice::publishers::one>)->Arg(0)->Arg(1)->Arg(64);
BENCHMARK(publish_to_topic<sluice::publishers::many>)->Arg(0)->Arg(1)->Arg(64);

// ---- Latest values of 64 bytes -------------------------------------------------------------------------------------

using value = plain_message<64>;

/// What a read is measured against: the same bytes, which lie in the same memory.
void copy_a_value(benchmark::State& state) {
  const auto link = sluice::latest<value>::create_unnamed();
  auto out = link.writer();
  auto slot = out.claim();
  value got;
  for (auto _ : state) {
    got = *slot;
    benchmark::DoNotOptimize(got);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(copy_a_value);
void get_a_value(benchmark::State& state) {
  const auto link = sluice::latest<value>::create_unnamed();
  auto out = link.writer();
  auto in = link.reader();
  out.set({});
  value got;
  for (auto _ : state) {
    if (!in.try_get(got)) state.SkipWithError("there is no value");
    benchmark::DoNotOptimize(got);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(get_a_value);
/// Beside so many readers, which do not look.
void set_a_value(benchmark::State& state) {
  const auto link = sluice::latest<value>::create_unnamed();
  auto out = link.writer();
  std::vector<sluice::latest_reader<value>> readers;
  for (int i = 0; i < state.range(0); ++i) readers.push_back(link.reader());
  value set{};
  for (auto _ : state) {
    set.bytes[0] = static_cast<std::byte>(state.iterations());
    out.set(set);
  }
}
BENCHMARK(set_a_value)->Arg(0)->Arg(1)->Arg(16);

using values_by_number = sluice::table<std::uint64_t, value>;
void get_by_key(benchmark::State& state) {
  const auto link = values_by_number::create_unnamed({.keys = 64});
  auto out = link.writer();
  auto in = link.reader();
  for (std::uint64_t key = 0; key < 64; ++key) out.set(key, {});
  value got;
  std::uint64_t key = 0;
  for (auto _ : state) {
    if (!in.try_get(key++ % 64, got)) state.SkipWithError("there is no value");
    benchmark::DoNotOptimize(got);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(get_by_key);
void set_by_key(benchmark::State& state) {
  const auto link = values_by_number::create_unnamed({.keys = 64});
  auto out = link.writer();
  value set{};
  std::uint64_t key = 0;
  for (auto _ : state) out.set(key++ % 64, set);
}
BENCHMARK(set_by_key);

template <template <std::size_t> class Link>
void send_to_full(benchmark::State& state) {
  both_ends<Link<8>> ends(small_ring_bytes);
  const auto send = [&] { return (*ends).try_send([](std::byte* at) { fill_payload<8>(at, 0); }); };
  while (send()) {
  }
  for (auto _ : state)
    if (send()) state.SkipWithError("the ring was not full");
}
BENCHMARK(send_to_full<spsc>);
BENCHMARK(send_to_full<mpmc>);

template <template <std::size_t> class Link>
void receive_from_empty(benchmark::State& state) {
  both_ends<Link<8>> ends(small_ring_bytes);
  for (auto _ : state)
    if ((*ends).try_receive([](const std::byte*) {})) state.SkipWithError("the ring was not empty");
}
BENCHMARK(receive_from_empty<spsc>);
BENCHMARK(receive_from_empty<mpmc>);

// ---- Setting up: 1,024 messages of 64 bytes ------------------------------------------------------------------------

using quote = plain_message<64>;
const sluice::channel_options setup{.capacity_slots = 1024};

template <sluice::ring Ring>
void create(benchmark::State& state) {
  for (auto _ : state) {
    {
      auto made = sluice::channel<quote, Ring>::create(directory, name, setup);
      benchmark::DoNotOptimize(made);
      state.PauseTiming();
    }
    directory.remove(name, true);
    state.ResumeTiming();
  }
}
BENCHMARK(create<sluice::spsc_ring>)->Unit(benchmark::kMicrosecond);
BENCHMARK(create<sluice::mpmc_ring>)->Unit(benchmark::kMicrosecond);

template <sluice::ring Ring>
void attach(benchmark::State& state) {
  const auto made = sluice::channel<quote, Ring>::create(directory, name, setup);
  for (auto _ : state) {
    auto attached = sluice::channel<quote, Ring>::attach(directory, name);
    benchmark::DoNotOptimize(attached);
    state.PauseTiming();
    { const auto gone = std::move(attached); }
    state.ResumeTiming();
  }
  directory.remove(name, true);
}
BENCHMARK(attach<sluice::spsc_ring>)->Unit(benchmark::kMicrosecond);
BENCHMARK(attach<sluice::mpmc_ring>)->Unit(benchmark::kMicrosecond);

/// Create and take the producer's seat, attach and take the consumer's, send one message, receive it.
template <sluice::ring Ring>
void create_attach_first_message(benchmark::State& state) {
  for (auto _ : state) {
    {
      auto out = sluice::channel<quote, Ring>::create(directory, name, setup).producer();
      auto in = sluice::channel<quote, Ring>::attach(directory, name).consumer();
      quote message{};
      if (!out.try_send(message) || !in.try_receive(message)) state.SkipWithError("no first message");
      state.PauseTiming();
    }
    directory.remove(name, true);
    state.ResumeTiming();
  }
}
BENCHMARK(create_attach_first_message<sluice::spsc_ring>)->Unit(benchmark::kMicrosecond);
BENCHMARK(create_attach_first_message<sluice::mpmc_ring>)->Unit(benchmark::kMicrosecond);

/// What a tick costs: is any owner alive on the other side?
template <sluice::ring Ring>
void liveness_check(benchmark::State& state) {
  const auto made = sluice::channel<quote, Ring>::create(directory, name, setup);
  auto out = made.producer();
  auto in = made.consumer();
  auto& own = details_of(in);
  for (auto _ : state) {
    bool has_died = own.peer_has_died();  // asks has_living() first
    benchmark::DoNotOptimize(has_died);
    if (has_died) state.SkipWithError("the living were called dead");
  }
  directory.remove(name, true);
}
/// The same in memory without a name, where the kernel keeps no lock for a seat.
void liveness_check_without_a_file(benchmark::State& state) {
  const auto made = sluice::channel<quote>::create_unnamed(setup);
  auto out = made.producer();
  auto in = made.consumer();
  auto& own = details_of(in);
  for (auto _ : state) {
    bool has_died = own.peer_has_died();
    benchmark::DoNotOptimize(has_died);
    if (has_died) state.SkipWithError("the living were called dead");
  }
}
BENCHMARK(liveness_check_without_a_file)->Unit(benchmark::kMicrosecond);
BENCHMARK(liveness_check<sluice::spsc_ring>)->Unit(benchmark::kMicrosecond);
BENCHMARK(liveness_check<sluice::mpmc_ring>)->Unit(benchmark::kMicrosecond);

/// A look for the dead that finds none: the ring alone, 64 seats a role, two of them taken.
void mend_nothing(benchmark::State& state) {
  const auto made = sluice::channel<quote, sluice::mpmc_ring>::create(directory, name, setup);
  auto out = made.producer();
  auto in = made.consumer();
  auto& own = details_of(in);
  sluice::mpmc_ring::consumer side(own.ring(), own.seat_index());
  for (auto _ : state)
    if (side.mend(own.keeper())) state.SkipWithError("something was mended");
  directory.remove(name, true);
}
BENCHMARK(mend_nothing)->Unit(benchmark::kMicrosecond);

// ---- What Google Benchmark does not ask -----------------------------------------------------------------------------

template <class Ours, class Reference, std::size_t message_bytes>
void print_pair_ratio(const char* ours, const char* reference) {
  constexpr std::size_t pairs = 50'000;
  constexpr int rounds = 81;
  both_ends<Ours> own(small_ring_bytes);
  both_ends<Reference> other(small_ring_bytes);
  std::vector<double> own_ns, other_ns, ratios;
  const auto time_of = [&](auto&& pass) {
    const std::uint64_t began = ticks();
    if (!pass()) std::printf("a message was lost or damaged\n");
    return static_cast<double>(ticks() - began) * ns_per_tick() / static_cast<double>(pairs);
  };
  for (int round = 0; round < rounds; ++round) {
    own_ns.push_back(time_of([&] { return push_and_pop<Ours, message_bytes>(*own, pairs); }));
    other_ns.push_back(time_of([&] { return push_and_pop<Reference, message_bytes>(*other, pairs); }));
    ratios.push_back(own_ns.back() / other_ns.back());
  }
  std::printf(
      "%-12s %4zu B push + pop %6.2f ns, %s %6.2f ns, ratio %.2f (quartiles %.2f to %.2f of %d interleaved rounds)\n",
      ours, message_bytes, median(own_ns), reference, median(other_ns), median(ratios), quantile(ratios, 0.25),
      quantile(ratios, 0.75), rounds);
}

/// A read of a latest value against a copy of the same bytes, in turns.
void print_values_ratio() {
  constexpr std::size_t reads = 100'000;
  constexpr int rounds = 81;
  const auto link = sluice::latest<value>::create_unnamed();
  auto out = link.writer();
  auto in = link.reader();
  out.set({});
  auto slot = out.claim();
  value got;
  const auto time_of = [&](auto&& read) {
    const std::uint64_t began = ticks();
    for (std::size_t i = 0; i < reads; ++i) {
      read();
      benchmark::DoNotOptimize(got);
      benchmark::ClobberMemory();
    }
    return static_cast<double>(ticks() - began) * ns_per_tick() / static_cast<double>(reads);
  };
  std::vector<double> get_ns, copy_ns, ratios;
  for (int round = 0; round < rounds; ++round) {
    get_ns.push_back(time_of([&] {
      if (!in.try_get(got)) std::abort();
    }));
    copy_ns.push_back(time_of([&] { got = *slot; }));
    ratios.push_back(get_ns.back() / copy_ns.back());
  }
  std::printf("sluice:latest   64 B get %6.2f ns, a copy %6.2f ns, ratio %.2f (quartiles %.2f to %.2f of %d rounds)\n",
              median(get_ns), median(copy_ns), median(ratios), quantile(ratios, 0.25), quantile(ratios, 0.75), rounds);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  std::printf("\n");
  print_pair_ratio<spsc<8>, vyukov_mpmc<8>, 8>("sluice:spsc", "ref:vyukov_mpmc");
  print_pair_ratio<spsc<64>, vyukov_mpmc<64>, 64>("sluice:spsc", "ref:vyukov_mpmc");
  print_pair_ratio<mpmc<8>, vyukov_mpmc<8>, 8>("sluice:mpmc", "ref:vyukov_mpmc");
  print_pair_ratio<mpmc<64>, vyukov_mpmc<64>, 64>("sluice:mpmc", "ref:vyukov_mpmc");
  print_values_ratio();
  ::rmdir(directory.directory().c_str());
  return 0;
}
