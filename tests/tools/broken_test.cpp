// What is no segment, or not one any more: every command says so, with the right exit code, and changes nothing.

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "sluice/channel.hpp"
#include "tools/run_cli.hpp"

namespace sluice::detail::test {
namespace {

using nlohmann::json;

constexpr std::uint64_t version_offset = 8;
constexpr std::uint64_t type_name_offset = 256 + 32;

class Broken : public Cli {
 protected:
  Broken() {
    make_idle("good", "one\n");
    good_ = read_all(file("good"));
    std::string random(9000, '\0');
    std::mt19937 next(7);
    for (char& c : random) c = static_cast<char>(next());
    write_all(file("random"), random);
    write_all(file("empty"), "");
    write_all(file("zeros"), std::string(4096, '\0'));
    write_all(file("short"), good_.substr(0, good_.size() - 4096));
    write_all(file("stub"), good_.substr(0, 100));
    write_all(file("version"), good_);
    patch(file("version"), version_offset, "\x63");
    write_all(file("flipped"), good_);
    patch(file("flipped"), type_name_offset, "S");
    std::filesystem::create_directory(file("folder"));
    std::filesystem::create_symlink(file("good"), file("link"));
  }

  struct kind {
    const char* name;
    const char* code;
  };
  static constexpr kind kinds[] = {
      {"random", "not_a_segment"}, {"empty", "half_made"},      {"zeros", "half_made"},
      {"short", "truncated"},      {"stub", "not_a_segment"},   {"version", "wrong_version"},
      {"flipped", "corrupted"},    {"folder", "not_a_segment"}, {"link", "not_a_segment"}};
  std::string good_;
};

TEST_F(Broken, ListNamesTheProblemOfEach) {
  const auto end = run({"list"});
  EXPECT_EQ(end.code, 0) << end;
  const auto all = json::parse(run({"list", "--json"}).out)["segments"];
  for (const auto& [name, code] : kinds) {
    const auto found = std::find_if(all.begin(), all.end(),
                                    [wanted = std::string(name)](const json& one) { return one["name"] == wanted; });
    ASSERT_NE(found, all.end()) << name;
    EXPECT_EQ((*found)["state"], "broken") << name;
    EXPECT_EQ((*found)["problem_code"], code) << name;
    EXPECT_NE(end.out.find(std::string(code) + ": "), std::string::npos) << end;
  }
}

TEST_F(Broken, InspectSendAndRecvRefuseWithExitFive) {
  for (const auto& [name, code] : kinds) {
    for (const std::vector<std::string>& words : {std::vector<std::string>{"inspect", name},
                                                  {"inspect", name, "--slots"},
                                                  {"recv", name},
                                                  {"send", name},
                                                  {"recv", name, "--create"}}) {
      const auto end = run(words);
      EXPECT_EQ(end.code, 5) << words[0] << " " << name << "\n" << end;
      EXPECT_NE(end.err, "");
    }
    const auto end = run({"--json", "inspect", name});
    EXPECT_EQ(end.code, 5);
    EXPECT_EQ(json::parse(end.err)["error"]["code"], code) << end;
  }
  EXPECT_TRUE(read_all(file("good")) == good_);
}

TEST_F(Broken, ClearTakesWhatWasASegmentAndNeedsForceForTheRest) {
  for (const char* name : {"empty", "zeros", "short", "version", "flipped"}) {
    EXPECT_EQ(run({"clear", name, "--yes"}).code, 0) << name;
    EXPECT_FALSE(std::filesystem::exists(file(name))) << name;
  }
  for (const char* name : {"random", "stub"}) {
    EXPECT_EQ(run({"clear", name, "--yes", "--dry-run"}).code, 5) << name;
    const auto end = run({"clear", name, "--yes"});
    EXPECT_EQ(end.code, 5) << end;
    EXPECT_NE(end.err.find("--force"), std::string::npos) << end;
    EXPECT_TRUE(std::filesystem::exists(file(name))) << name;
    EXPECT_EQ(run({"clear", name, "--yes", "--force"}).code, 0) << name;
    EXPECT_FALSE(std::filesystem::exists(file(name))) << name;
  }
  EXPECT_EQ(run({"clear", "folder", "--yes", "--force"}).code, 5) << "nothing is taken with what is in it";
  EXPECT_TRUE(std::filesystem::exists(file("folder")));
  EXPECT_EQ(run({"clear", "link", "--yes"}).code, 5);
  EXPECT_EQ(run({"clear", "link", "--yes", "--force"}).code, 0);
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::symlink_status(file("link"))));
  EXPECT_TRUE(read_all(file("good")) == good_);
}

