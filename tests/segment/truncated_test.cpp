// A file that is cut short while processes use it: none dies of it, and each is told.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "sluice/channel.hpp"
#include "sluice/detail/part/mpmc/mpmc_ring.hpp"
#include "sluice/registry.hpp"
#include "sluice/segment.hpp"
#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/pipe_signal.hpp"
#include "support/proc_maps.hpp"
#include "support/small_filesystem.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail {
namespace {

using namespace std::chrono_literals;
using test::child_process;
using test::pipe_signal;
using test::Threw;
using test::ThrewSaying;
using test::thrown_by;

/// As the other program would: by its name.
void cut(const std::string& path, std::uintmax_t bytes = 0) { std::filesystem::resize_file(path, bytes); }

struct Truncated : ::testing::Test {
  test::watchdog dog;
  test::temp_directory directory;
  std::string path = directory / "orders";
};

int touch(const segment& memory, std::size_t at) {
  return std::to_integer<int>(*static_cast<volatile std::byte*>(&memory.bytes()[at]));
}

TEST_F(Truncated, MemoryReadsZeroAndCanStillBeWritten) {
  const auto memory = file_segment::create(path, 3 * 4096);
  memory.bytes()[5000] = std::byte{7};
  ASSERT_TRUE(memory.placement().is_guarded);
  EXPECT_FALSE(memory.is_lost());
  cut(path);
  EXPECT_EQ(touch(memory, 5000), 0);
  EXPECT_TRUE(memory.is_lost());
  memory.bytes()[5000] = std::byte{8};
  EXPECT_EQ(touch(memory, 5000), 8);
  EXPECT_THAT(thrown_by([&] { memory.require_whole("\"orders\""); }), ThrewSaying(errc::truncated, path));
}

TEST_F(Truncated, OnlyTheSegmentThatWasCutIsLost) {
  const auto cut_one = file_segment::create(path, 4096);
  const auto other = file_segment::create(directory / "other", 4096);
  other.bytes()[0] = std::byte{7};
  cut(path);
  (void)touch(cut_one, 0);
  EXPECT_TRUE(cut_one.is_lost());
  EXPECT_FALSE(other.is_lost());
  EXPECT_EQ(touch(other, 0), 7);
}

TEST_F(Truncated, AReadOnlyViewStaysReadOnly) {
  { (void)file_segment::create(path, 4096); }
  const auto memory = file_segment::attach(path, {.access = view::read_only});
  cut(path);
  EXPECT_EQ(touch(memory, 0), 0);
  EXPECT_NE(test::mapping_at(memory.bytes().data()).find("r--p"), std::string::npos);
}

TEST_F(Truncated, WithinWhatIsLeftOfItIsSeenByItsLength) {
  const auto memory = file_segment::create(path, 4 * 4096);
  cut(path, 3 * 4096);
  EXPECT_FALSE(memory.is_lost()) << "nothing that is missing was touched";
  EXPECT_THAT(thrown_by([&] { memory.require_whole("\"orders\""); }), ThrewSaying(errc::truncated, "12288"));
  EXPECT_TRUE(memory.is_lost());
}

TEST_F(Truncated, IsUnmappedWholeAllTheSame) {
  const void* at = nullptr;
  {
    const auto memory = file_segment::create(path, 3 * 4096);
    cut(path);
    (void)touch(memory, 4096);
    at = memory.bytes().data();
  }
  EXPECT_EQ(test::mapping_at(at), "");
}

TEST_F(Truncated, WithoutTheGuardItKills) {
  auto child = child_process::fork([&] {
    const auto memory = file_segment::create(path, 4096, 0600, {.guard = false});
    cut(path);
    return touch(memory, 0);
  });
  const auto end = child.wait();
  EXPECT_EQ(end.signal, SIGBUS) << end;
}

TEST_F(Truncated, TheGuardHoldsInAForkedChildAndTheParentNoticesByItself) {
  const auto memory = file_segment::create(path, 4096);
  cut(path);
  auto child = child_process::fork([&] { return touch(memory, 0) == 0 && memory.is_lost() ? 0 : 1; });
  EXPECT_TRUE(child.wait().is_success());
  EXPECT_FALSE(memory.is_lost()) << "what the child lost is the child's";
  EXPECT_EQ(touch(memory, 0), 0);
  EXPECT_TRUE(memory.is_lost());
}

// ---- Other handlers ---------------------------------------------------------------------------------------------------

std::atomic<int> caught{0};
struct sigaction before_ours;

void pass_on_or_count(int number, siginfo_t* info, void* context) {
  ++caught;
  before_ours.sa_sigaction(number, info, context);
}
void ask_first(int, siginfo_t* info, void*) {
  ++caught;
  if (!catch_segment_fault(info->si_addr)) ::_exit(3);
}

struct sigaction handler_of(void (*handler)(int, siginfo_t*, void*)) {
  struct sigaction action {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO;
  return action;
}

/// A mapping that is not ours and whose file is gone.
volatile int* foreign_broken_page(const std::string& path) {
  std::ofstream(path) << std::string(4096, 'x');
  const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  auto* const at = static_cast<volatile int*>(::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, file, 0));
  ::close(file);
  cut(path);
  return at;
}

// A handler from before the first segment was mapped can only be tried in a fresh program.

TEST_F(Truncated, AHandlerThatWasThereBeforeGetsWhatIsNotOurs) {
  auto program = child_process::exec("sigbus_before", {"handler", path});
  EXPECT_TRUE(program.wait().is_success());
}

TEST_F(Truncated, AHandlerWithoutInformationIsCalledAsItWishes) {
  auto program = child_process::exec("sigbus_before", {"once", path});
  EXPECT_EQ(program.read_line(), "caught");
  const auto end = program.wait();
  EXPECT_EQ(end.signal, SIGBUS) << end;  // SA_RESETHAND: the second one was not caught any more
}

TEST_F(Truncated, ASigbusThatIsNotOursKillsAsItAlwaysDid) {
  auto fault = child_process::exec("sigbus_before", {"fault", path});
  EXPECT_EQ(fault.wait().signal, SIGBUS);
  auto sent = child_process::exec("sigbus_before", {"sent", directory / "sent"});
  EXPECT_EQ(sent.wait().signal, SIGBUS);
}

TEST_F(Truncated, AnIgnoredSigbusThatIsSentIsStillIgnored) {
  auto program = child_process::exec("sigbus_before", {"ignored", path});
  EXPECT_TRUE(program.wait().is_success());
}

TEST_F(Truncated, AHandlerInstalledLaterThatPassesOnKeepsTheGuard) {
  auto child = child_process::fork([&] {
    const auto memory = file_segment::create(path, 4096);
    auto mine = handler_of(&pass_on_or_count);
    ::sigaction(SIGBUS, &mine, &before_ours);
    cut(path);
    return touch(memory, 0) == 0 && memory.is_lost() && caught == 1 ? 0 : 1;
  });
  EXPECT_TRUE(child.wait().is_success());
}

TEST_F(Truncated, AHandlerInstalledLaterMayAskUs) {
  auto child = child_process::fork([&] {
    const auto memory = file_segment::create(path, 4096);
    auto mine = handler_of(&ask_first);
    ::sigaction(SIGBUS, &mine, nullptr);
    cut(path);
    if (touch(memory, 0) != 0 || !memory.is_lost() || caught != 1) return 1;
    return *foreign_broken_page(directory / "foreign");  // is not ours: the handler ends us with 3
  });
  EXPECT_EQ(child.wait().code, 3);
}

TEST_F(Truncated, AFaultWithinAnotherSignalsHandlerIsCaught) {
  static const segment* inner;
  const auto memory = file_segment::create(path, 4096);
  inner = &memory;
  cut(path);
  struct sigaction mine {};
  mine.sa_handler = [](int) { (void)touch(*inner, 0); };
  struct sigaction old {};
  ::sigaction(SIGUSR1, &mine, &old);
  ::raise(SIGUSR1);
  ::sigaction(SIGUSR1, &old, nullptr);
  EXPECT_TRUE(memory.is_lost());
}

// ---- Threads ----------------------------------------------------------------------------------------------------------

TEST_F(Truncated, ManyThreadsAtOnceAllGoOn) {
  const auto memory = file_segment::create(path, 64 * 4096);
  std::atomic<bool> go{false};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      while (!go) std::this_thread::yield();
      for (std::size_t page = 0; page < 64; ++page) (void)touch(memory, (page + 16 * t) % 64 * 4096);
    });
  cut(path);
  go = true;
  for (auto& thread : threads) thread.join();
  EXPECT_TRUE(memory.is_lost());
}

