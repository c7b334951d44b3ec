#pragma once

// The one way out: every byte of text for people and every JSON document leaves through these. Names of processes, types,
// files and directories are chosen by others; what a terminal would obey never reaches one.

#include <spdlog/fmt/fmt.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::tools {

/// Text that is safe for a terminal and stays on one line: a byte that is not printable ASCII becomes "\x1b".
[[nodiscard]] std::string printable(std::string_view text);

/// JSON in ASCII: anything else is escaped, and what is not UTF-8 becomes U+FFFD.
[[nodiscard]] std::string dump(const nlohmann::json& value, int indent = 2);

/// One line to standard output, made printable.
void print_line(std::string_view text);
template <class... Arguments>
void print_line(fmt::format_string<Arguments...> form, Arguments&&... arguments) {
  print_line(std::string_view(fmt::format(form, std::forward<Arguments>(arguments)...)));
}

/// The lines of `text` to standard output, each made printable: a table, a help text.
void print_lines(std::string_view text);

void print_json(const nlohmann::json& value);

/// The same for standard error: one line, one JSON document on a line. Diagnostics go through the logger instead.
void print_error_line(std::string_view text);
void print_error_json(const nlohmann::json& value);

/// The same without an end of line.
void ask(std::string_view question);

/// To be called at the end. @throws error when not all that was printed got out.
void flush_output();

}  // namespace sluice::tools
