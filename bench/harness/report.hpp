// What the benches print and write in common.
#pragma once

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "harness/options.hpp"
#include "harness/transports.hpp"

namespace sluice_bench {

[[nodiscard]] std::string size_name(std::size_t bytes);           // 64, 4K, 1M
[[nodiscard]] std::size_t size_index(std::size_t message_bytes);  // into message_sizes
[[nodiscard]] std::string ratio(double value, double to);  // "1.07", or "-" when there is nothing to compare with
[[nodiscard]] std::string cpu_model();
int list_transports(const std::vector<transport_entry>& transports);
void print_heading(const bench_options& options, double near_ns, const char* what_near_is);
void print_footing(const std::map<std::string, int>& places_seen, const std::vector<transport_entry>& transports);

/// The table at the end: one ratio in words, a row for each of our own transports, a column for each size.
class summary {
 public:
  explicit summary(const std::vector<std::size_t>& sizes) : sizes_(sizes) {}
  /// Ignored when there is nothing to compare with.
  void add(const std::string& what, const std::string& transport, std::size_t message_bytes, double value, double to);
  void print() const;

 private:
  std::vector<std::size_t> sizes_;
  std::vector<std::string> order_;                                                     // of `what`, as they came
  std::map<std::string, std::map<std::string, std::map<std::size_t, double>>> cells_;  // what, transport, size
};

/// Transports whose runs did not end in time: run again they would only cost that time again.
class silent_transports {
 public:
  [[nodiscard]] bool contains(const std::string& name) const { return names_.contains(name); }
  /// Looks at the result of a run, and passes it on.
  template <class Run>
  Run note(const std::string& name, Run run) {
    if (run.failure.starts_with(no_answer) && names_.insert(name).second)
      std::fprintf(stderr, "%s %s: left out from here on\n", name.c_str(), run.failure.c_str());
    return run;
  }

 private:
  std::set<std::string> names_;
};

/// Calls run(i) for every i in each round, in a new random order, and says on a terminal how far it is.
template <class Run>
void run_in_random_rounds(std::size_t count, int rounds, Run&& run) {
  std::vector<std::size_t> order(count);
  for (std::size_t i = 0; i < count; ++i) order[i] = i;
  std::mt19937 random(std::random_device{}());
  for (int round = 0; round < rounds; ++round) {
    std::shuffle(order.begin(), order.end(), random);
    std::fprintf(stderr, "round %d of %d\n", round + 1, rounds);
    for (const std::size_t i : order) run(i);
  }
}

/// One object per run, so that other questions can be asked later. Written when it is destroyed.
class json_file {
 public:
  json_file(const std::string& path, const char* bench, const bench_options& options, double near_ns);
  ~json_file();
  json_file(const json_file&) = delete;
  json_file& operator=(const json_file&) = delete;

  /// @param part  what was asked of the transport: "ping_pong", "wake", "single" ...
  void begin_run(const std::string& transport, origin from, const char* part, std::size_t message_bytes,
                 const surroundings& around, const std::string& failure);
  void field(const char* name, double value);  // of the run that was begun last
  void field(const char* name, std::span<const double> values);
  void field(const char* name, const std::string& value);

 private:
  struct document;
  std::unique_ptr<document> document_;
};

}  // namespace sluice_bench