TEST_F(Truncated, SegmentsThatComeAndGoMeanwhileAreNotHarmed) {
  // A range that is unmapped is never replaced: what lies at its addresses afterwards is another's.
  std::atomic<bool> is_over{false};
  std::thread comes_and_goes([&] {
    for (int i = 0; !is_over; ++i) {
      const auto name = directory / ("other" + std::to_string(i % 8));
      std::filesystem::remove(name);
      const auto memory = file_segment::create(name, 4096);
      memory.bytes()[0] = std::byte{7};
      ASSERT_EQ(touch(memory, 0), 7);
      ASSERT_FALSE(memory.is_lost());
    }
  });
  for (int i = 0; i < 300; ++i) {
    std::filesystem::remove(path);
    const auto memory = file_segment::create(path, 4096);
    cut(path);
    EXPECT_EQ(touch(memory, 0), 0);
    EXPECT_TRUE(memory.is_lost());
  }
  is_over = true;
  comes_and_goes.join();
}

TEST_F(Truncated, MoreSegmentsThanOneBlockOfPlacesAreAllGuarded) {
  std::vector<segment> many;
  for (int i = 0; i < 150; ++i) many.push_back(file_segment::create(path + std::to_string(i), 4096));
  for (int i = 0; i < 150; ++i) cut(path + std::to_string(i));
  for (const auto& one : many) {
    EXPECT_EQ(touch(one, 0), 0);
    EXPECT_TRUE(one.is_lost());
  }
}

