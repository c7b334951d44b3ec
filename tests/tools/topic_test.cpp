// send and recv on topics: every receiver gets every message, whichever dies; lossy ones are told what they lost; and what
// the other commands show of topics.

#include <map>
#include <sstream>

#include "sluice/topic.hpp"
#include "tools/numbers.hpp"

namespace sluice::detail::test {
namespace {

using nlohmann::json;

std::string lines_of(std::size_t from, std::size_t to) { return numbered_lines(from, to - from + 1); }

class CliTopic : public Cli {
 protected:
  static std::vector<std::string> words(const std::vector<std::string>& first, const std::string& ring,
                                        const std::vector<std::string>& more = {}) {
    auto all = first;
    for (const char* word : {"--create", "--lines", "-s", "32", "-C", "64", "--ring"}) all.emplace_back(word);
    all.push_back(ring);
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  [[nodiscard]] cli_process receiver(const std::string& ring, const std::vector<std::string>& more = {},
                                     const streams& how = {}) const {
    return start(words({"recv", "ticks", "--json"}, ring, more), how);
  }
  /// Sends `lines` and keeps its input open.
  [[nodiscard]] cli_process open_sender(const std::string& ring, const std::string& lines = "",
                                        const std::vector<std::string>& more = {}) const {
    auto one = start(words({"send", "ticks"}, ring, more), with_pipe());
    one.write_stdin(lines);
    return one;
  }
  [[nodiscard]] static streams into_pipe() {
    streams how;
    how.out_is_pipe = true;
    return how;
  }
  [[nodiscard]] std::size_t seated(const std::string& role) const {
    const auto found = ring("ticks");
    if (found.is_null()) return 0;
    return static_cast<std::size_t>(std::count_if(found["seats"].begin(), found["seats"].end(), [&](const json& seat) {
      return seat["role"] == role && seat["state"] == "taken" && seat["condition"] != "dead";
    }));
  }
  [[nodiscard]] json seat_of(pid_t pid) const {
    const auto found = ring("ticks");
    if (!found.is_null())
      for (const auto& seat : found["seats"])
        if (seat["pid"] == pid) return seat;
    return {};
  }
  /// Messages of the topic that a process published or released.
  [[nodiscard]] std::uint64_t messages_of(pid_t pid) const {
    const auto seat = seat_of(pid);
    return seat.is_null() ? 0 : seat["messages"].get<std::uint64_t>();
  }
  /// A persistent topic with `lines`, that its publisher has closed.
  void make_topic(const std::string& lines) const {
    const auto end = run(words({"send", "ticks"}, "topic", {"--persistent"}), with_input(lines));
    ASSERT_EQ(end.code, 0) << end;
  }

  /// Whether a receiver, whose output is full, holds a sender up.
  [[nodiscard]] bool is_stuck(pid_t pid) const {
    const auto found = ring("ticks");
    return seat_of(pid)["lag"] == 64 && !found["stalls"].empty();
  }

  [[nodiscard]] bool has_stalled_for_a_second() const {
    const auto found = ring("ticks");
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return !found.is_null() && !found["stalls"].empty() &&
           found["stalls"][0]["since_realtime_ns"].get<std::int64_t>() <
               std::chrono::nanoseconds(now).count() - 1'000'000'000;
  }

  static constexpr const char* kinds[] = {"topic", "topic-many"};
  static constexpr std::size_t many = 300'000;  // lines: more bytes than a pipe holds
};

// ---- What arrives ----------------------------------------------------------------------------------------------------

TEST_F(CliTopic, EveryReceiverGetsEveryLineAndEndsWhenTheTopicIsClosed) {
  for (const char* kind : kinds) {
    auto first = receiver(kind), second = receiver(kind), lossy = receiver(kind, {"--lossy"});
    until([&] { return seated("subscriber") == 3; });
    const auto lines = lines_of(1, 20'000);
    const auto sent = run(words({"send", "ticks"}, kind), with_input(lines));
    EXPECT_EQ(sent.code, 0) << sent;
    EXPECT_EQ(sent.err, "") << kind;
    for (auto* one : {&first, &second}) {
      const auto end = one->wait();
      EXPECT_EQ(end.code, 0) << end.err;
      EXPECT_TRUE(end.out == lines) << kind << ": " << end.out.size() << " bytes";
      EXPECT_EQ(summary_of(end)["lost"], 0);
    }
    const auto end = lossy.wait();
    EXPECT_EQ(end.code, 0) << end.err;
    EXPECT_TRUE(is_rising(numbers_in(end.out)));
    EXPECT_EQ(summary_of(end)["messages"].get<std::size_t>() + summary_of(end)["lost"].get<std::size_t>(), 20'000U);
    EXPECT_FALSE(std::filesystem::exists(file("ticks"))) << "ephemeral: gone with the last one";
  }
}

TEST_F(CliTopic, AReceiverBeginsWhereItAsksTo) {
  make_topic(lines_of(1, 10));
  EXPECT_EQ(run({"recv", "ticks", "--lines"}).out, lines_of(1, 10)) << "oldest unless told";
  EXPECT_EQ(run({"recv", "ticks", "--lines", "--from", "oldest", "--lossless"}).out, lines_of(1, 10)) << "and again";
  EXPECT_EQ(run({"recv", "ticks", "--lines", "--from", "last:3"}).out, lines_of(8, 10));
  EXPECT_EQ(run({"recv", "ticks", "--lines", "--from", "last:99", "--lossy"}).out, lines_of(1, 10));
  auto fresh = start({"recv", "ticks", "--lines", "--from", "new", "--ring", "topic"});
  auto end = fresh.wait();
  EXPECT_EQ(end.code, 0) << end;
  EXPECT_EQ(end.out, "") << "closed, and nothing new";
  auto sender = open_sender("topic", "11\n");
  until_published("ticks", 11);
  auto late = start({"recv", "ticks", "--lines", "--from", "new"});
  until([&] { return seated("subscriber") == 1; });
  sender.write_stdin("12\n");
  sender.close_stdin();
  EXPECT_EQ(sender.wait().code, 0);
  end = late.wait();
  EXPECT_EQ(end.code, 0) << end;
  EXPECT_EQ(end.out, "12\n");
}

TEST_F(CliTopic, ASenderThatWaitsForItsInputKeepsTheHistoryWhole) {
  const std::vector<std::string> form{"raw", "--create", "--ring", "topic", "-s", "8", "-C", "8", "--persistent"};
  auto send = form;
  send.insert(send.begin(), "send");
  auto sender = start(send, with_pipe());
  sender.write_stdin("01234567abcdefghABCDEFGH");
  until_published("raw", 3);
  EXPECT_EQ(run({"recv", "raw", "--count", "3"}).out, "01234567abcdefghABCDEFGH");
  sender.close_stdin();
  EXPECT_EQ(sender.wait().code, 0);
}

TEST_F(CliTopic, RecordsOfAnyBytesArriveAtAllExactly) {
  std::string bytes(300'017, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 31 >> 3);
  auto first = start({"recv", "raw", "--create", "--ring", "topic", "-s", "1000"});
  auto second = start({"recv", "raw", "--create", "--ring", "topic", "-s", "1000"});
  until([&] {
    const auto found = ring("raw");
    return !found.is_null() && found["seats"].size() == 2;
  });
  EXPECT_EQ(run({"send", "raw"}, with_input(bytes)).code, 0);
  EXPECT_TRUE(first.wait().out == bytes);
  EXPECT_TRUE(second.wait().out == bytes);
}

TEST_F(CliTopic, TheLastOfSeveralSendersEndsIt) {
  auto one = receiver("topic-many"), other = receiver("topic-many");
  auto a = open_sender("topic-many", "1\n"), b = open_sender("topic-many");
  until([&] { return seated("publisher") == 2 && seated("subscriber") == 2; });
  a.close_stdin();
  EXPECT_EQ(a.wait().code, 0);
  EXPECT_EQ(ring("ticks")["is_closed"], false);
  b.write_stdin("2\n");
  b.close_stdin();
  EXPECT_EQ(b.wait().code, 0);
  for (auto* each : {&one, &other}) {
    const auto end = each->wait();
    EXPECT_EQ(end.code, 0) << end;
    EXPECT_EQ(end.out, "1\n2\n");
  }
}

TEST_F(CliTopic, AProgramSharesItsTopicOfBytesWithTheTool) {
  const auto log = topic<bytes>::create(file("log").string());
  {
    auto out = log.publisher();
    EXPECT_EQ(out.send("from a program"), wait_result::ready);
    out.close();
  }
  for (int i = 0; i < 2; ++i) EXPECT_EQ(run({"recv", "log", "--lines"}).out, "from a program\n");
  auto in = log.subscriber();
  EXPECT_EQ(run({"send", "log", "--lines", "--no-wait"}, with_input("from the tool\n")).code, 0);
  std::string text;
  EXPECT_TRUE(in.try_receive(text));
  EXPECT_EQ(text, "from the tool");
}

TEST_F(CliTopic, ATopicOfAnotherTypeIsRefused) {
  const auto other = topic<std::uint64_t>::create(file("numbers").string());
  const auto end = run({"recv", "numbers"});
  EXPECT_EQ(end.code, 5) << end;
  EXPECT_NE(end.err.find("sluice.record"), std::string::npos) << end;
}

// ---- Loss ------------------------------------------------------------------------------------------------------------

TEST_F(CliTopic, ALossyReceiverWhoseOutputIsStuckHoldsNothingUpAndSaysWhatItLost) {
  for (const char* kind : kinds) {
    auto stuck = receiver(kind, {"--lossy"}, into_pipe());
    until([&] { return seated("subscriber") == 1; });
    const auto sent = run(words({"send", "ticks"}, kind), with_input(lines_of(1, many)));
    EXPECT_EQ(sent.code, 0) << sent;
    std::string text;
    for (auto more = stuck.read_stdout(65536); !more.empty(); more = stuck.read_stdout(65536)) text += more;
    const auto end = stuck.wait();
    EXPECT_EQ(end.code, 0) << end.err << "loss was allowed";
    const auto got = numbers_in(text);
    EXPECT_TRUE(is_rising(got));
    const auto lost = summary_of(end)["lost"].get<std::size_t>();
    EXPECT_GT(lost, 0U);
    EXPECT_EQ(got.size() + lost, many) << kind;
    EXPECT_EQ(summary_of(end)["is_loss_exact"], true);
    EXPECT_NE(end.err.find("lost " + std::to_string(lost) + " message(s) in all"), std::string::npos) << end.err;
  }
}

TEST_F(CliTopic, MessagesThatNoSubscriberCameForAreMentioned) {
  auto end = run(words({"send", "ticks"}, "topic"), with_input("1\n2\n"));
  EXPECT_EQ(end.code, 0) << end;
  EXPECT_NE(end.err.find("no subscriber came: 2 message(s) go with the ephemeral topic"), std::string::npos) << end;
  end = run(words({"send", "ticks"}, "topic", {"--persistent"}), with_input("1\n2\n"));
  EXPECT_EQ(end.code, 0) << end;
  EXPECT_EQ(end.err, "") << "they are kept";
}

// ---- Deaths ----------------------------------------------------------------------------------------------------------

TEST_F(CliTopic, AKilledReceiverHoldsNoSenderUpAndTheOthersMissNothing) {
  for (const char* kind : kinds) {
    auto kept = receiver(kind);
    auto victim = receiver(kind, {}, into_pipe());
    until([&] { return seated("subscriber") == 2; });
    auto sender = start(words({"send", "ticks"}, kind), with_input(lines_of(1, many)));
    (void)victim.read_stdout(65536);
    until([&] { return is_stuck(victim.pid()); });
    EXPECT_EQ(victim.kill().signal, SIGKILL);
    const auto sent = sender.wait();
    EXPECT_EQ(sent.code, 0) << sent;
    const auto end = kept.wait();
    EXPECT_EQ(end.code, 0) << end.err;
    EXPECT_TRUE(end.out == lines_of(1, many)) << kind;
  }
}

TEST_F(CliTopic, ASenderWhoseOnlyReceiverIsKilledEnds) {
  for (const char* kind : kinds) {
    auto victim = receiver(kind, {}, into_pipe());
    until([&] { return seated("subscriber") == 1; });
    auto sender = start(words({"send", "ticks"}, kind), with_input(lines_of(1, many)));
    until([&] { return is_stuck(victim.pid()); });
    EXPECT_EQ(victim.kill().signal, SIGKILL);
    const auto sent = sender.wait();
    EXPECT_EQ(sent.code, 0) << sent;
    EXPECT_EQ(sent.err.find("waiting for a successor"), std::string::npos) << sent;
  }
}

TEST_F(CliTopic, ReceiversWaitForTheSuccessorOfAKilledSender) {
  for (const char* kind : kinds) {
    auto first = receiver(kind), second = receiver(kind, {"--lossy"});
    until([&] { return seated("subscriber") == 2; });
    auto sender = open_sender(kind);
    std::size_t sent = 0;
    for (; sent < 5'000; sent += 50) sender.write_stdin(lines_of(sent + 1, sent + 50));
    const auto dead = sender.pid();
    until([&] { return messages_of(dead) > 100; });
    sender.kill();  // wherever it stands
    until([&] { return first.errors_so_far().find("died; waiting for a successor") != std::string::npos; });
    const auto published = ring("ticks")["tail"].get<std::size_t>();
    EXPECT_EQ(seated("subscriber"), 2U) << "a death is no end";
    EXPECT_EQ(run(words({"send", "ticks"}, kind), with_input(lines_of(sent + 1, sent + 1'000))).code, 0);
    const auto end = first.wait();
    EXPECT_EQ(end.code, 0) << end.err;
    auto got = numbers_in(end.out);
    ASSERT_GE(got.size(), 1'000U);
    const std::vector<std::size_t> of_second(got.end() - 1'000, got.end());
    EXPECT_TRUE(is_run(of_second));
    EXPECT_EQ(of_second.back(), sent + 1'000);
    got.resize(got.size() - 1'000);
    EXPECT_TRUE(is_run(got)) << kind << ": what the dead one published, all of it";
    EXPECT_LE(got.size(), published);
    EXPECT_NE(end.err.find("(pid " + std::to_string(dead)), std::string::npos) << end.err;
    const auto lossy = second.wait();
    EXPECT_EQ(lossy.code, 0) << lossy.err;
    EXPECT_TRUE(is_rising(numbers_in(lossy.out)));
  }
}

// ---- What the other commands show ------------------------------------------------------------------------------------

TEST_F(CliTopic, AStoppedReceiverThatHoldsTheSenderUpIsNamedSinceWhen) {
  for (const char* kind : kinds) {
    auto running = receiver(kind), stopped = receiver(kind), lossy = receiver(kind, {"--lossy"});
    until([&] { return seated("subscriber") == 3; });
    stopped.signal(SIGSTOP);
    until([&] { return seat_of(stopped.pid())["condition"] == "stopped"; });
    auto sender = start(words({"send", "ticks"}, kind), with_input(lines_of(1, 5'000)));
    until([&] { return !ring("ticks")["stalls"].empty(); });
    until([&] { return messages_of(running.pid()) == 64; });

    const auto found = ring("ticks");
    EXPECT_EQ(found["kind"], kind);
    EXPECT_EQ(found["stalls"][0]["waiting"], "publisher");
    EXPECT_EQ(found["stalls"][0]["sequence"], 0);
    EXPECT_GT(found["stalls"][0]["since_realtime_ns"], 0);
    EXPECT_EQ(found["stalls"][0]["holder_seat"], seat_of(stopped.pid())["index"]);
    EXPECT_EQ(seat_of(stopped.pid())["lag"], 64);
    EXPECT_EQ(seat_of(stopped.pid())["is_lossy"], false);
    EXPECT_EQ(seat_of(running.pid())["lag"], 0);
    EXPECT_EQ(seat_of(lossy.pid())["is_lossy"], true);
    EXPECT_EQ(seat_of(sender.pid())["role"], "publisher");
    EXPECT_TRUE(seat_of(sender.pid())["lag"].is_null());

    const auto pid = std::to_string(stopped.pid());
    const auto looked = run({"inspect", "ticks"});
    for (const std::string& part :
         {std::string("a publisher has waited for sequence 0 for "), "held by subscriber " + pid + " (stopped)",
          "subscriber " + pid + " (sluice) stopped: sequences 0 to 63; a participant has waited"})
      EXPECT_NE(looked.out.find(part), std::string::npos) << part << "\n" << looked;
    for (const char* column : {"BEHIND", "LOSSY", "LOST"})
      EXPECT_NE(looked.out.find(column), std::string::npos) << looked;
    EXPECT_EQ(looked.out.find("consumer"), std::string::npos) << looked;
    const auto list = run({"list"});
    EXPECT_NE(list.out.find("publisher " + std::to_string(sender.pid()) +
                            " (sluice) alive, 3 subscribers (1 lossy): up to 64 behind, up to 0 lost, subscriber " +
                            pid + " (sluice) stopped"),
              std::string::npos)
        << list;
    const auto refused = run({"clear", "ticks", "--yes"});
    EXPECT_EQ(refused.code, 4) << refused;
    EXPECT_NE(refused.err.find("subscriber " + pid), std::string::npos) << refused;
    const auto waiting = start({"send", "ticks", "--timeout", "0.2"}, with_input("x")).wait();
    EXPECT_EQ(waiting.code, std::string(kind) == "topic" ? 4 : 6) << waiting;
    EXPECT_NE(waiting.err.find(std::string(kind) == "topic" ? "publisher seat is taken" : "the subscriber did nothing"),
              std::string::npos)
        << waiting;

    stopped.signal(SIGCONT);
    EXPECT_EQ(sender.wait().code, 0);
    for (auto* one : {&stopped, &running}) {
      const auto end = one->wait();
      EXPECT_EQ(end.code, 0) << end.err;
      EXPECT_TRUE(end.out == lines_of(1, 5'000)) << end.out.size() << " bytes";
    }
    EXPECT_EQ(lossy.wait().code, 0);
  }
}

TEST_F(CliTopic, AStoppedReceiverIsDroppedWhereTheTopicSaysSoAndTheOthersMissNothing) {
  const std::vector<std::string> drops{"--drop-stalled-after", "100ms"};
  for (const char* kind : kinds) {
    auto running = receiver(kind, drops), stopped = receiver(kind, drops);
    until([&] { return seated("subscriber") == 2; });
    stopped.signal(SIGSTOP);
    until([&] { return seat_of(stopped.pid())["condition"] == "stopped"; });
    auto sender = start(words({"send", "ticks"}, kind, drops), with_input(lines_of(1, 5'000)));
    EXPECT_EQ(sender.wait().code, 0);
    const auto whole = running.wait();
    EXPECT_EQ(whole.code, 0) << whole.err;
    EXPECT_TRUE(whole.out == lines_of(1, 5'000)) << kind;

    const auto found = ring("ticks");
    EXPECT_EQ(found["drop_stalled_after_ns"], 100'000'000);
    EXPECT_EQ(seat_of(stopped.pid())["was_dropped"], true);
    EXPECT_EQ(seat_of(stopped.pid())["is_lossy"], true);
    const auto looked = run({"inspect", "ticks"});
    for (const char* part : {"a subscriber that holds a publisher up for 0.1 s becomes lossy", " dropped "})
      EXPECT_NE(looked.out.find(part), std::string::npos) << part << "\n" << looked;

    stopped.signal(SIGCONT);
    const auto end = stopped.wait();
    EXPECT_EQ(end.code, 1) << end;
    EXPECT_NE(end.err.find("it held a sender up for longer than this topic allows, and lost "), std::string::npos)
        << end;
    EXPECT_TRUE(is_run(numbers_in(end.out))) << "nothing after what it lost";
  }
}

TEST_F(CliTopic, WhatAReceiverLostIsShownAtItsSeat) {
  auto lossy = receiver("topic", {"--lossy"});
  until([&] { return seated("subscriber") == 1; });
  lossy.signal(SIGSTOP);
  until([&] { return seat_of(lossy.pid())["condition"] == "stopped"; });
  const auto sender = open_sender("topic", lines_of(1, 1'000));
  until_published("ticks", 1'000);
  EXPECT_NE(run({"list"}).out.find("1 subscriber (1 lossy): up to 1000 behind, up to 0 lost, subscriber "),
            std::string::npos);
  lossy.signal(SIGCONT);
  until([&] { return messages_of(lossy.pid()) != 0 && seat_of(lossy.pid())["lag"] == 0; });
  const auto lost = seat_of(lossy.pid())["lost"].get<std::uint64_t>();
  EXPECT_GE(lost, 1'000U - 64U);
  EXPECT_EQ(messages_of(lossy.pid()) + lost, 1'000U);
  const auto list = run({"list"});
  EXPECT_NE(list.out.find("1 subscriber (1 lossy): up to 0 behind, up to " + std::to_string(lost) + " lost"),
            std::string::npos)
      << list;
}

TEST_F(CliTopic, ALookShowsTheMessagesThatNewSubscribersCouldGet) {
  make_topic("first\nsecond\n");
  const auto slots = json::parse(run({"inspect", "ticks", "--slots", "--json"}).out)["rings"][0]["slots"];
  ASSERT_EQ(slots.size(), 2U);
  EXPECT_EQ(slots[1]["sequence"], 1);
  EXPECT_EQ(slots[1]["state"], "published");
  EXPECT_TRUE(slots[1]["holder_pid"].is_null());
}

TEST_F(CliTopic, ClearSaysWhatGoesWithTheTopicAndTakesWhatTheDeadLeft) {
  make_topic(lines_of(1, 100));
  EXPECT_EQ(run({"clear", "--dead", "--yes"}).out.find("removed"), std::string::npos) << "it is idle";
  auto end = run({"clear", "ticks", "--dry-run"});
  EXPECT_NE(end.out.find("up to 64 message(s) that new subscribers could get would be lost"), std::string::npos) << end;
  end = run({"clear", "ticks", "--yes"});
  EXPECT_EQ(end.code, 0) << end;
  EXPECT_NE(end.out.find("up to 64 message(s) that new subscribers could get were lost"), std::string::npos) << end;
  {
    auto one = receiver("topic");
    auto sender = open_sender("topic", "1\n2\n");
    until([&] { return seated("subscriber") == 1 && messages_of(one.pid()) == 2; });
    one.kill();
    sender.kill();
  }
  EXPECT_EQ(json::parse(run({"list", "--json"}).out)["segments"][0]["state"], "dead");
  end = run({"clear", "--dead", "--yes"});
  EXPECT_EQ(end.code, 0) << end;
  EXPECT_NE(end.out.find("removed ticks: "), std::string::npos) << end;
  EXPECT_NE(end.out.find("up to 2 message(s)"), std::string::npos) << end;
  EXPECT_FALSE(std::filesystem::exists(file("ticks")));
}

TEST_F(CliTopic, WithoutDurabilityThereIsNothingToRecover) {
  make_topic("1\n");
  const auto end = run({"recover", "ticks"});
  EXPECT_EQ(end.code, 5) << end;
}

// ---- Subscriptions that have a name ----------------------------------------------------------------------------------

TEST_F(CliTopic, TheNextReceiverOfASubscriptionGoesOnWhereTheLastOneEnded) {
  for (const char* kind : kinds) {
    auto sender = open_sender(kind, "", {"--persistent"});
    until([&] { return seated("publisher") == 1; });
    const std::vector<std::string> as_billing{"--subscription", "billing"};
    const auto of_name = [&](const char* count) {
      return words({"recv", "ticks"}, kind, {"--subscription", "billing", "--count", count});
    };
    auto first = start(of_name("5"));
    until([&] { return seated("subscriber") == 1; });
    sender.write_stdin(lines_of(1, 20));
    const auto end = first.wait();
    EXPECT_EQ(end.out, lines_of(1, 5)) << end;
    EXPECT_EQ(run(of_name("3")).out, lines_of(6, 8));
    until([&] { return ring("ticks")["tail"] == 20; });

    const auto found = ring("ticks");
    for (const auto& seat : found["seats"]) {
      if (seat["role"] != "subscriber") continue;
      EXPECT_EQ(seat["subscription"], "billing");
      EXPECT_EQ(seat["lag"], 12) << kind;
      EXPECT_EQ(seat["state"], "free");
    }
    EXPECT_NE(run({"list"}).out.find("subscription \"billing\" without a process"), std::string::npos);
    EXPECT_NE(run({"inspect", "ticks"}).out.find("held by      subscription \"billing\" without a process"),
              std::string::npos);
    sender.close_stdin();
    EXPECT_EQ(run(words({"recv", "ticks"}, kind, as_billing)).out, lines_of(9, 20))
        << "and ends, because the topic is closed";
    EXPECT_EQ(sender.wait().code, 0);
    EXPECT_EQ(run({"clear", "ticks", "--yes"}).code, 0);
  }
}

TEST_F(CliTopic, WhatAKilledReceiverOfASubscriptionHadNotWrittenComesToTheNextMarked) {
  for (const char* kind : kinds) {
    auto victim = receiver(kind, {"--subscription", "billing"}, into_pipe());
    until([&] { return seated("subscriber") == 1; });
    auto sender = start(words({"send", "ticks"}, kind), with_input(lines_of(1, many)));
    until([&] { return is_stuck(victim.pid()) && has_stalled_for_a_second(); });  // so it has messages in its hands
    const auto pid = victim.pid();
    EXPECT_EQ(victim.kill().signal, SIGKILL);
    const auto released = messages_of(pid);
    const auto next = run(words({"recv", "ticks"}, kind, {"--subscription", "billing", "--mark", "*"}));
    EXPECT_EQ(next.code, 0) << next.err;
    EXPECT_EQ(sender.wait().code, 0) << "it waits for the next one";
    auto lines = next.out;
    const auto marked = std::count(lines.begin(), lines.end(), '*');
    EXPECT_GE(marked, 1) << kind;
    EXPECT_NE(lines.find("*" + std::to_string(released + 1) + "\n"), std::string::npos) << "what it was writing";
    std::erase(lines, '*');
    EXPECT_TRUE(lines == lines_of(released + 1, many)) << kind << ", released " << released;
    EXPECT_NE(next.err.find(std::to_string(marked) + " message(s) may have been delivered before"), std::string::npos);
  }
}

TEST_F(CliTopic, ClearEndsASubscriptionAndTheSenderGoesOn) {
  auto sender = open_sender("topic");
  until([&] { return seated("publisher") == 1; });
  auto in = start(words({"recv", "ticks"}, "topic", {"--subscription", "billing"}));
  until([&] { return seated("subscriber") == 1; });
  auto end = run({"clear", "ticks", "--subscription", "billing", "--yes"});
  EXPECT_EQ(end.code, 4) << end;
  EXPECT_NE(end.err.find(std::to_string(in.pid())), std::string::npos) << end;
  in.kill();
  sender.write_stdin(lines_of(1, 100));
  until([&] { return !ring("ticks")["stalls"].empty(); });
  EXPECT_NE(run({"inspect", "ticks"}).out.find("held by subscription \"billing\" without a process"),
            std::string::npos);

  EXPECT_EQ(run({"clear", "ticks", "--subscription", "archive", "--yes"}).code, 3);
  EXPECT_EQ(run({"clear", "ticks", "--subscription", "billing"}, with_input("")).code, 2) << "no terminal to ask at";
  end = run({"clear", "ticks", "--subscription", "billing", "--dry-run"});
  EXPECT_NE(end.out.find("would end ticks: subscription \"billing\""), std::string::npos) << end;
  EXPECT_NE(end.out.find("it keeps 64 message(s)"), std::string::npos) << end;
  end = run({"clear", "ticks", "--subscription", "billing", "--yes", "--json"});
  EXPECT_EQ(end.code, 0) << end;
  EXPECT_EQ(json::parse(end.out)["kept_messages"], 64);
  EXPECT_EQ(json::parse(end.out)["was_ended"], true);
  until([&] { return ring("ticks")["tail"] == 100; });
  const auto found = ring("ticks");
  for (const auto& seat : found["seats"]) EXPECT_EQ(seat["subscription"], json());
}

TEST_F(CliTopic, ASubscriptionThatCannotBeIsRefused) {
  EXPECT_EQ(run({"recv", "x", "--lossy", "--subscription", "billing"}).code, 2);
  EXPECT_EQ(run({"clear", "--dead", "--subscription", "billing"}).code, 2);
  make_topic("1\n");
  const auto end = run({"recv", "ticks", "--subscription", "not a name"});
  EXPECT_EQ(end.code, 2) << end;
  EXPECT_NE(end.err.find("must be 1 to 24 of"), std::string::npos) << end;
}

// ---- What does not go together ---------------------------------------------------------------------------------------

TEST_F(CliTopic, AKindThatIsNotTheOneAskedForIsAnErrorThatNamesBoth) {
  make_topic("1\n");
  make_idle("orders", "1\n");
  for (const auto& [name, asked, found] :
       {std::tuple("ticks", "spsc", "topic"), {"ticks", "topic-many", "topic"}, {"orders", "topic", "spsc"}})
    for (const bool creates : {false, true}) {
      std::vector<std::string> all{"recv", name, "--ring", asked};
      if (creates) all.emplace_back("--create");
      const auto end = run(all);
      EXPECT_EQ(end.code, 5) << end;
      EXPECT_NE(end.err.find(std::string("is of kind ") + found + ", and --ring asks for " + asked), std::string::npos)
          << end;
    }
  EXPECT_EQ(run({"recv", "ticks", "--ring", "topic", "--lines"}).out, "1\n");
}

TEST_F(CliTopic, SubscriptionsToARingThatIsNoTopicAreRefusedAndNothingIsMade) {
  make_idle("orders", "1\n");
  for (const auto& [option, value] : {std::pair("--from", "new"), {"--lossy", ""}, {"--subscription", "billing"}}) {
    std::vector<std::string> all{"recv", "orders", option};
    if (*value != '\0') all.emplace_back(value);
    auto end = run(all);
    EXPECT_EQ(end.code, 2) << end;
    EXPECT_NE(end.err.find(std::string(option) + " is for topics, and a ring of kind spsc"), std::string::npos) << end;
    all[1] = "new-name";
    all.emplace_back("--create");
    all.emplace_back("--persistent");
    end = run(all);
    EXPECT_EQ(end.code, 2) << end;
    EXPECT_NE(end.err.find("make a topic with --ring topic"), std::string::npos) << end;
    EXPECT_FALSE(std::filesystem::exists(file("new-name")));
  }
  EXPECT_EQ(run({"recv", "orders", "--lines", "--lossless"}).out, "1\n") << "which it is anyway";
  for (const char* from : {"last:0", "last:", "first", "last:-1", ""})
    EXPECT_EQ(run({"recv", "x", "--from", from}).code, 2) << from;
  EXPECT_EQ(run({"recv", "x", "--lossy", "--lossless"}).code, 2);
}

TEST_F(CliTopic, APolicyOfTopicsIsRefusedForARingThatIsNone) {
  for (const char* word : {"--drop-stalled-after=1s", "--wake-watchers"}) {
    const auto end = start({"send", "jobs", "--create", "--lines", word}, with_input("x\n")).wait();
    EXPECT_EQ(end.code, 2) << end;
    EXPECT_NE(end.err.find("only topics do"), std::string::npos) << end;
    EXPECT_EQ(run({"inspect", "jobs"}).code, 3) << "nothing is made";
  }
}

// ---- Messages of any length ------------------------------------------------------------------------------------------

TEST_F(CliTopic, LinesOfAnyLengthReachEveryReceiverWhole) {
  for (const std::string kind : kinds) {
    const auto words = [&](const char* command, const std::vector<std::string>& more = {}) {
      std::vector<std::string> all{command, "lines", "--create", "--lines", "--ring", kind, "--capacity-bytes", "64k"};
      all.insert(all.end(), more.begin(), more.end());
      return all;
    };
    std::string sent;
    for (std::size_t i = 0; i < 3'000; ++i) sent += std::string(i * i % 5'000, static_cast<char>('a' + i % 26)) + "\n";
    auto first = start(words("recv")), second = start(words("recv"));
    until([&] {
      const auto found = ring("lines");
      return !found.is_null() && std::count_if(found["seats"].begin(), found["seats"].end(), [](const json& seat) {
                                   return seat["role"] == "subscriber" && seat["state"] == "taken";
                                 }) == 2;
    });
    EXPECT_EQ(ring("lines")["kind"], kind + "-bytes");
    const auto end = run(words("send"), with_input(sent));
    EXPECT_EQ(end.code, 0) << end;
    for (auto* one : {&first, &second}) {
      const auto got = one->wait();
      EXPECT_EQ(got.code, 0) << got.err;
      EXPECT_EQ(got.out, sent) << kind;
    }
  }
}

TEST_F(CliTopic, AReceiverOfLinesOfAnyLengthThatLosesSomeGetsTheOthersWhole) {
  std::string sent;
  for (std::size_t i = 0; i < 500; ++i) sent += std::string(1'000, static_cast<char>('a' + i % 26)) + "\n";
  const auto end =
      run({"send", "lines", "--create", "--persistent", "--lines", "--ring", "topic", "--capacity-bytes", "16k"},
          with_input(sent));
  EXPECT_EQ(end.code, 0) << end;
  const auto got = run({"recv", "lines", "--lines", "--lossy", "--from", "oldest"});
  EXPECT_EQ(got.code, 0) << got;
  EXPECT_GE(got.out.size(), 8 * 1'001U) << "what is still there";
  EXPECT_TRUE(sent.ends_with(got.out));
  EXPECT_NE(run({"list"}).out.find("topic-bytes"), std::string::npos);
}

}  // namespace
}  // namespace sluice::detail::test
