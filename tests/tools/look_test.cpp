// list and inspect: what they show of each state, and that they change nothing.

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "sluice/channel.hpp"
#include "sluice/detail/seat/seat_table.hpp"
#include "sluice/ring.hpp"
#include "support/child_process.hpp"
#include "support/shared_lock.hpp"
#include "tools/run_cli.hpp"

namespace sluice::detail::test {
namespace {

using nlohmann::json;

TEST_F(Cli, ListOfAnEmptyRegistrySaysWhichDirectory) {
  auto end = run({"list"});
  EXPECT_EQ(end.code, 0) << end;
  EXPECT_NE(end.out.find(registry_.string()), std::string::npos) << end;
  EXPECT_EQ(json::parse(run({"list", "--json"}).out)["segments"].size(), 0U);

  end = run({"--dir", (root_ / "other").string(), "list"});
  EXPECT_EQ(end.code, 0) << end;
  EXPECT_NE(end.out.find((root_ / "other").string()), std::string::npos) << end;
  EXPECT_NE(end.out.find("no such directory yet"), std::string::npos) << end;
  EXPECT_FALSE(std::filesystem::exists(root_ / "other"));
}

TEST_F(Cli, ListShowsEveryStateOnItsLine) {
  make_idle("idle", "one\ntwo\n");
  make_dead("dead", "one\n");
  const auto producer = make_live("live", "one\ntwo\nthree\n", false);
  write_all(file("zero"), "");
  const auto end = run({"list"});
  EXPECT_EQ(end.code, 0) << end;
  const auto line_of = [&](const std::string& name) {
    const auto at = end.out.find("\n" + name + " ") + 1;
    return end.out.substr(at, end.out.find('\n', at) - at);
  };
  EXPECT_NE(line_of("idle").find(" idle "), std::string::npos) << end;
  EXPECT_NE(line_of("idle").find(" 2 (3%) closed "), std::string::npos) << end;
  EXPECT_NE(line_of("dead").find(" dead "), std::string::npos) << end;
  EXPECT_NE(line_of("live").find(" live "), std::string::npos) << end;
  EXPECT_NE(line_of("live").find("producer " + std::to_string(producer.pid()) + " (sluice) alive"), std::string::npos)
      << end;
  EXPECT_NE(line_of("zero").find("half_made"), std::string::npos) << end;
}

TEST_F(Cli, InspectShowsTheSharedLockOfAReader) {
  make_idle("idle", "one\n");
  const int reader = open_with_shared_lock(file("idle"), seat_lock_offset(0, 1));
  ASSERT_GE(reader, 0);
  const auto end = run({"inspect", "idle"});
  EXPECT_NE(end.out.find("seat 1 of ring 0: a shared lock of a process that may only read"), std::string::npos) << end;
  EXPECT_EQ(inspect("idle")["shared_locks"], json::parse(R"([{"byte": "seat 1 of ring 0", "pid": 0}])"));
  ::close(reader);
  EXPECT_FALSE(inspect("idle").contains("shared_locks"));
}

TEST_F(Cli, ListAsJsonHasStateFillAndSeats) {
  make_dead("dead", "one\ntwo\n");
  const auto producer = make_live("live", "one\n", false);
  write_all(file("random"), std::string(8192, 'r'));
  const auto all = json::parse(run({"--json", "list"}).out);
  ASSERT_EQ(all["segments"].size(), 3U);
  const auto& dead = all["segments"][0];
  EXPECT_EQ(dead["state"], "dead");
  EXPECT_EQ(dead["rings"][0]["fill_slots"], 2);
  EXPECT_EQ(dead["rings"][0]["seats"][0]["condition"], "dead");
  const auto& live = all["segments"][1];
  EXPECT_EQ(live["state"], "live");
  EXPECT_EQ(live["rings"][0]["seats"][0]["pid"], producer.pid());
  EXPECT_EQ(live["rings"][0]["seats"][0]["condition"], "alive");
  EXPECT_EQ(all["segments"][2]["state"], "broken");
  EXPECT_EQ(all["segments"][2]["problem_code"], "not_a_segment");
}

TEST_F(Cli, InspectTellsAStoppedProducerFromALiveOne) {
  const auto producer = make_live("live", "one\n", false);
  EXPECT_EQ(ring("live")["seats"][0]["condition"], "alive");
  producer.signal(SIGSTOP);
  until([&] { return ring("live")["seats"][0]["condition"] == "stopped"; });
  producer.signal(SIGCONT);
  until([&] { return ring("live")["seats"][0]["condition"] == "alive"; });
}

TEST_F(Cli, InspectShowsHeaderSeatsPositionsAndSlots) {
  make_dead("dead", "first line\nsecond line\n");
  const auto end = run({"inspect", "dead", "--slots"});
  EXPECT_EQ(end.code, 0) << end;
  for (const char* part : {"dead: dead", "persistent", "sluice.record", "tail 2, head 0, fill 2", "producer",
                           "sequence 0: published", "sequence 1: published", "|........first li|"})
    EXPECT_NE(end.out.find(part), std::string::npos) << part << "\n" << end;

  const auto one = run({"inspect", "dead", "--slots", "1", "--bytes", "9", "--json"});
  EXPECT_EQ(one.code, 0) << one;
  const auto slots = json::parse(one.out)["rings"][0]["slots"];
  ASSERT_EQ(slots.size(), 1U);
  EXPECT_EQ(slots[0]["sequence"], 0);
  EXPECT_EQ(slots[0]["message_bytes"], 72);
  EXPECT_EQ(slots[0]["message_hex"],
            "0a00000000000000"
            "66");
}

TEST_F(Cli, InspectSaysWhichConsumerHoldsAMessage) {
  auto channel = sluice::create<std::uint64_t>(file("held").string());
  auto producer = channel.producer();
  auto consumer = channel.consumer();
  for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(producer.try_send(i));
  const auto held = consumer.try_peek();
  const auto end = run({"inspect", "held", "--slots", "--json"});
  const auto slots = json::parse(end.out)["rings"][0]["slots"];
  ASSERT_EQ(slots.size(), 3U) << end;
  EXPECT_EQ(slots[0]["holder_pid"], ::getpid());
  EXPECT_TRUE(slots[1]["holder_pid"].is_null());
}

TEST_F(Cli, AConsumerThatLeftWithAMessageInItsHandsIsShownAsLeftAndItsChannelAsIdle) {
  {
    auto channel = sluice::channel<std::uint64_t, sluice::mpmc_ring>::create(file("kept").string());
    auto producer = channel.producer();
    auto consumer = channel.consumer();
    ASSERT_TRUE(producer.try_send(7));
    auto held = consumer.try_peek();
    ASSERT_TRUE(held);
    held.keep();
  }
  const auto end = run({"list", "--json"});
  const auto kept = json::parse(end.out)["segments"][0];
  EXPECT_EQ(kept["state"], "idle") << "no participant died";
  const json shown = ring("kept");
  for (const auto& seat : shown["seats"]) EXPECT_EQ(seat["condition"], "left") << seat;
  const auto slots = json::parse(run({"inspect", "kept", "--slots", "--json"}).out)["rings"][0]["slots"];
  ASSERT_EQ(slots.size(), 1U);
  EXPECT_EQ(slots[0]["holder_pid"], ::getpid());
}

TEST_F(Cli, InspectShowsTheSuccessorOfADeadProducer) {
  make_dead("orders", "one\n");
  const auto before = ring("orders")["seats"][0]["pid"];
  EXPECT_TRUE(ring("orders")["repairs"].empty());
  auto successor = make_live("orders", "two\n", true);
  until_published("orders", 2);
  const auto repairs = ring("orders")["repairs"];
  ASSERT_EQ(repairs.size(), 1U);
  EXPECT_EQ(repairs[0]["what"], "takeover");
  EXPECT_EQ(repairs[0]["dead_pid"], before);
  EXPECT_EQ(repairs[0]["mender_pid"], successor.pid());
  const auto end = run({"inspect", "orders"});
  EXPECT_NE(end.out.find("takeover"), std::string::npos) << end;
}

TEST_F(Cli, APidThatMayBeAnotherProcesssIsShownAsThat) {
  make_idle("orders", "one\n");
  const auto of_this = static_cast<std::uint64_t>(::getpid()) << 42;
  const auto noting = [&](std::uint64_t holder, std::uint64_t pid_namespace) {
    const std::uint64_t words[] = {holder, pid_namespace};
    patch(file("orders"), offsetof(sluice::segment_header, gate_holder),
          std::string(reinterpret_cast<const char*>(words), sizeof words));
    return run({"inspect", "orders"}).out;
  };
  struct stat facts {};
  ASSERT_EQ(::stat("/proc/self/ns/pid", &facts), 0);
  const auto pid = std::to_string(::getpid());
  // A process of another start time had this pid: it is gone, and this one is not to be called the holder.
  EXPECT_NE(noting(of_this | 1, facts.st_ino).find("last taken by pid " + pid + " (gone)"), std::string::npos);
  EXPECT_NE(noting(of_this | 1, 0).find("last taken by pid " + pid + " (not checked)"), std::string::npos);
  EXPECT_NE(noting(of_this, facts.st_ino).find("last taken by pid " + pid + " (perhaps "), std::string::npos);
  EXPECT_NE(noting(of_this, 1).find("last taken by pid " + pid + " (of another pid namespace)"), std::string::npos);
  EXPECT_EQ(noting(0, 0).find("last taken"), std::string::npos);
}

TEST_F(Cli, APidOfAProcessThatHadNoProcIsOfANamespaceThatIsNotKnown) {
  const auto producer = make_live("orders", "one\n", false);
  const auto seat = ring("orders")["seats_offset"].get<std::uint64_t>();
  patch(file("orders"), seat + offsetof(sluice::detail::seat, pid_namespace), std::string(sizeof(std::uint64_t), '\0'));
  const auto end = run({"list"});
  EXPECT_NE(end.out.find(std::to_string(producer.pid()) + " (of a pid namespace that is not known) alive"),
            std::string::npos)
      << end;
}

TEST_F(Cli, LookingChangesNoByte) {
  make_idle("idle", "one\n");
  make_dead("dead", "one\ntwo\n");
  write_all(file("zero"), "");
  write_all(file("random"), std::string(5000, '\x5a'));
  const auto producer = make_live("live", "one\n", false);
  producer.signal(SIGSTOP);
  for (const std::string name : {"idle", "dead", "zero", "random", "live"}) {
    const auto bytes = read_all(file(name));
    const auto time = std::filesystem::last_write_time(file(name));
    (void)run({"list"});
    (void)run({"list", "--json"});
    (void)run({"inspect", name});
    (void)run({"inspect", name, "--slots", "--bytes", "0"});
    (void)run({"clear", name, "--dry-run"});
    (void)run({"clear", "--dead", "--dry-run"});
    EXPECT_EQ(bytes == read_all(file(name)), true) << name;
    EXPECT_EQ(time, std::filesystem::last_write_time(file(name))) << name;
  }
}

/// A cgroup of its own in a hierarchy that can freeze; empty path: there is none.
class freezable {
 public:
  freezable(const std::string& place, const char* file, const char* frozen, const char* thawed)
      : path_(place + "/sluice-test-" + std::to_string(::getpid())), file_(file), frozen_(frozen), thawed_(thawed) {
    std::error_code none;
    if (!std::filesystem::create_directory(path_, none) || !std::filesystem::exists(path_ / file_)) {
      std::filesystem::remove(path_, none);
      path_.clear();
    }
  }
  freezable(const freezable&) = delete;
  freezable& operator=(const freezable&) = delete;
  ~freezable() {
    std::error_code none;
    if (!path_.empty()) std::filesystem::remove(path_, none);
  }
  [[nodiscard]] bool is_there() const noexcept { return !path_.empty(); }
  void take(pid_t pid) const { write_all(path_ / "cgroup.procs", std::to_string(pid)); }
  void freeze() const { write_all(path_ / file_, frozen_); }
  void thaw() const { write_all(path_ / file_, thawed_); }

