#include "support/child_process.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <iostream>
#include <system_error>

#ifdef __SANITIZE_ADDRESS__
// SIGBUS has the meaning that the fault guard and its tests give it: the sanitizer's handler would end the process.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "handle_sigbus=0"; }
#endif

namespace sluice::detail::test {
namespace {

std::array<std::atomic<pid_t>, 1024> living;  // for the watchdog's signal handler

void note(pid_t pid) noexcept {
  for (auto& place : living) {
    pid_t none = 0;
    if (place.compare_exchange_strong(none, pid)) return;
  }
}

void forget(pid_t pid) noexcept {
  for (auto& place : living)
    if (pid_t expected = pid; place.compare_exchange_strong(expected, 0)) return;
}

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

child_end end_from(int status) {
  child_end end;
  end.has_exited = WIFEXITED(status);
  if (end.has_exited)
    end.code = WEXITSTATUS(status);
  else
    end.signal = WTERMSIG(status);
  return end;
}

/// In the child: dies with its parent, even if that has died before we could ask for it.
void die_with(pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(96);
  for (auto& place : living) place.store(0);  // the parent's children are not ours to kill
}

/// How many checks of the running test have failed, in this process.
int failed_checks() {
  const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
  if (info == nullptr) return 0;
  int failed = 0;
  for (int i = 0; i < info->result()->total_part_count(); ++i)
    failed += info->result()->GetTestPartResult(i).failed() ? 1 : 0;
  return failed;
}

int run(const std::function<int()>& body) {
  const int failed_before = failed_checks();  // by the parent: not the child's
  try {
    const int code = body();
    return failed_checks() != failed_before ? exit_failed_test : code;
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "child %d: %s\n", static_cast<int>(::getpid()), problem.what());
  } catch (...) {
    std::fprintf(stderr, "child %d: not a std::exception\n", static_cast<int>(::getpid()));
  }
  return exit_uncaught;
}

}  // namespace

void wait_for_the_end() {
  for (;;) ::pause();
}

std::ostream& operator<<(std::ostream& out, const child_end& end) {
  return end.has_exited ? out << "exit " << end.code : out << "signal " << end.signal;
}

void kill_all_children() noexcept {
  for (auto& place : living)
    if (const auto pid = place.load(); pid > 0) ::kill(pid, SIGKILL);
}

child_process child_process::fork(const std::function<int()>& body) {
  std::fflush(nullptr);
  const auto parent = ::getpid();
  const auto pid = ::fork();
  if (pid < 0) fail("fork");
  if (pid == 0) {
    die_with(parent);
    const int code = run(body);
    std::fflush(nullptr);
    ::_exit(code);
  }
  note(pid);
  child_process child;
  child.pid_ = pid;
  child.started_by_ = parent;
  return child;
}

child_process child_process::exec(const std::string& program, const std::vector<std::string>& arguments) {
  ::signal(SIGPIPE, SIG_IGN);
  int in[2];
  int out[2];
  if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) fail("pipe2");
  const auto path = program.find('/') == std::string::npos ? std::string(SLUICE_PROGRAM_DIR) + "/" + program : program;
  std::vector<char*> words{const_cast<char*>(path.c_str())};
  for (const auto& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  std::fflush(nullptr);
  const auto parent = ::getpid();
  const auto pid = ::fork();
  if (pid < 0) fail("fork");
  if (pid == 0) {
    die_with(parent);
    ::signal(SIGPIPE, SIG_DFL);
    ::dup2(in[0], STDIN_FILENO);
    ::dup2(out[1], STDOUT_FILENO);
    ::execv(path.c_str(), words.data());
    std::fprintf(stderr, "exec %s: errno %d\n", path.c_str(), errno);
    ::_exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  note(pid);
  child_process child;
  child.pid_ = pid;
  child.started_by_ = parent;
  child.in_ = in[1];
  child.out_ = out[0];
  return child;
}

child_process::child_process(child_process&& other) noexcept { *this = std::move(other); }

child_process& child_process::operator=(child_process&& other) noexcept {
  if (this == &other) return *this;
  drop();
  pid_ = std::exchange(other.pid_, -1);
  started_by_ = other.started_by_;
  in_ = std::exchange(other.in_, -1);
  out_ = std::exchange(other.out_, -1);
  read_ahead_ = std::move(other.read_ahead_);
  end_ = std::exchange(other.end_, std::nullopt);
  return *this;
}

child_process::~child_process() { drop(); }

void child_process::drop() noexcept {
  close_stdin();
  if (out_ >= 0) ::close(out_);
  out_ = -1;
  if (pid_ > 0 && !end_ && started_by_ == ::getpid()) {
    ::kill(pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
    forget(pid_);
  }
  pid_ = -1;
}

void child_process::signal(int number) const {
  if (end_) throw std::logic_error("signal to a child that was reaped");
  if (::kill(pid_, number) != 0) fail("kill");
}

void child_process::stop() {
  signal(SIGSTOP);
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WSTOPPED | WEXITED | WNOWAIT) != 0)
    if (errno != EINTR) fail("waitid");
  if (info.si_code != CLD_STOPPED) throw std::logic_error("a child ended instead of stopping");
}

void child_process::resume() const { signal(SIGCONT); }

child_end child_process::kill() {
  if (!end_) signal(SIGKILL);
  return wait();
}

void child_process::kill_to_zombie() {
  signal(SIGKILL);
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) != 0)
    if (errno != EINTR) fail("waitid");
}

child_end child_process::wait() {
  if (end_) return *end_;
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0)
    if (errno != EINTR) fail("waitpid");
  forget(pid_);
  end_ = end_from(status);
  return *end_;
}

std::optional<child_end> child_process::try_wait() {
  if (end_) return end_;
  int status = 0;
  const auto got = ::waitpid(pid_, &status, WNOHANG);
  if (got < 0) fail("waitpid");
  if (got == 0) return std::nullopt;
  forget(pid_);
  end_ = end_from(status);
  return end_;
}

std::optional<std::string> child_process::read_line() {
  for (;;) {
    if (const auto end = read_ahead_.find('\n'); end != std::string::npos) {
      auto line = read_ahead_.substr(0, end);
      read_ahead_.erase(0, end + 1);
      return line;
    }
    char buffer[512];
    const auto got = ::read(out_, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return std::nullopt;
    read_ahead_.append(buffer, static_cast<std::size_t>(got));
  }
}

bool child_process::write_line(const std::string& line) const {
  const auto text = line + "\n";
  for (std::size_t done = 0; done < text.size();) {
    const auto written = ::write(in_, text.data() + done, text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    done += static_cast<std::size_t>(written);
  }
  return true;
}

void child_process::close_stdin() {
  if (in_ >= 0) ::close(in_);
  in_ = -1;
}

}  // namespace sluice::detail::test
