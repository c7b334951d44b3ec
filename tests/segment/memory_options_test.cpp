// How memory is mapped, and what is said when it cannot be.

#include "sluice/options.hpp"
#include "sluice/registry.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "sluice/channel.hpp"
#include "sluice/detail/part/mpmc/mpmc_ring.hpp"
#include "sluice/segment.hpp"
#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/huge_pages.hpp"
#include "support/proc_maps.hpp"
#include "support/sanitizer.hpp"
#include "support/small_filesystem.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail {
namespace {

using test::child_process;
using test::reserved_huge_pages;
using test::Threw;
using test::ThrewSaying;
using test::thrown_by;
using numbers = channel<std::uint64_t>;

struct MemoryOptions : ::testing::Test {
  test::watchdog dog;
  test::temp_directory directory;
  std::string path = directory / "orders";
};
using SeedsRow2 = MemoryOptions;
using SeedsRow12 = MemoryOptions;
using SeedsRow15 = MemoryOptions;

std::uint64_t page() { return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)); }

std::size_t resident_pages(const segment& memory) {
  std::vector<unsigned char> pages(memory.bytes().size() / page());
  EXPECT_EQ(::mincore(memory.bytes().data(), memory.bytes().size(), pages.data()), 0);
  return static_cast<std::size_t>(std::count_if(pages.begin(), pages.end(), [](auto p) { return (p & 1) != 0; }));
}

/// "VmLck", "VmRSS": in KiB.
std::uint64_t status_kib(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(field + ":")) return std::strtoull(line.c_str() + field.size() + 1, nullptr, 10);
  return 0;
}

bool become_nobody() { return ::setresgid(65534, 65534, 65534) == 0 && ::setresuid(65534, 65534, 65534) == 0; }

// ---- Private and read-only views --------------------------------------------------------------------------------------

TEST_F(SeedsRow2, APrivateViewIsWrittenToAndDisturbsNoOther) {
  const auto shared = file_segment::create(path, 2 * page());
  shared.bytes()[0] = std::byte{1};
  const auto mine = file_segment::attach(path, {.access = view::private_copy});
  EXPECT_EQ(mine.bytes()[0], std::byte{1});
  mine.bytes()[1] = std::byte{2};
  EXPECT_EQ(shared.bytes()[1], std::byte{0});
  EXPECT_EQ(file_segment::attach(path).bytes()[1], std::byte{0}) << "the file stays as it was";
  EXPECT_NE(test::mapping_at(mine.bytes().data()).find("rw-p"), std::string::npos);
}

TEST_F(SeedsRow2, APrivateViewDoesNotSeeWhatAnotherProcessChangesAfterwards) {
  const auto shared = file_segment::create(path, page());
  const auto mine = file_segment::attach(path, {.access = view::private_copy});
  mine.bytes()[1] = std::byte{2};  // from now on the page is ours
  auto other = child_process::exec("peer_byte", {"set", path, "5", "42"});
  ASSERT_EQ(other.read_line(), "done");
  EXPECT_EQ(shared.bytes()[5], std::byte{42});
  EXPECT_EQ(mine.bytes()[5], std::byte{0});
}

TEST_F(SeedsRow12, AReadOnlyViewCannotBeWrittenTo) {
  { (void)file_segment::create(path, page()); }
  auto child = child_process::fork([&] {
    ::signal(SIGSEGV, SIG_DFL);  // a sanitizer's handler would make an exit of it
    const auto memory = file_segment::attach(path, {.access = view::read_only});
    *static_cast<volatile std::byte*>(memory.bytes().data()) = std::byte{1};
    return 0;
  });
  EXPECT_EQ(child.wait().signal, SIGSEGV);
}

