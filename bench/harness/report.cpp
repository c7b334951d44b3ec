#include "harness/report.hpp"

#include <sys/utsname.h>

#include <array>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace sluice_bench {

std::string size_name(std::size_t bytes) {
  if (bytes >= 1024 * 1024) return std::to_string(bytes / (1024 * 1024)) + "Mi";
  if (bytes >= 1024) return std::to_string(bytes / 1024) + "Ki";
  return std::to_string(bytes);
}

std::size_t size_index(std::size_t message_bytes) {
  return static_cast<std::size_t>(std::find(message_sizes.begin(), message_sizes.end(), message_bytes) -
                                  message_sizes.begin());
}

std::string ratio(double value, double to) {
  if (value == 0 || to == 0) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value / to);
  return text;
}

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

int list_transports(const std::vector<transport_entry>& transports) {
  for (const transport_entry& transport : transports)
    std::printf("%-30s %s\n", transport.name.c_str(), transport.note.c_str());
  for (const std::string& name : absent_peers())
    std::printf("%-30s absent: not found when this was built\n", name.c_str());
  return 0;
}

void print_heading(const bench_options& options, double near_ns, const char* what_near_is) {
  utsname system{};
  ::uname(&system);
  std::printf("%s, Linux %s, two processes on cores %d and %d, %d rounds in random order\n", cpu_model().c_str(),
              system.release, options.run.cores.first, options.run.cores.second, options.rounds);
  std::printf("near here: %.0f ns one way (%s); shown: runs in the %s placement\n", near_ns, what_near_is,
              options.placement.c_str());
}

void print_footing(const std::map<std::string, int>& places_seen, const std::vector<transport_entry>& transports) {
  std::printf("\nruns by placement:");
  for (const auto& [place, count] : places_seen) std::printf(" %s %d", place.c_str(), count);
  std::printf("\n");
  for (const transport_entry& transport : transports)
    if (transport.from == origin::peer && !transport.note.empty())
      std::printf("  %s: %s\n", transport.name.c_str(), transport.note.c_str());
  for (const std::string& name : absent_peers())
    std::printf("  absent: %s, not found when this was built\n", name.c_str());
}

void summary::add(const std::string& what, const std::string& transport, std::size_t message_bytes, double value,
                  double to) {
  if (value == 0 || to == 0) return;
  if (std::find(order_.begin(), order_.end(), what) == order_.end()) order_.push_back(what);
  cells_[what][transport][message_bytes] = value / to;
}

void summary::print() const {
  for (const std::string& what : order_) {
    std::printf("\n%-36s", what.c_str());
    for (const std::size_t size : sizes_) std::printf(" %7s", size_name(size).c_str());
    std::printf("\n");
    for (const auto& [transport, by_size] : cells_.at(what)) {
      std::printf("  %-34s", transport.c_str());
      for (const std::size_t size : sizes_) {
        const auto found = by_size.find(size);
        if (found == by_size.end())
          std::printf(" %7s", "-");
        else
          std::printf(" %7.2f", found->second);
      }
      std::printf("\n");
    }
  }
}

struct json_file::document {
  std::ofstream out;
  nlohmann::ordered_json root;
};

json_file::json_file(const std::string& path, const char* bench, const bench_options& options, double near_ns)
    : document_(new document{std::ofstream(path), {}}) {
  if (!document_->out) throw std::runtime_error("cannot write " + path);
  utsname system{};
  ::uname(&system);
  char date[32] = "";
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc);
  document_->root = {{"bench", bench},
                     {"date", date},
                     {"cpu", cpu_model()},
                     {"kernel", system.release},
                     {"compiler", __VERSION__},
                     {"rounds", options.rounds},
                     {"run_ns", options.run.run_ns},
                     {"ring_bytes", options.run.ring_bytes},
                     {"batch", options.run.batch},
                     {"near_ns", near_ns},
                     {"absent", absent_peers()},
                     {"curve_shares", curve_shares},
                     {"runs", nlohmann::ordered_json::array()}};
}

json_file::~json_file() { document_->out << document_->root.dump(1) << '\n'; }

void json_file::begin_run(const std::string& transport, origin from, const char* part, std::size_t message_bytes,
                          const surroundings& around, const std::string& failure) {
  constexpr std::array<const char*, 4> origins = {"floor", "sluice", "reference", "peer"};
  document_->root["runs"].push_back({{"transport", transport},
                                     {"origin", origins.at(static_cast<std::size_t>(from))},
                                     {"part", part},
                                     {"message_bytes", message_bytes},
                                     {"raw_word_before_ns", around.before_ns},
                                     {"raw_word_after_ns", around.after_ns},
                                     {"cpu_share", around.cpu_share},
                                     {"gives_core_away", around.gives_core_away}});
  if (!failure.empty()) field("failure", failure);
}

void json_file::field(const char* name, double value) { document_->root["runs"].back()[name] = value; }
void json_file::field(const char* name, std::span<const double> values) {
  document_->root["runs"].back()[name] = values;
}
void json_file::field(const char* name, const std::string& value) { document_->root["runs"].back()[name] = value; }

}  // namespace sluice_bench
