// A registry on a network filesystem, which no test machine has: fstatfs(2) is told to say that it is one.

#include <cstdint>

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "sluice/channel.hpp"
#include "sluice/registry.hpp"
#include "sluice/segment.hpp"
#include "support/expect_error.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace {
constexpr long nfs = 0x6969;  // NFS_SUPER_MAGIC, linux/magic.h
bool all_is_nfs = false;
}  // namespace

/// In place of the C library's, for all of this program.
extern "C" int fstatfs(int file, struct statfs* facts) noexcept {
  const auto result = static_cast<int>(::syscall(SYS_fstatfs, file, facts));
  if (result == 0 && all_is_nfs) facts->f_type = nfs;
  return result;
}

namespace sluice::detail::test {
namespace {

using numbers = channel<std::uint64_t>;
const segment_name orders("orders");

struct OnANetworkFilesystem : ::testing::Test {
  watchdog dog;
  temp_registry names;
  ~OnANetworkFilesystem() override { all_is_nfs = false; }
};

TEST_F(OnANetworkFilesystem, AChannelIsNeitherCreatedNorAttached) {
  (void)numbers::create(*names, orders);
  const auto mapped = file_segment::attach(names.path("orders"));
  all_is_nfs = true;
  const auto words = " lies on nfs, a network filesystem";
  EXPECT_THAT(thrown_by([&] { (void)numbers::attach(*names, orders); }), ThrewSaying(errc::bad_argument, words));
  EXPECT_THAT(thrown_by([&] { (void)numbers::create(*names, segment_name("other")); }),
              ThrewSaying(errc::bad_argument, words));
  EXPECT_THAT(thrown_by([&] { (void)numbers::attach_in(mapped); }), ThrewSaying(errc::bad_argument, words));
  EXPECT_EQ(names->list().size(), 1U);
  EXPECT_NO_THROW(names->remove(orders)) << "what is left there can be removed";
}

}  // namespace
}  // namespace sluice::detail::test