 private:
  std::filesystem::path path_;
  std::string file_, frozen_, thawed_;
};

TEST_F(Cli, AFrozenProcessIsShownAsFrozen) {
  const freezable kinds[] = {{"/sys/fs/cgroup/freezer", "freezer.state", "FROZEN", "THAWED"},
                             {"/sys/fs/cgroup/unified", "cgroup.freeze", "1", "0"},
                             {"/sys/fs/cgroup", "cgroup.freeze", "1", "0"}};
  bool is_any = false;
  for (const auto& cgroup : kinds) {
    if (!cgroup.is_there()) continue;
    is_any = true;
    auto producer = make_live("orders", "one\n", true);
    cgroup.take(producer.pid());
    cgroup.freeze();
    until([&] { return ring("orders")["seats"][0]["condition"] == "frozen"; });
    const auto list = run({"list"});
    EXPECT_NE(list.out.find("producer " + std::to_string(producer.pid()) + " (sluice) frozen"), std::string::npos)
        << list;
    EXPECT_EQ(run({"clear", "orders", "--yes"}).code, 4) << "it keeps its seat";
    cgroup.thaw();
    until([&] { return ring("orders")["seats"][0]["condition"] == "alive"; });
    producer.kill();
    std::filesystem::remove(file("orders"));
  }
  if (!is_any) GTEST_SKIP() << "no cgroup that can be frozen is writable here";
}

TEST_F(Cli, AProcessThatHasEndedAndWhoseMemoryLivesOnIsShownAsExiting) {
  int ready[2], end[2];
  ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
  ASSERT_EQ(::pipe2(end, O_CLOEXEC), 0);
  auto channel = sluice::create<std::uint64_t>(file("ending").string());
  auto owner = child_process::fork([&] {
    ::close(end[1]);
    const auto producer = channel.producer();
    // As vfork(2) makes one: it shares the memory and is no thread. It ends with the other end of the pipe.
    static std::byte stack[1 << 16];
    const auto lives_on = [](void* signal) {
      char none = 0;
      (void)!::read(*static_cast<int*>(signal), &none, 1);
      return 0;
    };
    EXPECT_GT(::clone(lives_on, stack + sizeof stack, CLONE_VM | SIGCHLD, &end[0]), 0);
    (void)!::write(ready[1], "x", 1);
    for (;;) ::pause();
  });
  char told = 0;
  ASSERT_EQ(::read(ready[0], &told, 1), 1);
  owner.kill();
  EXPECT_EQ(ring("ending")["seats"][0]["condition"], "exiting");
  const auto shown = run({"list"});
  EXPECT_NE(shown.out.find("producer " + std::to_string(owner.pid()) + " exiting"), std::string::npos) << shown;
  for (const int descriptor : {ready[0], ready[1], end[0], end[1]}) ::close(descriptor);
  until([&] { return ring("ending")["seats"][0]["condition"] == "dead"; });
}

TEST_F(Cli, InspectShowsWhatCouldNotBeAskedOrMended) {
  make_idle("orders", "one\n");
  EXPECT_EQ(run({"inspect", "orders"}).out.find("unanswered"), std::string::npos);
  const std::uint64_t count = 7;
  patch(file("orders"), ring("orders")["control_offset"].get<std::uint64_t>() + offsetof(ring_control, unanswered),
        {reinterpret_cast<const char*>(&count), sizeof count});
  const auto end = run({"inspect", "orders"});
  EXPECT_NE(end.out.find("unanswered   7 times"), std::string::npos) << end;
  EXPECT_EQ(ring("orders")["unanswered"], 7);
}

TEST_F(Cli, AFullDeviceIsAnError) {
  make_idle("idle", "one\n");
  streams how;
  how.out = "/dev/full";
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"list"}, {"list", "--json"}, {"inspect", "idle"}, {"recv", "idle"}})
    EXPECT_EQ(run(words, how).code, 7) << words[0];
  EXPECT_EQ(ring("idle")["fill_slots"], 1);
}

