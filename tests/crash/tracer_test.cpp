// The stepping itself; see tracer.hpp.

#include "crash/tracer.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include "support/watchdog.hpp"

namespace sluice::detail::test::tracer {

struct shared_flag {
  std::atomic<std::uint32_t> is_over;
};

namespace {

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

std::byte* map(std::size_t bytes, int flags, int file, void* at = nullptr) {
  void* mapped = ::mmap(at, bytes, PROT_READ | PROT_WRITE, flags, file, 0);
  if (mapped == MAP_FAILED) fail("mmap");
  return static_cast<std::byte*>(mapped);
}

constexpr std::size_t flag_bytes = 4096;
constexpr long system_call_instruction = 0x050f;  // 0f 05: syscall

}  // namespace

bool is_full() noexcept {
  const char* full = std::getenv("SLUICE_TRACER_FULL");
  return full != nullptr && *full == '1';
}

std::vector<std::uint64_t> starts_of(std::uint64_t capacity) {
  if (!is_full()) return {0, capacity - 1, 5 * capacity + 2};
  std::vector<std::uint64_t> starts;
  for (std::uint64_t i = 0; i <= capacity; ++i) starts.push_back(i);
  for (std::uint64_t i = 0; i < capacity; ++i) starts.push_back(5 * capacity + i);
  return starts;
}

void marks::begin() const { ::kill(::getpid(), SIGSTOP); }

void marks::end() const {
  flag_->is_over.store(1);
  for (;;) ::pause();
}

stepped_child::stepped_child(const std::function<void(const marks&)>& body)
    : flag_(reinterpret_cast<shared_flag*>(map(flag_bytes, MAP_SHARED | MAP_ANONYMOUS, -1))) {
  child_ = child_process::fork([&] {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) fail("ptrace");
    marks here;
    here.flag_ = flag_;
    body(here);
  });
  int status = 0;
  while (::waitpid(child_.pid(), &status, __WALL) < 0)
    if (errno != EINTR) fail("waitpid");
  if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP)
    throw std::logic_error("the child did not come to begin(): wait status " + std::to_string(status));
  if (::ptrace(PTRACE_SETOPTIONS, child_.pid(), nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) != 0)
    fail("ptrace SETOPTIONS");
}

stepped_child::~stepped_child() {
  kill();
  ::munmap(flag_, flag_bytes);
}

void stepped_child::kill() {
  if (!child_.is_reaped()) child_.kill();
}

bool stepped_child::is_over() const noexcept { return flag_->is_over.load(std::memory_order_relaxed) != 0; }

void stepped_child::go_on(int how) {
  if (::ptrace(static_cast<__ptrace_request>(how), child_.pid(), nullptr, signal_) != 0) fail("ptrace");
  int status = 0;
  while (::waitpid(child_.pid(), &status, __WALL) < 0)
    if (errno != EINTR) fail("waitpid");
  if (!WIFSTOPPED(status))
    throw std::logic_error("the child ended in the middle of its operation: wait status " + std::to_string(status));
  const int signal = WSTOPSIG(status);
  signal_ = signal == SIGTRAP || signal == (SIGTRAP | 0x80) ? 0 : signal;
}

bool stepped_child::skip_refused_call() {
  user_regs_struct registers{};
  if (::ptrace(PTRACE_GETREGS, child_.pid(), nullptr, &registers) != 0) fail("ptrace GETREGS");
  const bool opens_unnamed = registers.rax == SYS_openat && (registers.rdx & O_TMPFILE) == O_TMPFILE;
  if (!opens_unnamed) return false;
  registers.rip += 2;
  registers.rax = static_cast<unsigned long long>(-EOPNOTSUPP);
  if (::ptrace(PTRACE_SETREGS, child_.pid(), nullptr, &registers) != 0) fail("ptrace SETREGS");
  return true;
}

