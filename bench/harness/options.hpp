// The command line that the benches share.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "harness/measure.hpp"
#include "harness/transports.hpp"

namespace sluice_bench {

struct crowd_size {
  std::size_t producers;
  std::size_t consumers;
  bool operator==(const crowd_size&) const = default;
};

/// What a bench that asks several questions can be limited to.
inline constexpr std::array<std::string_view, 10> all_parts = {"ping_pong", "wake",   "stream", "idle",  "calls",
                                                               "memcpy",    "single", "batch",  "crowd", "fan_out"};

struct bench_options {
  std::vector<std::size_t> sizes;   // of message_sizes
  std::vector<std::string> only;    // parts of names, or =names; empty: all
  std::vector<std::string> except;  // likewise, none of these
  std::vector<std::string> parts;   // of all_parts; empty: all
  std::vector<crowd_size> crowds = {{1, 1}, {2, 2}, {4, 4}};
  std::vector<crowd_size> fan_outs = {{1, 1}, {1, 2}, {1, 4}};
  int rounds = 11;
  bool list = false;
  std::string json_path;
  std::string placement = "near";
  run_options run;

  [[nodiscard]] bool wants(const std::string& name) const;
  [[nodiscard]] bool wants_part(std::string_view part) const;
};

/// Parses and answers --help itself. Exits with 2 and a sentence on a wrong argument.
[[nodiscard]] bench_options parse_options(int argc, char** argv, const char* what_it_measures);

}  // namespace sluice_bench
