// The two measuring loops, instantiated once per link and size, so that nothing is called through a pointer per
// message. Every message is filled by the producer and read whole by the consumer, which throws on a wrong one.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "harness/link.hpp"
#include "harness/payload.hpp"
#include "harness/process_pair.hpp"
#include "harness/shared_pages.hpp"
#include "harness/statistics.hpp"

namespace sluice_bench {

struct run_options {
  core_pair cores;
  std::size_t ring_bytes = 0;
  std::size_t sample_limit = 20'000;  // ping-pong: samples of one run at most
  std::size_t batch = 1;              // ping-pong: round trips in one sample; throughput: messages in one call
  std::uint64_t run_ns = 40'000'000;  // a run ends here at the latest
  std::uint64_t warm_up_ns = 5'000'000;
  std::string run_name = "sluice_bench";

  /// A process still running then is ended: set-up (a daemon of a peer's may take a second or two) and the run itself.
  [[nodiscard]] unsigned limit_seconds() const noexcept {
    return 6 + static_cast<unsigned>(3 * (run_ns + warm_up_ns) / 1'000'000'000);
  }
};

/// What framed a run.
struct surroundings {
  double before_ns = 0;  // raw one-word ping-pong, one way
  double after_ns = 0;
  double cpu_share = 0;          // the lesser of both processes' CPU time / wall time
  bool gives_core_away = false;  // the transport sleeps or has threads here: a low share is its own doing
};

/// The points of a latency curve: the smallest time that this share of the samples does not exceed.
inline constexpr std::array<double, 15> curve_shares = {0.01, 0.05, 0.1,   0.25,  0.5,   0.75,   0.9,   0.95,
                                                        0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999};

struct latency_run {
  std::string failure;  // empty: the rest is valid
  surroundings around;
  double p50_ns = 0, p99_ns = 0, p999_ns = 0, max_ns = 0;
  std::array<double, curve_shares.size()> curve_ns{};
  std::size_t samples = 0;
};

struct throughput_run {
  std::string failure;
  surroundings around;
  double messages_per_second = 0;
  std::uint64_t messages = 0;
};

namespace detail {

[[noreturn]] inline void wrong_payload(std::uint64_t sequence) {
  throw std::runtime_error("message " + std::to_string(sequence) + " arrived damaged, twice or out of order");
}

template <class Link, std::size_t message_bytes>
[[gnu::always_inline]] inline void send(Link& link, std::uint64_t sequence, poll_pacer& pacer) {
  while (!link.try_send([&](std::byte* at) { fill_payload<message_bytes>(at, sequence); })) pacer.found_nothing();
  pacer.found();
}

/// @return false when the other side says that it stops.
template <class Link, std::size_t message_bytes>
[[gnu::always_inline]] inline bool receive(Link& link, std::uint64_t sequence, poll_pacer& pacer) {
  bool was_right = false;
  bool was_stop = false;
  while (!link.try_receive([&](const std::byte* at) {
    was_right = payload_is<message_bytes>(at, sequence);
    if (!was_right) [[unlikely]]
      was_stop = payload_is<message_bytes>(at, stop_sequence);
  }))
    pacer.found_nothing();
  pacer.found();
  if (was_right) [[likely]]
    return true;
  if (!was_stop) wrong_payload(sequence);
  return false;
}

template <class Body>
double cpu_share_of(Body&& body) {
  const std::uint64_t wall_ns = monotonic_ns();
  const std::uint64_t cpu_ns = own_cpu_ns();
  body();
  const std::uint64_t used_ns = own_cpu_ns() - cpu_ns;
  return static_cast<double>(used_ns) / static_cast<double>(monotonic_ns() - wall_ns);
}

template <class Body>
void between_probes_first(control_page& control, Body&& body) {
  control.barrier();
  control.probe_before_ns = probe_first(control);
  control.barrier();
  control.cpu_share_first = cpu_share_of(body);
  control.barrier();
  control.probe_after_ns = probe_first(control);
}

template <class Body>
void between_probes_second(control_page& control, Body&& body) {
  control.barrier();
  probe_second(control);
  control.barrier();
  control.cpu_share_second = cpu_share_of(body);
  control.barrier();
  probe_second(control);
}

template <class Link>
surroundings surroundings_of(const control_page& control) {
  return {control.probe_before_ns, control.probe_after_ns, std::min(control.cpu_share_first, control.cpu_share_second),
          gives_core_away<Link>()};
}

}  // namespace detail

/// One-way latency as half the round trip; a sample is one round trip, or the mean of `batch` of them.
template <class Link, std::size_t message_bytes>
latency_run ping_pong(const run_options& options) {
  latency_run result;
  const shared_pages sample_pages(options.sample_limit * sizeof(std::uint64_t));
  const std::span<std::uint64_t> samples(reinterpret_cast<std::uint64_t*>(sample_pages.data()), options.sample_limit);
  Link there({options.ring_bytes, 0, options.run_name, true});
  Link back({options.ring_bytes, 1, options.run_name, true});
  process_pair pair(options.cores, options.limit_seconds());

  result.failure = pair.run(
      [&](control_page& control) {
        sample_pages.touch();
        there.join(role::producer);
        back.join(role::consumer);
        detail::between_probes_first(control, [&] {
          const double tick_ns = ns_per_tick();
          const auto warm_up_ticks = static_cast<std::uint64_t>(static_cast<double>(options.warm_up_ns) / tick_ns);
          const auto run_ticks = static_cast<std::uint64_t>(static_cast<double>(options.run_ns) / tick_ns);
          poll_pacer pacer(polls_before_yield_of<Link>());
          std::uint64_t sequence = 0;
          const auto round_trips = [&](std::size_t count) {
            for (std::size_t i = 0; i < count; ++i, ++sequence) {
              detail::send<Link, message_bytes>(there, sequence, pacer);
              detail::receive<Link, message_bytes>(back, sequence, pacer);
            }
          };
          const std::uint64_t began = ticks();
          while (ticks() - began < warm_up_ticks) round_trips(1);
          std::size_t taken = 0;
          const std::uint64_t first = ticks();
          for (std::uint64_t last = first; taken < samples.size() && last - first < run_ticks;) {
            round_trips(options.batch);
            const std::uint64_t now = ticks();
            samples[taken++] = now - last;
            last = now;
          }
          detail::send<Link, message_bytes>(there, stop_sequence, pacer);
          control.samples = taken;
        });
      },
      [&](control_page& control) {
        there.join(role::consumer);
        back.join(role::producer);
        detail::between_probes_second(control, [&] {
          poll_pacer pacer(polls_before_yield_of<Link>());
          for (std::uint64_t sequence = 0; detail::receive<Link, message_bytes>(there, sequence, pacer); ++sequence)
            detail::send<Link, message_bytes>(back, sequence, pacer);
        });
      });

  const control_page& control = pair.control();
  result.around = detail::surroundings_of<Link>(control);
  result.samples = control.samples;
  if (result.failure.empty()) {
    std::vector<double> one_way_ns(control.samples);
    const double scale = ns_per_tick() / 2 / static_cast<double>(options.batch);
    std::transform(samples.begin(), samples.begin() + static_cast<std::ptrdiff_t>(control.samples), one_way_ns.begin(),
                   [&](std::uint64_t t) { return static_cast<double>(t) * scale; });
    std::sort(one_way_ns.begin(), one_way_ns.end());
    result.p50_ns = quantile_of_sorted(one_way_ns, 0.5);
    result.p99_ns = quantile_of_sorted(one_way_ns, 0.99);
    result.p999_ns = quantile_of_sorted(one_way_ns, 0.999);
    for (std::size_t i = 0; i < curve_shares.size(); ++i)
      result.curve_ns[i] = quantile_of_sorted(one_way_ns, curve_shares[i]);
    result.max_ns = one_way_ns.empty() ? 0 : one_way_ns.back();
  }
  return result;
}

/// Messages a second that the consumer has read, from the end of the warm-up to the last message sent.
/// `batched` uses the link's batch calls with options.batch messages at most.
template <class Link, std::size_t message_bytes, bool batched>
throughput_run throughput(const run_options& options) {
  throughput_run result;
  Link link({options.ring_bytes, 0, options.run_name});
  process_pair pair(options.cores, options.limit_seconds());
  // Between two looks at the clock, which costs some 10 ns.
  constexpr std::size_t burst = message_bytes <= 1024 ? 256 : message_bytes <= 65'536 ? 8 : 1;

  result.failure = pair.run(
      [&](control_page& control) {
        link.join(role::producer);
        detail::between_probes_first(control, [&] {
          const double tick_ns = ns_per_tick();
          const auto all_ticks =
              static_cast<std::uint64_t>(static_cast<double>(options.warm_up_ns + options.run_ns) / tick_ns);
          poll_pacer pacer(polls_before_yield_of<Link>());
          std::uint64_t sequence = 0;
          for (const std::uint64_t began = ticks(); ticks() - began < all_ticks;) {
            if constexpr (batched) {
              const std::uint64_t until = sequence + burst;
              while (sequence < until) {
                const std::size_t sent = link.try_send_batch(options.batch, [&](std::byte* at, std::size_t i) {
                  fill_payload<message_bytes>(at, sequence + i);
                });
                if (sent == 0)
                  pacer.found_nothing();
                else
                  pacer.found();
                sequence += sent;
              }
            } else {
              for (std::size_t i = 0; i < burst; ++i) detail::send<Link, message_bytes>(link, sequence++, pacer);
            }
          }
          control.sent_total.store(sequence, std::memory_order_release);  // S
        });
      },
      [&](control_page& control) {
        link.join(role::consumer);
        detail::between_probes_second(control, [&] {
          const double tick_ns = ns_per_tick();
          const auto warm_up_ticks = static_cast<std::uint64_t>(static_cast<double>(options.warm_up_ns) / tick_ns);
          poll_pacer pacer(polls_before_yield_of<Link>());
          std::uint64_t sequence = 0;
          bool was_right = true;
          // One burst; false when the ring is empty and everything sent has been read.
          const auto read_burst = [&] {
            const std::uint64_t until = sequence + burst;
            while (sequence < until) {
              std::size_t got = 0;
              if constexpr (batched) {
                got = link.try_receive_batch(options.batch, [&](const std::byte* at, std::size_t i) {
                  was_right &= payload_is<message_bytes>(at, sequence + i);
                });
              } else {
                got =
                    link.try_receive([&](const std::byte* at) { was_right &= payload_is<message_bytes>(at, sequence); })
                        ? 1
                        : 0;
              }
              if (!was_right) [[unlikely]]
                detail::wrong_payload(sequence);
              sequence += got;
              if (got != 0) [[likely]] {
                pacer.found();
                continue;
              }
              const std::uint64_t total = control.sent_total.load(std::memory_order_acquire);  // S
              if (total == sequence && total != 0) return false;
              pacer.found_nothing();
            }
            return true;
          };
          bool more = true;
          for (const std::uint64_t began = ticks(); more && ticks() - began < warm_up_ticks;) more = read_burst();
          const std::uint64_t from = sequence;
          const std::uint64_t first = ticks();
          while (more) more = read_burst();
          control.elapsed_ns = static_cast<double>(ticks() - first) * tick_ns;
          control.messages = sequence - from;
        });
      });

  const control_page& control = pair.control();
  result.around = detail::surroundings_of<Link>(control);
  result.messages = control.messages;
  if (!result.failure.empty()) return result;
  if (control.messages == 0 || control.elapsed_ns <= 0) {
    // One side lost its core for so long that the other was through. A link that gives it away did so itself.
    result.around.cpu_share = 0;
    if (result.around.gives_core_away) result.failure = "nothing was received after the warm-up";
  } else {
    result.messages_per_second = static_cast<double>(control.messages) * 1e9 / control.elapsed_ns;
  }
  return result;
}

}  // namespace sluice_bench
