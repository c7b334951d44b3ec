// Links whose calls sleep in the kernel until they can go on, and what is asked of them: what does a ping-pong cost when
// both sides may sleep, how soon does a consumer wake that has been idle for long, what does an idle one cost, how many
// messages a second travel, and how many system calls does a message need while neither side has to sleep?
//
//   template <std::size_t message_bytes> class link {
//       explicit link(const link_options&);  void join(role);      as for a polling link, harness/link.hpp
//       void send(fill);                      returns when the message is on its way
//       void receive(read);                   sleeps until there is one
//       static constexpr bool holds_one_message;   optional: true when send() does not wait for room: no stream
//   };
//
// The consumer's clock is compared with the producer's: CLOCK_MONOTONIC, which the kernel keeps equal on all cores.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "harness/link.hpp"
#include "harness/measure.hpp"
#include "harness/system_calls.hpp"
#include "harness/transports.hpp"

namespace sluice_bench {

inline constexpr std::size_t wake_message_bytes = 64;

struct wake_run {
  std::string failure;
  surroundings around;
  double wake_p50_ns = 0, wake_max_ns = 0;  // send call begins -> idle consumer has the message
  double send_p50_ns = 0;                   // what the send call itself takes with a sleeper
  std::size_t samples = 0;
};

/// What an idle consumer costs: CPU time of its process, threads of its own included, against the clock.
struct idle_run {
  std::string failure;
  double cpu_share = 0;
};

struct call_run {
  std::string failure;
  std::uint64_t messages = 0;
  std::uint64_t calls = 0;  // by both sides
  std::string names;
};

struct blocking_entry {
  std::string name;
  origin from;
  std::string note;
  latency_run (*ping_pong)(const run_options&);
  wake_run (*wake)(const run_options&, std::uint64_t idle_ns, std::size_t samples);
  idle_run (*idle)(const run_options&, std::uint64_t idle_ns);
  throughput_run (*stream)(const run_options&);                   // null: holds one message
  call_run (*calls)(const run_options&, std::uint64_t messages);  // of a ping-pong
};

[[nodiscard]] std::vector<blocking_entry> all_blocking();
void add_blocking(blocking_entry entry);

namespace detail {

/// Gives a sleeping link the interface of a polling one, so that the ping-pong loop serves both.
template <class Link>
class as_polling {
 public:
  static constexpr bool gives_core_away = true;
  explicit as_polling(const link_options& options) : link_(options) {}
  void join(role as) { link_.join(as); }
  template <class Fill>
  bool try_send(Fill&& fill) {
    link_.send(fill);
    return true;
  }
  template <class Read>
  bool try_receive(Read&& read) {
    link_.receive(read);
    return true;
  }

