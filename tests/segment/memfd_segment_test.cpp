// Segments without a name: made, passed on, adopted.

#include "sluice/segment.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>

#include "sluice/channel.hpp"
#include "sluice/detail/part/mpmc/mpmc_ring.hpp"
#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/proc_maps.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail {
namespace {

using namespace std::chrono_literals;
using test::child_process;
using test::Threw;
using test::ThrewSaying;
using test::thrown_by;
using numbers = channel<std::uint64_t>;

std::uint64_t page() { return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)); }

TEST(MemfdSegment, CanNeitherBeShortenedNorLengthened) {
  const auto memory = memfd_segment::create(2 * page());
  const auto again = "/proc/self/fd/" + std::to_string(memory.file().descriptor);
  const int file = ::open(again.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(file, 0);
  EXPECT_NE(::ftruncate(file, 0), 0);
  EXPECT_EQ(errno, EPERM);
  EXPECT_NE(::ftruncate(file, static_cast<off_t>(4 * page())), 0);
  EXPECT_EQ(errno, EPERM);
  ::close(file);
  EXPECT_FALSE(memory.placement().is_guarded) << "nothing to guard against";
}

TEST(MemfdSegment, AttachedByItsDescriptorIsTheSameMemory) {
  const auto first = memfd_segment::create(page());
  const auto second = memfd_segment::attach(first.file().descriptor);
  second.bytes()[9] = std::byte{3};
  EXPECT_EQ(first.bytes()[9], std::byte{3});
  EXPECT_NE(first.file().descriptor, second.file().descriptor);
}

TEST(MemfdSegment, TwoHandlesOfOneProcessExcludeEachOther) {
  const auto made = numbers::create_unnamed<memfd_segment>({.capacity_slots = 4});
  const auto there = numbers::attach_in(memfd_segment::attach(made.memory().file().descriptor));
  auto out = made.producer();
  EXPECT_THAT(thrown_by([&] { (void)there.producer(); }),
              ThrewSaying(errc::seat_taken, "pid " + std::to_string(::getpid())));
  auto in = there.consumer();
  ASSERT_TRUE(out.try_send(7));
  EXPECT_EQ(in.try_receive(), 7U);
}

TEST(MemfdSegment, OneThatIsNotSealedIsGuarded) {
  const int file = ::memfd_create("foreign", MFD_CLOEXEC);
  ASSERT_EQ(::ftruncate(file, static_cast<off_t>(page())), 0);
  const auto memory = memfd_segment::attach(file);
  EXPECT_TRUE(memory.placement().is_guarded);
  ASSERT_EQ(::ftruncate(file, 0), 0);
  EXPECT_EQ(std::to_integer<int>(*static_cast<volatile std::byte*>(memory.bytes().data())), 0);
  EXPECT_TRUE(memory.is_lost());
  ::close(file);
}

TEST(MemfdSegment, WhatIsNoFileIsRefused) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  EXPECT_THAT(thrown_by([&] { (void)memfd_segment::attach(ends[0]); }), Threw(errc::not_a_segment));
  ::close(ends[0]);
  ::close(ends[1]);
  EXPECT_THAT(thrown_by([&] { (void)memfd_segment::attach(ends[0]); }), ThrewSaying(errc::bad_argument, "not open"));
  const int empty = ::memfd_create("empty", MFD_CLOEXEC);
  EXPECT_THAT(thrown_by([&] { (void)memfd_segment::attach(empty); }), Threw(errc::half_made));
  ::close(empty);
}

TEST(MemfdSegment, WhatIsNotFormattedCannotBeAttached) {
  EXPECT_THAT(thrown_by([] { (void)numbers::attach_in(memfd_segment::create(4096)); }), Threw(errc::half_made));
}

// ---- To another program -----------------------------------------------------------------------------------------------

struct HandedOver : ::testing::Test {
  test::watchdog dog;
  numbers channel = numbers::create_unnamed<memfd_segment>({.capacity_slots = 4});

