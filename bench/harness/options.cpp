#include "harness/options.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string_view>

namespace sluice_bench {

namespace {

[[noreturn]] void refuse(const std::string& why) {
  std::fprintf(stderr, "%s (--help tells what can be said)\n", why.c_str());
  std::exit(2);
}

std::size_t number(std::string_view name, std::string_view text) {
  std::size_t value = 0;
  std::size_t unit = 1;
  if (!text.empty() && (text.back() == 'K' || text.back() == 'M')) {
    unit = text.back() == 'K' ? 1024 : 1024 * 1024;
    text.remove_suffix(1);
  }
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (wrong != std::errc{} || end != text.data() + text.size())
    refuse(std::string(name) + " needs a number, not \"" + std::string(text) + '"');
  return value * unit;
}

crowd_size crowd(std::string_view name, const std::string& text) {
  const std::size_t plus = text.find('+');
  if (plus == std::string::npos) refuse(std::string(name) + " needs producers+consumers, not \"" + text + '"');
  const crowd_size both{number(name, text.substr(0, plus)), number(name, text.substr(plus + 1))};
  if (both.producers < 1 || both.producers > 8 || both.consumers < 1 || both.consumers > 8)
    refuse(std::string(name) + " takes 1 to 8 of each, not \"" + text + '"');
  return both;
}

std::vector<std::string> comma_list(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) parts.push_back(part);
  return parts;
}

void help(const char* program, const char* what) {
  std::printf(
      "%s: %s\n\n"
      "  --sizes 8,64,1K,1M    message sizes: 8 64 256 1K 4K 64K 1M (all)\n"
      "  --only NAME,NAME      transports whose name contains one of these, or is one of these: =NAME (all)\n"
      "  --except NAME,NAME    none of these, written likewise\n"
      "  --rounds N            interleaved rounds, each in a new random order (11)\n"
      "  --run-ms N            length of one run (40)\n"
      "  --warm-up-ms N        not counted, before each run (5)\n"
      "  --ring BYTES          payload bytes of a ring, where a transport lets one choose (512K)\n"
      "  --crowds 1+1,4+4      bench_many: producers + consumers, 8 of each at most (1+1,2+2,4+4)\n"
      "  --fan-outs 1+2,1+4    bench_many: publishers + subscribers that each get everything (1+1,1+2,1+4)\n"
      "  --parts NAME,NAME     bench_wakeup: ping_pong wake stream idle calls; bench_throughput: memcpy single batch "
      "(all)\n"
      "  --batch N             round trips in a sample, or messages in a batch call (1; throughput 32)\n"
      "  --cpus A,B            cores of the first and the second process (0,1)\n"
      "  --placement NAME      which placement the table shows: near far smt (near)\n"
      "  --json FILE           every run, for later\n"
      "  --list                name the transports and stop\n",
      program, what);
}

}  // namespace

bool bench_options::wants(const std::string& name) const {
  const auto is_meant = [&](const std::string& part) {
    return part.starts_with('=') ? name == part.substr(1) : name.find(part) != std::string::npos;
  };
  return (only.empty() || std::any_of(only.begin(), only.end(), is_meant)) &&
         std::none_of(except.begin(), except.end(), is_meant);
}

bool bench_options::wants_part(std::string_view part) const {
  return parts.empty() || std::find(parts.begin(), parts.end(), part) != parts.end();
}

bench_options parse_options(int argc, char** argv, const char* what_it_measures) {
  bench_options options;
  options.sizes.assign(message_sizes.begin(), message_sizes.end());
  options.run.run_name = "sluice_bench_" + std::to_string(::getpid());
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--help") {
      help(argv[0], what_it_measures);
      std::exit(0);
    }
    if (name == "--list") {
      options.list = true;
      continue;
    }
    if (i + 1 == argc) refuse(name + " is unknown or needs a value");
    const std::string value = argv[++i];
    if (name == "--sizes") {
      options.sizes.clear();
      for (const std::string& part : comma_list(value)) {
        const std::size_t size = number(name, part);
        if (std::find(message_sizes.begin(), message_sizes.end(), size) == message_sizes.end())
          refuse("no such message size: " + part);
        options.sizes.push_back(size);
      }
    } else if (name == "--only") {
      options.only = comma_list(value);
    } else if (name == "--crowds" || name == "--fan-outs") {
      auto& sizes = name == "--crowds" ? options.crowds : options.fan_outs;
      sizes.clear();
      for (const std::string& part : comma_list(value)) sizes.push_back(crowd(name, part));
    } else if (name == "--parts") {
      options.parts = comma_list(value);
      for (const std::string& part : options.parts)
        if (std::find(all_parts.begin(), all_parts.end(), part) == all_parts.end()) refuse("no such part: " + part);
    } else if (name == "--except") {
      options.except = comma_list(value);
    } else if (name == "--rounds") {
      options.rounds = static_cast<int>(number(name, value));
    } else if (name == "--run-ms") {
      options.run.run_ns = number(name, value) * 1'000'000;
    } else if (name == "--warm-up-ms") {
      options.run.warm_up_ns = number(name, value) * 1'000'000;
    } else if (name == "--ring") {
      options.run.ring_bytes = number(name, value);
    } else if (name == "--batch") {
      options.run.batch = number(name, value);
    } else if (name == "--cpus") {
      const std::vector<std::string> cores = comma_list(value);
      if (cores.size() != 2) refuse("--cpus needs two cores");
      options.run.cores = {static_cast<int>(number(name, cores[0])), static_cast<int>(number(name, cores[1]))};
    } else if (name == "--placement") {
      options.placement = value;
    } else if (name == "--json") {
      options.json_path = value;
    } else {
      refuse("unknown: " + name);
    }
  }
  if (options.rounds < 1 || options.run.batch < 1 || options.run.run_ns == 0 || options.sizes.empty() ||
      options.crowds.empty() || options.fan_outs.empty())
    refuse("rounds, batch, run-ms, sizes, crowds and fan-outs must not be 0");
  if (options.placement != "near" && options.placement != "far" && options.placement != "smt")
    refuse("no such placement: " + options.placement);
  return options;
}

}  // namespace sluice_bench
