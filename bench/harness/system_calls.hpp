// Counts the system calls that two processes make in a window that each opens and closes itself. By tracepoints where the
// kernel lets us (perf_event_open(2), root): no process is stopped. Else from outside, by ptrace, where each call stops
// its process and takes a core from the other for some microseconds, so that one call brings others with it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <string>

#include "harness/process_pair.hpp"
#include "harness/shared_pages.hpp"

namespace sluice_bench {

/// In shared pages.
struct counting_windows {
  std::array<std::atomic<std::uint32_t>, 2>
      is_open{};  // the tracer reads it while the process that writes it is stopped
  std::array<std::array<std::uint64_t, 4>, 2> counted{};  // by tracepoint: all, and those of names; at the window's end
};

class system_call_counter {
 public:
  /// What run_children does for a counter. Processes begin with closed windows.
  [[nodiscard]] runner_duties duties();
  system_call_counter();
  /// For the process itself: 0 the first, 1 the second.
  void open(std::size_t which) noexcept;
  void close(std::size_t which) noexcept;

  /// All calls in open windows.
  [[nodiscard]] std::uint64_t total() const;
  /// "futex 12, sched_yield 3", or "none".
  [[nodiscard]] std::string names() const;
  /// Whether the kernel let us count at all.
  [[nodiscard]] bool is_counting() const noexcept { return by_tracepoint_ || is_tracing_; }

 private:
  [[nodiscard]] counting_windows& windows() const noexcept {
    return *reinterpret_cast<counting_windows*>(pages_.data());
  }
  void stopped(int pid, int status);

  [[nodiscard]] std::map<std::string, std::uint64_t> by_name() const;

  bool by_tracepoint_ = false;
  std::array<int, 4> events_{-1, -1, -1, -1};     // of the process that opened its window
  shared_pages pages_{sizeof(counting_windows)};  // zero: all closed
  std::array<int, 2> pids_{};
  std::map<std::uint64_t, std::uint64_t> counts_;
  bool is_tracing_ = false;
};

}  // namespace sluice_bench