  void send_hundred_to(child_process& program) {
    auto out = channel.producer();
    for (std::uint64_t i = 1; i <= 100; ++i) ASSERT_EQ(out.send(i), wait_result::ready);
    out.close();
    EXPECT_EQ(program.read_line(), "5050");
    EXPECT_TRUE(program.wait().is_success());
  }
  void expect_death_is_noticed(child_process& program) {
    ASSERT_EQ(program.read_line(), "seated");
    EXPECT_THAT(thrown_by([&] { (void)channel.producer(); }),
                ThrewSaying(errc::seat_taken, std::to_string(program.pid())));
    auto in = channel.consumer();
    program.kill();
    std::uint64_t got = 0;
    EXPECT_EQ(in.receive(got), wait_result::peer_gone);
    auto out = channel.producer();  // the dead one's seat
    EXPECT_TRUE(out.try_send(1));
  }
};

using SeedsRow5 = HandedOver;

TEST_F(SeedsRow5, AfterExecTheMappingIsGoneButAPassedDescriptorIsAttachedAgain) {
  const int passed = inheritable_descriptor(channel.memory());
  auto program = child_process::exec("peer_descriptor", {"inherit", std::to_string(passed)});
  ::close(passed);
  send_hundred_to(program);
}

TEST_F(SeedsRow5, TheSegmentsOwnDescriptorDoesNotSurviveExec) {
  auto program =
      child_process::exec("peer_descriptor", {"inherit", std::to_string(channel.memory().file().descriptor)});
  const auto line = program.read_line();
  ASSERT_TRUE(line);
  EXPECT_EQ(line->rfind("error", 0), 0U) << *line;
}

TEST_F(HandedOver, ADeathAfterExecIsToldByTheKernel) {
  const int passed = inheritable_descriptor(channel.memory());
  auto program = child_process::exec("peer_descriptor", {"inherit", std::to_string(passed), "produce"});
  ::close(passed);
  expect_death_is_noticed(program);
}

/// A unix socket with a name, and the first connection to it.
struct listener {
  explicit listener(const std::string& path) : socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(socket, 1), 0);
  }
  ~listener() { ::close(socket); }
  [[nodiscard]] int connection() const { return ::accept4(socket, nullptr, nullptr, SOCK_CLOEXEC); }
  int socket;
};

TEST_F(HandedOver, AProgramThatConnectsIsOfferedTheChannel) {
  const test::temp_directory directory;
  const listener here(directory / "socket");
  auto program = child_process::exec("peer_descriptor", {"accept", directory / "socket"});
  const int connection = here.connection();
  channel.offer(connection);
  ::close(connection);
  send_hundred_to(program);
}

TEST_F(HandedOver, ADeathBehindASocketIsToldByTheKernel) {
  const test::temp_directory directory;
  const listener here(directory / "socket");
  auto program = child_process::exec("peer_descriptor", {"accept", directory / "socket", "produce"});
  const int connection = here.connection();
  channel.offer(connection);
  expect_death_is_noticed(program);
  ::close(connection);
}

struct Offer : ::testing::Test {
  test::watchdog dog;
  int ends[2] = {-1, -1};
  Offer() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0); }
  ~Offer() override {
    for (const int end : ends)
      if (end >= 0) ::close(end);
  }
};

TEST_F(Offer, SegmentsOfEveryKindWithADescriptorArrive) {
  const test::temp_directory directory;
  const auto named = file_segment::create(directory / "file", page());
  const auto memfd = memfd_segment::create(page());
  const auto region = adopted_segment::map(named.file().descriptor, page());
  for (const auto* sent : {&named, &memfd, &region}) {
    offer(ends[0], *sent);
    const auto got = sluice::accept(ends[1]);
    sent->bytes()[3] = std::byte{9};
    EXPECT_EQ(got.bytes()[3], std::byte{9});
    EXPECT_EQ(got.bytes().size(), sent->bytes().size());
  }
}

TEST_F(Offer, WithoutADescriptorThereIsNothingToOffer) {
  EXPECT_THAT(thrown_by([&] { offer(ends[0], anonymous_segment::create(page())); }),
              ThrewSaying(errc::bad_argument, "memfd_segment"));
  EXPECT_THAT(thrown_by([&] { (void)inheritable_descriptor(zero_segment::create(page())); }),
              Threw(errc::bad_argument));
}