TEST_F(Cli, WrongUsageExitsWithTwo) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{},
                                                {"nonsense"},
                                                {"list", "--nonsense"},
                                                {"inspect"},
                                                {"inspect", "bad/../name/"},
                                                {"inspect", ".hidden"},
                                                {"clear"},
                                                {"clear", "x", "--dead"},
                                                {"send", "x", "-s", "64"},
                                                {"send", "x", "-c", "-C", "3"},
                                                {"recv", "x", "--timeout", "-1"},
                                                {"--dir", "/tmp", "inspect", "/tmp/x"}}) {
    const auto end = run(words);
    EXPECT_EQ(end.code, 2) << (words.empty() ? "(nothing)" : words[0]) << "\n" << end;
    EXPECT_NE(end.err, "");
  }
  const auto end = run({"--json", "nonsense"});
  EXPECT_EQ(end.code, 2);
  EXPECT_EQ(json::parse(end.err)["error"]["exit"], 2);
}

TEST_F(Cli, HelpAndVersionSayWhatTheyShould) {
  auto end = run({"--version"});
  EXPECT_EQ(end.code, 0);
  EXPECT_EQ(end.out.rfind("sluice ", 0), 0U) << end;
  end = run({"--help"});
  EXPECT_EQ(end.code, 0);
  EXPECT_NE(end.out.find("Exit codes:"), std::string::npos) << end;
  for (const char* command : {"list", "inspect", "clear", "doctor", "send", "recv"})
    EXPECT_EQ(run({command, "--help"}).code, 0);
}

}  // namespace
}  // namespace sluice::detail::test
