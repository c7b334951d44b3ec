// Limits that the kernel enforces by a signal are an error before memory is taken.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "sluice/channel.hpp"
#include "sluice/detail/channel/planning.hpp"
#include "sluice/registry.hpp"
#include "sluice/segment.hpp"
#include "support/child_process.hpp"
#include "support/disk.hpp"
#include "support/expect_error.hpp"
#include "support/small_filesystem.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t mib = 1U << 20;

class Limits : public ::testing::Test {
 protected:
  watchdog dog;
  temp_directory folder;
};

/// A memory cgroup of its own (v1 or v2), for one process that joins it.
class memory_cgroup {
 public:
  static std::optional<memory_cgroup> of(std::uint64_t limit_bytes) {
    const auto name = "/sluice-test-" + std::to_string(::getpid());
    for (const auto& [root, file] :
         {std::pair("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), std::pair("/sys/fs/cgroup", "memory.max")}) {
      const auto path = std::string(root) + name;
      std::error_code problem;
      if (!fs::create_directory(path, problem)) continue;
      if (std::ofstream limit(path + "/" + file); fs::exists(path + "/" + file) && limit << limit_bytes << std::flush)
        return memory_cgroup(path);
      fs::remove(path, problem);
    }
    return std::nullopt;
  }
  memory_cgroup(memory_cgroup&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  memory_cgroup& operator=(memory_cgroup&&) = delete;
  ~memory_cgroup() {
    if (!path_.empty()) ::rmdir(path_.c_str());
  }
  void join() const { std::ofstream(path_ + "/cgroup.procs") << ::getpid() << std::flush; }

 private:
  explicit memory_cgroup(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

TEST_F(Limits, AFileLongerThanTheLimitForFilesIsAnErrorAndNoSignal) {
  for (const bool no_reserve : {false, true}) {
    const auto end =
        child_process::fork([&] {
          const rlimit small{64 << 10, 64 << 10};
          if (::setrlimit(RLIMIT_FSIZE, &small) != 0) return 40;
          const memory_options how{.no_reserve = no_reserve};
          EXPECT_THAT(thrown_by([&] { (void)file_segment::create(folder / "x", mib, 0600, how); }),
                      ThrewSaying(errc::no_space, "65536"));
          EXPECT_THAT(thrown_by([&] { (void)memfd_segment::create(mib, how); }),
                      ThrewSaying(errc::no_space, "ulimit -f"));
          EXPECT_THAT(thrown_by([&] {
                        (void)registry(folder.path())
                            .create(segment_name("q"), plan_channel<std::uint64_t>({.capacity_slots = 1U << 16}));
                      }),
                      ThrewSaying(errc::no_space, "ulimit -f"));
          EXPECT_EQ(memory_limits_here().file_bytes, std::uint64_t{64} << 10);
          return 0;
        }).wait();
    EXPECT_TRUE(end.is_success()) << end;
  }
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST_F(Limits, ASegmentThatGrowsBeyondTheLimitForFilesStaysAsItWas) {
  const auto end = child_process::fork([&] {
                     auto log = growable_segment::create(folder / "log", 4096, 16 * mib);
                     const rlimit small{64 << 10, 64 << 10};
                     if (::setrlimit(RLIMIT_FSIZE, &small) != 0) return 40;
                     EXPECT_THAT(thrown_by([&] { log.grow(mib); }), ThrewSaying(errc::no_space, "ulimit -f"));
                     EXPECT_EQ(log.bytes().size(), 4096U);
                     return 0;
                   }).wait();
  EXPECT_TRUE(end.is_success()) << end;
}

TEST_F(Limits, ASegmentLargerThanTheMemoryCgroupIsAnErrorAndNoKill) {
  const auto group = memory_cgroup::of(16 * mib);
  if (!group) GTEST_SKIP() << "no memory cgroup can be made here: needs root and the memory controller";
  const auto end = child_process::fork([&] {
                     group->join();
                     EXPECT_EQ(memory_limits_here().cgroup_bytes, 16 * mib);
                     const auto refused = ThrewSaying(errc::no_space, "16777216");
                     EXPECT_THAT(thrown_by([&] { (void)file_segment::create(folder / "x", 64 * mib); }), refused);
                     EXPECT_THAT(thrown_by([&] { (void)memfd_segment::create(64 * mib); }), refused);
                     EXPECT_THAT(thrown_by([&] { (void)anonymous_segment::create(64 * mib); }), refused);
                     EXPECT_THAT(thrown_by([&] { (void)zero_segment::create(64 * mib, {.prefault = true}); }), refused);
                     EXPECT_NO_THROW((void)file_segment::create(folder / "small", mib));
                     EXPECT_NO_THROW((void)memfd_segment::create(64 * mib, {.no_reserve = true}));
                   }).wait();
  EXPECT_TRUE(end.is_success()) << end;
}

TEST_F(Limits, AFileOnADiskMayBeLargerThanTheMemoryCgroup) {
  const auto group = memory_cgroup::of(16 * mib);
  if (!group || !on_a_disk()) GTEST_SKIP() << "no memory cgroup can be made here, or there is no folder on a disk";
  const temp_directory disk(*on_a_disk());
  const auto end = child_process::fork([&] {
                     group->join();
                     EXPECT_NO_THROW((void)file_segment::create(disk / "x", 64 * mib));
                   }).wait();
  EXPECT_TRUE(end.is_success()) << end;
}

TEST_F(Limits, MoreThanTheFreeMemoryIsRefusedWithNumbers) {
  const auto limits = memory_limits_here();
  ASSERT_NE(limits.available_bytes, no_limit) << "/proc/meminfo says it";
  EXPECT_THAT(thrown_by([] { (void)memfd_segment::create(std::uint64_t{1} << 45); }),
              ThrewSaying(errc::no_space, "35184372088832 bytes"));
}

TEST_F(Limits, AFilesystemWithoutInodesSaysSo) {
  const auto full = small_filesystem::of_type("tmpfs", "mode=0700,size=16m,nr_inodes=2");
  if (!full) GTEST_SKIP() << "mounting a tmpfs needs root";
  std::ofstream(full->path() + "/last").close();
  EXPECT_THAT(thrown_by([&] { (void)registry(full->path()).create(segment_name("q"), plan_channel<std::uint64_t>()); }),
              ThrewSaying(errc::no_space, "inodes"));
}

TEST_F(Limits, TakingSpaceEndsWhileSignalsArriveFasterThanItIsDone) {
  // A handler without SA_RESTART, and a signal every 100 us: each try to take 64 MiB at once is interrupted.
  const auto end = child_process::fork([&] {
                     struct sigaction quiet {};
                     quiet.sa_handler = [](int) {};
                     if (::sigaction(SIGALRM, &quiet, nullptr) != 0) return 40;
                     const itimerval often{{0, 100}, {0, 100}};
                     if (::setitimer(ITIMER_REAL, &often, nullptr) != 0) return 41;
                     (void)file_segment::create(folder / "x", 64 * mib);
                     sigset_t blocked;
                     if (::pthread_sigmask(SIG_BLOCK, nullptr, &blocked) != 0) return 42;
                     return ::sigismember(&blocked, SIGALRM) == 0 ? 0 : 43;
                   }).wait();
  EXPECT_TRUE(end.is_success()) << end;
}

// ---- Core dumps -----------------------------------------------------------------------------------------------------------

/// Whether the kernel leaves the mapping at `address` out of core dumps: "dd" in VmFlags, proc(5), smaps.
bool is_left_out_of_dumps(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  std::ostringstream begin;
  begin << std::hex << reinterpret_cast<std::uintptr_t>(address) << '-';
  bool is_here = false;
  for (std::string text; std::getline(maps, text);) {
    if (text.find('-') < text.find(' ') && text.find(':') > text.find(' ')) is_here = text.starts_with(begin.str());
    if (is_here && text.starts_with("VmFlags:")) return text.find(" dd") != std::string::npos;
  }
  ADD_FAILURE() << "not mapped";
  return false;
}

TEST_F(Limits, ASegmentIsLeftOutOfCoreDumpsWhenThatIsAskedFor) {
  for (const bool no_dump : {false, true}) {
    const memory_options how{.no_dump = no_dump};
    const auto file = file_segment::create(folder / std::to_string(no_dump), mib, 0600, how);
    const auto attached = file_segment::attach(folder / std::to_string(no_dump), how);
    const auto memfd = memfd_segment::create(mib, how);
    const auto anonymous = anonymous_segment::create(mib, how);
    const auto zero = zero_segment::create(mib, how);
    for (const auto* one : {&file, &attached, &memfd, &anonymous, &zero})
      EXPECT_EQ(is_left_out_of_dumps(one->bytes().data()), no_dump) << to_string(one->kind());
  }
}

}  // namespace
}  // namespace sluice::detail::test
