#include "sluice/inspect.hpp"

namespace sluice {

const char* to_string(liveness value) noexcept {
  switch (value) {
    case liveness::alive: return "alive";
    case liveness::stopped: return "stopped";
    case liveness::exiting: return "exiting";
    case liveness::dead: return "dead";
    case liveness::unknown: break;
  }
  return "unknown";
}

std::string process_text(const seat_report& seat) {
  return "pid " + std::to_string(seat.pid) +
         (seat.same_pid_namespace    ? ""
          : seat.knows_pid_namespace ? " of another pid namespace"
                                     : " of a pid namespace that is not known") +
         " (" + (seat.command.empty() ? "" : seat.command + ", ") + to_string(seat.alive) + ")";
}

}  // namespace sluice