// ---- Channels ---------------------------------------------------------------------------------------------------------

template <class Ring>
struct TruncatedChannel : ::testing::Test {
  using link = channel<std::uint64_t, Ring>;
  test::watchdog dog;
  test::temp_registry names;
  segment_name name{"orders"};
  std::string path = names.path("orders");
  link made = link::create(*names, name, {.capacity_slots = 8});
};
using rings = ::testing::Types<spsc_ring, mpmc_ring>;
struct ring_name {
  template <class Ring>
  static std::string GetName(int) {
    return to_string(Ring::kind);
  }
};
TYPED_TEST_SUITE(TruncatedChannel, rings, ring_name);

TYPED_TEST(TruncatedChannel, BothProcessesGetAnErrorAndLiveOn) {
  pipe_signal ready;
  pipe_signal is_cut;
  auto child = child_process::fork([&] {
    auto in = this->made.consumer();
    std::uint64_t got = 0;
    if (in.receive(got) != wait_result::ready || got != 1) return 1;
    ready.tell();
    is_cut.only_wait();
    if (!is_cut.is_told()) return 2;
    std::string text;
    for (int i = 0; i < 100 && text.empty(); ++i) {  // waits: at the first tick at the latest
      const auto end = thrown_by([&] { (void)in.receive_for(got, 10s); });
      if (end.reason) {
        if (end.reason != errc::truncated) return 3;
        text = end.text;
      }
    }
    if (text.find(this->path) == std::string::npos) return 4;
    const auto again = thrown_by([&] { (void)in.try_receive(got); });
    return again.reason == errc::truncated ? 0 : 5;
  });
  auto out = this->made.producer();
  ASSERT_EQ(out.send(1), wait_result::ready);
  ready.only_wait();
  ASSERT_TRUE(ready.is_told());
  cut(this->path);
  is_cut.tell();
  const auto end = thrown_by([&] {
    for (int i = 0; i < 1000; ++i) (void)out.send_for(2, 10s);
  });
  EXPECT_THAT(end, ThrewSaying(errc::truncated, this->path));
  EXPECT_THAT(thrown_by([&] { (void)out.try_send(3); }), Threw(errc::truncated));
  EXPECT_THAT(thrown_by([&] { (void)out.try_claim(); }), Threw(errc::truncated));
  EXPECT_THAT(thrown_by([&] { out.close(); }), Threw(errc::truncated));
  const auto child_end = child.wait();
  EXPECT_TRUE(child_end.is_success()) << child_end;
}

