// The list of transports that can be measured. A transport is one .cpp that ends with one line, and one line in
// CMakeLists.txt:
//
//   const registered<my_link> my_link_entry{"my queue 1.2", origin::peer, "what it costs beside its row"};
//
// Erased here is a whole run; the loops inside it know their link and size.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "harness/measure.hpp"

namespace sluice_bench {

enum class origin { floor, sluice, reference, peer };
enum class used_for { both, latency, throughput };

inline constexpr std::array<std::size_t, 7> message_sizes = {8, 64, 256, 1024, 4096, 65'536, 1'048'576};

struct size_entry {
  latency_run (*ping_pong)(const run_options&) = nullptr;  // null: not for this size, or not for this use
  throughput_run (*single)(const run_options&) = nullptr;
  throughput_run (*batch)(const run_options&) = nullptr;
};

struct transport_entry {
  std::string name;
  origin from;
  std::string note;
  std::array<size_entry, message_sizes.size()> by_size;
};

/// Sorted by origin, then by name.
[[nodiscard]] std::vector<transport_entry> all_transports();

/// Peers whose package was not found when this was built, as "name (package)".
[[nodiscard]] std::vector<std::string> absent_peers();

void add_transport(transport_entry entry);

template <template <std::size_t> class Link>
struct registered {
  registered(const char* name, origin from, const char* note = "", used_for use = used_for::both) {
    transport_entry entry{name, from, note, {}};
    fill_entries(entry, use, std::make_index_sequence<message_sizes.size()>{});
    add_transport(std::move(entry));
  }

 private:
  template <std::size_t... index>
  static void fill_entries(transport_entry& entry, used_for use, std::index_sequence<index...>) {
    (fill_entry<message_sizes[index]>(entry.by_size[index], use), ...);
  }

  template <std::size_t message_bytes>
  static void fill_entry(size_entry& entry, used_for use) {
    using link = Link<message_bytes>;
    if constexpr (carries_this_size<link>()) {
      if (use != used_for::throughput) entry.ping_pong = ping_pong<link, message_bytes>;
      if (use != used_for::latency) entry.single = throughput<link, message_bytes, false>;
      if constexpr (batching<link>)
        if (use != used_for::latency) entry.batch = throughput<link, message_bytes, true>;
    }
  }
};

}  // namespace sluice_bench