TEST_F(SeedsRow12, AViewThatIsNotSharedIsRefusedToParticipants) {
  const test::temp_registry names;
  const segment_name name("orders");
  const auto made = numbers::create(*names, name, {.capacity_slots = 4});
  for (const auto access : {view::read_only, view::private_copy}) {
    EXPECT_THAT(thrown_by([&] { (void)numbers::attach(*names, name, {.access = access}); }),
                ThrewSaying(errc::bad_argument, "observer"));
    EXPECT_THAT(
        thrown_by([&] {
          (void)numbers::attach_in(adopted_segment::map(made.memory().file().descriptor, 4096, 0, {.access = access}));
        }),
        ThrewSaying(errc::bad_argument, "observer"));
    EXPECT_THAT(thrown_by([&] { (void)anonymous_segment::create(4096, {.access = access}); }),
                Threw(errc::bad_argument));
    EXPECT_THAT(thrown_by([&] { (void)zero_segment::create(4096, {.access = access}); }), Threw(errc::bad_argument));
    EXPECT_THAT(thrown_by([&] { (void)memfd_segment::create(4096, {.access = access}); }), Threw(errc::bad_argument));
    EXPECT_THAT(thrown_by([&] { (void)file_segment::create(path, 4096, 0600, {.access = access}); }),
                Threw(errc::bad_argument));
  }
}

// ---- An observer ------------------------------------------------------------------------------------------------------

template <class Ring>
struct Observer : ::testing::Test {
  test::watchdog dog;
  test::temp_registry names;
  segment_name name{"orders"};
  channel<std::uint64_t, Ring> made = channel<std::uint64_t, Ring>::create(*names, name, {.capacity_slots = 8});
};
using rings = ::testing::Types<spsc_ring, mpmc_ring>;
struct ring_name {
  template <class Ring>
  static std::string GetName(int) {
    return to_string(Ring::kind);
  }
};
TYPED_TEST_SUITE(Observer, rings, ring_name);

TYPED_TEST(Observer, SeesCountersAndSeatsAsTheyMove) {
  const auto watching = observer::attach(*this->names, this->name);
  EXPECT_EQ(watching.header().creation_id, this->made.header().creation_id);
  EXPECT_TRUE(watching.seats().empty());
  auto out = this->made.producer();
  for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(out.try_send(i));
  auto in = this->made.consumer();
  ASSERT_TRUE(in.try_receive());
  EXPECT_EQ(watching.counts().tail, 3U);
  EXPECT_EQ(watching.counts().head, 1U);
  EXPECT_FALSE(watching.counts().is_closed);
  ASSERT_EQ(watching.seats().size(), 2U);
  EXPECT_EQ(watching.seats()[0].pid, static_cast<std::uint32_t>(::getpid()));
  EXPECT_EQ(watching.seats()[0].alive, liveness::alive);
  out.close();
  EXPECT_TRUE(watching.counts().is_closed);
}

TYPED_TEST(Observer, SeesWhatEachSeatSentReceivedAndAbandoned) {
  const auto watching = observer::attach(*this->names, this->name);
  auto out = this->made.producer();
  for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(out.try_send(i));
  out.try_claim().abandon();
  {
    auto batch = out.try_claim_batch(3);
    ASSERT_EQ(batch.size(), 3u);
    batch.publish(1);
  }
  auto in = this->made.consumer();
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(in.try_receive());
  {
    auto first = out.try_claim();
    auto second = out.try_claim();
    ASSERT_TRUE(first && second);
    second.abandon();
    first.publish();
  }
  const auto seats = watching.seats();
  ASSERT_EQ(seats.size(), 2U);
  EXPECT_EQ(seats[0].messages, 5U);
  EXPECT_EQ(seats[0].abandoned, 4U);
  EXPECT_EQ(seats[1].messages, 4U);
  const auto info = this->names->inspect(this->name);
  EXPECT_EQ(info.rings[0].seats[0].messages, 5U);
  EXPECT_EQ(info.rings[0].seats[0].abandoned, 4U);
}

TYPED_TEST(Observer, IsHeldToItByTheKernel) {
  const auto watching = observer::attach(*this->names, this->name);
  EXPECT_NE(test::mapping_at(watching.memory().bytes().data()).find("r--s"), std::string::npos);
  EXPECT_THAT(thrown_by([&] { (void)observer(file_segment::attach(this->names.path("orders"))); }),
              Threw(errc::bad_argument));
}

