// Two processes, each pinned to its own core, that share one control page. The runner that forks them sleeps in
// wait and takes no part: it holds no peer's threads, and a run that hangs or dies is one failed row, not the end.
//
// Edges
//   A: arrive's add (release) -> the other's wait (acquire): all that was done before the barrier is visible.
//   S: the producer's total (release) -> the consumer's look at it (acquire): nothing more will be sent.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "harness/clock.hpp"
#include "harness/shared_pages.hpp"

namespace sluice_bench {

struct core_pair {
  int first = 0;
  int second = 1;
};

inline void relax() noexcept {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

void give_way() noexcept;  // sched_yield

/// How the failure text of a run begins whose processes did not end in time.
inline constexpr std::string_view no_answer = "did not answer in time";

/// One process to be forked: what it runs, where, and where it says what went wrong (shared memory).
struct child_process {
  int core = 0;
  std::function<void()> body;
  char (*failure)[240] = nullptr;
};

/// What the runner does beside waiting, when it does anything.
struct runner_duties {
  std::function<void(std::span<const int> pids)> meanwhile;  // once, after all were forked
  std::function<void(int pid, int status)> on_stop;          // for each stop of a traced child
};

/// Forks all, waits for all; when one fails the others are killed. @return an empty text, or what went wrong first.
[[nodiscard]] std::string run_children(std::span<const child_process> children, unsigned limit_seconds,
                                       const runner_duties& duties = {});

/// Polls hot, and lets another thread of this core run once `polls_before_yield` polls in a row found nothing.
class poll_pacer {
 public:
  explicit poll_pacer(unsigned polls_before_yield) noexcept : polls_before_yield_(polls_before_yield) {}
  [[gnu::always_inline]] void found_nothing() noexcept {
    if (++polls_ < polls_before_yield_) [[likely]]
      return;
    polls_ = 0;
    give_way();
  }
  [[gnu::always_inline]] void found() noexcept { polls_ = 0; }

 private:
  unsigned polls_before_yield_;
  unsigned polls_ = 0;
};

/// The page both processes look at outside of what is measured.
struct control_page {
  alignas(64) std::atomic<std::uint64_t> arrived{0};
  alignas(64) std::atomic<std::uint64_t> probe_word{0};
  alignas(64) std::atomic<std::uint64_t> sent_total{0};  // 0 while the producer still sends
  alignas(64) double probe_before_ns = 0;                // one way, written by the first process
  double probe_after_ns = 0;
  double elapsed_ns = 0;
  double cpu_share_first = 0;  // of the wall time of what was measured
  std::uint64_t messages = 0;
  std::uint64_t samples = 0;
  alignas(64) double cpu_share_second = 0;
  alignas(64) char failure_first[240] = {};
  char failure_second[240] = {};

  /// Both processes call it equally often; returns when the other has come too.
  void barrier() noexcept {
    const std::uint64_t mine = arrived.fetch_add(1, std::memory_order_release);  // A
    const std::uint64_t needed = (mine / 2 + 1) * 2;
    poll_pacer pacer(10'000);
    while (arrived.load(std::memory_order_acquire) < needed) pacer.found_nothing();  // A
  }
};

enum class seat { first, second };

class process_pair {
 public:
  using body = std::function<void(control_page&)>;  // called once per process, never per message

  process_pair(core_pair cores, unsigned limit_seconds);

  /// Forks both, waits for both. @return an empty text, or what went wrong.
  [[nodiscard]] std::string run(const body& first, const body& second, const runner_duties& duties = {});

  [[nodiscard]] control_page& control() const noexcept { return *control_; }

 private:
  core_pair cores_;
  unsigned limit_seconds_;
  shared_pages pages_;
  control_page* control_;
};

/// One way in ns, p50, of one word that two processes hand to and fro in one cache line. It names the placement.
[[nodiscard]] double probe_first(control_page& control) noexcept;
void probe_second(control_page& control) noexcept;

}  // namespace sluice_bench
