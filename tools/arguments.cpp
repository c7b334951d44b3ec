#include "arguments.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <numeric>

namespace sluice::tools {
namespace {

/// How many single letters have to be changed, added or left out (Levenshtein).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    auto diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const auto above = row[j + 1];
      row[j + 1] = std::min({above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row.back();
}

}  // namespace

std::optional<std::uint64_t> number_from(std::string_view text) {
  std::uint64_t value = 0;
  const auto* const end = text.data() + text.size();
  const auto [stopped, problem] = std::from_chars(text.data(), end, value);
  if (problem != std::errc{} || stopped != end) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> size_from(std::string_view text) {
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto value = number_from(text.substr(0, digits));
  if (!value) return std::nullopt;
  std::string suffix(text.substr(digits));
  std::transform(suffix.begin(), suffix.end(), suffix.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  unsigned shift = 0;
  if (!suffix.empty() && suffix != "b") {
    const auto at = std::string_view("kmgt").find(suffix[0]);
    const auto rest = suffix.substr(1);
    if (at == std::string_view::npos || !(rest.empty() || rest == "b" || rest == "ib")) return std::nullopt;
    shift = 10 * (static_cast<unsigned>(at) + 1);
  }
  if (*value > std::numeric_limits<std::uint64_t>::max() >> shift) return std::nullopt;
  return *value << shift;
}

std::optional<double> seconds_from(std::string_view text) {
  constexpr double least_s = 0.001, max_s = 1e9;
  double value = 0;
  const auto* const end = text.data() + text.size();
  const auto [stopped, problem] = std::from_chars(text.data(), end, value);
  const std::string_view suffix(stopped, static_cast<std::size_t>(end - stopped));
  if (problem != std::errc{} || !(suffix.empty() || suffix == "s" || suffix == "ms")) return std::nullopt;
  if (suffix == "ms") value /= 1000;
  if (!std::isfinite(value) || value < least_s || value > max_s) return std::nullopt;
  return value;
}

std::string nearest(std::string_view text, const std::vector<std::string>& known) {
  constexpr std::size_t max_changes = 2;
  std::string found;
  auto least = max_changes + 1;
  for (const auto& one : known) {
    const auto changes = one.starts_with(text) && !text.empty() ? 0 : distance(text, one);
    if (changes < least && changes < one.size() - 1) {
      found = one;
      least = changes;
    }
  }
  return found;
}

}  // namespace sluice::tools
