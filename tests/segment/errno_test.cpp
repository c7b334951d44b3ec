// Each errno of mmap(2) and its neighbours, provoked: one sentence that says what was tried, on what, why, and what to do.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <vector>

#include "sluice/segment.hpp"
#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/sanitizer.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail {
namespace {

using test::child_process;
using test::ThrewSaying;
using test::thrown_by;

struct SeedsRow11 : ::testing::Test {
  test::watchdog dog;
  test::temp_directory directory;
  std::string path = directory / "orders";

  static std::uint64_t page() { return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)); }
  /// An EXPECT that fails in there is an exit code of its own.
  static void in_a_child(const std::function<int()>& body) {
    auto child = child_process::fork(body);
    const auto end = child.wait();
    EXPECT_TRUE(end.is_success()) << end;
  }
  static bool become_nobody() { return ::setresgid(65534, 65534, 65534) == 0 && ::setresuid(65534, 65534, 65534) == 0; }
  /// From now on the kernel answers this system call with this errno, in this process.
  static bool refuse(unsigned call, unsigned errno_value) {
    sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | errno_value),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program{static_cast<unsigned short>(std::size(steps)), steps};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
  }
};

TEST_F(SeedsRow11, EaccesTheDescriptorDoesNotAllowWriting) {
  { (void)file_segment::create(path, page()); }
  const int reading = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  EXPECT_THAT(thrown_by([&] { (void)adopted_segment::map(reading, page()); }),
              ThrewSaying(errc::no_permission, "open it for reading and writing"));
  ::close(reading);
}

TEST_F(SeedsRow11, EagainEverythingIsLockedAndThatIsTooMuch) {
  if (test::is_sanitized) GTEST_SKIP() << "the sanitizer's run time answers mlockall(2) itself";
  in_a_child([] {
    const rlimit small{1U << 20, 1U << 20};
    if (::setrlimit(RLIMIT_MEMLOCK, &small) != 0) return 1;
    if (::geteuid() == 0 && !become_nobody()) return 2;
    if (::mlockall(MCL_FUTURE) != 0) return 3;
    EXPECT_THAT(thrown_by([] { (void)anonymous_segment::create(16U << 20); }),
                ThrewSaying(errc::no_space, "RLIMIT_MEMLOCK"));
    return 0;
  });
}

TEST_F(SeedsRow11, EbadfTheDescriptorIsNotOpen) {
  EXPECT_THAT(thrown_by([] { (void)adopted_segment::map(-1, 4096); }),
              ThrewSaying(errc::bad_argument, "descriptor -1 is not open"));
}

TEST_F(SeedsRow11, EinvalNoBytesOrAnAddressWithinAPage) {
  EXPECT_THAT(thrown_by([] { (void)anonymous_segment::create(0); }), ThrewSaying(errc::bad_argument, "no bytes"));
  auto* const odd = reinterpret_cast<void*>(std::uintptr_t{0x10000001});
  EXPECT_THAT(thrown_by([&] { (void)anonymous_segment::create(4096, {.address = odd}); }),
              ThrewSaying(errc::bad_argument, "at 0x10000001: no bytes, or an address or offset that is not"));
}

TEST_F(SeedsRow11, EnfileAndEmfileNoMoreFiles) {
  if (test::is_sanitized) GTEST_SKIP() << "the sanitizer's run time needs descriptors of its own";
  in_a_child([&] {
    const rlimit few{8, 8};
    std::vector<int> files;
    if (::setrlimit(RLIMIT_NOFILE, &few) != 0) return 1;
    while (files.empty() || files.back() >= 0) files.push_back(::dup(0));
    EXPECT_THAT(thrown_by([&] { (void)file_segment::create(path, 4096); }),
                ThrewSaying(errc::system_failure, "ulimit -n"));
    return 0;
  });
  in_a_child([] {
    if (!refuse(SYS_memfd_create, ENFILE)) return 1;
    EXPECT_THAT(thrown_by([] { (void)memfd_segment::create(4096); }), ThrewSaying(errc::system_failure, "fs.file-max"));
    return 0;
  });
}

TEST_F(SeedsRow11, EnodevAFileThatCannotBeMapped) {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  EXPECT_THAT(thrown_by([&] { (void)adopted_segment::map(null, 4096); }),
              ThrewSaying(errc::not_a_segment, "cannot be mapped; pass a regular file"));
  ::close(null);
}

TEST_F(SeedsRow11, EnomemNoMemoryLeft) {
  if (test::is_sanitized) GTEST_SKIP() << "the sanitizer's run time needs memory of its own";
  in_a_child([] {
    const rlimit small{256U << 20, 256U << 20};
    if (::setrlimit(RLIMIT_AS, &small) != 0) return 1;
    EXPECT_THAT(thrown_by([] { (void)anonymous_segment::create(512U << 20); }),
                ThrewSaying(errc::no_space, "map 536870912 bytes of shared anonymous memory: no memory left"));
    return 0;
  });
}

TEST_F(SeedsRow11, EpermSealedAgainstWritingOrAnAddressThatIsForbidden) {
  if (test::is_sanitized) GTEST_SKIP() << "the sanitizer's run time maps at addresses of its own";
  const int sealed = ::memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  ASSERT_EQ(::ftruncate(sealed, 4096), 0);
  ASSERT_EQ(::fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE), 0);
  EXPECT_THAT(thrown_by([&] { (void)memfd_segment::attach(sealed); }),
              ThrewSaying(errc::no_permission, "sealed against it"));
  ::close(sealed);
  in_a_child([] {
    auto* const low = reinterpret_cast<void*>(std::uintptr_t{4096});
    if (!refuse(SYS_mmap, EPERM)) return 1;  // the limit may be 4096, and then nothing below it can be asked for
    EXPECT_THAT(thrown_by([&] { (void)anonymous_segment::create(4096, {.address = low}); }),
                ThrewSaying(errc::no_permission, "vm.mmap_min_addr"));
    return 0;
  });
}

TEST_F(SeedsRow11, EtxtbsyAProgramThatRuns) {
  EXPECT_THAT(thrown_by([] { (void)file_segment::attach(std::filesystem::read_symlink("/proc/self/exe")); }),
              ThrewSaying(errc::system_failure, "it is a program that runs"));
}

TEST_F(SeedsRow11, EoverflowAndEfbigMoreThanAFileHolds) {
  in_a_child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{1U << 20, 1U << 20};
    if (::setrlimit(RLIMIT_FSIZE, &small) != 0) return 1;
    EXPECT_THAT(thrown_by([&] { (void)file_segment::create(path, 2U << 20, 0600, {.no_reserve = true}); }),
                ThrewSaying(errc::no_space, "ulimit -f"));
    return 0;
  });
}

}  // namespace
}  // namespace sluice::detail
