#include "harness/transports.hpp"

#include "harness/blocking.hpp"
#include "harness/many.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <tuple>

#ifndef SLUICE_BENCH_ABSENT_PEERS
#define SLUICE_BENCH_ABSENT_PEERS ""
#endif

namespace sluice_bench {

namespace {
std::vector<transport_entry>& entries() {  // a function: entries come from other files' statics
  static std::vector<transport_entry> list;
  return list;
}
std::vector<blocking_entry>& blocking_entries() {
  static std::vector<blocking_entry> list;
  return list;
}

std::vector<many_entry>& many_entries() {
  static std::vector<many_entry> list;
  return list;
}

template <class Entry>
std::vector<Entry> in_order(std::vector<Entry> list) {
  std::sort(list.begin(), list.end(),
            [](const Entry& a, const Entry& b) { return std::tie(a.from, a.name) < std::tie(b.from, b.name); });
  return list;
}
}  // namespace

// Compilers give a template that was named in an unnamed namespace an external name nevertheless when it is an argument of
// another: two files that both call theirs `ring` would quietly measure one of the two twice.
void add_transport(transport_entry entry) {
  for (const transport_entry& other : entries())
    for (std::size_t i = 0; i < message_sizes.size(); ++i) {
      const bool same_latency =
          entry.by_size[i].ping_pong != nullptr && entry.by_size[i].ping_pong == other.by_size[i].ping_pong;
      const bool same_throughput =
          entry.by_size[i].single != nullptr && entry.by_size[i].single == other.by_size[i].single;
      if (!same_latency && !same_throughput) continue;
      std::fprintf(stderr, "transports \"%s\" and \"%s\" run the same code: two files use one template name\n",
                   entry.name.c_str(), other.name.c_str());
      std::abort();
    }
  entries().push_back(std::move(entry));
}

std::vector<transport_entry> all_transports() { return in_order(entries()); }
void add_blocking(blocking_entry entry) { blocking_entries().push_back(std::move(entry)); }
std::vector<blocking_entry> all_blocking() { return in_order(blocking_entries()); }
void add_many(many_entry entry) { many_entries().push_back(std::move(entry)); }
std::vector<many_entry> all_many() { return in_order(many_entries()); }

std::vector<std::string> absent_peers() {
  std::vector<std::string> names;
  std::istringstream list(SLUICE_BENCH_ABSENT_PEERS);  // "name (package)|name (package)"
  for (std::string name; std::getline(list, name, '|');)
    if (!name.empty()) names.push_back(name);
  return names;
}

}  // namespace sluice_bench
