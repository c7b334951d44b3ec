#include "support/proc_maps.hpp"

#include <cstdint>
#include <cstdio>
#include <fstream>

namespace sluice::detail::test {

int mappings_that_name(const std::string& text) {
  int count = 0;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.find(text) != std::string::npos) ++count;
  return count;
}

std::string mapping_at(const void* address) {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0;
    unsigned long end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx", &begin, &end) == 2 && begin <= at && at < end) return line;
  }
  return {};
}

}  // namespace sluice::detail::test