TEST_F(Broken, ClearDeadSparesWhatIsBroken) {
  make_dead("dead", "one\n");
  const auto end = run({"clear", "--dead", "--yes"});
  EXPECT_EQ(end.code, 0) << end;
  EXPECT_EQ(end.out.rfind("removed dead: ", 0), 0U) << end;
  EXPECT_EQ(std::count(end.out.begin(), end.out.end(), '\n'), 1) << end;
  EXPECT_EQ(end.err, "");
  EXPECT_FALSE(std::filesystem::exists(file("dead")));
  for (const auto& [name, code] : kinds)
    EXPECT_TRUE(std::filesystem::exists(std::filesystem::symlink_status(file(name)))) << name;
  EXPECT_TRUE(std::filesystem::exists(file("good")));
}

TEST_F(Broken, WhatMayNotBeReadExitsWithEight) {
  std::filesystem::permissions(root_, std::filesystem::perms(0755));
  std::filesystem::permissions(registry_, std::filesystem::perms(0755));
  std::filesystem::permissions(file("good"), std::filesystem::perms(::geteuid() == 0 ? 0600 : 0000));
  streams how;
  how.as_nobody = true;
  for (const char* command : {"inspect", "recv", "send"}) {
    const auto end = run({command, "good"}, how);
    EXPECT_EQ(end.code, 8) << command << "\n" << end;
    EXPECT_NE(end.err.find("Permission denied"), std::string::npos) << end;
  }
  EXPECT_EQ(run({"clear", "good", "--yes"}, how).code, 8);
  const auto end = run({"list", "--json"}, how);
  EXPECT_EQ(end.code, 0) << end;
  EXPECT_NE(end.out.find("no_permission"), std::string::npos) << end;
}

TEST_F(Broken, ADirectoryThatAnyUserMayChangeExitsWithEight) {
  std::filesystem::permissions(registry_, std::filesystem::perms(0777));
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"list"}, {"inspect", "good"}, {"recv", "good"}, {"clear", "--dead", "--yes"}})
    EXPECT_EQ(run(words).code, 8) << words[0];
}

TEST_F(Broken, AChannelOfAnotherTypeIsRefused) {
  auto channel = sluice::create<std::uint64_t>(file("numbers").string());
  for (const char* command : {"send", "recv"}) {
    const auto end = run({command, "numbers", "--json"});
    EXPECT_EQ(end.code, 5) << end;
    EXPECT_EQ(json::parse(end.err)["error"]["code"], "wrong_type") << end;
  }
}

TEST_F(Broken, ARecordThatClaimsTooMuchIsNotDelivered) {
  make_idle("liar", "one\ntwo\nthree\n");
  const auto form = ring("liar");
  const auto slot = form["slots_offset"].get<std::uint64_t>() + form["slot_stride_bytes"].get<std::uint64_t>();
  patch(file("liar"), slot + form["payload_offset"].get<std::uint64_t>(), "\x41\xff\xff\xff");
  const auto end = run({"recv", "liar", "--lines"});
  EXPECT_EQ(end.code, 5) << end;
  EXPECT_EQ(end.out, "one\n");
  EXPECT_EQ(ring("liar")["fill_slots"], 2);
}

}  // namespace
}  // namespace sluice::detail::test
