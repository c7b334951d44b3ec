// Started with standard descriptors closed, as by some service managers and wrappers: no byte of a segment changes.

#include "tools/run_cli.hpp"

namespace sluice::detail::test {
namespace {

/// Runs the tool with the descriptors closed that `closing` says, in the words of sh(1): "<&- >&-".
streams with_closed(const std::string& closing) {
  streams how;
  how.before = {"sh", "-c", "exec \"$@\" " + closing, "sh"};
  return how;
}

TEST_F(Cli, AMissingOutputIsAnErrorAndTheMessagesStay) {
  make_idle("orders", "one\ntwo\n");
  for (const char* closing : {">&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-"}) {
    const auto before = read_all(file("orders"));
    const auto end = run({"recv", "orders", "--lines", "--timeout", "5"}, with_closed(closing));
    EXPECT_EQ(end.code, 1) << closing << "\n" << end;
    EXPECT_EQ(read_all(file("orders")).substr(0, 768), before.substr(0, 768)) << closing << ": the header";
    EXPECT_EQ(ring("orders")["fill_slots"], 2) << closing;
  }
  EXPECT_EQ(run({"recv", "orders", "--lines"}).out, "one\ntwo\n");
}

TEST_F(Cli, LogLinesOfAToolWithoutStandardErrorGoNowhere) {
  make_idle("orders", "one\n");
  ASSERT_EQ(run({"recv", "orders", "--lines", "--count", "1"}).code, 0);
  ASSERT_EQ(run({"send", "orders", "--lines", "--no-wait", "--keep-open"}, with_input("two\n")).code, 0);
  const auto before = read_all(file("orders")).substr(0, 768);
  EXPECT_EQ(run({"recv", "orders", "--timeout", "0.2", "--count", "9"}, with_closed("2>&-")).code, 6);
  EXPECT_EQ(run({"recv", "orders", "--timeout", "0.2", "--count", "9"}, with_closed("<&- 2>&-")).code, 6);
  EXPECT_EQ(read_all(file("orders")).substr(0, 768), before);
  EXPECT_EQ(run({"inspect", "orders"}).code, 0);
}

TEST_F(Cli, AMissingInputIsAnErrorAndNotAnEmptyStream) {
  make_idle("orders", "one\n");
  ASSERT_EQ(run({"recv", "orders", "--lines"}).out, "one\n");
  for (const char* closing : {"<&-", "<&- 2>&-"}) {
    const auto end = run({"send", "orders", "--lines", "--timeout", "5"}, with_closed(closing));
    EXPECT_EQ(end.code, 1) << closing << "\n" << end;
    EXPECT_EQ(ring("orders")["is_closed"], false) << closing;
    EXPECT_EQ(ring("orders")["fill_slots"], 0) << closing;
  }
}

TEST_F(Cli, ASegmentNeverGetsTheNumberOfAStandardDescriptor) {
  auto consumer = start({"recv", "orders", "--create", "--persistent"}, with_closed("<&- >&- 2>&-"));
  until([&] {
    const auto found = ring("orders");
    return !found.is_null() && !found["seats"].empty() && found["seats"][0]["condition"] == "alive";
  });
  for (const char* number : {"0", "1", "2"}) {
    std::error_code none;
    const auto place = std::filesystem::read_symlink("/proc/" + std::to_string(consumer.pid()) + "/fd/" + number, none);
    EXPECT_EQ(place, "/dev/null") << number;
  }
}

TEST_F(Cli, AListWithoutAnOutputIsAnError) {
  make_idle("orders", "one\n");
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"list"}, {"--json", "list"}, {"inspect", "orders"}, {"--help"}, {"--version"}}) {
    EXPECT_EQ(run(words, with_closed(">&-")).code, 1) << words[0];
    streams full;
    full.out = "/dev/full";
    EXPECT_EQ(run(words, full).code, 7) << words[0];
  }
}

}  // namespace
}  // namespace sluice::detail::test
