// Where the two cores are. A virtual core moves on its host while one measures, so every run is framed by two raw
// one-word ping-pongs, and runs are compared only when both of them saw the same place. A run in which another process
// had one of the cores for more than 3 % of the time is disturbed, and shown nowhere.
//
// No nanoseconds are built in: what is near on one machine is far on another. "near" is the fastest value that at
// least a fifth of all probes of this bench run agree on; what is much faster than that is smt (two threads of one
// core), what is much slower is far, and a run that began in one place and ended in another is mixed. A machine that
// is in the slow place all the time therefore calls it near: the figure is printed, compare it before comparing machines.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "harness/measure.hpp"

namespace sluice_bench {

class placement_names {
 public:
  explicit placement_names(std::vector<double> probes_ns) {
    std::sort(probes_ns.begin(), probes_ns.end());
    const std::size_t quorum = std::max<std::size_t>(1, probes_ns.size() / 5);
    // The first probe that has a fifth of all within the next quarter of its value starts the near group.
    for (std::size_t i = 0; i < probes_ns.size(); ++i) {
      const auto end = std::upper_bound(probes_ns.begin(), probes_ns.end(), probes_ns[i] * 1.25);
      const auto members = static_cast<std::size_t>(end - probes_ns.begin()) - i;
      if (members < quorum) continue;
      near_ns_ = probes_ns[i + members / 2];
      break;
    }
  }

  [[nodiscard]] double near_ns() const noexcept { return near_ns_; }

  [[nodiscard]] std::string name(const surroundings& around) const {
    if (!around.gives_core_away && around.cpu_share < 0.97) return "disturbed";
    const std::string before = name(around.before_ns);
    return before == name(around.after_ns) ? before : "mixed";
  }

 private:
  [[nodiscard]] std::string name(double one_way_ns) const {
    if (one_way_ns < near_ns_ * 0.7) return "smt";
    return one_way_ns > near_ns_ * 1.4 ? "far" : "near";
  }

  double near_ns_ = 0;
};

}  // namespace sluice_bench
