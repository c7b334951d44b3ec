// Several producers and several consumers, a process each, on fewer cores than there are of them. Links are those of
// harness/link.hpp that allow several processes a role; a link that needs to tell them apart has join(role, number).
//
// Every consumer checks every message's bytes, and that messages of one producer come in their order; where each consumer
// gets all of them, without a gap. At the end the numbers and the sums of all sequences sent and received must agree, so
// nothing was lost and nothing came twice.
//
// Edges
//   D: a producer's done flag (release) -> consumers' look at it (acquire): its totals are final.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "harness/measure.hpp"
#include "harness/transports.hpp"

namespace sluice_bench {

inline constexpr std::size_t many_message_bytes = 64;
inline constexpr std::size_t max_of_a_role = 8;

struct many_options {
  run_options run;
  std::size_t producers = 2;
  std::size_t consumers = 2;
};

struct many_run {
  std::string failure;
  double messages_per_second = 0;
  double least_consumer_share = 0;  // of an equal share: 1 is fair, 0 means that one got nothing
  double least_producer_share = 0;
  double longest_gap_ns = 0;  // the longest time in which no consumer received anything, by the runner's samples
};

/// Which consumers get a message.
enum class delivery { to_one, to_all };

struct many_entry {
  std::string name;
  origin from;
  many_run (*run)(const many_options&);
  delivery goes = delivery::to_one;
};

[[nodiscard]] std::vector<many_entry> all_many();
void add_many(many_entry entry);

namespace detail {

struct alignas(64) tally {
  std::atomic<std::uint64_t> messages{0};  // written by its process alone
  std::atomic<std::uint64_t> sequence_sum{0};
  std::atomic<std::uint32_t> is_done{0};
  char failure[240] = {};
};

struct many_page {
  std::array<tally, max_of_a_role> producers;
  std::array<tally, max_of_a_role> consumers;
  alignas(64) std::atomic<std::uint32_t> ready{0};
  alignas(64) std::atomic<std::uint32_t> must_stop{0};
};

inline constexpr unsigned producer_shift = 48;  // a sequence is producer << 48 | its own count

/// The sequence that was filled in, from the first word alone.
[[nodiscard]] inline std::uint64_t sequence_in(const std::byte* at) noexcept {
  std::uint64_t inverse = 1;  // of base_word's odd factor, modulo 2^64, by Newton
  constexpr std::uint64_t factor = base_word(0);
  for (int i = 0; i < 6; ++i) inverse *= 2 - factor * inverse;
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return word * inverse - 1;
}

template <class Link>
void join_as(Link& link, role as, std::uint64_t number) {
  if constexpr (requires { link.join(as, number); })
    link.join(as, number);
  else
    link.join(as);
}

template <class Link>
void produce(Link& link, many_page& page, std::size_t index) {
  tally& own = page.producers[index];
  poll_pacer pacer(200);  // the partner may be waiting for this very core
  std::uint64_t count = 0, sum = 0;
  while (page.must_stop.load(std::memory_order_relaxed) == 0) {
    const std::uint64_t sequence = std::uint64_t{index} << producer_shift | count;
    if (!link.try_send([&](std::byte* at) { fill_payload<many_message_bytes>(at, sequence); })) {
      relax();
      pacer.found_nothing();
      continue;
    }
    pacer.found();
    ++count;
    sum += sequence;
    own.messages.store(count, std::memory_order_relaxed);
  }
  own.sequence_sum.store(sum, std::memory_order_relaxed);
  own.is_done.store(1, std::memory_order_release);  // D
}

template <class Link, delivery Goes>
void consume(Link& link, many_page& page, const many_options& options, std::size_t index) {
  tally& own = page.consumers[index];
  poll_pacer pacer(200);
  std::array<std::uint64_t, max_of_a_role> next{};
  std::uint64_t count = 0, sum = 0;
  const auto all_is_received = [&] {
    std::uint64_t sent = 0, received = 0;
    for (std::size_t i = 0; i < options.producers; ++i) {
      if (page.producers[i].is_done.load(std::memory_order_acquire) == 0) return false;  // D
      sent += page.producers[i].messages.load(std::memory_order_relaxed);
    }
    if (Goes == delivery::to_all) return count >= sent;
    for (std::size_t i = 0; i < options.consumers; ++i)
      received += page.consumers[i].messages.load(std::memory_order_relaxed);  // a stale one asks again
    return received >= sent;
  };
  for (;;) {
    const bool got = link.try_receive([&](const std::byte* at) {
      const std::uint64_t sequence = sequence_in(at);
      const std::uint64_t producer = sequence >> producer_shift;
      const std::uint64_t number = sequence & ((std::uint64_t{1} << producer_shift) - 1);
      if (producer >= options.producers || !payload_is<many_message_bytes>(at, sequence) || number < next[producer] ||
          (Goes == delivery::to_all && number != next[producer]))
        wrong_payload(sequence);
      next[producer] = number + 1;
      sum += sequence;
    });
    if (got) {
      pacer.found();
      own.messages.store(++count, std::memory_order_relaxed);
      continue;
    }
    own.sequence_sum.store(sum, std::memory_order_relaxed);
    if (page.must_stop.load(std::memory_order_relaxed) != 0 && all_is_received()) return;
    relax();
    pacer.found_nothing();
  }
}

template <class Link, delivery Goes>
many_run run_many(const many_options& options) {
  many_run result;
  const shared_pages pages(sizeof(many_page));
  auto& page = *new (pages.data()) many_page;
  auto link = std::make_unique<Link>(link_options{options.run.ring_bytes, 0, options.run.run_name});
  std::vector<child_process> children;
  const std::array<int, 2> cores{options.run.cores.first, options.run.cores.second};
  const auto begin = [&page, all = options.producers + options.consumers] {
    page.ready.fetch_add(1, std::memory_order_relaxed);
    while (page.ready.load(std::memory_order_relaxed) <= all) give_way();  // the runner is the last one
  };
  for (std::size_t i = 0; i < options.producers; ++i)
    children.push_back({cores[i % 2],
                        [&, i] {
                          join_as(*link, role::producer, i + 1);
                          begin();
                          produce(*link, page, i);
                        },
                        &page.producers[i].failure});
  // The other way round: one producer and one consumer are on two cores.
  for (std::size_t i = 0; i < options.consumers; ++i)
    children.push_back({cores[(i + 1) % 2],
                        [&, i] {
                          join_as(*link, role::consumer, max_of_a_role + i + 1);
                          begin();
                          consume<Link, Goes>(*link, page, options, i);
                        },
                        &page.consumers[i].failure});

  struct moment {
    std::array<std::uint64_t, max_of_a_role> sent{}, received{};
    std::uint64_t total = 0, at_ns = 0;
  };
  const auto look = [&] {
    moment now;
    for (std::size_t i = 0; i < options.producers; ++i)
      now.sent[i] = page.producers[i].messages.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < options.consumers; ++i)
      now.total += now.received[i] = page.consumers[i].messages.load(std::memory_order_relaxed);
    now.at_ns = monotonic_ns();
    return now;
  };
  moment first, last;
  runner_duties duties;
  duties.meanwhile = [&](std::span<const int>) {
    const auto give_up_ns = monotonic_ns() + 10'000'000'000;
    while (page.ready.load(std::memory_order_relaxed) < children.size() && monotonic_ns() < give_up_ns)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    page.ready.fetch_add(1, std::memory_order_relaxed);
    std::this_thread::sleep_for(std::chrono::nanoseconds(options.run.warm_up_ns));
    first = last = look();
    std::uint64_t moved_at_ns = first.at_ns;
    while (last.at_ns - first.at_ns < options.run.run_ns) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      const moment now = look();
      if (now.total != last.total) moved_at_ns = now.at_ns;
      result.longest_gap_ns = std::max(result.longest_gap_ns, static_cast<double>(now.at_ns - moved_at_ns));
      last = now;
    }
    page.must_stop.store(1, std::memory_order_relaxed);
  };
  result.failure = run_children(children, options.run.limit_seconds() + 10, duties);
  if (!result.failure.empty()) return result;

