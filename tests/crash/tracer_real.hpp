#pragma once

// Real deaths: a child is killed (SIGKILL) at each state of an operation that others can see, in a world made anew for
// each, and the living go on with the library as it is.

#include <functional>
#include <memory>
#include <ostream>
#include <span>
#include <string>

#include "crash/tracer.hpp"

namespace sluice::detail::test::tracer {

/// What there is beside the child that dies.
class world {
 public:
  world() = default;
  world(const world&) = delete;
  world& operator=(const world&) = delete;
  virtual ~world() = default;
  /// In the child: prepares, begin(), the operation, end().
  virtual void child(const marks& here) = 0;
  /// The bytes through which the child can be seen; may be empty.
  [[nodiscard]] virtual std::span<const std::byte> shared() const = 0;
  /// After the death: lets the living go on. What is broken; empty: nothing.
  [[nodiscard]] virtual std::string survive(std::uint64_t which_death) = 0;
};

struct real_deaths {
  std::string name;
  std::function<std::unique_ptr<world>()> make;
  bool refuses_unnamed_files = false;
  bool steps_everything = is_optimised;  // else, unless is_full(), only where the shared bytes change
};

/// Kills at the beginning, after every system call and after every change of the shared bytes, or at a sample of
/// `at_most` of these unless is_full().
inline tally die_everywhere(const real_deaths& what, std::uint64_t at_most, std::ostream& complaints) {
  tally row;
  recording all;
  std::uint64_t deaths = 0;
  const auto live_on = [&](world& rest, const std::string& where) {
    ++row.states;
    const auto broken = rest.survive(deaths++);
    if (broken.empty()) return;
    ++row.broken;
    complaints << what.name << ", " << where << ": " << broken << '\n';
  };
  std::vector<bool> stretches;
  const bool surveys = !what.steps_everything && !is_full();
  if (surveys) {
    const auto rest = what.make();
    stepped_child child([&](const marks& here) { rest->child(here); });
    stretches = survey(child, rest->shared());
  }
  {
    const auto rest = what.make();
    stepped_child child([&](const marks& here) { rest->child(here); });
    if (what.refuses_unnamed_files) child.refuse_unnamed_files();
    all = record(child, rest->shared(), surveys ? &stretches : nullptr);
    row.instructions = all.instructions;
    child.kill();
    live_on(*rest, "after its end");
  }
  const auto count = all.places.size();
  const auto step = is_full() || count <= at_most ? 1 : (count + at_most - 1) / at_most;
  for (std::size_t i = 0; i < count; i += step) {
    const auto rest = what.make();
    stepped_child child([&](const marks& here) { rest->child(here); });
    if (what.refuses_unnamed_files) child.refuse_unnamed_files();
    const bool is_there = run_to(child, rest->shared(), all.places[i]);
    child.kill();
    live_on(*rest, "place " + std::to_string(i) + " of " + std::to_string(count) + " (system call " +
                       std::to_string(all.places[i].system_calls) + ", change " +
                       std::to_string(all.places[i].changes) + (is_there ? ")" : ", ended before)"));
  }
  return row;
}

}  // namespace sluice::detail::test::tracer
