// A link carries messages of one size from one producer process to one consumer process, and never blocks:
//
//   template <std::size_t message_bytes> class link {
//       explicit link(const link_options&);      in the runner, before it forks: map, create
//       void join(role);                         in the process that will use it, pinned: attach, touch pages
//       bool try_send(fill);                     calls fill(std::byte*) where the message is built; false: full
//       bool try_receive(read);                  calls read(const std::byte*) where it lies; false: empty
//       std::size_t try_send_batch(n, fill);     optional pair: up to n messages, fill(std::byte*, i)
//       std::size_t try_receive_batch(n, read);
//       static constexpr bool carries;           optional: false for a size the transport refuses
//       static constexpr unsigned polls_before_yield;   optional: for a transport with its own threads on these cores
//       static constexpr bool gives_core_away;          optional: true when it sleeps, yields or has threads of its own
//   };
//
// A queue that only takes finished objects fills a staging object and copies it: that copy is its price.
// What runs before the fork runs once; members then live on as one private copy in each process.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <string>

namespace sluice_bench {

enum class role { producer, consumer };

struct link_options {
  std::size_t ring_bytes = 0;  // 0: default_ring_bytes
  unsigned index = 0;          // 0 there, 1 back: tells the names of two links of one run apart
  std::string run_name;        // unique on this machine, [a-z0-9_]
  bool for_latency = false;    // when ring_bytes is not given: a link with a default for latency may take it
};

inline constexpr std::size_t default_ring_bytes = std::size_t{512} * 1024;

/// Slots of a ring that spends about `ring_bytes` on payload: a power of two, 8 to 65,536.
[[nodiscard]] constexpr std::size_t slots_for(std::size_t slot_bytes, std::size_t ring_bytes) noexcept {
  const std::size_t wanted = (ring_bytes == 0 ? default_ring_bytes : ring_bytes) / slot_bytes;
  const std::size_t slots = std::bit_floor(wanted == 0 ? std::size_t{1} : wanted);
  return slots < 8 ? 8 : slots > 65'536 ? 65'536 : slots;
}

template <class Link>
[[nodiscard]] constexpr bool carries_this_size() noexcept {
  if constexpr (requires { Link::carries; })
    return Link::carries;
  else
    return true;
}

template <class Link>
[[nodiscard]] constexpr unsigned polls_before_yield_of() noexcept {
  if constexpr (requires { Link::polls_before_yield; })
    return Link::polls_before_yield;
  else
    return 20'000;  // some 100 us: only a side that shares its core comes that far
}

template <class Link>
[[nodiscard]] constexpr bool gives_core_away() noexcept {
  if constexpr (requires { Link::gives_core_away; })
    return Link::gives_core_away;
  else
    return false;
}

template <class Link>
concept batching = requires(Link& link, void (*fill)(std::byte*, std::size_t),
                            void (*read)(const std::byte*, std::size_t)) {
  { link.try_send_batch(std::size_t{1}, fill) } -> std::same_as<std::size_t>;
  { link.try_receive_batch(std::size_t{1}, read) } -> std::same_as<std::size_t>;
};

}  // namespace sluice_bench
