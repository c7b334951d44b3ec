// Order statistics over samples; nothing here averages.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace sluice_bench {

/// The smallest value that at least `share` of the sorted values do not exceed. 0 for no values.
[[nodiscard]] inline double quantile_of_sorted(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  const double rank = std::ceil(share * static_cast<double>(sorted.size()));
  const std::size_t index = rank < 1 ? 0 : static_cast<std::size_t>(rank) - 1;
  return sorted[std::min(index, sorted.size() - 1)];
}

[[nodiscard]] inline double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return quantile_of_sorted(values, share);
}

[[nodiscard]] inline double median(std::vector<double> values) { return quantile(std::move(values), 0.5); }
[[nodiscard]] inline double upper_quartile(std::vector<double> values) { return quantile(std::move(values), 0.75); }

}  // namespace sluice_bench
