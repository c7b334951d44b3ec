// What others chose (names of processes, types, files) never steers a terminal, and JSON of it is ASCII.

#include <sstream>

#include "support/header_bytes.hpp"
#include "tools/run_cli.hpp"

namespace sluice::detail::test {
namespace {

using nlohmann::json;

/// Of bytes that a terminal obeys, UTF-8 of a C1 control, and a byte that is no UTF-8.
const std::string hostile =
    "\x1b[31mX\x07\xc2\x9b"
    "1m\xff\x7f";

bool is_safe(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); });
}

class Terminal : public Cli {
 protected:
  /// A sender whose process name is hostile, in its seat.
  [[nodiscard]] cli_process hostile_sender(const std::string& name) const {
    const auto program = files_ / "\x1b[31mX\x07";
    std::filesystem::copy_file(SLUICE_PROGRAM_DIR "/sluice", program,
                               std::filesystem::copy_options::overwrite_existing);
    auto how = with_pipe();
    how.before = {"sh", "-c", "shift; exec \"$0\" \"$@\"", program};
    auto sender = start({"send", name, "--lines", "--create", "--persistent", "-s", "64"}, how);
    until([&] {
      const auto found = ring(name);
      return !found.is_null() && !found["seats"].empty();
    });
    return sender;
  }
};

TEST_F(Terminal, AProcessNameIsPrintableInEveryTable) {
  const auto sender = hostile_sender("orders");
  for (const std::vector<std::string>& words : {std::vector<std::string>{"list"},
                                                {"inspect", "orders"},
                                                {"inspect", "orders", "--slots"},
                                                {"clear", "orders", "--dry-run", "--force"},
                                                {"doctor"}}) {
    const auto end = run(words);
    EXPECT_TRUE(is_safe(end.out)) << end;
    EXPECT_TRUE(is_safe(end.err)) << end;
  }
  const auto end = run({"--json", "inspect", "orders"});
  EXPECT_TRUE(is_safe(end.out)) << end;
  EXPECT_EQ(json::parse(end.out)["rings"][0]["seats"][0]["command"], "\x1b[31mX\x07") << "whole, in JSON";
}

TEST_F(Terminal, AProcessNameIsPrintableInEveryError) {
  const auto sender = hostile_sender("orders");
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"send", "orders"}, {"recover", "orders"}, {"clear", "orders", "--yes"}}) {
    auto end = run(words);
    EXPECT_NE(end.code, 0) << end;
    EXPECT_NE(end.err.find("\\x1b[31mX\\x07"), std::string::npos) << end;
    EXPECT_TRUE(is_safe(end.err)) << end;
    EXPECT_EQ(std::count(end.err.begin(), end.err.end(), '\n'), 1) << "no line of its own\n" << end;
    auto as_json = words;
    as_json.insert(as_json.begin(), "--json");
    end = run(as_json);
    EXPECT_TRUE(is_safe(end.err)) << end;
    std::istringstream lines(end.err);
    for (std::string line; std::getline(lines, line);) EXPECT_TRUE(json::accept(line)) << line;
  }
}

TEST_F(Terminal, ATypeNameIsPrintableWhereverItIsSaid) {
  make_idle("orders", "one\n");
  auto bytes = read_all(file("orders"));
  forge(std::as_writable_bytes(std::span(bytes)), [](segment_header& header) {
    std::memset(header.parts[0].type_name, 0, sizeof header.parts[0].type_name);
    std::memcpy(header.parts[0].type_name, hostile.data(), hostile.size());
    header.parts[0].type_hash = 1;
  });
  patch(file("orders"), 0, bytes);
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"recv", "orders"}, {"list"}, {"inspect", "orders"}}) {
    auto end = run(words);
    EXPECT_TRUE(is_safe(end.out)) << end;
    EXPECT_TRUE(is_safe(end.err)) << end;
    EXPECT_NE((end.out + end.err).find("\\x1b[31mX\\x07\\xc2\\x9b1m\\x"), std::string::npos) << end;
    auto as_json = words;
    as_json.insert(as_json.begin(), "--json");
    end = run(as_json);
    EXPECT_TRUE(is_safe(end.out)) << end;
    EXPECT_TRUE(is_safe(end.err)) << end;
    EXPECT_TRUE(json::accept(end.out.empty() ? end.err : end.out)) << end;
  }
}

TEST_F(Terminal, WordsOfTheCommandLineAndPathsArePrintable) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{hostile},
                                                {"list", hostile},
                                                {"inspect", hostile},
                                                {"send", "x", "-c", "-r", hostile},
                                                {"--dir", registry_.string() + "/" + hostile, "list"},
                                                {"--dir", registry_.string() + "/" + hostile, "inspect", "x"},
                                                {"doctor", "--facts", hostile}}) {
    auto end = run(words);
    EXPECT_TRUE(is_safe(end.out)) << end;
    EXPECT_TRUE(is_safe(end.err)) << end;
    auto as_json = words;
    as_json.insert(as_json.begin(), "--json");
    end = run(as_json);
    EXPECT_TRUE(is_safe(end.out)) << end;
    EXPECT_TRUE(end.err.empty() || json::accept(end.err)) << end;
  }
}

TEST_F(Terminal, ACureOfForeignFactsIsPrintable) {
  auto facts = json::parse(run({"--json", "doctor"}).out)["facts"];
  facts["directory"] = "/tmp/\x1b[2J";
  facts["directory_exists"] = true;
  facts["directory_mode"] = 0777;
  facts["is_default_directory"] = true;
  facts["directory_uid"] = facts["uid"];
  write_all(files_ / "facts", facts.dump());
  const auto end = run({"doctor", "--facts", (files_ / "facts").string()});
  EXPECT_EQ(end.code, 10) << end;
  EXPECT_NE(end.out.find("chmod 0700 /tmp/\\x1b[2J"), std::string::npos) << end;
  EXPECT_TRUE(is_safe(end.out)) << end;
}

TEST_F(Terminal, NoColorIsObeyed) {
  for (const char* no_color : {"", "1"}) {
    const int master = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    ASSERT_EQ(::grantpt(master), 0);
    ASSERT_EQ(::unlockpt(master), 0);
    streams how;
    how.err = ::ptsname(master);
    how.before = {"env", "TERM=xterm", std::string("NO_COLOR=") + no_color};
    auto end = start({"inspect", "nothing"}, how);
    std::string text;
    char part[4096];
    for (ssize_t got = 0; (got = ::read(master, part, sizeof part)) > 0;)
      text.append(part, static_cast<std::size_t>(got));
    EXPECT_EQ(end.wait().code, 3);
    EXPECT_EQ(text.find('\x1b') == std::string::npos, *no_color != '\0') << text;
    ::close(master);
  }
}

}  // namespace
}  // namespace sluice::detail::test
