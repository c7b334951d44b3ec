// send and recv with messages of any length: lines as long as they are, and channels that programs share with the tool.

#include <string>

#include "sluice/bytes.hpp"
#include "sluice/channel.hpp"
#include "tools/run_cli.hpp"

namespace sluice::detail::test {
namespace {

using nlohmann::json;

TEST_F(Cli, LinesOfAnyLengthArriveAsTheyAre) {
  std::string lines = "one\n\n";
  for (const std::size_t length : {100, 113, 5'000, 70'000, 200'000}) lines += std::string(length, 'x') + "\n";
  for (const char* ring : {"spsc", "mpmc"}) {
    auto consumer = start({"recv", "log", "--create", "--lines", "--ring", ring});
    const auto sent = run({"send", "log", "--create", "--lines", "--ring", ring}, with_input(lines));
    EXPECT_EQ(sent.code, 0) << sent;
    const auto received = consumer.wait();
    EXPECT_EQ(received.code, 0) << received.err;
    EXPECT_EQ(received.err, "") << ring;
    EXPECT_TRUE(received.out == lines) << ring << ": " << received.out.size() << " bytes";
  }
}

TEST_F(Cli, ALineLongerThanTheLongestMessageEndsItAllAndIsNotCut) {
  const auto end = run({"send", "log", "--create", "--persistent", "--no-wait", "--lines", "--capacity-bytes", "4k"},
                       with_input("first\n" + std::string(4097, 'x') + "\nlast\n"));
  EXPECT_EQ(end.code, 1) << end;
  EXPECT_NE(end.err.find("line 2 is longer than a message (4096 bytes)"), std::string::npos) << end;
  EXPECT_NE(end.err.find("--capacity-bytes"), std::string::npos) << end;
  EXPECT_EQ(run({"recv", "log", "--lines", "--count", "1"}).out, "first\n");
  const auto unending = run({"send", "other", "--create", "--persistent", "--no-wait", "--lines"},
                            with_input(std::string(3'000'000, 'x')));
  EXPECT_EQ(unending.code, 1) << "a line without an end is not read for ever";
}

TEST_F(Cli, BytesWithoutLinesArriveExactlyWhateverTheReads) {
  std::string bytes(3'000'017, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 31 >> 3);
  auto consumer = start({"recv", "pipe", "--create", "--any-size", "--capacity-bytes", "1M"});
  const auto sent = run({"send", "pipe", "--create", "--any-size", "--capacity-bytes", "1M"}, with_input(bytes));
  EXPECT_EQ(sent.code, 0) << sent;
  EXPECT_TRUE(consumer.wait().out == bytes);
}

TEST_F(Cli, AProgramSharesItsChannelOfBytesWithTheTool) {
  const auto log = channel<bytes>::create(file("log").string());
  {
    auto out = log.producer();
    EXPECT_EQ(out.send("from a program"), wait_result::ready);
    out.close();
  }
  EXPECT_EQ(run({"recv", "log", "--lines"}).out, "from a program\n");
  EXPECT_EQ(run({"send", "log", "--lines", "--no-wait"}, with_input("from the tool\n")).code, 0);
  std::string text;
  EXPECT_TRUE(log.consumer().try_receive(text));
  EXPECT_EQ(text, "from the tool");
}

TEST_F(Cli, ALookTellsLengthsAndBytesOfMessagesOfAnyLength) {
  ASSERT_EQ(run({"send", "log", "--create", "--persistent", "--no-wait", "--lines", "--capacity-bytes", "64k"},
                with_input("12345\n" + std::string(1000, 'x') + "\n"))
                .code,
            0);
  const auto looked = run({"inspect", "log"});
  EXPECT_NE(looked.out.find("any length up to 65536 bytes, those up to 112 in their slots"), std::string::npos)
      << looked.out;
  const auto ring = json::parse(run({"inspect", "log", "--json"}).out)["rings"][0];
  EXPECT_EQ(ring["has_any_length"], true);
  EXPECT_EQ(ring["message_bytes"], 65536);
  EXPECT_EQ(ring["published_bytes"], 1005);
  EXPECT_NE(run({"list"}).out.find("spsc-bytes"), std::string::npos);
  const auto cleared = run({"clear", "log", "--yes"});
  EXPECT_NE(cleared.out.find("2 unread message(s), 1005 B, were lost"), std::string::npos) << cleared;
}

TEST_F(Cli, WhatDoesNotGoTogetherIsRefused) {
  EXPECT_EQ(run({"send", "x", "--create", "--any-size", "--message-size", "64"}).code, 2);
  EXPECT_EQ(run({"send", "x", "--any-size"}).code, 2) << "only with --create";
  EXPECT_EQ(run({"send", "x", "--create", "--any-size", "--capacity-bytes", "12"}).code, 2);
  EXPECT_EQ(run({"send", "x", "--create", "--message-size", "64", "--capacity-bytes", "1M"}).code, 2);
}

}  // namespace
}  // namespace sluice::detail::test