TYPED_TEST(TruncatedChannel, AParkedConsumerNoticesByItsTick) {
  pipe_signal about_to_park;
  pipe_signal noticed;
  auto child = child_process::fork([&] {
    auto in = this->made.template consumer<park>();
    about_to_park.tell();
    std::uint64_t got = 0;
    const auto end = thrown_by([&] { (void)in.receive(got); });
    noticed.tell();
    return end.reason == errc::truncated ? 0 : 1;
  });
  about_to_park.only_wait();
  ASSERT_TRUE(about_to_park.is_told());
  while (true) {  // until it sleeps
    const auto info = this->names->inspect(this->name);
    if (!info.rings.empty() && !info.rings[0].seats.empty() && info.rings[0].seats.back().is_parked) break;
    std::this_thread::sleep_for(1ms);
  }
  cut(this->path);
  noticed.only_wait();
  EXPECT_TRUE(noticed.is_told());
  EXPECT_TRUE(child.wait().is_success());
}

TYPED_TEST(TruncatedChannel, AParkedConsumerNoticesACutBehindWhatItLooksAt) {
  const auto big =
      channel<std::uint64_t, TypeParam>::create(*this->names, segment_name("big"), {.capacity_slots = 4096});
  auto in = big.template consumer<park>();
  cut(this->names.path("big"), big.header().mapped_bytes - 4096);
  std::uint64_t got = 0;
  EXPECT_THAT(thrown_by([&] { (void)in.receive(got); }), Threw(errc::truncated));
}

TYPED_TEST(TruncatedChannel, AProducerThatWaitsForRoomIsToldTruncatedAndNotCorrupted) {
  auto out = this->made.template producer<park>();
  auto in = this->made.consumer();
  for (std::uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(out.try_send(i));
  std::thread cutter([&] { cut(this->path); });
  EXPECT_THAT(thrown_by([&] {
                for (;;) (void)out.send(9);
              }),
              Threw(errc::truncated));
  cutter.join();
}

TYPED_TEST(TruncatedChannel, HandlesOfALostSegmentGoAwayInPeace) {
  auto out = this->made.producer();
  auto in = this->made.consumer();
  auto slot = out.try_claim();
  ASSERT_TRUE(slot);
  cut(this->path);
  *slot = 7;
  slot.publish();
  EXPECT_THAT(thrown_by([&] {
                (void)in.try_peek();
                (void)in.try_peek();
              }),
              Threw(errc::truncated));
}

TYPED_TEST(TruncatedChannel, NewEndsAndNewAttachersAreRefused) {
  cut(this->path, 2048);
  EXPECT_THAT(thrown_by([&] { (void)this->made.producer(); }), Threw(errc::truncated));
  EXPECT_THAT(thrown_by([&] { (void)TestFixture::link::attach(*this->names, this->name); }), Threw(errc::truncated));
  EXPECT_THAT(thrown_by([&] { (void)this->made.consumer(); }), Threw(errc::truncated)) << "once it is known as well";
}

TYPED_TEST(TruncatedChannel, LookingSaysSoAndDoesNoHarm) {
  auto out = this->made.producer();
  cut(this->path, 1000);
  const auto info = this->names->inspect(this->name);
  EXPECT_EQ(info.state, segment_state::broken);
  EXPECT_EQ(info.problem_code, errc::truncated);
  EXPECT_TRUE(info.is_in_use) << "the producer is attached still";
  const auto all = this->names->list();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].problem_code, errc::truncated);
  EXPECT_THAT(thrown_by([&] { (void)this->names->slots(this->name, 0, 8); }), Threw(errc::truncated));
}

TYPED_TEST(TruncatedChannel, TheNameCanBeRemovedAndUsedAnew) {
  {
    auto out = this->made.producer();
    cut(this->path);
    EXPECT_THAT(thrown_by([&] { (void)this->names->remove(this->name); }), Threw(errc::in_use));
  }
  this->names->remove(this->name, true);
  const auto anew = TestFixture::link::create(*this->names, this->name, {.capacity_slots = 8});
  auto out = anew.producer();
  EXPECT_TRUE(out.try_send(1));
  EXPECT_THAT(thrown_by([&] { (void)this->made.producer(); }), Threw(errc::truncated)) << "the old one stays lost";
}