  std::uint64_t sent = 0, received = 0, sent_sum = 0, received_sum = 0;
  for (const tally& one : page.producers)
    sent += one.messages.load(std::memory_order_relaxed), sent_sum += one.sequence_sum.load(std::memory_order_relaxed);
  for (const tally& one : page.consumers)
    received += one.messages.load(std::memory_order_relaxed),
        received_sum += one.sequence_sum.load(std::memory_order_relaxed);
  if (Goes == delivery::to_all) {
    sent *= options.consumers;
    sent_sum *= options.consumers;  // modulo 2^64, as the sums are
  }
  if (sent != received || sent_sum != received_sum) {
    result.failure = "sent " + std::to_string(sent) + " messages, received " + std::to_string(received) +
                     (sent == received ? ", others" : "");
    return result;
  }
  const auto total = static_cast<double>(last.total - first.total);
  result.messages_per_second = total * 1e9 / static_cast<double>(last.at_ns - first.at_ns);
  const auto least_of = [](const auto& before, const auto& after, std::size_t count) {
    double least = 0, all = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const auto part = static_cast<double>(after[i] - before[i]);
      all += part;
      if (i == 0 || part < least) least = part;
    }
    return all == 0 ? 0 : least * static_cast<double>(count) / all;
  };
  result.least_consumer_share = least_of(first.received, last.received, options.consumers);
  result.least_producer_share = least_of(first.sent, last.sent, options.producers);
  return result;
}

}  // namespace detail

template <template <std::size_t> class Link>
struct registered_many {
  registered_many(const char* name, origin from) {
    add_many({name, from, detail::run_many<Link<many_message_bytes>, delivery::to_one>, delivery::to_one});
  }
};

/// A link whose consumers each get every message that is sent after they joined.
template <template <std::size_t> class Link>
struct registered_fan_out {
  registered_fan_out(const char* name, origin from) {
    add_many({name, from, detail::run_many<Link<many_message_bytes>, delivery::to_all>, delivery::to_all});
  }
};

}  // namespace sluice_bench
