// get and watch: newest values as text, as JSON and as bytes; and what the other commands show of values.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sluice/latest.hpp"
#include "support/child_process.hpp"
#include "support/pipe_signal.hpp"
#include "tools/run_cli.hpp"

namespace sluice::detail::test {
namespace {

using nlohmann::json;

struct pose {
  std::uint16_t x, y;
};

class CliValues : public Cli {
 protected:
  [[nodiscard]] std::string path(const std::string& name) const { return file(name).string(); }
};

TEST_F(CliValues, GetWritesTheNewestValueAsItsTypeIs) {
  const auto numbers = latest<std::int32_t>::create(path("number"));
  const auto poses = latest<pose>::create(path("pose"));
  const auto texts = latest<key_text<8>>::create(path("text"));
  auto end = run({"get", "number"});
  EXPECT_EQ(end.code, 3) << end;
  EXPECT_NE(end.err.find("no value was set yet"), std::string::npos) << end;
  numbers.writer().set(1);
  numbers.writer().set(-17);
  poses.writer().set({0x0102, 0x0304});
  texts.writer().set("on\x1b");
  EXPECT_EQ(run({"get", "number"}).out, "-17\n");
  EXPECT_EQ(run({"get", "pose"}).out, "02010403\n");
  EXPECT_EQ(run({"get", "pose", "--raw"}).out, "\x02\x01\x04\x03");
  EXPECT_EQ(run({"get", "text"}).out, "on\\x1b\n") << "no terminal obeys a value";
  const auto value = json::parse(run({"get", "number", "--json"}).out);
  EXPECT_EQ(value["version"], 2);
  EXPECT_EQ(value["value"], "-17");
  EXPECT_EQ(value["value_hex"], "efffffff");
  EXPECT_TRUE(value["key"].is_null());
  EXPECT_TRUE(value["age_ns"].is_number());
  end = run({"get", "number", "--key", "a"});
  EXPECT_EQ(end.code, 2) << end;
  EXPECT_EQ(run({"get", "nothing"}).code, 3);
}

TEST_F(CliValues, GetFindsKeysAsTheirTypeIs) {
  const auto settings = table<key_text<8>, double>::create(path("settings"));
  const auto numbers = table<std::int8_t, std::uint64_t>::create(path("numbers"));
  const auto places = table<pose, std::uint8_t>::create(path("places"));
  auto out = settings.writer();
  out.set("speed", 1.5);
  out.set("mode", 2);
  numbers.writer().set(-5, 7);
  places.writer().set({1, 2}, 3);
  EXPECT_EQ(run({"get", "settings", "--key", "speed"}).out, "1.5\n");
  EXPECT_EQ(run({"get", "settings", "--key", "spee"}).code, 3);
  EXPECT_EQ(run({"get", "settings", "--key", "longer than it is"}).code, 2);
  EXPECT_EQ(run({"get", "numbers", "--key=-5"}).out, "7\n");
  EXPECT_EQ(run({"get", "numbers", "--key", "500"}).code, 2);
  EXPECT_EQ(run({"get", "numbers", "--key", "five"}).code, 2);
  EXPECT_EQ(run({"get", "places", "--key", "0x01000200"}).out, "3\n");
  EXPECT_EQ(run({"get", "places", "--key", "0x0100"}).code, 2);
  const auto all = run({"get", "settings"}).out;
  EXPECT_NE(all.find("speed 1.5\n"), std::string::npos) << all;
  EXPECT_NE(all.find("mode 2\n"), std::string::npos) << all;
}

TEST_F(CliValues, WatchWritesEachChangeAndEndsWhenTheWriterCloses) {
  const auto numbers = latest<std::uint32_t>::create(path("number"));
  auto out = numbers.writer();
  out.set(1);
  streams how;
  how.out_is_pipe = true;
  auto watching = start({"watch", "number"}, how);
  EXPECT_EQ(watching.read_stdout(16), "1\n");
  out.set(2);
  EXPECT_EQ(watching.read_stdout(16), "2\n");
  out.close();
  EXPECT_EQ(watching.wait().code, 0);

  EXPECT_EQ(run({"watch", "number", "--count", "1"}).out, "2\n");
}

TEST_F(CliValues, WatchOfOneKeyPassesTheOthersOver) {
  const auto settings = table<key_text<8>, std::uint32_t>::create(path("settings"));
  auto out = settings.writer();
  out.set("other", 1);
  streams how;
  how.out_is_pipe = true;
  auto watching = start({"watch", "settings", "--key", "mine", "--json", "--count", "2"}, how);
  out.set("mine", 2);
  auto line = json::parse(watching.read_stdout(1000));
  EXPECT_EQ(line["key"], "mine");
  EXPECT_EQ(line["value"], "2");
  out.set("other", 3);
  out.set("mine", 4);
  line = json::parse(watching.read_stdout(1000));
  EXPECT_EQ(line["value"], "4");
  EXPECT_EQ(watching.wait().code, 0);
}

TEST_F(CliValues, WatchEndsByTimeAndBySignals) {
  const auto numbers = latest<std::uint32_t>::create(path("number"));
  auto out = numbers.writer();
  auto end = run({"watch", "number", "--timeout", "50ms"});
  EXPECT_EQ(end.code, 6) << end;
  out.set(1);
  streams how;
  how.out_is_pipe = true;
  auto watching = start({"watch", "number"}, how);
  EXPECT_EQ(watching.read_stdout(16), "1\n");
  watching.signal(SIGINT);
  EXPECT_EQ(watching.wait().code, 130);
}

TEST_F(CliValues, WatchTellsTheDeathOfTheWriterAndGoesOn) {
  const auto numbers = latest<std::uint32_t>::create(path("number"));
  pipe_signal has_set;
  auto child = child_process::fork([&] {
    auto out = numbers.writer();
    out.set(1);
    (void)has_set.tell();
    wait_for_the_end();
  });
  ASSERT_TRUE(has_set.is_told());
  streams how;
  how.out_is_pipe = true;
  auto watching = start({"watch", "number"}, how);
  EXPECT_EQ(watching.read_stdout(16), "1\n");
  child.kill();
  until([&] { return watching.errors_so_far().find("the writer died") != std::string::npos; });
  auto out = numbers.writer();
  out.set(2);
  EXPECT_EQ(watching.read_stdout(16), "2\n");
}

TEST_F(CliValues, ListAndInspectShowValuesTheirAgesAndWriters) {
  const auto numbers = latest<std::uint32_t>::create(path("number"));
  const auto settings = table<key_text<8>, std::uint32_t>::create(path("settings"), {.keys = 3});
  auto list = run({"list"}).out;
  EXPECT_NE(list.find("no value"), std::string::npos) << list;
  auto out = numbers.writer();
  out.set(1);
  auto table_out = settings.writer();
  table_out.set("speed", 1);
  table_out.set("mode", 1);
  list = run({"list"}).out;
  EXPECT_NE(list.find("0s old"), std::string::npos) << list;
  EXPECT_NE(list.find("writer " + std::to_string(::getpid())), std::string::npos) << list;
  const auto shown = run({"inspect", "settings"}).out;
  EXPECT_NE(shown.find("2 of 4 place(s)"), std::string::npos) << shown;
  EXPECT_NE(shown.find("speed"), std::string::npos) << shown;
  EXPECT_EQ(shown.find("slot states"), std::string::npos) << "there are no messages";
  const auto found = ring("settings");
  EXPECT_EQ(found["kind"], "table");
  EXPECT_EQ(found["keys"], 2);
  ASSERT_EQ(found["values"].size(), 2U);
  EXPECT_EQ(found["values"][0]["version"], 1);
  EXPECT_EQ(found["values"][0]["writer_seat"], 0);
  EXPECT_EQ(inspect("number")["unread_messages"], 0);
}

TEST_F(CliValues, MessagesAndValuesAreNotMistakenForEachOther) {
  const auto numbers = latest<std::uint32_t>::create(path("number"));
  auto end = run({"recv", "number"});
  EXPECT_EQ(end.code, 5) << end;
  EXPECT_NE(end.err.find("sluice get"), std::string::npos) << end;
  EXPECT_EQ(run({"send", "number"}).code, 5);
  make_idle("lines", "one\n");
  end = run({"watch", "lines"});
  EXPECT_EQ(end.code, 5) << end;
  EXPECT_NE(end.err.find("holds messages"), std::string::npos) << end;
}

}  // namespace
}  // namespace sluice::detail::test
