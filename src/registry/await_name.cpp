#include "registry/await_name.hpp"

#include <algorithm>
#include <chrono>
#include <semaphore>
#include <string>

#include "sluice/detail/base/clock.hpp"
#include "sluice/error.hpp"

namespace sluice::detail {

void await_name(std::uint64_t deadline_ns, const stop_signal& stop, const std::function<void()>& attempt) {
  constexpr std::uint64_t first_ns = 1'000'000, longest_ns = 20'000'000;
  std::binary_semaphore stopped(0);
  const stop_watch wakes(
      stop, {[](void* semaphore) noexcept { static_cast<std::binary_semaphore*>(semaphore)->release(); }, &stopped});
  const auto began_ns = monotonic_now_ns();
  for (auto pause_ns = first_ns;; pause_ns = std::min(2 * pause_ns, longest_ns)) {
    const auto now_ns = monotonic_now_ns();
    try {
      return attempt();
    } catch (const error& problem) {
      if (problem.reason() != errc::not_found) throw;
      const auto waited = std::to_string(static_cast<double>(now_ns - began_ns) / 1e9) + " s";
      if (stop.is_requested())
        throw error(errc::interrupted, std::string(problem.what()) + " A stop was requested after " + waited);
      if (now_ns >= deadline_ns)
        throw error(errc::not_found, std::string(problem.what()) + " Waited for it for " + waited);
    }
    (void)stopped.try_acquire_for(std::chrono::nanoseconds(std::min(pause_ns, deadline_ns - now_ns)));
  }
}

}  // namespace sluice::detail
