#include "output.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "sluice/error.hpp"

namespace sluice::tools {
namespace {

int problem_with_output = 0;  // errno of the first write to standard output that failed

void write(std::FILE* stream, std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stream) != text.size() && stream == stdout && problem_with_output == 0)
    problem_with_output = errno;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) {
    if (c >= ' ' && c <= '~')
      safe += c;
    else
      safe += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return safe;
}

std::string dump(const nlohmann::json& value, int indent) {
  return value.dump(indent, ' ', true, nlohmann::json::error_handler_t::replace);
}

void print_line(std::string_view text) { write(stdout, printable(text) + '\n'); }

void print_lines(std::string_view text) {
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    print_line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

void print_json(const nlohmann::json& value) { write(stdout, dump(value) + '\n'); }

void ask(std::string_view question) { write(stderr, printable(question)); }

void print_error_line(std::string_view text) { write(stderr, printable(text) + '\n'); }

void print_error_json(const nlohmann::json& value) { write(stderr, dump(value, -1) + '\n'); }

void flush_output() {
  if (std::fflush(stdout) != 0 && problem_with_output == 0) problem_with_output = errno;
  if (problem_with_output != 0) throw error::from_errno(problem_with_output, "write standard output");
}

}  // namespace sluice::tools
