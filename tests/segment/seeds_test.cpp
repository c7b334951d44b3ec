// The statements about mapped memory that the project grew from, by row. A statement a user relies on has a test here.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "sluice/channel.hpp"
#include "sluice/detail/channel/planning.hpp"
#include "sluice/registry.hpp"
#include "sluice/segment.hpp"
#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/pipe_signal.hpp"
#include "support/proc_maps.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail {
namespace {

using test::child_process;

struct line {
  char text[48];
};
line say(const char* text) {
  line spoken{};
  std::strncpy(spoken.text, text, sizeof spoken.text - 1);
  return spoken;
}

TEST(SeedsRow1, AByteThatOneProgramChangesIsSeenByAnotherThatWasStartedSeparately) {
  const test::watchdog dog;
  const test::temp_directory directory;
  const auto path = directory / "shared";
  { (void)file_segment::create(path, 8192); }  // only the two programs have it mapped
  auto a = child_process::exec("peer_byte", {"watch", path, "5000"});
  ASSERT_EQ(a.read_line(), "watching");
  EXPECT_FALSE(a.try_wait()) << "nothing has changed yet";
  auto b = child_process::exec("peer_byte", {"set", path, "5000", "42"});
  EXPECT_EQ(b.read_line(), "done");
  EXPECT_EQ(a.read_line(), "42");
  EXPECT_TRUE(a.wait().is_success());
  EXPECT_TRUE(b.wait().is_success());
}

template <class Kind>
void father_and_son() {
  const test::watchdog dog;
  const auto between = duplex<line>::create<Kind>({.capacity_slots = 4});
  auto son = child_process::fork([&] {
    auto end = between.child();
    line heard{};
    if (end.in.receive(heard) != wait_result::ready) return 1;
    if (std::strcmp(heard.text, "hi, this is father") != 0) return 2;
    return end.out.send(say("hi, dad, this is son")) == wait_result::ready ? 0 : 3;
  });
  auto end = between.parent();
  ASSERT_EQ(end.out.send(say("hi, this is father")), wait_result::ready);
  line heard{};
  ASSERT_EQ(end.in.receive(heard), wait_result::ready);
  EXPECT_STREQ(heard.text, "hi, dad, this is son");
  EXPECT_TRUE(son.wait().is_success());
}

TEST(SeedsRow3, FatherAndSonTalkOverAnAnonymousSegment) { father_and_son<anonymous_segment>(); }

TEST(SeedsRow4, FatherAndSonTalkOverDevZero) { father_and_son<zero_segment>(); }

TEST(SeedsRow4, DevZeroIsReallyMapped) {
  const auto zero = zero_segment::create(4096);
  EXPECT_NE(test::mapping_at(zero.bytes().data()).find("/dev/zero"), std::string::npos);
}

TEST(SeedsRow4, DevZeroIsOpenedThroughItsName) {
  // An anonymous mapping shows up as "/dev/zero (deleted)" too: only a /dev/zero that cannot be opened tells them apart.
  const test::temp_directory root;
  auto child = child_process::fork([&] {
    if (::chroot(root.path().c_str()) != 0 || ::chdir("/") != 0) return 50;
    EXPECT_FALSE(test::thrown_by([] { (void)anonymous_segment::create(4096); }).reason);
    EXPECT_THAT(test::thrown_by([] { (void)zero_segment::create(4096); }),
                test::ThrewSaying(errc::not_found, "/dev/zero"));
    return 0;
  });
  const auto end = child.wait();
  if (end.code == 50) GTEST_SKIP() << "chroot needs root";
  EXPECT_TRUE(end.is_success()) << end;
}

TEST(SeedsRow6, SegmentStaysUsableAfterEveryDescriptorIsClosed) {
  const test::watchdog dog;
  const test::temp_registry names;
  auto child = child_process::fork([&] {
    const auto orders = channel<std::uint64_t>::create(*names, segment_name("orders"), {.capacity_slots = 4});
    auto out = orders.producer();
    auto in = orders.consumer();
    ::closefrom(3);
    for (std::uint64_t i = 0; i < 100; ++i) {
      std::uint64_t got = 0;
      if (!out.try_send(i) || !in.try_receive(got) || got != i) return 1;
    }
    return 0;
  });
  EXPECT_TRUE(child.wait().is_success());
}

TEST(SeedsRow7, BytesBehindTheEndOfTheFileReadZeroAndAreNeverWrittenBack) {
  const test::temp_directory directory;
  const auto path = directory / "odd";
  std::ofstream(path) << std::string(5000, 'x');
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  {
    const auto odd = file_segment::attach(path);
    const auto* const bytes = odd.bytes().data();
    EXPECT_TRUE(
        std::all_of(bytes + 5000, bytes + (5000 + page - 1) / page * page, [](auto b) { return b == std::byte{0}; }));
    odd.bytes().data()[5001] = std::byte{'y'};  // mapped, but not part of the file
  }
  std::ifstream in(path);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  EXPECT_EQ(text, std::string(5000, 'x'));
}

TEST(SeedsRow7, NothingOfOursLiesBehindTheEndOfTheFile) {
  const test::temp_registry names;
  const auto orders = channel<line>::create(*names, segment_name("orders"), {.capacity_slots = 16});
  const auto& header = orders.header();
  const auto info = names->inspect(segment_name("orders"));
  EXPECT_LE(header.asked_bytes, header.mapped_bytes);
  EXPECT_EQ(header.mapped_bytes % page_bytes, 0U);
  EXPECT_GE(info.length_bytes, header.mapped_bytes);
  const auto& ring = header.parts[0];
  EXPECT_LE(ring.body_offset + ring.slots.capacity_slots * ring.slots.slot_stride_bytes, header.asked_bytes);
}

TEST(SeedsRow8, AttachRefusesAFileThatIsShorterThanItsHeaderSays) {
  const test::temp_registry names;
  { (void)channel<line>::create(*names, segment_name("orders"), {.capacity_slots = 1024}); }
  ASSERT_EQ(::truncate(names.path("orders").c_str(), 5000), 0);
  EXPECT_THAT(test::thrown_by([&] { (void)channel<line>::attach(*names, segment_name("orders")); }),
              test::ThrewSaying(errc::truncated, "but there are 5000"));
}

TEST(SeedsRow8, AFileCutShortWhileMappedIsAnErrorAndNoDeath) {
  const test::watchdog dog;
  const test::temp_registry names;
  const auto orders = channel<line>::create(*names, segment_name("orders"), {.capacity_slots = 1024});
  auto out = orders.producer();
  ASSERT_TRUE(out.try_send(say("before")));
  ASSERT_EQ(::truncate(names.path("orders").c_str(), 5000), 0);
  EXPECT_THAT(test::thrown_by([&] {
                for (int i = 0; i < 1024; ++i) (void)out.try_send(say("after"));
              }),
              test::ThrewSaying(errc::truncated, "was cut short to 5000 bytes"));
}

TEST(SeedsRow16, TwoMappingsOfOneSegmentAtDifferentAddressesWorkTogether) {
  const test::watchdog dog;
  const test::temp_registry names;
  const auto here = names->create(segment_name("orders"), plan_channel<line>({.capacity_slots = 4}));
  const auto there = names->attach(segment_name("orders"));
  ASSERT_NE(here.memory().bytes().data(), there.memory().bytes().data());
  auto out = channel<line>(here).producer();
  auto in = channel<line>(there).consumer();
  for (int i = 0; i < 20; ++i) {  // several laps
    ASSERT_TRUE(out.try_send(say(std::to_string(i).c_str())));
    line heard{};
    ASSERT_TRUE(in.try_receive(heard));
    EXPECT_EQ(heard.text, std::to_string(i));
  }
}

TEST(SeedsRow16, NoAddressOfThisProcessIsInTheSharedBytes) {
  const test::temp_registry names;
  const auto orders = names->create(segment_name("orders"), plan_channel<line>({.capacity_slots = 4}));
  const channel<line> typed(orders);
  auto out = typed.producer();
  auto in = typed.consumer();
  ASSERT_TRUE(out.try_send(line{}));
  const auto bytes = orders.memory().bytes();
  const auto begin = reinterpret_cast<std::uint64_t>(bytes.data());
  for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, &bytes[at], sizeof word);
    EXPECT_FALSE(word >= begin && word < begin + bytes.size()) << "an address at offset " << at;
  }
}