TEST_F(Offer, WhoseDescriptorsWereClosedSendsTheFileOfTheNameOrSaysSo) {
  const test::temp_directory directory;
  const auto end =
      child_process::fork([&] {
        const auto named = file_segment::create(directory / "file", page());
        const auto memfd = memfd_segment::create(page());
        for (int i = 3; i < 256; ++i)
          if (i != ends[0] && i != ends[1]) ::close(i);
        for (int i = 0; i < 64; ++i) (void)::open("/dev/null", O_RDWR | O_CLOEXEC);  // the segments' numbers among them
        offer(ends[0], named);
        const auto got = sluice::accept(ends[1]);
        named.bytes()[3] = std::byte{9};
        EXPECT_EQ(got.bytes()[3], std::byte{9});
        const int number = inheritable_descriptor(named);
        EXPECT_EQ(memfd_segment::attach(number).bytes()[3], std::byte{9});
        const auto words = "the program closed descriptor";
        EXPECT_THAT(thrown_by([&] { offer(ends[0], memfd); }), ThrewSaying(errc::not_found, words));
        EXPECT_THAT(thrown_by([&] { (void)inheritable_descriptor(memfd); }), ThrewSaying(errc::not_found, words));
      }).wait();
  EXPECT_TRUE(end.is_success()) << end;
}

TEST_F(Offer, ToAClosedSocketIsNotFoundAndNoDeath) {
  ::close(std::exchange(ends[1], -1));
  EXPECT_THAT(thrown_by([&] { offer(ends[0], memfd_segment::create(page())); }), Threw(errc::not_found));
  EXPECT_THAT(thrown_by([&] { (void)sluice::accept(ends[0]); }), Threw(errc::not_found));
}

TEST_F(Offer, ThroughWhatIsNoSocketIsRefused) {
  EXPECT_THAT(thrown_by([&] { offer(STDERR_FILENO, memfd_segment::create(page())); }), Threw(errc::bad_argument));
  EXPECT_THAT(thrown_by([&] { (void)sluice::accept(-1); }), Threw(errc::bad_argument));
}

TEST_F(Offer, WhatWasNotOfferedIsNotASegment) {
  const char noise[32] = "these are thirty-two bytes, not";
  ASSERT_EQ(::write(ends[0], noise, sizeof noise), 32);
  EXPECT_THAT(thrown_by([&] { (void)sluice::accept(ends[1]); }), Threw(errc::not_a_segment));
  ASSERT_EQ(::write(ends[0], noise, 5), 5);
  ::close(std::exchange(ends[0], -1));
  EXPECT_THAT(thrown_by([&] { (void)sluice::accept(ends[1]); }), Threw(errc::not_a_segment));
}

// ---- Adopted ----------------------------------------------------------------------------------------------------------

struct Adopted : ::testing::Test {
  test::watchdog dog;
  test::temp_directory directory;
  std::string path = directory / "large";
  int file = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  std::uint64_t length = 64 * page();
  Adopted() { EXPECT_EQ(::ftruncate(file, static_cast<off_t>(length)), 0); }
  ~Adopted() override { ::close(file); }
};

using SeedsRow13 = Adopted;

TEST_F(SeedsRow13, ASegmentMayBeginAtAPageOfALargerFile) {
  const auto memory = adopted_segment::map(file, page(), 3 * page());
  memory.bytes()[1] = std::byte{'a'};
  char byte = 0;
  ASSERT_EQ(::pread(file, &byte, 1, static_cast<off_t>(3 * page() + 1)), 1);
  EXPECT_EQ(byte, 'a');
}

TEST_F(SeedsRow13, AnOffsetWithinAPageIsRefused) {
  EXPECT_THAT(thrown_by([&] { (void)adopted_segment::map(file, page(), 100); }),
              ThrewSaying(errc::bad_argument, "multiple of the page size, " + std::to_string(page())));
}

TEST_F(SeedsRow13, ARegionBeyondTheFileIsRefused) {
  EXPECT_THAT(thrown_by([&] { (void)adopted_segment::map(file, 2 * page(), length - page()); }),
              ThrewSaying(errc::truncated, std::to_string(length)));
  EXPECT_THAT(thrown_by([&] { (void)adopted_segment::map(file, 0); }), Threw(errc::bad_argument));
  EXPECT_THAT(thrown_by([&] { (void)adopted_segment::map(file, page(), std::uint64_t{1} << 60); }),
              Threw(errc::bad_argument));
}

