#pragma once

// Two processes tell each other "I am there" and small values, through a pipe: no sleeping for luck.

#include <cstdint>
#include <optional>

namespace sluice::detail::test {

/// A one-way line, made before fork and used by one process at each end. Waiting ends as well when every writing end is
/// gone, so none waits for the dead: a process that only waits calls only_wait() first, as the one that only tells
/// calls only_tell().
class pipe_signal {
 public:
  pipe_signal();
  pipe_signal(const pipe_signal&) = delete;
  pipe_signal& operator=(const pipe_signal&) = delete;
  ~pipe_signal();

  /// Closes the end that this process does not use.
  void only_wait();
  void only_tell();

  /// False: no process is there to listen any more.
  bool tell(std::uint64_t value = 1);
  /// The next value; empty when the other side is gone.
  [[nodiscard]] std::optional<std::uint64_t> wait();
  /// wait(), and whether there was one.
  [[nodiscard]] bool is_told() { return wait().has_value(); }
  /// Whether a value lies there now.
  [[nodiscard]] bool was_told() const;

  [[nodiscard]] int read_descriptor() const noexcept { return ends_[0]; }
  [[nodiscard]] int write_descriptor() const noexcept { return ends_[1]; }

 private:
  int ends_[2];
};

}  // namespace sluice::detail::test