TYPED_TEST(Observer, NeedsPermissionToReadAlone) {
  if (::geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
  ASSERT_EQ(::chmod(this->names.directory().c_str(), 0755), 0);
  ASSERT_EQ(::chmod(this->names.path("orders").c_str(), 0644), 0);
  auto out = this->made.producer();
  ASSERT_TRUE(out.try_send(1));
  auto child = child_process::fork([&] {
    if (!become_nobody()) return 1;
    if (thrown_by([&] { (void)this->names->attach(this->name); }).reason != errc::no_permission) return 2;
    const auto watching = observer::attach(*this->names, this->name);
    if (watching.counts().tail != 1) return 3;
    return watching.seats().at(0).alive == liveness::alive ? 0 : 4;
  });
  const auto end = child.wait();
  EXPECT_TRUE(end.is_success()) << end;
}

TYPED_TEST(Observer, DoesNotKeepTheNameFromRemoval) {
  this->made = channel<std::uint64_t, TypeParam>::create_unnamed({.capacity_slots = 8});  // lets go of the name
  const auto watching = observer::attach(*this->names, this->name);
  this->names->remove(this->name);
  EXPECT_EQ(watching.counts().tail, 0U);
}

TYPED_TEST(Observer, OfAFileThatWasCutShortSaysSo) {
  const auto watching = observer::attach(*this->names, this->name);
  ASSERT_EQ(::truncate(this->names.path("orders").c_str(), 0), 0);
  EXPECT_THAT(thrown_by([&] { (void)watching.counts(); }), Threw(errc::truncated));
  EXPECT_THAT(thrown_by([&] { (void)watching.seats(); }), Threw(errc::truncated));
}

TYPED_TEST(Observer, OfWhatIsNoSegmentIsRefused) {
  std::ofstream(this->names.path("noise")) << std::string(9000, 'x');
  EXPECT_THAT(thrown_by([&] { (void)observer::attach(*this->names, segment_name("noise")); }),
              Threw(errc::not_a_segment));
  EXPECT_THAT(thrown_by([&] { (void)observer::attach(*this->names, segment_name("none")); }), Threw(errc::not_found));
  EXPECT_THAT(thrown_by([&] { (void)observer::attach(*this->names, this->name).counts(1); }),
              Threw(errc::bad_argument));
}

// ---- Prefault ---------------------------------------------------------------------------------------------------------

TEST_F(SeedsRow12, PrefaultBringsEveryPageAtOnce) {
  constexpr std::uint64_t bytes = 4U << 20;
  const auto rss_before = status_kib("RssShmem");
  const auto memory = anonymous_segment::create(bytes, {.prefault = true});
  EXPECT_TRUE(memory.placement().is_prefaulted);
  EXPECT_EQ(resident_pages(memory), bytes / page());
  EXPECT_GE(status_kib("RssShmem") - rss_before, bytes / 1024);
  const auto lazy = anonymous_segment::create(bytes);
  EXPECT_EQ(resident_pages(lazy), 0U);
}

TEST_F(SeedsRow12, PrefaultOfALiveSegmentChangesNoByte) {
  const test::temp_registry names;
  const auto made =
      numbers::create(*names, segment_name("orders"), {.capacity_slots = 4, .memory = {.prefault = true}});
  auto out = made.producer();
  ASSERT_TRUE(out.try_send(7));
  const auto again = numbers::attach(*names, segment_name("orders"), {.prefault = true});
  EXPECT_TRUE(again.memory().placement().is_prefaulted);
  EXPECT_EQ(again.consumer().try_receive(), 7U);
}

TEST_F(SeedsRow12, PrefaultOfWhatIsNotThereIsAnErrorAndNoSignal) {
  const auto small = test::small_filesystem::tmpfs(64);
  if (!small) GTEST_SKIP() << "mounting a tmpfs needs root";
  EXPECT_THAT(thrown_by([&] {
                (void)file_segment::create(small->path() + "/sparse", 1U << 20, 0600,
                                           {.prefault = true, .no_reserve = true});
              }),
              ThrewSaying(errc::no_space, "prefault"));
  const auto view_of_it = [&] {
    std::ofstream(small->path() + "/short") << "x";
    const int file = ::open((small->path() + "/short").c_str(), O_RDWR | O_CLOEXEC);
    const auto whole = adopted_segment::map(file, 1);
    ASSERT_EQ(::ftruncate(file, 0), 0);
    EXPECT_THAT(thrown_by([&] { (void)adopted_segment::map(file, 1, 0, {.prefault = true}); }), Threw(errc::truncated));
    ::close(file);
  };
  view_of_it();
}

TEST_F(SeedsRow12, NoReserveTakesSpaceWhenItIsTouched) {
  constexpr std::uint64_t bytes = 1U << 20;
  const auto blocks = [&] {
    struct stat s {};
    EXPECT_EQ(::stat(path.c_str(), &s), 0);
    return static_cast<std::uint64_t>(s.st_blocks) * 512;
  };
  const auto memory = file_segment::create(path, bytes, 0600, {.no_reserve = true});
  EXPECT_EQ(blocks(), 0U);
  memory.bytes()[5 * page()] = std::byte{1};
  memory.flush();  // FUSE learns of the page only then
  EXPECT_EQ(blocks(), page());
}

// ---- Locked -----------------------------------------------------------------------------------------------------------

TEST_F(SeedsRow12, LockedMemoryIsCountedAsLocked) {
  if (test::is_sanitized) GTEST_SKIP() << "the sanitizer's run time answers mlock(2) itself";
  const auto before = status_kib("VmLck");
  const auto memory = anonymous_segment::create(256 * 1024, {.lock_in_memory = true});
  EXPECT_TRUE(memory.placement().is_locked);
  EXPECT_EQ(status_kib("VmLck") - before, 256U);
  EXPECT_EQ(resident_pages(memory), 256U * 1024 / page());
}

TEST_F(SeedsRow12, LockedAboveTheLimitSaysWhichLimit) {
  if (test::is_sanitized) GTEST_SKIP() << "the sanitizer's run time answers mlock(2) itself";
  if (::geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
  auto child = child_process::fork([&] {
    const rlimit small{64 * 1024, 64 * 1024};
    if (::setrlimit(RLIMIT_MEMLOCK, &small) != 0 || !become_nobody()) return 1;
    EXPECT_FALSE(thrown_by([] { (void)anonymous_segment::create(32 * 1024, {.lock_in_memory = true}); }).reason);
    EXPECT_THAT(thrown_by([] { (void)anonymous_segment::create(256 * 1024, {.lock_in_memory = true}); }),
                ThrewSaying(errc::no_space, "RLIMIT_MEMLOCK, which is 65536 bytes"));
    const rlimit none{0, 0};
    if (::setrlimit(RLIMIT_MEMLOCK, &none) != 0) return 2;
    EXPECT_THAT(thrown_by([] { (void)anonymous_segment::create(4096, {.lock_in_memory = true}); }),
                ThrewSaying(errc::no_space, "RLIMIT_MEMLOCK, which is 0 bytes"));
    return 0;
  });
  const auto end = child.wait();
  EXPECT_TRUE(end.is_success()) << end;
}

// ---- A fixed address --------------------------------------------------------------------------------------------------

/// Addresses that were free a moment ago.
void* some_free_address(std::size_t bytes) {
  void* const at = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT_EQ(::munmap(at, bytes), 0);
  return at;
}

TEST_F(SeedsRow15, AFixedAddressIsExactlyThatOne) {
  for (int kind = 0; kind < 4; ++kind) {
    void* const at = some_free_address(4 * page());
    const memory_options there{.address = at};
    const auto memory = kind == 0   ? file_segment::create(path, 4 * page(), 0600, there)
                        : kind == 1 ? anonymous_segment::create(4 * page(), there)
                        : kind == 2 ? zero_segment::create(4 * page(), there)
                                    : memfd_segment::create(4 * page(), there);
    EXPECT_EQ(memory.bytes().data(), at) << to_string(memory.kind());
  }
}

TEST_F(SeedsRow15, AFixedAddressNeverReplacesWhatIsMappedThere) {
  const auto mine = anonymous_segment::create(4 * page());
  mine.bytes()[0] = std::byte{7};
  const memory_options there{.address = mine.bytes().data()};
  for (int kind = 0; kind < 4; ++kind)
    EXPECT_THAT(thrown_by([&] {
                  (void)(kind == 0   ? file_segment::create(path, page(), 0600, there)
                         : kind == 1 ? anonymous_segment::create(page(), there)
                         : kind == 2 ? zero_segment::create(page(), there)
                                     : memfd_segment::create(page(), there));
                }),
                ThrewSaying(errc::in_use, "something else is mapped there"))
        << kind;
  EXPECT_EQ(mine.bytes()[0], std::byte{7});
}

// ---- Huge pages -------------------------------------------------------------------------------------------------------

constexpr std::uint64_t huge_bytes = 2U << 20;

TEST_F(SeedsRow12, HugePagesThatAreNotThereAreAnErrorOrAreDoneWithout) {
  const reserved_huge_pages none(0);
  if (none.now() != 0) GTEST_SKIP() << "huge pages are in use on this machine";
  for (const bool anonymous : {true, false}) {
    const auto create = [&](huge_pages huge) {
      return anonymous ? anonymous_segment::create(page(), {.huge = huge})
                       : memfd_segment::create(page(), {.huge = huge});
    };
    EXPECT_THAT(thrown_by([&] { (void)create(huge_pages::require); }), ThrewSaying(errc::no_space, "vm.nr_hugepages"));
    const auto small = create(huge_pages::prefer);
    EXPECT_EQ(small.placement().page_bytes, page());
    EXPECT_EQ(small.bytes().size(), page());
  }
}

TEST_F(SeedsRow12, HugePagesCannotBeRequiredOfAnOrdinaryFile) {
  EXPECT_THAT(thrown_by([&] { (void)file_segment::create(path, page(), 0600, {.huge = huge_pages::require}); }),
              ThrewSaying(errc::bad_argument, "hugetlbfs"));
  EXPECT_EQ(file_segment::create(path, page(), 0600, {.huge = huge_pages::prefer}).placement().page_bytes, page());
  EXPECT_THAT(thrown_by([&] { (void)zero_segment::create(page(), {.huge = huge_pages::require}); }),
              Threw(errc::bad_argument));
}

template <class Segment>
void huge_channel_works() {
  const void* at = nullptr;
  {
    const auto channel =
        numbers::create_unnamed<Segment>({.capacity_slots = 8, .memory = {.huge = huge_pages::require}});
    EXPECT_EQ(channel.memory().placement().page_bytes, huge_bytes);
    EXPECT_EQ(channel.memory().bytes().size(), huge_bytes);
    at = channel.memory().bytes().data();
    auto child = child_process::fork([&] {
      auto out = channel.producer();
      if (out.send(7) != wait_result::ready) return 1;
      for (;;) ::pause();
    });
    auto in = channel.consumer();
    std::uint64_t got = 0;
    EXPECT_EQ(in.receive(got), wait_result::ready);
    EXPECT_EQ(got, 7U);
    child.kill();
    EXPECT_EQ(in.receive(got), wait_result::peer_gone);
    { auto out = channel.producer(); }
    auto out = channel.producer();  // the lock of the one before went with it
    EXPECT_TRUE(out.try_send(8));
  }
  EXPECT_EQ(test::mapping_at(at), "");
}

TEST_F(SeedsRow12, ChannelsWorkInHugePages) {
  const reserved_huge_pages some(4);
  if (!some.has()) GTEST_SKIP() << some.why_not();
  huge_channel_works<anonymous_segment>();
  huge_channel_works<memfd_segment>();
}

TEST_F(SeedsRow12, NamesMayLieOnHugetlbfs) {
  const reserved_huge_pages some(4);
  if (!some.has()) GTEST_SKIP() << some.why_not();
  const auto mounted = test::small_filesystem::of_type("hugetlbfs");
  if (!mounted) GTEST_SKIP() << "hugetlbfs cannot be mounted: needs root";
  const registry names(mounted->path());
  {
    const auto made =
        numbers::create(names, segment_name("orders"), {.capacity_slots = 8, .memory = {.huge = huge_pages::require}});
    EXPECT_EQ(made.memory().placement().page_bytes, huge_bytes);
    const auto there = numbers::attach(names, segment_name("orders"));
    EXPECT_EQ(there.memory().placement().page_bytes, huge_bytes);
    auto out = made.producer();
    auto in = there.consumer();
    ASSERT_TRUE(out.try_send(7));
    EXPECT_EQ(in.try_receive(), 7U);
    EXPECT_EQ(names.inspect(segment_name("orders")).state, segment_state::live);
    EXPECT_THAT(thrown_by([&] { names.remove(segment_name("orders")); }), Threw(errc::in_use));
  }
  names.remove(segment_name("orders"));
  EXPECT_TRUE(names.list().empty());
}

TEST_F(SeedsRow12, HugePagesAreAsLockedAndPrefaultedAsOthers) {
  if (test::is_sanitized) GTEST_SKIP() << "mlock(2) does nothing under this sanitizer";
  const reserved_huge_pages some(2);
  if (!some.has()) GTEST_SKIP() << some.why_not();
  const memory_options how{.huge = huge_pages::require, .prefault = true, .lock_in_memory = true};
  for (const bool anonymous : {true, false}) {
    const auto memory = anonymous ? anonymous_segment::create(page(), how) : memfd_segment::create(page(), how);
    EXPECT_EQ(memory.placement().page_bytes, huge_bytes);
    EXPECT_TRUE(memory.placement().is_prefaulted);
    EXPECT_TRUE(memory.placement().is_locked);
    EXPECT_EQ(resident_pages(memory), huge_bytes / page());
  }
}

TEST_F(SeedsRow12, MoreHugePagesThanAreFreeAreNoSpaceAtCreationAndNoSignalLater) {
  const reserved_huge_pages some(2);
  if (!some.has()) GTEST_SKIP() << some.why_not();
  const auto too_many = static_cast<std::uint64_t>(some.now() + 1) * huge_bytes;
  EXPECT_THAT(thrown_by([&] { (void)memfd_segment::create(too_many, {.huge = huge_pages::require}); }),
              ThrewSaying(errc::no_space, "vm.nr_hugepages"));
  EXPECT_THAT(thrown_by([&] { (void)anonymous_segment::create(too_many, {.huge = huge_pages::require}); }),
              ThrewSaying(errc::no_space, "vm.nr_hugepages"));
  const auto small = memfd_segment::create(too_many, {.huge = huge_pages::prefer});
  EXPECT_EQ(small.placement().page_bytes, page()) << "all of one kind, not two and a rest";
}

TEST_F(SeedsRow12, NamesMayLieInPagesOfAGibibyte) {
  constexpr auto gib = std::uint64_t{1} << 30;
  const reserved_huge_pages one(1, gib);
  if (!one.has()) GTEST_SKIP() << one.why_not();
  const auto mounted = test::small_filesystem::of_type("hugetlbfs", "pagesize=1G");
  if (!mounted) GTEST_SKIP() << "hugetlbfs cannot be mounted: needs root";
  const registry names(mounted->path());
  const segment_name name("orders");
  const auto made = numbers::create(names, name, {.capacity_slots = 8, .memory = {.huge = huge_pages::require}});
  EXPECT_EQ(made.memory().placement().page_bytes, gib);
  EXPECT_EQ(made.memory().bytes().size(), gib);
  auto child = child_process::fork([&] {
    auto out = numbers::attach(names, name).producer();
    return out.send(7) == wait_result::ready ? 0 : 1;
  });
  auto in = made.consumer();
  std::uint64_t got = 0;
  EXPECT_EQ(in.receive(got), wait_result::ready);
  EXPECT_EQ(got, 7U);
  EXPECT_TRUE(child.wait().is_success());
  EXPECT_EQ(names.inspect(name).memory->page_bytes, gib);
}

}  // namespace
}  // namespace sluice::detail