TEST_F(Adopted, TwoChannelsInOneFileDoNotKnowOfEachOther) {
  const auto first = numbers::create_in(adopted_segment::map(file, 8 * page(), 0), {.capacity_slots = 4});
  const auto second = numbers::create_in(adopted_segment::map(file, 8 * page(), 8 * page()), {.capacity_slots = 4});
  auto out_first = first.producer();
  auto out_second = second.producer();  // the same seat of the same ring, with a byte of its own
  const auto again = numbers::attach_in(adopted_segment::map(file, 8 * page(), 8 * page()));
  EXPECT_THAT(thrown_by([&] { (void)again.producer(); }), Threw(errc::seat_taken));
  ASSERT_TRUE(out_first.try_send(1));
  ASSERT_TRUE(out_second.try_send(2));
  EXPECT_EQ(first.consumer().try_receive(), 1U);
  EXPECT_EQ(again.consumer().try_receive(), 2U);
}

TEST_F(Adopted, BytesThatMayBeInUseAreNotFormatted) {
  ASSERT_EQ(::pwrite(file, "x", 1, 2000), 1);
  EXPECT_THAT(
      thrown_by([&] { (void)numbers::create_in(adopted_segment::map(file, 8 * page()), {.capacity_slots = 4}); }),
      ThrewSaying(errc::bad_argument, "not zero"));
}

TEST_F(Adopted, CutShortIsTruncated) {
  const auto channel = numbers::create_in(adopted_segment::map(file, 8 * page(), 8 * page()), {.capacity_slots = 4});
  auto out = channel.producer();
  ASSERT_EQ(::ftruncate(file, static_cast<off_t>(8 * page())), 0);
  EXPECT_THAT(thrown_by([&] {
                (void)out.try_send(1);
                (void)out.try_send(2);
              }),
              Threw(errc::truncated));
}

TEST_F(Adopted, ADescriptorForReadingServesAReadOnlyView) {
  const int reading = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  EXPECT_FALSE(adopted_segment::map(reading, page(), 0, {.access = view::read_only}).placement().is_writable);
  ::close(reading);
}

TEST(SeedsRow14, AMemfdMadeElsewhereIsAdopted) {
  const test::watchdog dog;
  const int file = ::memfd_create("foreign", MFD_CLOEXEC);
  ASSERT_EQ(::ftruncate(file, static_cast<off_t>(8 * page())), 0);
  const auto channel = numbers::create_in(adopted_segment::map(file, 8 * page()), {.capacity_slots = 4});
  ::close(file);
  auto child = child_process::fork([&] { return channel.producer().send(7) == wait_result::ready ? 0 : 1; });
  auto in = channel.consumer();
  std::uint64_t got = 0;
  EXPECT_EQ(in.receive(got), wait_result::ready);
  EXPECT_EQ(got, 7U);
  EXPECT_TRUE(child.wait().is_success());
}

TEST(SeedsRow14, ADeviceIsAdoptedAndTheDeadAreToldThereAsWell) {
  const test::watchdog dog;
  const int device = ::open("/dev/zero", O_RDWR | O_CLOEXEC);
  ASSERT_GE(device, 0);
  const auto channel = numbers::create_in(adopted_segment::map(device, 8 * page(), 4 * page()), {.capacity_slots = 4});
  ::close(device);
  EXPECT_FALSE(channel.memory().has_file()) << "a lock on the device would be a lock for the whole machine";
  auto child = child_process::fork([&] {
    auto out = channel.producer();
    if (out.send(7) != wait_result::ready) return 1;
    for (;;) ::pause();
  });
  auto in = channel.consumer();
  std::uint64_t got = 0;
  ASSERT_EQ(in.receive(got), wait_result::ready);
  EXPECT_EQ(got, 7U);
  child.kill();
  EXPECT_EQ(in.receive(got), wait_result::peer_gone);
}

}  // namespace
}  // namespace sluice::detail
