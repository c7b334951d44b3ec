#pragma once

// Steps a real process through one operation, an instruction at a time (ptrace(2)), so that a test can ask after each of
// them: and if it died here? Only what others can see matters to them, and that changes by stores to shared memory and
// by system calls; so a state is checked once, however many instructions leave it as it is.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "support/child_process.hpp"

// Instrumented code is not the code that is shipped, and a sanitizer's runtime would be most of what is stepped through.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLUICE_TRACES 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SLUICE_TRACES 0
#endif
#endif
#if !defined(SLUICE_TRACES)
#if defined(__x86_64__)
#define SLUICE_TRACES 1
#else
#define SLUICE_TRACES 0  // registers and system call instructions are read here as x86-64 has them
#endif
#endif

namespace sluice::detail::test::tracer {

/// Without optimisation there are many times as many instructions, and not one state more.
#if defined(__OPTIMIZE__)
inline constexpr bool is_optimised = true;
#else
inline constexpr bool is_optimised = false;
#endif

/// SLUICE_TRACER_FULL=1: every instruction or state where a sample would do.
[[nodiscard]] bool is_full() noexcept;

/// Where a ring stands when an operation begins: in its first lap, before its end, and so that a batch crosses the end in a
/// later lap. In the full form every position of the first lap and of that one.
[[nodiscard]] std::vector<std::uint64_t> starts_of(std::uint64_t capacity);

struct shared_flag;

/// How the stepped process says where the operation begins and ends.
class marks {
 public:
  void begin() const;
  void end() const;

 private:
  friend class stepped_child;
  shared_flag* flag_ = nullptr;
};

/// A child in the middle of an operation. Killed when it goes.
class stepped_child {
 public:
  /// Forks; returns when `body` has called begin(). What follows up to end() is to be stepped.
  explicit stepped_child(const std::function<void(const marks&)>& body);
  ~stepped_child();
  stepped_child(const stepped_child&) = delete;
  stepped_child& operator=(const stepped_child&) = delete;

  /// One instruction; a system call is one. False: the operation is over.
  bool step();
  /// Whether the next instruction is a system call.
  [[nodiscard]] bool is_before_system_call() const;
  /// Runs freely until one more system call is done. False: the operation is over.
  bool run_past_system_call();
  /// SIGKILL, and reaps.
  void kill();
  /// From now on the kernel seems to have no O_TMPFILE, as some filesystems do.
  void refuse_unnamed_files() noexcept { refuses_unnamed_files_ = true; }

 private:
  void go_on(int how);
  [[nodiscard]] bool is_over() const noexcept;
  bool skip_refused_call();

  shared_flag* flag_;
  child_process child_;
  int signal_ = 0;  // to be delivered
  bool refuses_unnamed_files_ = false;
};

/// Memory at one address in two processes, shared until part(). From then on live() shows what the child does; own()
/// is this process's copy to try things in, at the addresses that the objects made before refer to.
class twin_memory {
 public:
  explicit twin_memory(std::size_t bytes);
  ~twin_memory();
  twin_memory(const twin_memory&) = delete;
  twin_memory& operator=(const twin_memory&) = delete;

  [[nodiscard]] std::span<std::byte> own() const noexcept { return own_; }
  [[nodiscard]] std::span<const std::byte> live() const noexcept { return live_; }
  void part();  // after fork
  void join();  // before the next one

 private:
  int file_;
  std::span<std::byte> own_, live_;
};

/// Sees whether shared bytes have changed since it last looked.
class watched_bytes {
 public:
  explicit watched_bytes(std::span<const std::byte> bytes) : bytes_(bytes), last_(bytes.begin(), bytes.end()) {}
  bool have_changed();

 private:
  std::span<const std::byte> bytes_;
  std::vector<std::byte> last_;
};

/// A place in an operation that another process, stepped anew, can be brought to.
struct place {
  std::uint64_t system_calls = 0;  // done since the beginning
  std::uint64_t changes = 0;       // of the shared bytes since the last of them
};

/// What an operation looks like from outside.
struct recording {
  std::uint64_t instructions = 0;
  std::vector<place> places;  // after each change; the first is the beginning
};

/// Which stretches between two system calls change `shared`, by the number of calls before each: found at the calls, at
/// full speed.
[[nodiscard]] std::vector<bool> survey(stepped_child& child, std::span<const std::byte> shared);
/// Steps `child` to the end of its operation. Every system call and every change of `shared` makes a place. Where
/// `stretches` is given, those that it says change nothing are run through at full speed.
[[nodiscard]] recording record(stepped_child& child, std::span<const std::byte> shared,
                               const std::vector<bool>* stretches = nullptr);
/// Brings `child` to `where`. False: its operation ended before.
bool run_to(stepped_child& child, std::span<const std::byte> shared, const place& where);

/// One line of the table that a test prints.
struct tally {
  std::uint64_t instructions = 0, states = 0, broken = 0, remainders = 0;
  tally& operator+=(const tally& more) noexcept;
};
void print_head();
void print_row(const std::string& operation, const tally& row);

}  // namespace sluice::detail::test::tracer
