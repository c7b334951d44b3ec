// clear: what it takes, what it spares, and when it asks.

#include <stdlib.h>
#include <sys/stat.h>

#include "tools/run_cli.hpp"

namespace sluice::detail::test {
namespace {

using nlohmann::json;

TEST_F(Cli, ClearWithoutATerminalWantsYes) {
  make_idle("orders", "one\ntwo\n");
  auto end = run({"clear", "orders"});
  EXPECT_EQ(end.code, 2) << end;
  EXPECT_NE(end.err.find("--yes"), std::string::npos) << end;
  EXPECT_NE(end.err.find("2 unread message(s)"), std::string::npos) << end;
  EXPECT_TRUE(std::filesystem::exists(file("orders")));
  end = run({"clear", "orders", "--yes"});
  EXPECT_EQ(end.code, 0) << end;
  EXPECT_FALSE(std::filesystem::exists(file("orders")));
  EXPECT_EQ(run({"clear", "orders", "--yes"}).code, 3);
}

TEST_F(Cli, ClearRefusesWhatIsInUseAndNamesThePid) {
  auto producer = make_live("orders", "one\n", true);
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"clear", "orders"}, {"clear", "orders", "--yes"}, {"clear", "orders", "--dry-run"}}) {
    const auto end = run(words);
    EXPECT_EQ(end.code, 4) << end;
    EXPECT_NE(end.err.find(std::to_string(producer.pid())), std::string::npos) << end;
  }
  EXPECT_TRUE(std::filesystem::exists(file("orders")));
  EXPECT_EQ(run({"clear", "orders", "--yes", "--force"}).code, 0);
  EXPECT_FALSE(std::filesystem::exists(file("orders")));
}

TEST_F(Cli, ClearDryRunChangesNothing) {
  make_dead("dead", "one\n");
  make_idle("idle", "one\n");
  const auto bytes = read_all(file("dead"));
  auto end = run({"clear", "--dead", "--dry-run"});
  EXPECT_EQ(end.code, 0) << end;
  EXPECT_NE(end.out.find("would remove dead: "), std::string::npos) << end;
  EXPECT_EQ(end.out.find("idle"), std::string::npos) << end;
  EXPECT_TRUE(read_all(file("dead")) == bytes);
  end = run({"clear", "idle", "--dry-run", "--json"});
  EXPECT_EQ(end.code, 0) << end;
  EXPECT_EQ(json::parse(end.out)["names"][0]["was_removed"], false);
  EXPECT_TRUE(std::filesystem::exists(file("idle")));
}

TEST_F(Cli, ClearDeadTakesOnlyWhatTheDeadLeft) {
  make_dead("dead", "one\ntwo\nthree\n");
  make_dead("dead-ephemeral", "one\n", false);
  make_idle("idle", "one\n");
  const auto producer = make_live("live", "one\n", false);
  EXPECT_EQ(run({"clear", "--dead"}).code, 2);
  const auto end = run({"clear", "--dead", "--yes", "--json"});
  EXPECT_EQ(end.code, 0) << end;
  const auto names = json::parse(end.out)["names"];
  ASSERT_EQ(names.size(), 2U) << end;
  EXPECT_EQ(names[0]["name"], "dead");
  EXPECT_EQ(names[0]["unread_messages"], 3);
  EXPECT_EQ(names[0]["was_removed"], true);
  EXPECT_EQ(names[1]["name"], "dead-ephemeral");
  EXPECT_FALSE(std::filesystem::exists(file("dead")));
  EXPECT_TRUE(std::filesystem::exists(file("idle")));
  EXPECT_TRUE(std::filesystem::exists(file("live")));
  const auto again = run({"clear", "--dead", "--yes"});
  EXPECT_EQ(again.code, 0) << again;
  EXPECT_NE(again.out.find("nothing to clear"), std::string::npos) << again;
}

/// A terminal to answer at.
class terminal {
 public:
  terminal() : master_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    EXPECT_EQ(::grantpt(master_), 0);
    EXPECT_EQ(::unlockpt(master_), 0);
    how.in = ::ptsname(master_);
  }
  terminal(const terminal&) = delete;
  terminal& operator=(const terminal&) = delete;
  ~terminal() { ::close(master_); }
  void answer(const std::string& line) const {
    EXPECT_EQ(::write(master_, line.data(), line.size()), static_cast<ssize_t>(line.size()));
  }
  streams how;

 private:
  int master_;
};