TEST(SeedsRow17, NothingIsMappedWhenAChannelAndItsEndsHaveGone) {
  const test::temp_registry names;
  {
    const auto orders = channel<line>::create(*names, segment_name("orders"), {.capacity_slots = 4});
    auto out = orders.producer();
    auto in = orders.consumer();
    EXPECT_GT(test::mappings_that_name(names.directory()), 0);
  }
  EXPECT_EQ(test::mappings_that_name(names.directory()), 0);
}

TEST(SeedsRow18, TwoProcessesThatShareMemoryNeedNoLockToKeepEveryMessageInOrder) {
  const test::watchdog dog;
  constexpr std::uint64_t messages = 20'000;
  const auto numbers = channel<std::uint64_t>::create_unnamed({.capacity_slots = 8});
  auto child = child_process::fork([&] {
    auto out = numbers.producer();
    for (std::uint64_t i = 0; i < messages; ++i)
      if (out.send(i) != wait_result::ready) return 1;
    out.close();
    return 0;
  });
  auto in = numbers.consumer();
  std::uint64_t expected = 0;
  for (const auto& got : in) ASSERT_EQ(got, expected++);
  EXPECT_EQ(expected, messages);
  EXPECT_TRUE(child.wait().is_success());
}

}  // namespace
}  // namespace sluice::detail