TYPED_TEST(TruncatedChannel, ADrainedRingIsNotClaimedOfALostOne) {
  auto out = this->made.producer();
  auto in = this->made.consumer();
  ASSERT_TRUE(out.try_send(1));
  cut(this->path);
  EXPECT_THAT(thrown_by([&] { EXPECT_NE(out.drain_for(10s), wait_result::ready); }), Threw(errc::truncated));
  EXPECT_FALSE(out.is_drained());
}

TYPED_TEST(TruncatedChannel, AMessageThatWasCutAwayWhileItWasCopiedIsNotHandedOver) {
  struct large {
    std::uint64_t words[1024];
  };
  const auto wide = channel<large, TypeParam>::create(*this->names, segment_name("large"), {.capacity_slots = 2});
  auto out = wide.producer();
  auto in = wide.consumer();
  auto slot = out.try_claim();
  ASSERT_TRUE(slot);
  for (auto& word : slot->words) word = 7;
  slot.publish();
  // The slot's word stays, the end of its message goes.
  const auto& ring = wide.header().parts[0];
  cut(this->names.path("large"), (ring.body_offset + ring.slots.payload_offset + 4096) / 4096 * 4096);
  static large into;
  EXPECT_THAT(thrown_by([&] { (void)in.try_receive(into); }), Threw(errc::truncated));
}

// ---- Replaced ---------------------------------------------------------------------------------------------------------

TYPED_TEST(TruncatedChannel, AnotherSegmentWrittenOverItIsNoticed) {
  const auto other =
      channel<std::uint64_t, TypeParam>::create(*this->names, segment_name("other"), {.capacity_slots = 8});
  auto in = this->made.template consumer<park>();
  {  // as cp does, but for the moment in which the file is short
    std::ifstream from(this->names.path("other"), std::ios::binary);
    std::fstream to(this->path, std::ios::binary | std::ios::in | std::ios::out);
    to << from.rdbuf();
  }
  std::uint64_t got = 0;
  EXPECT_THAT(thrown_by([&] { (void)in.receive(got); }), ThrewSaying(errc::corrupted, "written over"));
}

TYPED_TEST(TruncatedChannel, AFileRenamedOverTheNameIsAnotherSegmentForALaterAttach) {
  const auto other =
      channel<std::uint64_t, TypeParam>::create(*this->names, segment_name("other"), {.capacity_slots = 8});
  std::filesystem::rename(this->names.path("other"), this->path);
  const auto now = TestFixture::link::attach(*this->names, this->name);
  EXPECT_EQ(now.header().creation_id, other.header().creation_id);
  EXPECT_NE(now.header().creation_id, this->made.header().creation_id);
  auto child = child_process::fork([&] {  // that inherited the old one: it joins by its name, which leads elsewhere
    return thrown_by([&] { (void)this->made.producer(); }).reason == errc::not_found ? 0 : 1;
  });
  EXPECT_TRUE(child.wait().is_success());
  auto out = this->made.producer();  // a holder of the old one goes on with it
  EXPECT_TRUE(out.try_send(1));
}

// ---- A page that cannot be had ----------------------------------------------------------------------------------------

TEST(NoReserve, AFullFilesystemIsAnErrorAndNotADeath) {
  const test::watchdog dog;
  const auto small = test::small_filesystem::tmpfs(64);
  if (!small) GTEST_SKIP() << "mounting a tmpfs needs root";
  const auto sparse = channel<std::uint64_t>::create(registry(small->path() + "/names"), segment_name("sparse"),
                                                     {.capacity_slots = 1 << 16, .memory = {.no_reserve = true}});
  auto out = sparse.producer();
  const auto end = thrown_by([&] {
    for (std::uint64_t i = 0; i < 1 << 16; ++i) (void)out.try_send(i);
  });
  EXPECT_THAT(end, ThrewSaying(errc::no_space, "no_reserve"));
}

}  // namespace
}  // namespace sluice::detail
