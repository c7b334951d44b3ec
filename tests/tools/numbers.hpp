#pragma once

// What goes through a channel as numbered lines, and what came out again.

#include <algorithm>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "tools/run_cli.hpp"

namespace sluice::detail::test {

/// "from\nfrom + 1\n…": `count` lines.
inline std::string numbered_lines(std::size_t from, std::size_t count) {
  std::string lines;
  for (auto i = from; i < from + count; ++i) lines += std::to_string(i) + "\n";
  return lines;
}
/// Of whole lines alone.
inline std::vector<std::size_t> numbers_in(const std::string& text) {
  std::istringstream in(text.substr(0, text.rfind('\n') + 1));
  std::vector<std::size_t> numbers;
  for (std::size_t number = 0; in >> number;) numbers.push_back(number);
  return numbers;
}
inline bool is_run(const std::vector<std::size_t>& numbers) {
  for (std::size_t i = 1; i < numbers.size(); ++i)
    if (numbers[i] != numbers[i - 1] + 1) return false;
  return true;
}
inline bool is_rising(const std::vector<std::size_t>& numbers) {
  return std::adjacent_find(numbers.begin(), numbers.end(), std::greater_equal<>()) == numbers.end();
}
/// The last line of --json.
inline nlohmann::json summary_of(const outcome& end) {
  return nlohmann::json::parse(end.err.substr(end.err.rfind("{\"bytes\"")));
}

}  // namespace sluice::detail::test