TEST_F(Cli, ClearAsksOnATerminalAndObeys) {
  make_idle("orders", "one\n");
  const terminal there;
  auto asking = start({"clear", "orders"}, there.how);
  until([&] { return asking.errors_so_far().find("[y/N]") != std::string::npos; });
  there.answer("\n");
  EXPECT_EQ(asking.wait().code, 1);
  EXPECT_TRUE(std::filesystem::exists(file("orders")));
  there.answer("y\n");
  EXPECT_EQ(run({"clear", "orders"}, there.how).code, 0);
  EXPECT_FALSE(std::filesystem::exists(file("orders")));
}

TEST_F(Cli, ClearSparesWhatWasAttachedWhileItAsked) {
  make_idle("orders", "one\n");
  const terminal there;
  auto asking = start({"clear", "orders"}, there.how);
  until([&] { return asking.errors_so_far().find("[y/N]") != std::string::npos; });
  const auto producer = make_live("orders", "two\n", true);
  until_published("orders", 2);
  there.answer("y\n");
  const auto end = asking.wait();
  EXPECT_EQ(end.code, 4) << end;
  EXPECT_NE(end.err.find(std::to_string(producer.pid())), std::string::npos) << end;
  EXPECT_TRUE(std::filesystem::exists(file("orders")));
}

TEST_F(Cli, ClearRemovesOnlyTheFileThatItAskedAbout) {
  make_idle("orders", "");
  const terminal there;
  auto asking = start({"clear", "orders"}, there.how);
  until([&] { return asking.errors_so_far().find("[y/N]") != std::string::npos; });
  ASSERT_EQ(run({"clear", "orders", "--yes"}).code, 0);
  make_idle("orders", "one\ntwo\n");
  there.answer("y\n");
  const auto end = asking.wait();
  EXPECT_EQ(end.code, 3) << end;
  EXPECT_EQ(end.out, "") << end;
  EXPECT_EQ(ring("orders")["fill_slots"], 2) << "another segment of the same name, which was not asked about";
}

TEST_F(Cli, ClearByForceTakesLinksAndFifosAndSaysWhatItLeavesAlone) {
  ASSERT_EQ(::mkfifo(file("fifo").c_str(), 0600), 0);
  std::filesystem::create_symlink("/etc/passwd", file("link"));
  std::filesystem::create_directory(file("folder"));
  const auto list = run({"list"});
  EXPECT_EQ(list.code, 0) << list;
  for (const char* name : {"fifo", "link", "folder"}) {
    EXPECT_NE(list.out.find("/" + std::string(name) + ": it is a"), std::string::npos) << list;
    EXPECT_EQ(run({"clear", name, "--yes"}).code, 5) << name;
    EXPECT_EQ(run({"clear", name, "--yes", "--force"}).code, name == std::string("folder") ? 5 : 0) << name;
    EXPECT_EQ(std::filesystem::exists(std::filesystem::symlink_status(file(name))), name == std::string("folder"));
  }
  EXPECT_TRUE(std::filesystem::exists("/etc/passwd"));
}

TEST_F(Cli, WhatAKilledCreatorLeftIsListedAndCleared) {
  for (const char* name : {".sluice-new-0123456789", ".sluice-locks-0123456789abcdef"}) {
    const auto leftover = registry_ / name;
    write_all(leftover, std::string(8192, '\0'));
    const auto list = run({"list"});
    EXPECT_NE(list.out.find(name), std::string::npos) << list;
    EXPECT_EQ(json::parse(run({"--json", "list"}).out)["segments"][0]["problem_code"], "half_made");
    const auto end = run({"clear", "--dead", "--yes"});
    EXPECT_EQ(end.code, 0) << end;
    EXPECT_FALSE(std::filesystem::exists(leftover)) << end;
  }
}

TEST_F(Cli, ClearSaysHowManyUndeliveredMessagesGoWithTheName) {
  make_idle("orders", "one\ntwo\nthree\n");
  auto end = run({"clear", "orders", "--yes"});
  EXPECT_NE(end.out.find("3 unread message(s), 216 B, were lost"), std::string::npos) << end;
  make_dead("orders", "one\ntwo\n");
  end = run({"clear", "--dead", "--yes"});
  EXPECT_NE(end.out.find("2 unread message(s), 144 B, were lost"), std::string::npos) << end;
}

