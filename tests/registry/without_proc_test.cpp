// A chroot or a minimal container without /proc: the kernel then has no way to open a file without a name once more.

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>

#include "sluice/channel.hpp"
#include "sluice/registry.hpp"
#include "support/child_process.hpp"
#include "support/disk.hpp"
#include "support/expect_error.hpp"
#include "support/own_mounts.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

namespace fs = std::filesystem;
const segment_name orders("orders");

struct WithoutProc : ::testing::Test {
  watchdog dog;
  temp_registry names;

  /// Runs `body` in a child that has no /proc and no privileges.
  [[nodiscard]] child_end run(const std::function<void()>& body) const {
    constexpr unsigned user = 65534;
    if (::chown(names.directory().c_str(), user, user) != 0) return {};
    return child_process::fork([&] {
             if (!unshare_mounts() || ::mount("none", "/proc", "tmpfs", 0, nullptr) != 0) return 40;
             if (::setresgid(user, user, user) != 0 || ::setresuid(user, user, user) != 0) return 41;
             body();
             return 0;
           })
        .wait();
  }
};

TEST_F(WithoutProc, AChannelIsCreatedAttachedAndSentThrough) {
  if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  const auto end = run([&] {
    const auto made = channel<std::uint64_t>::create_or_attach(*names, orders, {.capacity_slots = 8});
    const auto again = channel<std::uint64_t>::create_or_attach(*names, orders, {.capacity_slots = 8});
    auto out = made.producer();
    auto in = again.consumer();
    EXPECT_TRUE(out.try_send(7));
    EXPECT_EQ(in.try_receive(), 7U);
    EXPECT_THAT(thrown_by([&] { (void)channel<std::uint64_t>::create(*names, orders); }), Threw(errc::already_exists));
  });
  EXPECT_TRUE(end.is_success()) << end;
  for (const auto& entry : fs::directory_iterator(names.directory())) EXPECT_EQ(entry.path().filename(), "orders");
}

TEST_F(WithoutProc, ACreatorWhoseDescriptorsWereClosedFindsItsFileByItsName) {
  if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  const auto end = run([&] {
    const auto made = channel<std::uint64_t>::create(*names, orders, {.capacity_slots = 8});
    auto out = made.producer();
    for (int i = 3; i < 256; ++i) ::close(i);
    EXPECT_TRUE(out.try_send(7));
    EXPECT_EQ(out.send_for(8, std::chrono::milliseconds(1)), wait_result::ready);
    auto in = made.consumer();
    EXPECT_EQ(in.try_receive(), 7U);
  });
  EXPECT_TRUE(end.is_success()) << end;
}

}  // namespace
}  // namespace sluice::detail::test
