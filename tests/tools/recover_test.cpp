// sluice recover, and what the other commands show of durable channels.

#include <algorithm>

#include "support/disk.hpp"
#include "tools/run_cli.hpp"

namespace sluice::detail::test {
namespace {

using nlohmann::json;

/// The registry is on a disk.
class DurableCli : public Cli {
 protected:
  void SetUp() override {
    const auto folder = on_a_disk();
    if (!folder) GTEST_SKIP() << "no folder on a disk: nothing there survives a reset";
    std::string pattern = *folder + "/sluice-cli-XXXXXX";
    disk_ = ::mkdtemp(pattern.data());
    std::filesystem::create_directory(registry_ = disk_ / "registry");
    ::setenv("SLUICE_DIR", registry_.c_str(), 1);
  }
  void TearDown() override {
    std::error_code ignored;
    if (!disk_.empty()) std::filesystem::remove_all(disk_, ignored);
  }

  /// No process is attached, and these lines wait.
  void make(const std::string& name, const std::string& lines, const std::string& when,
            const std::string& ring = "spsc") const {
    const auto end = run({"send", name, "--lines", "--create", "--persistent", "--no-wait", "-s", "64", "-r", ring,
                          "--durability", when},
                         with_input(lines));
    ASSERT_EQ(end.code, 0) << end;
  }
  void reset(const std::string& name) const { write_image(file(name), after_a_reset(image_of(file(name)))); }
  /// Flips a bit in the message of slot `index`.
  void damage(const std::string& name, std::uint64_t index) const {
    auto bytes = image_of(file(name));
    const auto form = header_in(bytes).parts[0];
    bytes[form.body_offset + index * form.slots.slot_stride_bytes + form.slots.payload_offset + 8] ^= std::byte{1};
    write_image(file(name), bytes);
  }
  std::filesystem::path disk_;
};

TEST_F(DurableCli, RecvGetsWhatWasSentBeforeAResetAndSaysSo) {
  for (const char* ring : {"spsc", "mpmc"}) {
    make("orders", "one\ntwo\nthree\n", "every", ring);
    reset("orders");
    const auto end = run({"recv", "orders", "--lines"});
    EXPECT_EQ(end.code, 0) << end;
    EXPECT_EQ(end.out, "one\ntwo\nthree\n");
    EXPECT_NE(end.err.find("3 message(s) may have been delivered before"), std::string::npos) << end;
    EXPECT_EQ(run({"clear", "orders", "--yes"}).code, 0);
  }
}

TEST_F(DurableCli, EveryReceiverOfATopicGetsWhatWasSentBeforeAReset) {
  for (const char* ring : {"topic", "topic-many"}) {
    make("ticks", "one\ntwo\nthree\n", "every", ring);
    reset("ticks");
    for (const char* words : {"--lossless", "--lossy"}) {
      const auto end = run({"recv", "ticks", "--lines", words});
      EXPECT_EQ(end.code, 0) << end;
      EXPECT_EQ(end.out, "one\ntwo\nthree\n") << ring;
    }
    EXPECT_EQ(run({"recv", "ticks", "--lines", "--from", "last:1"}).out, "three\n");
    EXPECT_EQ(run({"clear", "ticks", "--yes"}).code, 0);
  }
}

TEST_F(DurableCli, RecoverSaysWhatWasKeptTornAndMissing) {
  make("orders", "one\ntwo\nthree\nfour\n", "close");
  damage("orders", 1);
  reset("orders");
  EXPECT_TRUE(inspect("orders")["is_of_another_boot"]);
  const auto end = run({"recover", "orders", "--json"});
  EXPECT_EQ(end.code, 0) << end;
  const auto found = json::parse(end.out);
  EXPECT_EQ(found["kept"], 3);
  EXPECT_EQ(found["torn"], 1);
  EXPECT_EQ(found["missing"], 0);
  EXPECT_NE(end.err.find("1 message(s) were torn"), std::string::npos) << end;
  EXPECT_EQ(ring("orders")["recovered"], 3);
  EXPECT_EQ(ring("orders")["recovered_torn"], 1);
  EXPECT_FALSE(inspect("orders")["is_of_another_boot"]);
  EXPECT_NE(run({"inspect", "orders"}).out.find("3 messages kept, 1 torn, 0 missing"), std::string::npos);
  EXPECT_EQ(run({"recv", "orders", "--lines"}).out, "one\nthree\nfour\n");
}

TEST_F(DurableCli, RecoverRefusesWhatIsInUseAndNamesThePid) {
  const auto producer = start({"send", "orders", "--lines", "--create", "--durability", "10"}, with_pipe());
  until([&] { return !ring("orders").is_null() && !ring("orders")["seats"].empty(); });
  const auto end = run({"recover", "orders"});
  EXPECT_EQ(end.code, 4) << end;
  EXPECT_NE(end.err.find("pid " + std::to_string(producer.pid())), std::string::npos) << end;
}

TEST_F(DurableCli, RecoverOfWhatItsDeadLeftKeepsTheirMessages) {
  auto producer = start({"send", "orders", "--lines", "--create", "--persistent", "--durability", "10"}, with_pipe());
  producer.write_stdin("one\ntwo\n");
  until_published("orders", 2);
  EXPECT_EQ(producer.kill().signal, SIGKILL);
  EXPECT_EQ(run({"clear", "--dead", "--yes"}).out.find("removed"), std::string::npos) << "it is to outlast them";
  EXPECT_EQ(run({"recover", "orders"}).out, "recovered orders: 2 message(s) kept, 0 torn, 0 missing\n");
}

TEST_F(DurableCli, RecoverOfWhatCannotBeToldApartExitsWithFive) {
  make("plain", "one\n", "none");
  make("flipped", "one\n", "every");
  patch(file("flipped"), 40, "x");
  write_all(file("random"), std::string(9000, 'x'));
  for (const char* name : {"plain", "flipped", "random"}) {
    const auto before = read_all(file(name));
    const auto end = run({"recover", name});
    EXPECT_EQ(end.code, 5) << name << "\n" << end;
    EXPECT_TRUE(read_all(file(name)) == before) << name;
  }
  EXPECT_NE(run({"recover", "plain"}).err.find("sluice clear"), std::string::npos);
  EXPECT_EQ(run({"recover", "missing"}).code, 3);
  reset("plain");
  for (const std::vector<std::string>& words : {std::vector<std::string>{"recv", "plain"}, {"inspect", "plain"}}) {
    const auto end = run(words);
    EXPECT_EQ(end.code, 5) << end;
    EXPECT_NE(end.err.find("not durable"), std::string::npos) << end;
  }
}

TEST_F(DurableCli, ListAndInspectShowTheDurability) {
  const std::pair<const char*, const char*> all[] = {
      {"none", "none"}, {"close", "on close"}, {"every", "every message"}, {"100", "every 100 messages"}};
  for (const auto& [when, text] : all) {
    make(when, "one\n", when);
    EXPECT_EQ(ring(when)["durability"], text);
    EXPECT_NE(run({"inspect", when}).out.find(text), std::string::npos);
  }
  const auto listed = run({"list"}).out;
  EXPECT_NE(listed.find("DURABILITY"), std::string::npos) << listed;
  for (const std::string when : {"none", "close", "every", "100"})  // the name, and its column
    EXPECT_NE(listed.find(" " + when + " ", listed.find("\n" + when + " ") + 2), std::string::npos) << listed;
}

TEST_F(DurableCli, DurabilityIsRefusedWhereItCannotBe) {
  for (const char* when : {"0", "-1", "often", "1x", "99999999999"})
    EXPECT_EQ(run({"send", "orders", "--create", "--durability", when}).code, 2) << when;
  EXPECT_EQ(run({"send", "orders", "--durability", "every"}).code, 2) << "without --create";
  const auto end = run({"--dir", (root_ / "registry").string(), "send", "orders", "--create", "--durability", "every"});
  EXPECT_EQ(end.code, 2) << end;
  EXPECT_NE(end.err.find("SLUICE_DIR"), std::string::npos) << end;
}

}  // namespace
}  // namespace sluice::detail::test
