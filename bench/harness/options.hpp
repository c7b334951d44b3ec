// The command line that the benches share.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "harness/measure.hpp"
#include "harness/transports.hpp"

namespace sluice_bench {

struct bench_options {
  std::vector<std::size_t> sizes;  // of message_sizes
  std::vector<std::string> only;   // parts of names; empty: all
  int rounds = 11;
  bool list = false;
  std::string json_path;
  std::string placement = "near";
  run_options run;

  [[nodiscard]] bool wants(const std::string& name) const;
};

/// Parses and answers --help itself. Exits with 2 and a sentence on a wrong argument.
[[nodiscard]] bench_options parse_options(int argc, char** argv, const char* what_it_measures);

}  // namespace sluice_bench
