// send and recv on one mpmc channel, several at once: every line arrives, whichever dies, and the last sender ends it.

#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "tools/numbers.hpp"

namespace sluice::detail::test {
namespace {

using nlohmann::json;

/// "a 1\na 2\n…": a sender's name and its count, so that a ledger can tell which sent what.
std::string lines_of(const std::string& sender, std::size_t count) {
  std::string lines;
  for (std::size_t i = 1; i <= count; ++i) lines += sender + " " + std::to_string(i) + "\n";
  return lines;
}

/// By sender, the numbers in the order of their arrival. Only whole lines.
std::map<std::string, std::vector<std::size_t>> ledger_of(const std::string& text) {
  std::istringstream in(text.substr(0, text.rfind('\n') + 1));
  std::map<std::string, std::vector<std::size_t>> ledger;
  std::string sender;
  for (std::size_t number = 0; in >> sender >> number;) ledger[sender].push_back(number);
  return ledger;
}

class Mpmc : public Cli {
 protected:
  static constexpr std::size_t many = 200'000;  // lines of one sender: more bytes than a pipe holds

  [[nodiscard]] cli_process sender(const std::string& lines) const {
    return start({"send", "orders", "--lines", "--create", "--ring", "mpmc", "-s", "32", "-C", "256"},
                 with_input(lines));
  }
  /// Sends `lines` and keeps its input open.
  [[nodiscard]] cli_process open_sender(const std::string& lines) const {
    auto one = start({"send", "orders", "--lines", "--create", "--ring", "mpmc", "-s", "32", "-C", "256"}, with_pipe());
    one.write_stdin(lines);
    return one;
  }
  [[nodiscard]] cli_process receiver(const streams& how = {}) const {
    return start({"recv", "orders", "--lines", "--json", "--create", "--ring", "mpmc", "-s", "32", "-C", "256"}, how);
  }
  [[nodiscard]] static streams into_pipe() {
    streams how;
    how.out_is_pipe = true;
    return how;
  }
  [[nodiscard]] std::size_t seated(const std::string& role) const {
    const auto found = ring("orders");
    if (found.is_null()) return 0;
    return static_cast<std::size_t>(std::count_if(found["seats"].begin(), found["seats"].end(), [&](const json& seat) {
      return seat["role"] == role && seat["state"] == "taken";
    }));
  }
  [[nodiscard]] json seat_of(pid_t pid) const {
    const auto found = ring("orders");
    if (!found.is_null())
      for (const auto& seat : found["seats"])
        if (seat["pid"] == pid) return seat;
    return {};
  }
};

TEST_F(Mpmc, EveryLineOfTwoSendersArrivesOnceAtOneOfTwoReceivers) {
  auto first = receiver(), second = receiver();
  until([&] { return seated("consumer") == 2; });
  // Both senders are there before one of them ends, or the first would be the last.
  auto a = open_sender("a 0\n"), b = open_sender("b 0\n");
  until([&] { return seated("producer") == 2; });
  EXPECT_EQ(ring("orders")["kind"], "mpmc");
  for (std::size_t i = 1; i <= 2'000; ++i) {
    a.write_stdin("a " + std::to_string(i) + "\n");
    b.write_stdin("b " + std::to_string(i) + "\n");
  }
  a.close_stdin();
  b.close_stdin();
  EXPECT_EQ(a.wait().code, 0);
  EXPECT_EQ(b.wait().code, 0);
  std::map<std::string, std::set<std::size_t>> all;
  std::size_t messages = 0;
  for (auto* one : {&first, &second}) {
    const auto end = one->wait();
    EXPECT_EQ(end.code, 0) << end.err;
    messages += summary_of(end)["messages"].get<std::size_t>();
    EXPECT_EQ(summary_of(end)["redelivered"], 0);
    for (const auto& [who, numbers] : ledger_of(end.out)) {
      EXPECT_TRUE(is_rising(numbers)) << who << ": a sender's lines keep their order at each receiver";
      all[who].insert(numbers.begin(), numbers.end());
    }
  }
  EXPECT_EQ(messages, 4'002U) << "none came twice";
  EXPECT_EQ(all["a"].size(), 2'001U);
  EXPECT_EQ(all["b"].size(), 2'001U);
  EXPECT_FALSE(std::filesystem::exists(file("orders"))) << "ephemeral: gone with the last one";
}

TEST_F(Mpmc, OnlyTheLastSenderEndsTheStream) {
  auto one = receiver();
  auto a = open_sender("a 1\n"), b = open_sender("b 1\n");
  until([&] { return seated("producer") == 2; });
  a.close_stdin();
  EXPECT_EQ(a.wait().code, 0) << "what it sent is delivered; it does not wait for the other's end";
  EXPECT_EQ(ring("orders")["is_closed"], false);
  EXPECT_EQ(seated("consumer"), 1U);
  b.write_stdin("b 2\n");
  b.close_stdin();
  EXPECT_EQ(b.wait().code, 0);
  const auto end = one.wait();
  EXPECT_EQ(end.code, 0) << end;
  auto ledger = ledger_of(end.out);
  EXPECT_EQ(ledger["a"], (std::vector<std::size_t>{1}));
  EXPECT_EQ(ledger["b"], (std::vector<std::size_t>{1, 2}));
}

TEST_F(Mpmc, ManySendersThatEndAtOnceCloseTheStreamOnce) {
  for (int round = 0; round < 10; ++round) {
    auto one = receiver();
    std::vector<cli_process> senders;
    for (int i = 0; i < 6; ++i) senders.push_back(open_sender("s" + std::to_string(i) + " 1\n"));
    until([&] { return seated("producer") == 6; });
    for (auto& each : senders) each.close_stdin();
    for (auto& each : senders) EXPECT_EQ(each.wait().code, 0);
    const auto end = one.wait();  // hangs here when each left it to another
    EXPECT_EQ(end.code, 0) << end;
    EXPECT_EQ(ledger_of(end.out).size(), 6U);
  }
}

TEST_F(Mpmc, AStoppedSenderHoldsUpNoOtherAndKeepsTheStreamOpen) {
  auto one = receiver();
  auto a = open_sender("a 1\n"), b = open_sender("b 1\n");
  until([&] { return seated("producer") == 2 && ring("orders")["head"] == 2; });
  a.signal(SIGSTOP);
  until([&] { return seat_of(a.pid())["condition"] == "stopped"; });
  b.close_stdin();
  EXPECT_EQ(b.wait().code, 0);
  EXPECT_EQ(ring("orders")["is_closed"], false);
  EXPECT_EQ(sender("c 1\n").wait().code, 0);
  EXPECT_EQ(ring("orders")["is_closed"], false);
  a.signal(SIGCONT);
  a.close_stdin();
  EXPECT_EQ(a.wait().code, 0);
  const auto end = one.wait();
  EXPECT_EQ(end.code, 0) << end;
  EXPECT_EQ(ledger_of(end.out).size(), 3U);
}

TEST_F(Mpmc, AnInterruptedLastSenderLeavesTheStreamOpen) {
  auto one = receiver();
  auto a = open_sender("a 1\n");
  until([&] { return seated("producer") == 1 && ring("orders")["head"] == 1; });
  a.signal(SIGTERM);
  EXPECT_EQ(a.wait().code, 143);
  EXPECT_EQ(ring("orders")["is_closed"], false);
  EXPECT_EQ(sender("b 1\n").wait().code, 0);
  EXPECT_EQ(one.wait().out, "a 1\nb 1\n");
}

TEST_F(Mpmc, ASenderThatKeepsOpenLeavesTheEndToAnother) {
  auto one = receiver();
  until([&] { return seated("consumer") == 1; });
  EXPECT_EQ(run({"send", "orders", "--lines", "--keep-open"}, with_input("a 1\n")).code, 0);
  EXPECT_EQ(ring("orders")["is_closed"], false);
  EXPECT_EQ(sender("b 1\n").wait().code, 0);
  EXPECT_EQ(one.wait().out, "a 1\nb 1\n");
}

TEST_F(Mpmc, NothingPublishedIsLostWhenASenderAndAReceiverAreKilled) {
  auto a = sender(lines_of("a", many)), b = sender(lines_of("b", many)), c = sender(lines_of("c", many));
  until([&] { return seated("producer") == 3; });
  std::string text;
  const auto dead = b.pid();
  std::optional<cli_process> kept;
  {
    auto victim = receiver(into_pipe());
    text = victim.read_stdout(65536);
    until([&] { return seat_of(b.pid())["messages"] > 0; });
    kept.emplace(receiver());
    until([&] { return seated("consumer") == 2; });
    b.kill();  // wherever it stands
    victim.signal(SIGKILL);
    for (auto more = victim.read_stdout(65536); !more.empty(); more = victim.read_stdout(65536)) text += more;
    EXPECT_EQ(victim.wait().signal, SIGKILL);
  }
  EXPECT_EQ(a.wait().code, 0);
  EXPECT_EQ(c.wait().code, 0);
  const auto end = kept->wait();
  EXPECT_EQ(end.code, 0) << end.err;
  const auto before = ledger_of(text), after = ledger_of(end.out);
  const auto marked = summary_of(end)["redelivered"].get<std::size_t>();
  std::size_t twice = 0;
  for (const std::string who : {"a", "b", "c"}) {
    std::multiset<std::size_t> all;
    for (const auto* ledger : {&before, &after})
      if (ledger->count(who) != 0) all.insert(ledger->at(who).begin(), ledger->at(who).end());
    const std::set<std::size_t> once(all.begin(), all.end());
    twice += all.size() - once.size();
    ASSERT_FALSE(once.empty()) << who;
    EXPECT_EQ(*once.begin(), 1U) << who;
    EXPECT_EQ(*once.rbegin(), once.size()) << who << ": no line between the first and the last is missing";
    if (who != "b") {
      EXPECT_EQ(once.size(), many) << who;
    }
  }
  EXPECT_LE(twice, marked) << "all that came twice is marked";
  EXPECT_LE(marked, 64U) << "no more is marked than one batch";
  EXPECT_NE(end.err.find("producers died meanwhile (pid " + std::to_string(dead) + ")"), std::string::npos) << end.err;
}

TEST_F(Mpmc, TheClaimOfASenderThatDiedIsSteppedOverAndCounted) {
  auto one = receiver();
  auto a = open_sender("a 1\n");
  until([&] { return seated("producer") == 1 && ring("orders")["head"] == 1; });
  // A claim that is never published, as a death between the two leaves it: by hand, because that window is nanoseconds.
  const auto form = ring("orders");
  const auto seat = seat_of(a.pid());
  const auto word = [](std::uint64_t value) {
    return std::string(reinterpret_cast<const char*>(&value), sizeof value);
  };
  a.signal(SIGSTOP);
  until([&] { return seat_of(a.pid())["condition"] == "stopped"; });
  const auto intent_offset = form["seats_offset"].get<std::uint64_t>() + seat["index"].get<std::uint64_t>() * 128 + 64;
  patch(file("orders"), intent_offset, word(std::uint64_t{1} << 16 | 1U << 1 | 1U));  // sequence 1, won
  patch(file("orders"), form["control_offset"].get<std::uint64_t>() + 512, word(2));  // tail
  auto b = open_sender("b 1\n");
  until([&] { return ring("orders")["tail"] == 3; });

  // A stopped holder is waited for, and named.
  until([&] { return !ring("orders")["stalls"].empty(); });
  auto found = ring("orders");
  EXPECT_EQ(found["head"], 1);
  EXPECT_EQ(found["stalls"][0]["waiting"], "consumer");
  EXPECT_EQ(found["stalls"][0]["sequence"], 1);
  EXPECT_EQ(found["stalls"][0]["holder_seat"], seat["index"]);
  ASSERT_EQ(found["holds"].size(), 1U);
  EXPECT_EQ(found["holds"][0]["pid"], a.pid());
  EXPECT_EQ(found["holds"][0]["role"], "producer");
  EXPECT_EQ(found["holds"][0]["condition"], "stopped");
  EXPECT_EQ(found["holds"][0]["sequence"], 1);
  EXPECT_EQ(found["holds"][0]["count"], 1);
  EXPECT_GT(found["holds"][0]["waited_for_since_realtime_ns"], 0);
  auto text = run({"inspect", "orders", "--slots"});
  EXPECT_NE(text.out.find("producer " + std::to_string(a.pid()) +
                          " (sluice) stopped: sequence 1; a participant has waited for that for "),
            std::string::npos)
      << text;
  EXPECT_NE(text.out.find("sequence 1: claimed, held by producer " + std::to_string(a.pid()) + " (stopped)"),
            std::string::npos)
      << text;

  // A dead one is shown as dead until the receiver, stopped here, has mended.
  one.signal(SIGSTOP);
  until([&] { return seat_of(one.pid())["condition"] == "stopped"; });
  const auto dead = a.pid();
  a.kill();
  found = ring("orders");
  ASSERT_EQ(found["holds"].size(), 1U);
  EXPECT_EQ(found["holds"][0]["condition"], "dead");
  one.signal(SIGCONT);
  until([&] { return ring("orders")["head"] == 3; });
  found = ring("orders");
  EXPECT_TRUE(found["holds"].empty());
  EXPECT_TRUE(found["stalls"].empty());
  EXPECT_EQ(found["holes"], 1);
  ASSERT_EQ(found["repairs"].size(), 1U);
  EXPECT_EQ(found["repairs"][0]["what"], "hole");
  EXPECT_EQ(found["repairs"][0]["dead_pid"], dead);
  EXPECT_EQ(found["repairs"][0]["mender_pid"], one.pid());
  EXPECT_EQ(found["repairs"][0]["sequence"], 1);

  b.close_stdin();
  EXPECT_EQ(b.wait().code, 0);
  const auto end = one.wait();
  EXPECT_EQ(end.code, 0) << end;
  EXPECT_EQ(end.out, "a 1\nb 1\n");
  EXPECT_EQ(summary_of(end)["holes"], 1);
  EXPECT_NE(end.err.find("1 slot(s) were stepped over"), std::string::npos) << end.err;
}

TEST_F(Mpmc, InspectNamesTheReceiverThatHoldsMessages) {
  auto stuck = receiver(into_pipe());
  auto a = sender(lines_of("a", many));
  const auto holds_of = [&] {
    json mine = json::array();
    const auto found = ring("orders");
    if (found.is_null()) return mine;
    for (const auto& hold : found["holds"])
      if (hold["role"] == "consumer") mine.push_back(hold);
    return mine;
  };
  // Its output is full: it keeps what it peeked at, and the sender says at its tick what it waits for.
  until([&] { return holds_of().size() == 1 && holds_of()[0]["waited_for_since_realtime_ns"] > 0; });
  ASSERT_EQ(holds_of().size(), 1U);
  EXPECT_EQ(holds_of()[0]["pid"], stuck.pid());
  EXPECT_EQ(holds_of()[0]["condition"], "alive");
  const auto count = holds_of()[0]["count"].get<std::uint64_t>();
  EXPECT_GE(count, 1U);
  EXPECT_LE(count, 64U);
  stuck.signal(SIGSTOP);
  until([&] { return holds_of()[0]["condition"] == "stopped"; });
  a.signal(SIGSTOP);  // or it would go on and end with the test
  stuck.kill();
  EXPECT_EQ(holds_of()[0]["condition"], "dead");
  a.signal(SIGCONT);
  const auto end = receiver().wait();
  EXPECT_EQ(end.code, 0) << end.err;
  EXPECT_EQ(summary_of(end)["redelivered"], count);
  EXPECT_NE(end.err.find("delivered before"), std::string::npos) << end.err;
  EXPECT_EQ(a.wait().code, 0);
}

TEST_F(Mpmc, RawRecordsArriveWholeFromSeveralSenders) {
  const std::vector<std::string> words{"send", "raw", "--create", "--ring", "mpmc", "-s", "1000", "-C", "16"};
  std::vector<cli_process> senders;
  auto one = start({"recv", "raw", "--create", "--ring", "mpmc", "-s", "1000", "-C", "16"});
  for (int i = 0; i < 3; ++i) senders.push_back(start(words, with_pipe()));
  until([&] {
    const auto found = ring("raw");
    return !found.is_null() && found["seats"].size() == 4;
  });
  // Pieces that do not divide 1000: a record must not hold what came of another sender's.
  for (int step = 0; step < 100; ++step)
    for (std::size_t i = 0; i < senders.size(); ++i)
      senders[i].write_stdin(std::string(370, static_cast<char>('a' + i)));
  for (auto& each : senders) each.close_stdin();
  for (auto& each : senders) EXPECT_EQ(each.wait().code, 0);
  const auto end = one.wait();
  EXPECT_EQ(end.code, 0) << end.err;
  ASSERT_EQ(end.out.size(), 3 * 37'000U);
  for (std::size_t at = 0; at < end.out.size();) {
    const auto stop = std::min(end.out.find_first_not_of(end.out[at], at), end.out.size());
    EXPECT_EQ((stop - at) % 1000, 0U) << "at " << at;
    at = stop;
  }
}

TEST_F(Mpmc, ASenderThatWaitsForItsInputHoldsNoOtherUp) {
  auto one = start({"recv", "raw", "--create", "--ring", "mpmc", "-s", "8"}, into_pipe());
  auto idle = start({"send", "raw", "--create", "--ring", "mpmc", "-s", "8"}, with_pipe());
  idle.write_stdin("half");
  until([&] {
    const auto found = ring("raw");
    return !found.is_null() && found["seats"].size() == 2;
  });
  auto busy = start({"send", "raw"}, with_input("01234567"));
  EXPECT_EQ(one.read_stdout(8), "01234567");
  EXPECT_EQ(busy.wait().code, 0);
  idle.close_stdin();
  EXPECT_EQ(one.read_stdout(8), "half");
  EXPECT_EQ(idle.wait().code, 0);
  EXPECT_EQ(one.wait().code, 0);
}

TEST_F(Mpmc, CountTimeoutAndAnotherKindOfRing) {
  auto end = run({"recv", "orders", "--create", "--ring", "mpmc", "--timeout", "0.2"});
  EXPECT_EQ(end.code, 6) << end;
  end = run({"send", "orders", "--create", "--persistent", "--ring", "mpmc", "--lines", "--count", "3", "--no-wait"},
            with_input("1\n2\n3\n4\n"));
  EXPECT_EQ(end.code, 0) << end;
  end = run({"send", "orders", "--create", "--lines", "--timeout", "0.2"}, with_input("5\n"));
  EXPECT_EQ(end.code, 6) << end;
  EXPECT_NE(end.err.find("was there already: mpmc-bytes ring"), std::string::npos) << end;
  end = run({"recv", "orders", "--lines", "--count", "2"});
  EXPECT_EQ(end.out, "1\n2\n") << end;
  end = run({"recv", "orders", "--lines"});
  EXPECT_EQ(end.out, "3\n5\n") << end;
  EXPECT_EQ(run({"send", "x", "--ring", "mpmc"}).code, 2) << "only with --create";
  EXPECT_EQ(run({"send", "x", "--create", "--ring", "other"}).code, 2);
  end = run({"send", "raw", "--create", "--persistent", "--ring", "mpmc", "-s", "8", "--count", "2", "--no-wait"},
            with_input("0123456789abcdefghij"));
  EXPECT_EQ(end.code, 0) << end;
  EXPECT_EQ(run({"recv", "raw"}).out, "0123456789abcdef");
}

}  // namespace
}  // namespace sluice::detail::test