bool stepped_child::step() {
  if (refuses_unnamed_files_ && is_before_system_call() && skip_refused_call()) return !is_over();
  go_on(PTRACE_SINGLESTEP);
  return !is_over();
}

bool stepped_child::is_before_system_call() const {
  errno = 0;
  const auto at = ::ptrace(PTRACE_PEEKUSER, child_.pid(), offsetof(user_regs_struct, rip), nullptr);
  const auto instruction = ::ptrace(PTRACE_PEEKTEXT, child_.pid(), at, nullptr);
  if (errno != 0) fail("ptrace PEEK");
  return (instruction & 0xffff) == system_call_instruction;
}

bool stepped_child::run_past_system_call() {
  go_on(PTRACE_SYSCALL);  // at its entry
  if (is_over()) return false;
  if (refuses_unnamed_files_) {
    user_regs_struct registers{};
    if (::ptrace(PTRACE_GETREGS, child_.pid(), nullptr, &registers) != 0) fail("ptrace GETREGS");
    if (registers.orig_rax == SYS_openat && (registers.rdx & O_TMPFILE) == O_TMPFILE) {
      registers.orig_rax = ~0ULL;  // no such call
      if (::ptrace(PTRACE_SETREGS, child_.pid(), nullptr, &registers) != 0) fail("ptrace SETREGS");
      go_on(PTRACE_SYSCALL);
      if (::ptrace(PTRACE_GETREGS, child_.pid(), nullptr, &registers) != 0) fail("ptrace GETREGS");
      registers.rax = static_cast<unsigned long long>(-EOPNOTSUPP);
      if (::ptrace(PTRACE_SETREGS, child_.pid(), nullptr, &registers) != 0) fail("ptrace SETREGS");
      return true;
    }
  }
  go_on(PTRACE_SYSCALL);  // at its end
  return !is_over();
}

twin_memory::twin_memory(std::size_t bytes) : file_(::memfd_create("twin", MFD_CLOEXEC)) {
  if (file_ < 0 || ::ftruncate(file_, static_cast<off_t>(bytes)) != 0) fail("memfd_create");
  own_ = {map(bytes, MAP_SHARED, file_), bytes};
  live_ = {map(bytes, MAP_SHARED, file_), bytes};
}

twin_memory::~twin_memory() {
  ::munmap(own_.data(), own_.size());
  ::munmap(live_.data(), live_.size());
  ::close(file_);
}

void twin_memory::part() { map(own_.size(), MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, own_.data()); }
void twin_memory::join() { map(own_.size(), MAP_SHARED | MAP_FIXED, file_, own_.data()); }

bool watched_bytes::have_changed() {
  if (std::memcmp(last_.data(), bytes_.data(), bytes_.size()) == 0) return false;
  std::memcpy(last_.data(), bytes_.data(), bytes_.size());
  return true;
}

std::vector<bool> survey(stepped_child& child, std::span<const std::byte> shared) {
  std::vector<bool> stretches;
  watched_bytes watched(shared);
  for (bool goes_on = true; goes_on;) {
    goes_on = child.run_past_system_call();
    stretches.push_back(watched.have_changed());
  }
  return stretches;
}

recording record(stepped_child& child, std::span<const std::byte> shared, const std::vector<bool>* stretches) {
  recording all;
  all.places.emplace_back();
  watched_bytes watched(shared);
  place now;
  for (bool goes_on = true; goes_on;) {
    const bool is_still =
        stretches != nullptr && now.system_calls < stretches->size() && !(*stretches)[now.system_calls];
    const bool was_call = is_still || child.is_before_system_call();
    goes_on = is_still ? child.run_past_system_call() : child.step();
    if (!is_still) ++all.instructions;
    const bool has_changed = watched.have_changed();
    if (was_call)
      now = {now.system_calls + 1, 0};
    else if (has_changed)
      ++now.changes;
    if (goes_on && (was_call || has_changed)) all.places.push_back(now);
  }
  return all;
}

