#pragma once

// The real `sluice` in a process of its own, in a registry of its own.

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace sluice::detail::test {

inline std::string read_all(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void write_all(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

/// Overwrites `bytes` at `offset`.
inline void patch(const std::filesystem::path& path, std::uint64_t offset, const std::string& bytes) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(offset));
  file << bytes;
}

/// How one run ended.
struct outcome {
  int code = -1;   // of exit; -1 when a signal ended it
  int signal = 0;  // that ended it
  std::string out, err;
};
inline std::ostream& operator<<(std::ostream& stream, const outcome& end) {
  return stream << "exit " << end.code << ", signal " << end.signal << "\nstdout: " << end.out.substr(0, 2000)
                << "\nstderr: " << end.err;
}

/// Where the streams of a run go; an empty path: a pipe for stdin, a file for the others.
struct streams {
  std::string in = "/dev/null";
  std::string out;
  std::string err;  // a terminal; empty: a file
  bool in_is_pipe = false;
  bool out_is_pipe = false;
  bool as_nobody = false;           // when the test itself is root
  unsigned group = 65534;           // of that user
  std::vector<std::string> before;  // a program that runs it, such as unshare(1) with its options
};

/// A running `sluice`; killed and reaped when it goes.
class cli_process {
 public:
  cli_process(const std::filesystem::path& folder, const std::vector<std::string>& arguments, const streams& how) {
    static int number = 0;
    const auto stem = (folder / std::to_string(number++)).string();
    if (how.out.empty()) out_path_ = stem + ".out";  // else a device, which may never end
    err_path_ = stem + ".err";
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    if (how.in_is_pipe)
      EXPECT_EQ(::pipe2(in, O_CLOEXEC), 0);
    else
      in[0] = ::open(how.in.c_str(), O_RDONLY | O_CLOEXEC);
    if (how.out_is_pipe)
      EXPECT_EQ(::pipe2(out, O_CLOEXEC), 0);
    else
      out[1] = ::open((how.out.empty() ? out_path_ : how.out).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    const int err = ::open(how.err.empty() ? err_path_.c_str() : how.err.c_str(),
                           O_NOCTTY | O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    const int program = ::open(SLUICE_PROGRAM_DIR "/sluice", O_RDONLY);
    EXPECT_GE(in[0], 0);
    EXPECT_GE(out[1], 0);
    EXPECT_GE(program, 0) << SLUICE_PROGRAM_DIR "/sluice";
    auto words = how.before;
    words.push_back(how.before.empty() ? "sluice" : "/proc/self/fd/" + std::to_string(program));
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      ::dup2(err, 2);
      constexpr unsigned nobody = 65534;
      if (how.as_nobody && ::geteuid() == 0 &&
          (::setgroups(0, nullptr) != 0 || ::setgid(how.group) != 0 || ::setuid(nobody) != 0))
        ::_exit(126);
      if (!how.before.empty()) ::execvp(argv[0], argv.data());
      ::fexecve(program, argv.data(), environ);
      ::_exit(127);
    }
    for (const int fd : {in[0], out[1], err, program}) ::close(fd);
    in_ = in[1];
    out_ = out[0];
  }
  cli_process(cli_process&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)),
        in_(std::exchange(other.in_, -1)),
        out_(std::exchange(other.out_, -1)),
        out_path_(other.out_path_),
        err_path_(other.err_path_) {}
  cli_process& operator=(cli_process&&) = delete;
  ~cli_process() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      (void)wait();
    }
  }

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  void signal(int number) const { ::kill(pid_, number); }
  void write_stdin(const std::string& text) const {
    EXPECT_EQ(::write(in_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  /// The same for a tool that may have ended: false, and no SIGPIPE, when it no longer reads.
  [[nodiscard]] bool try_write_stdin(const std::string& text) const {
    const auto before = ::signal(SIGPIPE, SIG_IGN);
    const bool is_written = ::write(in_, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    ::signal(SIGPIPE, before);
    return is_written;
  }
  void close_stdin() { ::close(std::exchange(in_, -1)); }
  void close_stdout() { ::close(std::exchange(out_, -1)); }
  /// Up to `bytes` of what it writes into the pipe.
  [[nodiscard]] std::string read_stdout(std::size_t bytes) const {
    std::string text(bytes, '\0');
    const auto got = ::read(out_, text.data(), text.size());
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
  }
  [[nodiscard]] std::string errors_so_far() const { return read_all(err_path_); }

  outcome wait() {
    int status = 0;
    EXPECT_EQ(::waitpid(std::exchange(pid_, -1), &status, 0) > 0, true);
    for (int* fd : {&in_, &out_})
      if (*fd >= 0) ::close(std::exchange(*fd, -1));
    outcome end;
    if (WIFEXITED(status))
      end.code = WEXITSTATUS(status);
    else
      end.signal = WTERMSIG(status);
    if (!out_path_.empty()) end.out = read_all(out_path_);
    end.err = read_all(err_path_);
    return end;
  }
  outcome kill() {
    signal(SIGKILL);
    return wait();
  }

 private:
  pid_t pid_ = -1;
  int in_ = -1, out_ = -1;
  std::string out_path_, err_path_;
};

/// A registry in a private directory, and a watchdog that ends what hangs.
class Cli : public ::testing::Test {
 protected:
  static constexpr unsigned watchdog_s = 100;

  Cli() {
    ::alarm(watchdog_s);
    std::string pattern = "/dev/shm/sluice-cli-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    std::filesystem::create_directory(registry_ = root_ / "registry");
    std::filesystem::create_directory(files_ = root_ / "files");
    ::setenv("SLUICE_DIR", registry_.c_str(), 1);
  }
  ~Cli() override {
    ::alarm(0);
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }

  [[nodiscard]] cli_process start(const std::vector<std::string>& arguments, const streams& how = {}) const {
    return {files_, arguments, how};
  }
  [[nodiscard]] outcome run(const std::vector<std::string>& arguments, const streams& how = {}) const {
    return start(arguments, how).wait();
  }
  /// Standard input from a file with these bytes.
  [[nodiscard]] streams with_input(const std::string& bytes) const {
    static int number = 0;
    const auto path = files_ / ("input" + std::to_string(number++));
    write_all(path, bytes);
    streams how;
    how.in = path;
    return how;
  }
  [[nodiscard]] static streams with_pipe() {
    streams how;
    how.in_is_pipe = true;
    return how;
  }

  [[nodiscard]] nlohmann::json inspect(const std::string& name) const {
    const auto end = run({"--json", "inspect", name});
    return end.code == 0 ? nlohmann::json::parse(end.out) : nlohmann::json();
  }
  /// The first ring of `name`, or null.
  [[nodiscard]] nlohmann::json ring(const std::string& name) const {
    const auto segment = inspect(name);
    return segment.is_null() ? segment : segment["rings"][0];
  }
  [[nodiscard]] std::filesystem::path file(const std::string& name) const { return registry_ / name; }

  /// Asks until it is so; the watchdog ends it when it never is.
  static void until(const std::function<bool()>& is_so) {
    while (!is_so()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  void until_published(const std::string& name, std::uint64_t messages) const {
    until([&] {
      const auto found = ring(name);
      return !found.is_null() && found["tail"] >= messages;
    });
  }

  /// No process is attached, none died, `lines` wait to be read.
  void make_idle(const std::string& name, const std::string& lines) const {
    const auto end =
        run({"send", name, "--lines", "--create", "--persistent", "--no-wait", "-s", "64"}, with_input(lines));
    ASSERT_EQ(end.code, 0) << end;
  }
  /// A producer that waits for its input, with `lines` sent.
  [[nodiscard]] cli_process make_live(const std::string& name, const std::string& lines, bool is_persistent) const {
    std::vector<std::string> words{"send", name, "--lines", "--create", "-s", "64"};
    if (is_persistent) words.emplace_back("--persistent");
    const auto found = ring(name);  // what its predecessors sent counts too
    const auto before = found.is_null() ? std::uint64_t{0} : found["tail"].get<std::uint64_t>();
    auto producer = start(words, with_pipe());
    producer.write_stdin(lines);
    until_published(name, before + static_cast<std::uint64_t>(std::count(lines.begin(), lines.end(), '\n')));
    return producer;
  }
  void make_dead(const std::string& name, const std::string& lines, bool is_persistent = true) const {
    auto producer = make_live(name, lines, is_persistent);
    EXPECT_EQ(producer.kill().signal, SIGKILL);
  }

  std::filesystem::path root_, registry_, files_;
};

}  // namespace sluice::detail::test
