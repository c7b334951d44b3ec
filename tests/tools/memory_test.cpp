// What inspect shows of the memory behind a segment, and of what each participant obtained for itself.

#include <cstdint>
#include <string>

#include <fcntl.h>
#include <sys/statfs.h>

#include "sluice/channel.hpp"
#include "sluice/registry.hpp"
#include "support/huge_pages.hpp"
#include "support/sanitizer.hpp"
#include "support/small_filesystem.hpp"
#include "support/temp_registry.hpp"
#include "tools/run_cli.hpp"

namespace sluice::detail::test {
namespace {

using nlohmann::json;
using numbers = channel<std::uint64_t>;

struct large {
  std::byte bytes[4096];
};

class Memory : public Cli {
 protected:
  /// `inspect --json` of a file anywhere.
  [[nodiscard]] json look_at(const std::string& path) const {
    const auto end = run({"--json", "inspect", path});
    EXPECT_EQ(end.code, 0) << end;
    return end.code == 0 ? json::parse(end.out) : json();
  }
  /// Overwrites the pid in the first seat, and leaves the start time.
  void set_pid(const std::string& name, std::uint32_t pid) const {
    const auto seats = ring(name)["seats_offset"].get<std::uint64_t>();
    std::fstream bytes(file(name), std::ios::binary | std::ios::in | std::ios::out);
    const auto at = static_cast<std::streamoff>(seats + offsetof(seat, owner));
    std::uint64_t word = 0;
    bytes.seekg(at).read(reinterpret_cast<char*>(&word), sizeof word);
    word = std::uint64_t{pid} << 42 | (word & ((std::uint64_t{1} << 42) - 1));
    bytes.seekp(at).write(reinterpret_cast<const char*>(&word), sizeof word);
  }
};

TEST_F(Memory, OfAFileOnTmpfsIsAllThereAndGoneAtAReset) {
  const auto producer = make_live("orders", "one\n", false);
  const auto info = inspect("orders");
  const auto memory = info["memory"];
  EXPECT_EQ(memory["filesystem"], "tmpfs");
  EXPECT_EQ(memory["survives_reset"], false);
  EXPECT_EQ(memory["page_bytes"], ::sysconf(_SC_PAGESIZE));
  EXPECT_EQ(memory["looked_at_bytes"], info["length_bytes"]);
  EXPECT_EQ(memory["in_memory_bytes"], info["length_bytes"]) << "all of it was taken at creation";
  EXPECT_EQ(memory["seals"], json({"seal"})) << "a tmpfs file cannot be sealed against being cut short";
  EXPECT_EQ(info["mode"], "0600");
  EXPECT_EQ(info["uid"], ::geteuid());
  EXPECT_EQ(info["gid"], ::getegid());
  ASSERT_EQ(memory["processes"].size(), 1U);
  const auto process = memory["processes"][0];
  EXPECT_EQ(process["pid"], producer.pid());
  EXPECT_EQ(process["sight"], "seen");
  EXPECT_EQ(process["mapped_bytes"], info["length_bytes"]);
  EXPECT_EQ(process["is_locked"], false);
  EXPECT_EQ(process["is_writable"], true);
  EXPECT_EQ(process["is_shared"], true);
  const auto end = run({"inspect", "orders"});
  for (const std::string& part :
       {std::string("tmpfs, gone at a reset; pages of 4.0 KiB"), std::string("can cut it short"),
        "mode 0600, user " + std::to_string(::geteuid()) + ", group " + std::to_string(::getegid())})
    EXPECT_NE(end.out.find(part), std::string::npos) << part << "\n" << end;
}

TEST_F(Memory, OfEachParticipantShowsWhatItsOptionsObtained) {
  if (is_sanitized) GTEST_SKIP() << "mlock(2) does nothing under this sanitizer";
  const segment_name name("orders");
  const registry names(registry_);
  // The other end in a process of its own, forked before there is anything to inherit, which obtains more.
  int go[2], done[2];
  ASSERT_EQ(::pipe(go), 0);
  ASSERT_EQ(::pipe(done), 0);
  char byte = 0;
  const auto child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    try {
      if (::read(go[0], &byte, 1) != 1) ::_exit(1);
      const auto there = channel<large>::attach(names, name, {.prefault = true, .lock_in_memory = true});
      const auto in = there.consumer();
      if (::write(done[1], &byte, 1) == 1)
        for (;;) ::pause();
    } catch (const error&) {
    }
    ::_exit(1);
  }
  ::close(done[1]);
  const auto lazy = channel<large>::create(names, name, {.capacity_slots = 64});
  auto out = lazy.producer();
  ASSERT_EQ(::write(go[1], &byte, 1), 1);
  EXPECT_EQ(::read(done[0], &byte, 1), 1) << "the child could not attach";
  const auto info = inspect("orders");
  const auto text = run({"inspect", "orders"});
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  for (const int end : {go[0], go[1], done[0]}) ::close(end);
  const auto processes = info["memory"]["processes"];
  ASSERT_EQ(processes.size(), 2U) << info.dump(1);
  EXPECT_EQ(processes[0]["pid"], ::getpid());
  EXPECT_EQ(processes[0]["is_locked"], false);
  EXPECT_LT(processes[0]["resident_bytes"], processes[0]["mapped_bytes"]) << "most slots were never touched here";
  EXPECT_EQ(processes[1]["pid"], child);
  EXPECT_EQ(processes[1]["is_locked"], true);
  EXPECT_EQ(processes[1]["resident_bytes"], processes[1]["mapped_bytes"]);
  EXPECT_NE(text.out.find("LOCKED"), std::string::npos) << text;
}

TEST_F(Memory, OfAFileOnADiskIsWhatThePageCacheHasOfIt) {
  const temp_directory on_disk("/var/tmp");
  struct statfs facts {};
  ASSERT_EQ(::statfs(on_disk.path().c_str(), &facts), 0);
  constexpr auto ext4 = 0xef53;
  if (facts.f_type != ext4) GTEST_SKIP() << "/var/tmp is not on ext4";
  const registry names(on_disk.path());
  const auto made = channel<large>::create(names, segment_name("orders"),
                                           {.capacity_slots = 16'384, .mode = 0644, .memory = {.no_reserve = true}});
  const auto memory = look_at(on_disk / "orders")["memory"];
  EXPECT_EQ(memory["filesystem"], "ext4");
  EXPECT_EQ(memory["survives_reset"], true);
  EXPECT_TRUE(memory["seals"].is_null());
  EXPECT_GT(memory["in_memory_bytes"], 0U);
  EXPECT_LT(memory["in_memory_bytes"], memory["looked_at_bytes"]) << "most slots were never touched";
  if (::geteuid() != 0) return;
  std::filesystem::permissions(on_disk.path(), std::filesystem::perms(0755));
  streams how;
  how.as_nobody = true;
  const auto end = run({"inspect", on_disk / "orders", "--json"}, how);
  ASSERT_EQ(end.code, 0) << end;
  EXPECT_TRUE(json::parse(end.out)["memory"]["in_memory_bytes"].is_null()) << "the kernel would say that all of it is";
  const auto text = run({"inspect", on_disk / "orders"}, how);
  EXPECT_NE(text.out.find("not told to this user"), std::string::npos) << text;
}

TEST_F(Memory, InPagesOfHugetlbfsIsSaidToBe) {
  const reserved_huge_pages some(2);
  if (!some.has()) GTEST_SKIP() << some.why_not();
  const auto mounted = small_filesystem::of_type("hugetlbfs");
  if (!mounted) GTEST_SKIP() << "hugetlbfs cannot be mounted: needs root";
  const registry names(mounted->path());
  const auto made = numbers::create(names, segment_name("orders"), {.capacity_slots = 8, .memory = {.prefault = true}});
  auto out = made.producer();
  const auto info = look_at(mounted->path() + "/orders");
  const auto memory = info["memory"];
  constexpr std::uint64_t huge_bytes = 2U << 20;
  EXPECT_EQ(memory["filesystem"], "hugetlbfs");
  EXPECT_EQ(memory["survives_reset"], false);
  EXPECT_EQ(memory["page_bytes"], huge_bytes);
  EXPECT_EQ(memory["in_memory_bytes"], huge_bytes);
  ASSERT_EQ(memory["processes"].size(), 1U);
  EXPECT_EQ(memory["processes"][0]["page_bytes"], huge_bytes);
  EXPECT_EQ(memory["processes"][0]["resident_bytes"], huge_bytes);
  EXPECT_EQ(memory["processes"][0]["huge_bytes"], huge_bytes);
}

TEST_F(Memory, InTransparentHugePagesIsSaidToBe) {
  const auto mounted = small_filesystem::of_type("tmpfs", "mode=0700,size=32m,huge=always");
  if (!mounted) GTEST_SKIP() << "a tmpfs with huge pages cannot be mounted: needs root, and a kernel that has them";
  const registry names(mounted->path());
  const auto made =
      channel<large>::create(names, segment_name("orders"), {.capacity_slots = 2048, .memory = {.prefault = true}});
  auto out = made.producer();
  const auto process = look_at(mounted->path() + "/orders")["memory"]["processes"][0];
  EXPECT_EQ(process["page_bytes"], ::sysconf(_SC_PAGESIZE)) << "to the kernel these are ordinary ones";
  EXPECT_GE(process["huge_bytes"], 2U << 20);
}

TEST_F(Memory, OfAnotherUserIsNotReadableAndNoReasonToFail) {
  if (::geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
  std::filesystem::permissions(root_, std::filesystem::perms(0755));
  std::filesystem::permissions(registry_, std::filesystem::perms(0755));
  const auto producer = make_live("orders", "one\n", false);
  std::filesystem::permissions(file("orders"), std::filesystem::perms(0644));
  streams how;
  how.as_nobody = true;
  const auto end = run({"inspect", "orders", "--json"}, how);
  ASSERT_EQ(end.code, 0) << end;
  const auto memory = json::parse(end.out)["memory"];
  EXPECT_EQ(memory["filesystem"], "tmpfs");
  ASSERT_EQ(memory["processes"].size(), 1U);
  EXPECT_EQ(memory["processes"][0], json({{"pid", producer.pid()}, {"sight", "not_readable"}}));
  const auto text = run({"inspect", "orders"}, how);
  EXPECT_EQ(text.code, 0) << text;
  EXPECT_NE(text.out.find("not readable"), std::string::npos) << text;
}

TEST_F(Memory, OfASeatThatNamesAStrangerIsNotTheStrangers) {
  const auto producer = make_live("orders", "one\n", false);
  const auto self = static_cast<std::uint32_t>(::getpid());
  set_pid("orders", self);
  const auto memory = inspect("orders")["memory"];
  ASSERT_EQ(memory["processes"].size(), 1U);
  EXPECT_EQ(memory["processes"][0], json({{"pid", self}, {"sight", "not_mapped"}}));
  set_pid("orders", 0x3fffff);  // no pid of Linux
  EXPECT_EQ(inspect("orders")["memory"]["processes"][0]["sight"], "not_readable");
}

TEST_F(Memory, OfBrokenNamesIsLookedAtWithinBounds) {
  write_all(file("empty"), "");
  write_all(file("short"), std::string(5000, 'x'));
  write_all(file("endless"), "x");
  std::filesystem::resize_file(file("endless"), std::uint64_t{1} << 60);
  const auto memory_of = [&](const std::string& name) {
    const auto end = run({"--json", "inspect", name});
    EXPECT_NE(end.code, 0) << end;
    return json::parse(end.out)["memory"];
  };
  EXPECT_EQ(memory_of("empty")["looked_at_bytes"], 0);
  EXPECT_EQ(memory_of("short")["in_memory_bytes"], 8192) << "in whole pages";
  EXPECT_EQ(memory_of("endless")["in_memory_bytes"], ::sysconf(_SC_PAGESIZE));

  const temp_directory on_disk("/var/tmp");
  write_all(on_disk / "endless", "x");
  std::filesystem::resize_file(on_disk / "endless", std::uint64_t{8} << 40);
  const auto endless = memory_of(on_disk / "endless");
  if (endless["filesystem"] == "tmpfs") GTEST_SKIP() << "/var/tmp is on a tmpfs";
  EXPECT_EQ(endless["looked_at_bytes"], std::uint64_t{4} << 30);
  EXPECT_EQ(endless["in_memory_bytes"], ::sysconf(_SC_PAGESIZE));
  const auto text = run({"inspect", on_disk / "endless"});
  EXPECT_NE(text.out.find("4.0 KiB of the first 4.0 GiB in memory"), std::string::npos) << text;
}

}  // namespace
}  // namespace sluice::detail::test
