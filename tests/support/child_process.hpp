#pragma once

// Child processes that cannot be leaked: one that is still there when its object goes is killed and reaped, and each
// one is killed by the kernel when the process that started it dies.

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sluice::detail::test {

/// How a child ended.
struct child_end {
  bool has_exited = false;  // by exit, with `code`; else by `signal`
  int code = 0;
  int signal = 0;
  [[nodiscard]] bool is_success() const noexcept { return has_exited && code == 0; }
  [[nodiscard]] bool was_killed() const noexcept { return !has_exited && signal == 9; }
};
/// "exit 0", "signal 9": for failure messages.
std::ostream& operator<<(std::ostream& out, const child_end& end);

/// What a child's body returns or throws, as its exit code.
inline constexpr int exit_uncaught = 97;     // an exception left the body; its text is on stderr
inline constexpr int exit_failed_test = 98;  // an EXPECT in the body failed

/// In a child that stays until it is killed.
[[noreturn]] void wait_for_the_end();

class child_process {
 public:
  /// Forks; the child runs `body` and ends by _exit() with what it returns, or with one of the codes above. Destructors
  /// of the parent's objects do not run in the child.
  static child_process fork(const std::function<int()>& body);
  /// The same for a body that returns nothing: exit code 0.
  template <class Body>
  requires std::is_void_v<std::invoke_result_t<Body&>>
  static child_process fork(Body body) {
    return fork(std::function<int()>([body = std::move(body)]() mutable {
      body();
      return 0;
    }));
  }

  /// fork and exec of `program`, one of tests/programs (or any path with a slash), with its stdin and stdout at pipes.
  static child_process exec(const std::string& program, const std::vector<std::string>& arguments = {});

  child_process() = default;
  child_process(child_process&& other) noexcept;
  child_process& operator=(child_process&& other) noexcept;
  ~child_process();

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  [[nodiscard]] bool is_reaped() const noexcept { return end_.has_value(); }

  void signal(int number) const;
  /// SIGSTOP, and waits until it is stopped.
  void stop();
  /// SIGCONT.
  void resume() const;
  /// SIGKILL, and reaps.
  child_end kill();
  /// SIGKILL, and waits until it is dead, without reaping: a zombie.
  void kill_to_zombie();
  /// Waits for the end and reaps.
  child_end wait();
  /// The end if it has ended, without waiting.
  std::optional<child_end> try_wait();

  /// A line of the exec'd program's stdout, without the newline; empty at its end.
  std::optional<std::string> read_line();
  /// Writes a line to its stdin. False: it does not listen any more.
  bool write_line(const std::string& line) const;
  void close_stdin();

 private:
  void drop() noexcept;
  pid_t pid_ = -1;
  pid_t started_by_ = -1;
  int in_ = -1;   // its stdin
  int out_ = -1;  // its stdout
  std::string read_ahead_;
  std::optional<child_end> end_;
};

/// SIGKILL to every child that is not reaped; async-signal-safe.
void kill_all_children() noexcept;

}  // namespace sluice::detail::test
