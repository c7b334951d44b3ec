// Command lines as people write them: units, and errors that say what was meant.

#include <sstream>

#include "tools/run_cli.hpp"

namespace sluice::detail::test {
namespace {

using nlohmann::json;

TEST_F(Cli, SizesTakeUnits) {
  for (const auto& [text, bytes] :
       {std::pair{"64k", 65536U}, {"64K", 65536U}, {"1kib", 1024U}, {"2KB", 2048U}, {"1M", 1048576U}, {"96b", 96U}}) {
    const auto end = run({"recv", "sized", "--create", "--persistent", "-s", text, "-C", "2", "-t", "10ms"});
    EXPECT_EQ(end.code, 6) << end;
    EXPECT_EQ(ring("sized")["message_bytes"], bytes + 8) << text;
    std::filesystem::remove(file("sized"));
  }
  ASSERT_EQ(run({"recv", "slots", "--create", "--persistent", "-s", "8", "-C", "1k", "-t", "0.01s"}).code, 6);
  EXPECT_EQ(ring("slots")["capacity_slots"], 1024);
  EXPECT_EQ(run({"inspect", "slots", "--slots=2", "--bytes", "1k"}).code, 0);
}

TEST_F(Cli, AValueThatIsNoneSaysWhatIsExpected) {
  make_idle("x", "one\n");
  const struct {
    std::vector<std::string> words;
    const char* said;
  } cases[] = {
      {{"recv", "x", "-n", "0"}, "--count: a number of messages, from 1 on, not \"0\""},
      {{"recv", "x", "-n", "-1"}, "--count: a number of messages, from 1 on, not \"-1\""},
      {{"recv", "x", "-n", "1.5"}, "not \"1.5\""},
      {{"recv", "x", "-t", "nan"}, "--timeout: seconds from 0.001 to 1e9"},
      {{"recv", "x", "-t", "inf"}, "--timeout: seconds"},
      {{"recv", "x", "-t", "-inf"}, "--timeout: seconds"},
      {{"recv", "x", "-t", "-1"}, "--timeout: seconds"},
      {{"recv", "x", "-t", "0"}, "--timeout: seconds"},
      {{"recv", "x", "-t", "1e300"}, "--timeout: seconds"},
      {{"recv", "x", "-t", "1e999"}, "--timeout: seconds"},
      {{"recv", "x", "-t", ""}, "--timeout: seconds"},
      {{"recv", "x", "-t", "5 minutes"}, "--timeout: seconds"},
      {{"send", "x", "-c", "-s", "0"}, "--message-size: bytes from 1 to"},
      {{"send", "x", "-c", "-s", "64kk"}, "not \"64kk\""},
      {{"send", "x", "-c", "-s", "17179869184G"}, "--message-size: bytes"},
      {{"send", "x", "-c", "-C", "0"}, "--capacity: a number of messages, a power of two"},
      {{"send", "x", "-c", "-C", "3"}, "the next one is 4"},
      {{"send", "x", "-c", "--ring", "foo"}, "--ring: spsc, mpmc, topic or topic-many, not \"foo\""},
      {{"send", "x", "-c", "--durability", "0"}, "none, close, every, or a number"},
      {{"inspect", "x", "--slots", "-1"}, "--slots: a number of slots"},
      {{"inspect", "x", "--slots", "2", "--bytes", "many"}, "--bytes: a number of bytes"},
      {{"--dir", "", "list"}, "--dir: an empty path"},
      {{"lsit"}, "there is no command \"lsit\"; did you mean \"list\"? The commands are: list, inspect"},
      {{"ins", "x"}, "did you mean \"inspect\"?"},
      {{"frobnicate"}, "there is no command \"frobnicate\"; the commands are: list, inspect"},
      {{"--frob"}, "there is no option \"--frob\""},
      {{}, "give a command: list, inspect"},
      {{"list", "--frob"}, "`sluice list --help`"},
  };
  for (const auto& one : cases) {
    const auto what = one.words.empty() ? "(nothing)" : one.words[0];
    auto end = run(one.words);
    EXPECT_EQ(end.code, 2) << what << "\n" << end;
    EXPECT_NE(end.err.find(one.said), std::string::npos) << one.said << "\n" << end;
    EXPECT_EQ(end.out, "") << end;
    auto as_json = one.words;
    as_json.insert(as_json.begin(), "--json");
    end = run(as_json);
    EXPECT_EQ(end.code, 2) << what << "\n" << end;
    ASSERT_TRUE(json::accept(end.err)) << end;
    EXPECT_NE(json::parse(end.err)["error"]["message"].get<std::string>().find(one.said), std::string::npos) << end;
  }
}

TEST_F(Cli, WithJsonEveryLineOfStandardErrorIsJson) {
  make_idle("orders", "one\n");
  for (const std::vector<std::string>& words : {std::vector<std::string>{"recv", "nothing"},
                                                {"clear", "orders"},
                                                {"clear", "nothing", "--yes"},
                                                {"send", "orders", "-n", "0"},
                                                {"recv", "orders", "--lines"},
                                                {"inspect", "bad name"},
                                                {"doctor", "--facts", "/nothing"},
                                                {"clear"},
                                                {"nonsense"},
                                                {"send", "full", "-c", "-t", "10ms"}}) {
    auto as_json = words;
    as_json.emplace_back("--json");
    const auto end = run(as_json, with_input("x"));
    std::istringstream lines(end.err);
    for (std::string line; std::getline(lines, line);) EXPECT_TRUE(json::accept(line)) << words[0] << ": " << line;
  }
}

}  // namespace
}  // namespace sluice::detail::test