 private:
  Link link_;
};

template <class Link>
wake_run wake_idle(const run_options& options, std::uint64_t idle_ns, std::size_t count) {
  wake_run result;
  const shared_pages sample_pages(3 * count * sizeof(std::uint64_t));
  auto* const sent_at = reinterpret_cast<std::uint64_t*>(sample_pages.data());
  auto* const returned_at = sent_at + count;
  auto* const woke_at = sent_at + 2 * count;
  Link link({options.ring_bytes, 0, options.run_name});
  process_pair pair(options.cores, options.limit_seconds() + 4);
  result.failure = pair.run(
      [&](control_page& control) {
        sample_pages.touch();
        link.join(role::producer);
        between_probes_first(control, [&] {
          for (std::size_t i = 0; i < count; ++i) {
            std::this_thread::sleep_for(std::chrono::nanoseconds(idle_ns));
            // The clock's own code and the page of the samples are cold after the sleep: fetch them first.
            sent_at[i] = monotonic_ns();
            sent_at[i] = monotonic_ns();
            link.send([&](std::byte* at) { fill_payload<wake_message_bytes>(at, i); });
            returned_at[i] = monotonic_ns();
          }
        });
      },
      [&](control_page& control) {
        sample_pages.touch();
        link.join(role::consumer);
        between_probes_second(control, [&] {
          for (std::size_t i = 0; i < count; ++i) {
            bool was_right = false;
            link.receive([&](const std::byte* at) { was_right = payload_is<wake_message_bytes>(at, i); });
            woke_at[i] = monotonic_ns();
            if (!was_right) wrong_payload(i);
          }
        });
      });
  const control_page& control = pair.control();
  result.around = {control.probe_before_ns, control.probe_after_ns, 1, true};
  result.samples = count;
  if (!result.failure.empty()) return result;
  std::vector<double> wake_ns, send_ns;
  for (std::size_t i = 0; i < count; ++i) {
    wake_ns.push_back(static_cast<double>(woke_at[i]) - static_cast<double>(sent_at[i]));
    send_ns.push_back(static_cast<double>(returned_at[i] - sent_at[i]));
  }
  result.wake_p50_ns = median(wake_ns);
  result.wake_max_ns = quantile(wake_ns, 1);
  result.send_p50_ns = median(send_ns);
  return result;
}

template <class Link>
idle_run idle_consumer(const run_options& options, std::uint64_t idle_ns) {
  idle_run result;
  Link link({options.ring_bytes, 0, options.run_name});
  process_pair pair(options.cores, options.limit_seconds() + 4);
  result.failure = pair.run(
      [&](control_page& control) {
        link.join(role::producer);
        control.barrier();
        std::this_thread::sleep_for(std::chrono::nanoseconds(idle_ns));
        link.send([](std::byte* at) { fill_payload<wake_message_bytes>(at, 0); });
      },
      [&](control_page& control) {
        link.join(role::consumer);
        control.barrier();
        const std::uint64_t wall_ns = monotonic_ns();
        const std::uint64_t cpu_ns = own_process_cpu_ns();
        bool was_right = false;
        link.receive([&](const std::byte* at) { was_right = payload_is<wake_message_bytes>(at, 0); });
        const auto used_ns = static_cast<double>(own_process_cpu_ns() - cpu_ns);
        control.cpu_share_second = used_ns / static_cast<double>(monotonic_ns() - wall_ns);
        if (!was_right) wrong_payload(0);
      });
  result.cpu_share = pair.control().cpu_share_second;
  return result;
}

/// As throughput(), with calls that wait: a last message says that it is over.
template <class Link>
throughput_run stream_blocking(const run_options& options) {
  throughput_run result;
  Link link({options.ring_bytes, 0, options.run_name});
  process_pair pair(options.cores, options.limit_seconds());
  constexpr std::size_t burst = 256;
  result.failure = pair.run(
      [&](control_page& control) {
        link.join(role::producer);
        between_probes_first(control, [&] {
          const std::uint64_t until_ns = monotonic_ns() + options.warm_up_ns + options.run_ns;
          for (std::uint64_t sequence = 0; monotonic_ns() < until_ns;)
            for (std::size_t i = 0; i < burst; ++i, ++sequence)
              link.send([&](std::byte* at) { fill_payload<wake_message_bytes>(at, sequence); });
          link.send([](std::byte* at) { fill_payload<wake_message_bytes>(at, stop_sequence); });
        });
      },
      [&](control_page& control) {
        link.join(role::consumer);
        between_probes_second(control, [&] {
          const std::uint64_t warm_until_ns = monotonic_ns() + options.warm_up_ns;
          std::uint64_t sequence = 0, from = 0, first_ns = 0;
          bool is_over = false;
          while (!is_over) {
            if (first_ns == 0 && monotonic_ns() >= warm_until_ns) {
              from = sequence;
              first_ns = monotonic_ns();
            }
            for (std::size_t i = 0; i < burst && !is_over; ++i) {
              link.receive([&](const std::byte* at) {
                if (payload_is<wake_message_bytes>(at, sequence)) [[likely]]
                  return;
                if (!payload_is<wake_message_bytes>(at, stop_sequence)) wrong_payload(sequence);
                is_over = true;
              });
              if (!is_over) ++sequence;
            }
          }
          control.elapsed_ns = static_cast<double>(monotonic_ns() - first_ns);
          control.messages = first_ns == 0 ? 0 : sequence - from;
        });
      });
  const control_page& control = pair.control();
  result.around = surroundings_of<as_polling<Link>>(control);
  result.messages = control.messages;
  if (!result.failure.empty()) return result;
  if (control.messages == 0)
    result.failure = "nothing was received after the warm-up";
  else
    result.messages_per_second = static_cast<double>(control.messages) * 1e9 / control.elapsed_ns;
  return result;
}

/// A ping-pong in which both sides run all the time, so that neither has a reason to sleep.
template <class Link>
call_run calls_of_ping_pong(const run_options& options, std::uint64_t messages) {
  call_run result;
  Link there({options.ring_bytes, 0, options.run_name});
  Link back({options.ring_bytes, 1, options.run_name});
  process_pair pair(options.cores, 30);
  system_call_counter counter;
  const auto rally = [&](Link& out, Link& in, bool begins, std::uint64_t count) {
    for (std::uint64_t sequence = 0; sequence < count; ++sequence) {
      const auto send = [&] { out.send([&](std::byte* at) { fill_payload<wake_message_bytes>(at, sequence); }); };
      if (begins) send();
      in.receive([&](const std::byte* at) {
        if (!payload_is<wake_message_bytes>(at, sequence)) wrong_payload(sequence);
      });
      if (!begins) send();
    }
  };
  const auto play = [&](control_page& control, std::size_t which) {
    Link& out = which == 0 ? there : back;
    Link& in = which == 0 ? back : there;
    out.join(role::producer);
    in.join(role::consumer);
    control.barrier();
    rally(out, in, which == 0, messages / 10);  // warm: pages, the length of the spinning
    counter.open(which);
    rally(out, in, which == 0, messages / 2);  // a message each way
    counter.close(which);
    control.barrier();
  };
  result.failure = pair.run([&](control_page& control) { play(control, 0); },
                            [&](control_page& control) { play(control, 1); }, counter.duties());
  if (result.failure.empty() && !counter.is_counting())
    result.failure = "neither tracepoints nor ptrace are allowed here";
  result.messages = messages;
  result.calls = counter.total();
  result.names = counter.names();
  return result;
}

template <class Link>
[[nodiscard]] constexpr bool holds_one_message() noexcept {
  if constexpr (requires { Link::holds_one_message; })
    return Link::holds_one_message;
  else
    return false;
}

template <class Link>
constexpr auto stream_of() noexcept -> throughput_run (*)(const run_options&) {
  if constexpr (holds_one_message<Link>())
    return nullptr;
  else
    return stream_blocking<Link>;
}

}  // namespace detail

template <template <std::size_t> class Link>
struct registered_blocking {
  registered_blocking(const char* name, origin from, const char* note = "") {
    using link = Link<wake_message_bytes>;
    add_blocking({name, from, note, ping_pong<detail::as_polling<link>, wake_message_bytes>, detail::wake_idle<link>,
                  detail::idle_consumer<link>, detail::stream_of<link>(), detail::calls_of_ping_pong<link>});
  }
};

}  // namespace sluice_bench
