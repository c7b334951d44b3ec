// Edges
//   W: store of the probe word (release) -> the other's load (acquire): only the word itself is handed over.
#include "harness/process_pair.hpp"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <system_error>
#include <vector>

namespace sluice_bench {

namespace {

constexpr std::size_t probe_round_trips = 2'000;
constexpr std::size_t probe_warm_up = 200;

void pin_to(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(core), &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0)
    throw std::system_error(errno, std::system_category(), "pin to core " + std::to_string(core));
}

[[noreturn]] void live_as(pid_t runner, const child_process& child, unsigned limit_seconds) {
  int code = 0;
  try {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != runner) ::_exit(1);  // the runner died before the line above
    ::alarm(limit_seconds);
    pin_to(child.core);
    child.body();
  } catch (const std::exception& error) {
    std::snprintf(*child.failure, sizeof *child.failure, "%s", error.what());
    code = 1;
  }
  ::_exit(code);  // no destructors: they are the runner's to run
}

std::string describe(int status, const char* failure) {
  if (WIFSIGNALED(status)) {
    if (WTERMSIG(status) == SIGALRM) return std::string(no_answer);
    return std::string("killed by ") + ::strsignal(WTERMSIG(status));
  }
  if (WEXITSTATUS(status) != 0) return *failure != '\0' ? failure : "exit " + std::to_string(WEXITSTATUS(status));
  return {};
}

}  // namespace

void give_way() noexcept { ::sched_yield(); }

std::string run_children(std::span<const child_process> children, unsigned limit_seconds, const runner_duties& duties) {
  std::fflush(nullptr);  // else every child prints the buffer again
  const pid_t runner = ::getpid();
  std::vector<pid_t> pids;
  const auto end_all = [&pids] {
    for (const pid_t pid : pids)
      if (pid > 0) ::kill(pid, SIGKILL);
  };
  for (const child_process& child : children) {
    const pid_t pid = ::fork();
    if (pid < 0) {
      const int why = errno;
      end_all();
      for (const pid_t begun : pids) ::waitpid(begun, nullptr, 0);
      throw std::system_error(why, std::system_category(), "fork");
    }
    if (pid == 0) live_as(runner, child, limit_seconds);
    pids.push_back(pid);
  }
  if (duties.meanwhile) duties.meanwhile(pids);
  std::string outcome;
  for (std::size_t left = pids.size(); left > 0;) {
    int status = 0;
    const pid_t ended = ::wait(&status);
    if (ended < 0) {
      if (errno == EINTR) continue;
      throw std::system_error(errno, std::system_category(), "wait");
    }
    if (WIFSTOPPED(status)) {
      if (duties.on_stop) duties.on_stop(ended, status);
      continue;
    }
    const auto found = std::find(pids.begin(), pids.end(), ended);
    if (found == pids.end()) continue;  // a peer's daemon, not ours to judge
    *found = 0;
    --left;
    std::string wrong = describe(status, *children[static_cast<std::size_t>(found - pids.begin())].failure);
    if (wrong.empty() || !outcome.empty()) continue;
    outcome = std::move(wrong);
    end_all();  // they would wait for the dead one
  }
  return outcome;
}

process_pair::process_pair(core_pair cores, unsigned limit_seconds)
    : cores_(cores),
      limit_seconds_(limit_seconds),
      pages_(sizeof(control_page)),
      control_(new (pages_.data()) control_page) {}

std::string process_pair::run(const body& first, const body& second, const runner_duties& duties) {
  const child_process both[] = {{cores_.first, [&] { first(*control_); }, &control_->failure_first},
                                {cores_.second, [&] { second(*control_); }, &control_->failure_second}};
  return run_children(both, limit_seconds_, duties);
}

double probe_first(control_page& control) noexcept {
  std::array<std::uint64_t, probe_round_trips> round_trip;                  // written below, every element
  std::uint64_t word = control.probe_word.load(std::memory_order_relaxed);  // the barrier before ordered it
  std::uint64_t last = ticks();
  for (std::size_t i = 0; i < probe_warm_up + probe_round_trips; ++i) {
    control.probe_word.store(word + 1, std::memory_order_release);  // W
    while (control.probe_word.load(std::memory_order_acquire) != word + 2) {
    }  // W
    word += 2;
    const std::uint64_t now = ticks();
    if (i >= probe_warm_up) round_trip[i - probe_warm_up] = now - last;
    last = now;
  }
  std::nth_element(round_trip.begin(), round_trip.begin() + probe_round_trips / 2, round_trip.end());
  return static_cast<double>(round_trip[probe_round_trips / 2]) * ns_per_tick() / 2;
}

void probe_second(control_page& control) noexcept {
  std::uint64_t word = control.probe_word.load(std::memory_order_relaxed);
  // Woken late, it may find the first store already made: that is the odd value, and it answers from there.
  word &= ~std::uint64_t{1};
  for (std::size_t i = 0; i < probe_warm_up + probe_round_trips; ++i) {
    while (control.probe_word.load(std::memory_order_acquire) != word + 1) {
    }  // W
    word += 2;
    control.probe_word.store(word, std::memory_order_release);  // W
  }
}

}  // namespace sluice_bench
