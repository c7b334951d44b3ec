// The guard by itself: ranges, marks, forks.

#include "os/fault_guard.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "support/child_process.hpp"
#include "support/proc_maps.hpp"
#include "support/watchdog.hpp"

namespace sluice::os {
namespace {

using detail::test::child_process;

/// Three pages of a file that is gone.
struct FaultGuard : ::testing::Test {
  detail::test::watchdog dog;
  std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::span<std::byte> broken = map();

  ~FaultGuard() override { ::munmap(broken.data(), broken.size()); }
  [[nodiscard]] std::span<std::byte> map() const {
    const int file = ::memfd_create("broken", MFD_CLOEXEC);
    auto* const at = static_cast<std::byte*>(::mmap(nullptr, 3 * page, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
    ::close(file);
    return {at, 3 * page};
  }
  [[nodiscard]] int touch(std::size_t at) const {
    return std::to_integer<int>(*static_cast<volatile std::byte*>(&broken[at]));
  }
};

TEST_F(FaultGuard, AFaultLosesTheRangeAndTheAccessGoesOn) {
  const guarded_range guard(broken, true);
  guard.mark().store(7);
  EXPECT_FALSE(guard.is_lost());
  EXPECT_EQ(touch(page + 1), 0);
  EXPECT_TRUE(guard.is_lost());
  EXPECT_EQ(guard.mark().load(), 0U);
  broken[0] = std::byte{3};
  EXPECT_EQ(touch(0), 3);
}

TEST_F(FaultGuard, CatchesItsOwnAddressesAlone) {
  const auto beside = map();
  const guarded_range guard(broken, true);
  EXPECT_FALSE(catch_fault(nullptr));
  EXPECT_FALSE(catch_fault(&page));
  EXPECT_FALSE(catch_fault(beside.data()));
  EXPECT_FALSE(catch_fault(broken.data() + broken.size()));
  EXPECT_FALSE(guard.is_lost());
  EXPECT_TRUE(catch_fault(broken.data() + broken.size() - 1));
  EXPECT_TRUE(guard.is_lost());
  ::munmap(beside.data(), beside.size());
}

TEST_F(FaultGuard, LetsGoOfTheRangeWhenItGoes) {
  { const guarded_range guard(broken, true); }
  EXPECT_FALSE(catch_fault(broken.data()));
  auto child = child_process::fork([&] { return touch(0); });
  EXPECT_EQ(child.wait().signal, SIGBUS);
}

TEST_F(FaultGuard, ARangeThatComesToAPlaceThatWasLostBeforeIsNotLost) {
  {
    const guarded_range guard(broken, true);
    (void)touch(0);
  }
  const guarded_range next(broken, true);
  EXPECT_FALSE(next.is_lost());
}

TEST_F(FaultGuard, WritesOverNothingOnceItHasGone) {
  // A thread is in the handler all the while; as soon as the guard has gone, the addresses may be another mapping's.
  auto* const at = static_cast<std::byte*>(
      ::mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0));
  std::atomic<bool> is_over{false};
  std::thread faulting([&] {
    while (!is_over) (void)catch_fault(at);
  });
  int overwritten = 0;
  for (int i = 0; i < 5000; ++i) {
    { const guarded_range guard(std::span(at, page), true); }
    auto& byte = *static_cast<volatile std::byte*>(at);
    byte = std::byte{7};
    for (int look = 0; look < 200; ++look) overwritten += std::to_integer<int>(byte) != 7;
  }
  is_over = true;
  faulting.join();
  EXPECT_EQ(overwritten, 0);
  ::munmap(at, page);
}

TEST_F(FaultGuard, TheMarkIsZeroInAForkedChildAndStaysInTheParent) {
  const guarded_range guard(broken, true);
  guard.mark().store(7);
  auto child = child_process::fork([&] { return guard.mark().load() == 0 && !guard.is_lost() ? 0 : 1; });
  EXPECT_TRUE(child.wait().is_success());
  EXPECT_EQ(guard.mark().load(), 7U);
}

TEST_F(FaultGuard, IsLostWithoutAFaultWhenItIsToldSo) {
  guarded_range guard(broken, true);
  guard.lose();
  EXPECT_TRUE(guard.is_lost());
  EXPECT_NE(detail::test::mapping_at(broken.data()).find("rw-p"), std::string::npos);
}

}  // namespace
}  // namespace sluice::os
