// The command line tool `sluice`: parses, runs one command, and says how it ended.

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string_view>

#include "arguments.hpp"
#include "commands/commands.hpp"
#include "output.hpp"
#include "sluice/error.hpp"
#include "standard_streams.hpp"

namespace sluice::tools {
namespace {

/// One JSON object a line, so that with --json all of stderr can be parsed.
class json_lines final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& into) override {
    const auto level = spdlog::level::to_string_view(message.level);
    const auto text = dump({{"level", std::string(level.data(), level.size())},
                            {"message", std::string(message.payload.data(), message.payload.size())}},
                           -1) +
                      "\n";
    into.append(text.data(), text.data() + text.size());
  }
  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<json_lines>(); }
};

/// "sluice: warning: ...", printable and on one line.
class text_lines final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& into) override {
    const auto add = [&](std::string_view text) { into.append(text.data(), text.data() + text.size()); };
    const auto level = spdlog::level::to_string_view(message.level);
    add("sluice: ");
    message.color_range_start = into.size();
    add({level.data(), level.size()});
    message.color_range_end = into.size();
    add(": ");
    add(printable({message.payload.data(), message.payload.size()}));
    add("\n");
  }
  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<text_lines>(); }
};

void set_up_diagnostics(bool json, bool is_verbose) {
  const char* no_color = std::getenv("NO_COLOR");  // no-color.org: set and not empty
  const bool is_plain = no_color != nullptr && *no_color != '\0';
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_st>(is_plain ? spdlog::color_mode::never
                                                                             : spdlog::color_mode::automatic);
  auto logger = std::make_shared<spdlog::logger>("sluice", std::move(sink));
  logger->set_level(is_verbose && !json ? spdlog::level::info : spdlog::level::warn);
  if (json)
    logger->set_formatter(std::make_unique<json_lines>());
  else
    logger->set_formatter(std::make_unique<text_lines>());
  spdlog::set_default_logger(std::move(logger));
}

int fail(bool json, int code, const char* reason, const std::string& text) {
  if (json)
    print_error_json({{"error", {{"code", reason}, {"exit", code}, {"message", text}}}});
  else
    spdlog::error("{}", text);
  return code;
}

int run(bool json, const runner& command) {
  const auto as_int = [](exit_code code) { return static_cast<int>(code); };
  try {
    const auto code = command();
    flush_output();  // what was printed may still fail to get anywhere, and an error never exits 0
    return as_int(code);
  } catch (const interrupted& problem) {
    return fail(json, 128 + problem.signal(), "interrupted", problem.what());
  } catch (const command_failure& problem) {
    return fail(json, as_int(problem.code()), to_string(problem.code()), problem.what());
  } catch (const error& problem) {
    return fail(json, as_int(exit_code_of(problem.reason())), sluice::to_string(problem.reason()), problem.what());
  } catch (const std::exception& problem) {
    return fail(json, as_int(exit_code::failed), "failed", problem.what());
  }
}

/// Whether --json is among the words, also of a command line that cannot be parsed.
bool wants_json(int argc, char** argv) {
  for (int i = 1; i < argc && std::string_view(argv[i]) != "--"; ++i)
    if (std::string_view(argv[i]) == "--json") return true;
  return false;
}

/// What is wrong with the command line, and what was probably meant.
std::string usage_text(const CLI::App& app, const CLI::ParseError& problem) {
  std::vector<std::string> names;
  std::string list;
  for (const auto& one : commands) {
    names.emplace_back(one.name);
    list += (list.empty() ? "" : ", ") + names.back();
  }
  const auto chosen = app.get_subcommands();
  if (!chosen.empty())
    return chosen.front()->get_name() + ": " + problem.what() + "; `sluice " + chosen.front()->get_name() +
           " --help` shows the options";
  const auto unknown = app.remaining();
  const auto word = std::find_if(unknown.begin(), unknown.end(), [](const auto& w) { return !w.starts_with('-'); });
  if (word != unknown.end()) {
    const auto meant = nearest(*word, names);
    return "there is no command \"" + *word + "\"" + (meant.empty() ? "" : "; did you mean \"" + meant + "\"?") +
           (meant.empty() ? "; the commands are: " : " The commands are: ") + list;
  }
  if (unknown.empty() && dynamic_cast<const CLI::RequiredError*>(&problem) != nullptr)
    return "give a command: " + list + "; `sluice --help` shows more";
  if (!unknown.empty()) return "there is no option \"" + unknown.front() + "\"; `sluice --help` shows them";
  return std::string(problem.what()) + "; `sluice --help` shows the options";
}

int main(int argc, char** argv) {
  fill_missing_streams();
  const bool json = wants_json(argc, argv);
  set_up_diagnostics(json, false);
  session common;
  CLI::App app("Channels between processes over shared memory: show them, use them, remove them.", "sluice");
  app.set_version_flag("--version", std::string("sluice ") + version_string);
  app.add_option("--dir", common.directory, "Directory of the registry, instead of SLUICE_DIR or /dev/shm/sluice-<uid>")
      ->check(CLI::Validator(
          [](const std::string& text) {
            return text.empty() ? std::string("an empty path; leave --dir out for SLUICE_DIR or the default") : "";
          },
          ""))
      ->type_name("DIR");
  app.add_flag("--json", common.json, "JSON on standard output; summaries and errors as JSON lines on standard error");
  app.add_flag("-v,--verbose", common.is_verbose, "Say more on standard error");
  app.footer(exit_codes_text);
  app.require_subcommand(1);
  app.fallthrough();
  std::vector<std::pair<CLI::App*, runner>> runners;
  for (const auto& one : commands) {
    auto* sub = app.add_subcommand(one.name, one.summary);
    runners.emplace_back(sub, one.add(*sub, common));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    if (problem.get_exit_code() != 0)
      return fail(json, static_cast<int>(exit_code::usage), "usage", usage_text(app, problem));
    return run(json, [&] {  // --help, --version
      std::ostringstream text;
      app.exit(problem, text, text);
      print_lines(text.str());
      return exit_code::done;
    });
  } catch (const std::exception& problem) {
    return fail(json, static_cast<int>(exit_code::failed), "failed", problem.what());
  }
  set_up_diagnostics(common.json, common.is_verbose);
  const auto chosen = std::find_if(runners.begin(), runners.end(), [](const auto& one) { return one.first->parsed(); });
  return run(common.json, chosen->second);
}

}  // namespace
}  // namespace sluice::tools

int main(int argc, char** argv) { return sluice::tools::main(argc, argv); }