bool run_to(stepped_child& child, std::span<const std::byte> shared, const place& where) {
  for (std::uint64_t i = 0; i < where.system_calls; ++i)
    if (!child.run_past_system_call()) return false;
  watched_bytes watched(shared);
  for (std::uint64_t changes = 0; changes < where.changes; changes += watched.have_changed())
    if (!child.step()) return false;
  return true;
}

tally& tally::operator+=(const tally& more) noexcept {
  instructions += more.instructions;
  states += more.states;
  broken += more.broken;
  remainders += more.remainders;
  return *this;
}

void print_head() {
  std::printf("%-58s %12s %8s %8s %10s\n", "operation", "instructions", "states", "broken", "remainder");
}

void print_row(const std::string& operation, const tally& row) {
  std::printf("%-58s %12llu %8llu %8llu %10llu\n", operation.c_str(), static_cast<unsigned long long>(row.instructions),
              static_cast<unsigned long long>(row.states), static_cast<unsigned long long>(row.broken),
              static_cast<unsigned long long>(row.remainders));
  std::fflush(stdout);
}

#if SLUICE_TRACES

TEST(Tracer, SeesEveryStoreOfAChildInOrder) {
  const watchdog limit;
  twin_memory memory(4096);
  auto* words = reinterpret_cast<volatile std::uint64_t*>(memory.own().data());
  stepped_child child([&](const marks& here) {
    here.begin();
    for (std::uint64_t i = 0; i < 5; ++i) words[i] = i + 1;
    here.end();
  });
  const auto all = record(child, memory.live());
  EXPECT_EQ(all.places.size(), 1U + 5U);
  EXPECT_GE(all.instructions, 5U);
}

TEST(Tracer, BringsAChildPastTheSameSystemCallAndStore) {
  const watchdog limit;
  twin_memory memory(4096);
  auto* words = reinterpret_cast<volatile std::uint64_t*>(memory.own().data());
  const auto body = [&](const marks& here) {
    here.begin();
    words[0] = 1;
    words[1] = static_cast<std::uint64_t>(::getppid());
    words[2] = 3;
    here.end();
  };
  recording all;
  {
    stepped_child child(body);
    all = record(child, memory.live());
  }
  ASSERT_EQ(all.places.size(), 1U + 3U + 1U);
  std::memset(memory.own().data(), 0, memory.own().size());
  stepped_child child(body);
  ASSERT_TRUE(run_to(child, memory.live(), {1, 1}));
  EXPECT_NE(words[1], 0U);
  EXPECT_EQ(words[2], 0U);
}

TEST(Tracer, ASurveyFindsTheStretchesThatChangeSomething) {
  const watchdog limit;
  twin_memory memory(4096);
  auto* words = reinterpret_cast<volatile std::uint64_t*>(memory.own().data());
  stepped_child child([&](const marks& here) {
    here.begin();
    (void)::getppid();
    words[0] = 1;
    (void)::getppid();
    (void)::getppid();
    here.end();
  });
  EXPECT_EQ(survey(child, memory.live()), (std::vector<bool>{false, true, false, false}));
}

TEST(Tracer, OwnBytesAreApartFromWhatTheChildDoes) {
  twin_memory memory(4096);
  auto* word = reinterpret_cast<volatile std::uint64_t*>(memory.own().data());
  *word = 1;
  memory.part();
  EXPECT_EQ(*word, 0U);
  *word = 2;
  EXPECT_EQ(*reinterpret_cast<const volatile std::uint64_t*>(memory.live().data()), 1U);
  memory.join();
  EXPECT_EQ(*word, 1U);
}

#else

TEST(Tracer, Skipped) {
  GTEST_SKIP() << "nothing is stepped here: a sanitizer's instrumented code is not the code that is shipped, and only "
                  "x86-64 is read; the release and debug builds step through everything";
}

#endif

}  // namespace sluice::detail::test::tracer
