// Counts the system calls that two processes make, from outside, by ptrace: what they do is not changed, and only a call
// costs time. Counted is what falls into a window that a process opens and closes itself.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <string>

#include "harness/process_pair.hpp"
#include "harness/shared_pages.hpp"

namespace sluice_bench {

/// Which processes are being counted. In shared pages; the tracer reads it while the process that writes it is stopped.
struct counting_windows {
  std::array<std::atomic<std::uint32_t>, 2> is_open{};
};

class system_call_counter {
 public:
  /// What run_children does for a counter. Tracing starts at once; processes begin with closed windows.
  [[nodiscard]] runner_duties duties();
  /// For the process itself: 0 the first, 1 the second.
  void open(std::size_t which) noexcept { windows().is_open[which].store(1, std::memory_order_relaxed); }
  void close(std::size_t which) noexcept { windows().is_open[which].store(0, std::memory_order_relaxed); }

  /// All calls in open windows, by number.
  [[nodiscard]] const std::map<std::uint64_t, std::uint64_t>& counts() const noexcept { return counts_; }
  [[nodiscard]] std::uint64_t total() const noexcept;
  /// "futex 12, sched_yield 3", or "none".
  [[nodiscard]] std::string names() const;
  /// Whether the kernel let us trace at all.
  [[nodiscard]] bool is_tracing() const noexcept { return is_tracing_; }

 private:
  [[nodiscard]] counting_windows& windows() const noexcept {
    return *reinterpret_cast<counting_windows*>(pages_.data());
  }
  void stopped(int pid, int status);

  shared_pages pages_{sizeof(counting_windows)};  // zero: all closed
  std::array<int, 2> pids_{};
  std::map<std::uint64_t, std::uint64_t> counts_;
  bool is_tracing_ = false;
};

}  // namespace sluice_bench