TEST_F(Cli, ClearDeadTakesOnlyWhatItListed) {
  make_dead("listed", "one\n");
  make_dead("visited", "one\n");
  make_dead("replaced", "one\n");
  const terminal there;
  auto asking = start({"clear", "--dead", "--json"}, there.how);
  until([&] { return asking.errors_so_far().find("[y/N]") != std::string::npos; });
  make_dead("later", "one\n");
  const auto visitor = make_live("visited", "two\n", true);
  EXPECT_EQ(run({"clear", "replaced", "--yes"}).code, 0);
  make_dead("replaced", "another\n");
  there.answer("y\n");
  const auto end = asking.wait();
  EXPECT_EQ(end.code, 0) << end;
  const auto names = json::parse(end.out)["names"];
  ASSERT_EQ(names.size(), 3U) << end;
  EXPECT_EQ(names[0]["name"], "listed");
  EXPECT_EQ(names[0]["was_removed"], true);
  EXPECT_EQ(names[1]["was_removed"], false);
  EXPECT_EQ(names[2]["was_removed"], false);
  EXPECT_FALSE(std::filesystem::exists(file("listed")));
  for (const char* name : {"later", "visited", "replaced"}) EXPECT_TRUE(std::filesystem::exists(file(name))) << name;
}

TEST_F(Cli, ClearDeadSaysWhatItKeptAndLosesNothingOfIt) {
  make_dead("visited", "one\n");
  const terminal there;
  auto asking = start({"clear", "--dead"}, there.how);
  until([&] { return asking.errors_so_far().find("[y/N]") != std::string::npos; });
  const auto visitor = make_live("visited", "two\n", true);
  there.answer("y\n");
  const auto end = asking.wait();
  EXPECT_EQ(end.code, 0) << end;
  EXPECT_EQ(end.out, "kept visited: a process attached to it meanwhile\n");
}

/// The registry, for root and for group 65534.
void share(const std::filesystem::path& root, const std::filesystem::path& registry) {
  constexpr unsigned unprivileged_group = 65534;
  std::filesystem::permissions(root, std::filesystem::perms(0755));
  ASSERT_EQ(::chown(registry.c_str(), 0, unprivileged_group), 0);
  std::filesystem::permissions(registry, std::filesystem::perms(02770));
}

TEST_F(Cli, ClearDeadInASharedDirectorySaysWhatIsNotOursAndIsDone) {
  if (::geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
  share(root_, registry_);
  streams how;
  how.as_nobody = true;
  make_dead("theirs", "one\n");
  write_all(file("notes"), "no segment");
  std::filesystem::permissions(file("notes"), std::filesystem::perms(0600));
  {
    auto pipe = how;
    pipe.in_is_pipe = true;
    auto mine = start({"send", "mine", "--lines", "--create", "--persistent", "-s", "64"}, pipe);
    mine.write_stdin("one\n");
    until_published("mine", 1);
    mine.kill();
  }
  for (const auto& option : {"--dry-run", "--yes", "--yes"}) {
    const auto end = run({"clear", "--dead", option}, how);
    EXPECT_EQ(end.code, 0) << end;
    EXPECT_NE(end.out.find("skipped theirs: user 0 owns it"), std::string::npos) << end;
    EXPECT_NE(end.out.find("skipped notes: user 0 owns it"), std::string::npos) << end;
  }
  EXPECT_FALSE(std::filesystem::exists(file("mine")));
  EXPECT_TRUE(std::filesystem::exists(file("theirs")));
  const auto names = json::parse(run({"--json", "clear", "--dead", "--yes"}, how).out)["names"];
  ASSERT_EQ(names.size(), 2U);
  for (const auto& one : names) EXPECT_EQ(one["is_not_ours"], true) << one;
}

TEST_F(Cli, ClearDeadThatMayNotRemoveItsOwnIsAFailureDryOrNot) {
  constexpr unsigned unprivileged = 65534;
  make_dead("dead", "one\n");
  std::filesystem::permissions(root_, std::filesystem::perms(0755));
  std::filesystem::permissions(registry_, std::filesystem::perms(0755));
  std::filesystem::permissions(file("dead"), std::filesystem::perms(0444));
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(file("dead").c_str(), unprivileged, unprivileged), 0);
  }
  streams how;
  how.as_nobody = true;
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"clear", "--dead", "--yes"}, {"clear", "--dead", "--dry-run"}}) {
    const auto end = run(words, how);
    EXPECT_EQ(end.code, 1) << end;
    EXPECT_EQ(end.out, "") << end;
    EXPECT_NE(end.err.find("chmod u+w"), std::string::npos) << end;
  }
  const auto end = run({"clear", "dead", "--yes"}, how);
  EXPECT_EQ(end.code, 8) << end;
  EXPECT_NE(end.err.find("chmod u+w"), std::string::npos) << end;
  EXPECT_TRUE(std::filesystem::exists(file("dead")));
}

}  // namespace
}  // namespace sluice::detail::test
