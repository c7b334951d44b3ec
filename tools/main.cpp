// The command line tool `sluice`: parses, runs one command, and says how it ended.

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string_view>

#include "commands/commands.hpp"
#include "describe.hpp"
#include "sluice/version.hpp"

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

void set_up_diagnostics(const session& common) {
  auto logger = spdlog::stderr_color_st("sluice");
  logger->set_level(common.is_verbose && !common.json ? spdlog::level::info : spdlog::level::warn);
  if (common.json)
    logger->set_formatter(std::make_unique<json_lines>());
  else
    logger->set_pattern("sluice: %^%l%$: %v");
  spdlog::set_default_logger(std::move(logger));
}

int fail(bool json, int code, const char* reason, const std::string& text) {
  if (json)
    fmt::print(stderr, "{}\n", dump({{"error", {{"code", reason}, {"exit", code}, {"message", text}}}}, -1));
  else
    spdlog::error("{}", text);
  return code;
}

int run(const session& common, const runner& command) {
  const auto as_int = [](exit_code code) { return static_cast<int>(code); };
  try {
    const auto code = command();
    // What was printed may still fail to get anywhere, and an error never exits 0.
    if (std::fflush(stdout) != 0) throw error::from_errno(errno, "write standard output");
    return as_int(code);
  } catch (const interrupted& problem) {
    return fail(common.json, 128 + problem.signal(), "interrupted", problem.what());
  } catch (const command_failure& problem) {
    return fail(common.json, as_int(problem.code()), to_string(problem.code()), problem.what());
  } catch (const error& problem) {
    return fail(common.json, as_int(exit_code_of(problem.reason())), sluice::to_string(problem.reason()),
                problem.what());
  } catch (const std::exception& problem) {
    return fail(common.json, as_int(exit_code::failed), "failed", problem.what());
  }
}

int main(int argc, char** argv) {
  session common;
  CLI::App app("Lock-free channels between processes over shared memory: look at them, use them, clean up.", "sluice");
  app.set_version_flag("--version", std::string("sluice ") + version_string);
  app.add_option("--dir", common.directory, "Directory of the registry, instead of SLUICE_DIR or /dev/shm/sluice-<uid>")
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
    if (problem.get_exit_code() == 0) return app.exit(problem);  // --help, --version
    const bool wants_json = std::any_of(argv, argv + argc, [](std::string_view word) { return word == "--json"; });
    if (!wants_json) {
      app.exit(problem);
      return static_cast<int>(exit_code::usage);
    }
    return fail(true, static_cast<int>(exit_code::usage), "usage", problem.what());
  }
  set_up_diagnostics(common);
  const auto chosen = std::find_if(runners.begin(), runners.end(), [](const auto& one) { return one.first->parsed(); });
  return run(common, chosen->second);
}

}  // namespace
}  // namespace sluice::tools

int main(int argc, char** argv) { return sluice::tools::main(argc, argv); }
