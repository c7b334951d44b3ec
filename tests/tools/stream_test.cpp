// send and recv: every byte arrives once, in order, whatever the sizes, and whichever side dies.

#include <random>
#include <sstream>

#include "support/small_filesystem.hpp"
#include "tools/numbers.hpp"

namespace sluice::detail::test {
namespace {

using nlohmann::json;

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  std::mt19937_64 next(42);
  for (char& c : bytes) c = static_cast<char>(next());
  return bytes;
}

TEST_F(Cli, StreamsArriveExactlyWhateverTheMessageSize) {
  const auto bytes = random_bytes(3 * (1 << 20) + 17);
  for (const char* size : {"1000", "4096", "65536", "1000001", "8000000"}) {
    auto consumer = start({"recv", "pipe", "--create", "-s", size, "-C", "4"});
    const auto sent = run({"send", "pipe", "--create", "-s", size, "-C", "4"}, with_input(bytes));
    const auto received = consumer.wait();
    EXPECT_EQ(sent.code, 0) << size << sent.err;
    EXPECT_EQ(received.code, 0) << size << received.err;
    EXPECT_TRUE(received.out == bytes) << size << ": " << received.out.size() << " bytes";
    EXPECT_FALSE(std::filesystem::exists(file("pipe"))) << "ephemeral: gone with the last one";
  }
}

TEST_F(Cli, BytesThatTrickleInAreKeptTogether) {
  auto consumer = start({"recv", "pipe", "--create", "-s", "1000"});
  auto producer = start({"send", "pipe", "--create", "-s", "1000", "--json"}, with_pipe());
  const auto bytes = random_bytes(12'345);
  for (std::size_t at = 0, step = 1; at < bytes.size(); at += step, step = (step * 7 + 3) % 2'500 + 1)
    producer.write_stdin(bytes.substr(at, step));
  producer.close_stdin();
  const auto sent = producer.wait();
  EXPECT_EQ(sent.code, 0) << sent;
  EXPECT_EQ(json::parse(sent.err)["messages"], 13);
  EXPECT_EQ(json::parse(sent.err)["bytes"], 12'345);
  EXPECT_TRUE(consumer.wait().out == bytes);
}

TEST_F(Cli, AnEmptyInputIsAnEmptyStream) {
  auto consumer = start({"recv", "pipe", "--create"});
  until([&] { return !ring("pipe").is_null(); });
  EXPECT_EQ(run({"send", "pipe"}).code, 0);
  const auto end = consumer.wait();
  EXPECT_EQ(end.code, 0) << end;
  EXPECT_EQ(end.out, "");
}

TEST_F(Cli, LinesArriveAsLines) {
  const std::string lines = "first\n\nthird " + std::string(50, 'x') + "\nlast without an end";
  make_idle("lines", lines);
  const auto end = run({"recv", "lines", "--lines", "--json"});
  EXPECT_EQ(end.code, 0) << end;
  EXPECT_EQ(end.out, lines + "\n");
  EXPECT_EQ(json::parse(end.err)["messages"], 4);
  const auto many = numbered_lines(0, 100'000);
  auto consumer = start({"recv", "many", "--create", "--lines"});
  EXPECT_EQ(run({"send", "many", "--create", "--lines"}, with_input(many)).code, 0);
  EXPECT_TRUE(consumer.wait().out == many);
}

TEST_F(Cli, ALineThatDoesNotFitIsAnErrorWithItsNumber) {
  for (const std::string& tail : {std::string(65, 'x') + "\nfour\n", std::string(300'000, 'x')}) {
    const auto end =
        run({"send", "lines", "--lines", "--create", "--persistent", "-s", "64"}, with_input("one\ntwo\n" + tail));
    EXPECT_EQ(end.code, 1) << end;
    EXPECT_NE(end.err.find("line 3 is longer"), std::string::npos) << end;
    EXPECT_NE(end.err.find("without closing"), std::string::npos) << end;
    const auto received = run({"recv", "lines", "--lines", "--count", "2"});
    EXPECT_EQ(received.out, "one\ntwo\n") << received;
    EXPECT_EQ(ring("lines")["is_closed"], false);
    EXPECT_EQ(ring("lines")["fill_slots"], 0);
  }
}

TEST_F(Cli, CountEndsEitherSide) {
  make_idle("lines", "1\n2\n3\n4\n5\n");
  auto end = run({"recv", "lines", "--lines", "--count", "2"});
  EXPECT_EQ(end.code, 0) << end;
  EXPECT_EQ(end.out, "1\n2\n");
  end = run({"recv", "lines", "--lines", "--json"});
  EXPECT_EQ(end.out, "3\n4\n5\n");
  EXPECT_EQ(json::parse(end.err)["redelivered"], 0) << "a receiver that left in order held nothing";
  EXPECT_EQ(run({"send", "lines", "--lines", "--count", "3", "--no-wait"}, with_input("a\nb\nc\nd\n")).code, 0);
  EXPECT_EQ(run({"recv", "lines", "--lines"}).out, "a\nb\nc\n");
}

TEST_F(Cli, SilenceEndsWithSix) {
  auto end = run({"recv", "silent", "--create", "--timeout", "0.2"});
  EXPECT_EQ(end.code, 6) << end;
  end = run({"recv", "silent", "--create", "--timeout", "0.2", "--json"});
  EXPECT_EQ(end.code, 6) << end;
  EXPECT_NE(end.err.find("\"timed_out\""), std::string::npos) << end;
  // No room, and no receiver that makes some.
  end = run({"send", "full", "--create", "--persistent", "--lines", "-s", "8", "-C", "2", "--timeout", "0.2"},
            with_input("1\n2\n3\n"));
  EXPECT_EQ(end.code, 6) << end;
  EXPECT_EQ(ring("full")["is_closed"], false);
  // Room enough, but no receiver takes the message.
  end = run({"send", "drain", "--create", "--lines", "--timeout", "0.2"}, with_input("1\n"));
  EXPECT_EQ(end.code, 6) << end;
}

TEST_F(Cli, AMissingNameExitsWithThreeAndAHint) {
  for (const char* command : {"send", "recv"}) {
    const auto end = run({command, "missing"});
    EXPECT_EQ(end.code, 3) << end;
    EXPECT_NE(end.err.find("--create"), std::string::npos) << end;
  }
  EXPECT_EQ(run({"inspect", "missing"}).code, 3);
  EXPECT_EQ(run({"clear", "missing", "--yes"}).code, 3);
}

TEST_F(Cli, ASecondProducerIsRefusedWithThePidOfTheFirst) {
  const auto first = make_live("orders", "one\n", false);
  auto end = run({"send", "orders"});
  EXPECT_EQ(end.code, 4) << end;
  EXPECT_NE(end.err.find("pid " + std::to_string(first.pid())), std::string::npos) << end;
  const auto consumer = start({"recv", "orders", "--lines"});
  until([&] { return ring("orders")["head"] == 1; });
  end = run({"recv", "orders"});
  EXPECT_EQ(end.code, 4) << end;
  EXPECT_NE(end.err.find("pid " + std::to_string(consumer.pid())), std::string::npos) << end;
}

TEST_F(Cli, NoSpaceExitsWithSeven) {
  const auto end = run({"recv", "huge", "--create", "-s", "1000000000", "-C", "32768"});
  EXPECT_EQ(end.code, 7) << end;
  EXPECT_FALSE(std::filesystem::exists(file("huge")));
}

TEST_F(Cli, NoWaitIsRefusedWhereItWouldLoseMessages) {
  const auto end = run({"send", "gone", "--create", "--no-wait"}, with_input("x"));
  EXPECT_EQ(end.code, 2) << end;
  EXPECT_FALSE(std::filesystem::exists(file("gone")));
}

TEST_F(Cli, AConsumerThatIsKilledLosesNothing) {
  const std::size_t count = 400'000;  // more bytes than a pipe and the ring hold, so that it cannot be over
  const auto lines = numbered_lines(1, count);
  auto producer = start({"send", "orders", "--lines", "--create", "-s", "16", "-C", "1024"}, with_input(lines));
  until([&] { return !ring("orders").is_null(); });
  streams to_pipe;
  to_pipe.out_is_pipe = true;
  std::vector<std::size_t> before;
  {
    auto victim = start({"recv", "orders", "--lines"}, to_pipe);
    auto text = victim.read_stdout(4096);
    victim.signal(SIGKILL);
    for (auto more = victim.read_stdout(65536); !more.empty(); more = victim.read_stdout(65536)) text += more;
    EXPECT_EQ(victim.wait().signal, SIGKILL);
    before = numbers_in(text);
  }
  const auto end = run({"recv", "orders", "--lines", "--json"});
  EXPECT_EQ(end.code, 0) << end.err;
  EXPECT_EQ(producer.wait().code, 0);
  const auto after = numbers_in(end.out);
  ASSERT_FALSE(before.empty());
  ASSERT_FALSE(after.empty());
  EXPECT_TRUE(is_run(before));
  EXPECT_TRUE(is_run(after));
  EXPECT_EQ(before.front(), 1U);
  EXPECT_EQ(after.back(), count);
  ASSERT_LT(before.back(), count) << "killed midway";
  EXPECT_LE(after.front(), before.back() + 1) << "nothing is missing";
  const auto summary = json::parse(end.err.substr(end.err.rfind("{\"bytes\"")));
  const auto marked = summary["redelivered"].get<std::size_t>();
  EXPECT_GE(marked, before.back() + 1 - after.front()) << "all that came twice is marked";
  EXPECT_LE(marked, 64U) << "no more is marked than one batch";
  EXPECT_EQ(end.err.find("delivered before") != std::string::npos, marked != 0) << end.err;
}

TEST_F(Cli, AMarkShowsWhichLinesMayHaveBeenDeliveredBefore) {
  std::string lines;  // more than a pipe holds, in one batch
  for (int i = 0; i < 40; ++i) lines += std::string(60'000, static_cast<char>('a' + i % 26)) + "\n";
  const auto sent =
      run({"send", "orders", "--lines", "--create", "--persistent", "--no-wait", "--capacity-bytes", "4M"},
          with_input(lines));
  ASSERT_EQ(sent.code, 0) << sent;
  streams to_pipe;
  to_pipe.out_is_pipe = true;
  {
    auto victim = start({"recv", "orders", "--lines"}, to_pipe);
    EXPECT_EQ(victim.read_stdout(1), "a");
    victim.kill();  // in its write
  }
  const auto end = run({"recv", "orders", "--lines", "--mark", "again: ", "--json"});
  EXPECT_EQ(end.code, 0) << end.err;
  const auto summary = json::parse(end.err.substr(end.err.rfind("{\"bytes\"")));
  EXPECT_EQ(summary["bytes"], 40 * 60'000);
  std::size_t marked = 0, all = 0;
  std::istringstream in(end.out);
  for (std::string line; std::getline(in, line); ++all) marked += line.starts_with("again: ");
  EXPECT_EQ(all, 40U);
  EXPECT_GE(marked, 1U);
  EXPECT_EQ(summary["redelivered"], marked);
  EXPECT_EQ(run({"recv", "orders", "--mark", "x"}).code, 2) << "a mark is for lines";
}

TEST_F(Cli, AProducerThatIsKilledIsSaidOnceAndReplaced) {
  auto consumer = start({"recv", "orders", "--lines", "--create", "-s", "64"});
  pid_t dead = 0;
  {
    auto producer = make_live("orders", "one\ntwo\n", false);
    dead = producer.pid();
    producer.kill();
  }
  const auto text = "the producer (pid " + std::to_string(dead) + ") died";
  until([&] { return consumer.errors_so_far().find(text) != std::string::npos; });
  EXPECT_EQ(run({"send", "orders", "--lines"}, with_input("three\n")).code, 0);
  const auto end = consumer.wait();
  EXPECT_EQ(end.code, 0) << end;
  EXPECT_EQ(end.out, "one\ntwo\nthree\n");
  EXPECT_EQ(end.err.find("died"), end.err.rfind("died")) << end;
}

TEST_F(Cli, AConsumerThatIsKilledIsSaidByTheProducer) {
  auto producer =
      start({"send", "orders", "--lines", "--create", "-s", "16", "-C", "2"}, with_input(numbered_lines(0, 10'000)));
  until([&] { return !ring("orders").is_null(); });
  streams to_pipe;
  to_pipe.out_is_pipe = true;
  auto consumer = start({"recv", "orders", "--lines"}, to_pipe);
  EXPECT_NE(consumer.read_stdout(10), "");
  consumer.signal(SIGSTOP);
  until([&] { return ring("orders")["fill_slots"] == 2; });
  const auto pid = consumer.pid();
  consumer.kill();
  const auto text = "the consumer (pid " + std::to_string(pid) + ") died";
  until([&] { return producer.errors_so_far().find(text) != std::string::npos; });
  EXPECT_EQ(run({"recv", "orders", "--lines"}).code, 0);
  EXPECT_EQ(producer.wait().code, 0);
}

TEST_F(Cli, AnInterruptedProducerLeavesTheStreamOpen) {
  for (const auto& [signal, code] : {std::pair{SIGINT, 130}, {SIGTERM, 143}}) {
    auto producer = make_live("orders", "one\n", true);
    producer.signal(signal);
    const auto end = producer.wait();
    EXPECT_EQ(end.code, code) << end;
    EXPECT_NE(end.err.find("without closing"), std::string::npos) << end;
    const auto found = ring("orders");
    EXPECT_EQ(found["is_closed"], false);
    EXPECT_EQ(found["seats"][0]["condition"], "left");
    EXPECT_EQ(run({"recv", "orders", "--timeout", "0.2"}).code, 6) << "not the end of a complete stream";
  }
}

TEST_F(Cli, AnInterruptedConsumerLeavesInOrder) {
  for (const auto& [signal, code] : {std::pair{SIGINT, 130}, {SIGTERM, 143}}) {
    auto consumer = start({"recv", "orders", "--create", "--persistent"});
    until([&] {
      const auto found = ring("orders");
      return !found.is_null() && !found["seats"].empty() && found["seats"][0]["condition"] == "alive";
    });
    consumer.signal(signal);
    const auto end = consumer.wait();
    EXPECT_EQ(end.code, code) << end;
    EXPECT_EQ(ring("orders")["seats"][0]["condition"], "left");
  }
}

TEST_F(Cli, AnInterruptedConsumerWithAStuckOutputReleasesWhatItWrote) {
  const std::size_t count = 400'000;
  auto producer =
      start({"send", "orders", "--lines", "--create", "-s", "16", "-C", "1024"}, with_input(numbered_lines(1, count)));
  until([&] { return !ring("orders").is_null(); });
  streams to_pipe;
  to_pipe.out_is_pipe = true;
  auto consumer = start({"recv", "orders", "--lines"}, to_pipe);
  std::string text = consumer.read_stdout(4096);
  until([&] { return ring("orders")["fill_slots"] == 1024; });  // stuck: its output is not read
  consumer.signal(SIGTERM);
  // Its seat is free again although its output still is as full as it was.
  until([&] { return ring("orders")["seats"][1]["condition"] == "left"; });
  for (auto more = consumer.read_stdout(65536); !more.empty(); more = consumer.read_stdout(65536)) text += more;
  EXPECT_EQ(consumer.wait().code, 143);
  const auto before = numbers_in(text);
  const auto after = numbers_in(run({"recv", "orders", "--lines"}).out);
  EXPECT_TRUE(is_run(before));
  EXPECT_TRUE(is_run(after));
  EXPECT_EQ(after.front(), before.back() + 1) << "exactly once: it had the time to release what it wrote";
  EXPECT_EQ(after.back(), count);
  EXPECT_EQ(producer.wait().code, 0);
}

TEST_F(Cli, AFullDiskEndsARecvThatHasReleasedWhatItWrote) {
  const auto small = small_filesystem::tmpfs(32);
  if (!small) GTEST_SKIP() << "mounting a tmpfs needs root";
  std::string lines;
  for (int i = 0; i < 64; ++i) lines += std::string(999, static_cast<char>('a' + i % 26)) + "\n";
  const auto sent =
      run({"send", "orders", "--lines", "--create", "--persistent", "--no-wait", "-s", "1000"}, with_input(lines));
  ASSERT_EQ(sent.code, 0) << sent;
  streams to_disk;
  to_disk.out = small->path() + "/out";
  const auto end = run({"recv", "orders", "--lines"}, to_disk);
  EXPECT_EQ(end.code, 7) << end;
  const auto written = read_all(to_disk.out);
  const auto whole = static_cast<std::size_t>(std::count(written.begin(), written.end(), '\n'));
  ASSERT_GT(whole, 0U);
  ASSERT_LT(whole, 64U);
  EXPECT_NE(end.err.find("(" + std::to_string(whole) + " message(s) were written and released"), std::string::npos)
      << end;
  EXPECT_NE(end.err.find("ends with the first " + std::to_string(written.size() % 1000) + " bytes of a message"),
            std::string::npos)
      << end;
  EXPECT_EQ(ring("orders")["fill_slots"], 64 - whole);
  EXPECT_EQ(run({"recv", "orders", "--lines"}).out, lines.substr(whole * 1000)) << "each whole one once";
}

TEST_F(Cli, AnOutputThatFailsMidwayKeepsWhatItDidNotTake) {
  std::string lines;
  for (int i = 0; i < 64; ++i) lines += std::string(63, static_cast<char>('a' + i % 26)) + "\n";
  make_idle("orders", lines);
  ASSERT_EQ(run({"recv", "orders", "--lines", "--count", "3"}).code, 0);
  streams to_full;
  to_full.out = "/dev/full";
  const auto end = run({"recv", "orders", "--lines"}, to_full);
  EXPECT_EQ(end.code, 7) << end;
  EXPECT_NE(end.err.find("(0 message(s) were written and released"), std::string::npos) << end;
  EXPECT_EQ(run({"recv", "orders", "--lines"}).out, lines.substr(3 * 64));
}

TEST_F(Cli, AFileCutShortUnderASendThatReadsItsInputIsTruncated) {
  for (const auto& form : std::vector<std::vector<std::string>>{{}, {"--lines"}, {"--ring", "mpmc"}}) {
    for (const off_t length : {off_t{0}, off_t{4096}, off_t{20'000}}) {
      std::vector<std::string> words{"send", "cut", "--create", "--persistent", "-s", "4000", "-C", "16"};
      words.insert(words.end(), form.begin(), form.end());
      auto producer = start(words, with_pipe());
      producer.write_stdin(std::string(3999, 'x') + "\n");
      until_published("cut", 1);
      ASSERT_EQ(::truncate(file("cut").c_str(), length), 0);
      for (int i = 0; i < 5 && producer.try_write_stdin(std::string(3999, 'y') + "\n"); ++i) {
      }
      producer.close_stdin();
      const auto end = producer.wait();
      EXPECT_EQ(end.code, 5) << length << "\n" << end;
      std::filesystem::remove(file("cut"));
    }
  }
}

TEST_F(Cli, AFileCutShortUnderARecvWhoseOutputIsStuckIsTruncated) {
  for (const char* ring_kind : {"spsc", "mpmc"}) {
    const auto sent = run({"send", "cut", "--create", "--persistent", "--no-wait", "--ring", ring_kind},
                          with_input(std::string(4'000'000, 'x')));
    ASSERT_EQ(sent.code, 0) << sent;
    streams to_pipe;
    to_pipe.out_is_pipe = true;
    auto consumer = start({"recv", "cut"}, to_pipe);
    EXPECT_EQ(consumer.read_stdout(1).size(), 1U);
    ASSERT_EQ(::truncate(file("cut").c_str(), 4096), 0);
    while (!consumer.read_stdout(1 << 16).empty()) {
    }
    const auto end = consumer.wait();
    EXPECT_EQ(end.code, 5) << end;
    EXPECT_NE(end.err.find("cut short"), std::string::npos) << end;
    std::filesystem::remove(file("cut"));
  }
}

TEST_F(Cli, TheLastOneOutOfAnEphemeralChannelSaysWhatGoesWithIt) {
  for (const auto& [signal, code] : {std::pair{SIGINT, 130}, {SIGTERM, 143}}) {
    auto producer = make_live("orders", "one\ntwo\nthree\n", false);
    producer.signal(signal);
    const auto end = producer.wait();
    EXPECT_EQ(end.code, code) << end;
    EXPECT_NE(end.err.find("3 undelivered message(s) went with it"), std::string::npos) << end;
    EXPECT_FALSE(std::filesystem::exists(file("orders")));
  }
  // While another is attached nothing goes.
  auto producer = make_live("orders", "one\ntwo\nthree\n", false);
  auto end = run({"recv", "orders", "--lines", "--count", "1"});
  EXPECT_EQ(end.err, "");
  producer.signal(SIGTERM);
  end = producer.wait();
  EXPECT_NE(end.err.find("2 undelivered message(s) went with it"), std::string::npos) << end;
}

TEST_F(Cli, ADurableChannelIsPersistentWithoutBeingAsked) {
  const struct on_disk {
    on_disk() : path("/var/tmp/sluice-cli-XXXXXX") { EXPECT_NE(::mkdtemp(path.data()), nullptr); }
    ~on_disk() { std::filesystem::remove_all(path); }
    std::string path;
  } disk;
  ::setenv("SLUICE_DIR", disk.path.c_str(), 1);
  auto producer = start({"send", "orders", "--lines", "--create", "-s", "64", "--durability", "every"}, with_pipe());
  producer.write_stdin("one\ntwo\n");
  until_published("orders", 2);
  EXPECT_EQ(inspect("orders")["header"]["lifetime"], "persistent");
  producer.signal(SIGTERM);
  const auto end = producer.wait();
  EXPECT_EQ(end.code, 143) << end;
  EXPECT_EQ(end.err.find("undelivered"), std::string::npos) << end;
  EXPECT_EQ(run({"recv", "orders", "--lines", "--count", "2"}).out, "one\ntwo\n");
}

TEST_F(Cli, ASignalThatTheParentIgnoredStaysIgnored) {
  for (const auto& [name, number] : {std::pair{"INT", SIGINT}, {"TERM", SIGTERM}}) {
    auto how = with_pipe();
    how.before = {"sh", "-c", "trap '' \"$0\"; exec \"$@\"", name};
    auto producer = start({"send", "orders", "--lines", "--create", "--persistent", "-s", "64", "--no-wait"}, how);
    until([&] { return !ring("orders").is_null() && !ring("orders")["seats"].empty(); });
    producer.signal(number);
    producer.write_stdin("one\n");
    producer.close_stdin();
    const auto end = producer.wait();
    EXPECT_EQ(end.code, 0) << name << "\n" << end;
    EXPECT_EQ(run({"recv", "orders", "--lines"}).out, "one\n");
  }
}

TEST_F(Cli, AClosedOutputLeavesTheMessagesInTheChannel) {
  streams to_pipe;
  to_pipe.out_is_pipe = true;
  auto consumer = start({"recv", "orders", "--lines", "--create", "--persistent", "-s", "64"}, to_pipe);
  consumer.close_stdout();
  until([&] { return !ring("orders").is_null(); });
  EXPECT_EQ(run({"send", "orders", "--lines", "--no-wait"}, with_input("one\ntwo\n")).code, 0);
  const auto end = consumer.wait();
  EXPECT_EQ(end.code, 1) << end;
  EXPECT_NE(end.err.find("Broken pipe"), std::string::npos) << end;
  EXPECT_EQ(run({"recv", "orders", "--lines"}).out, "one\ntwo\n");
}

}  // namespace
}  // namespace sluice::detail::test
