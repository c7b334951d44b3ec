#pragma once

// What the shell gets to know: one table, from every errc to an exit code, and the errors that are the tool's own.

#include <stdexcept>
#include <string>

#include "sluice/error.hpp"

namespace sluice::tools {

enum class exit_code : int {
  done = 0,
  failed = 1,
  usage = 2,
  not_found = 3,
  in_use = 4,
  broken = 5,
  timed_out = 6,
  no_space = 7,
  no_permission = 8,
  advised = 9,  // doctor only
  unfit = 10,   // doctor only
};

/// Ends up in --help.
inline constexpr const char* exit_codes_text =
    "Exit codes:\n"
    "  0 done            5 broken: not a segment, half made, truncated, corrupted,\n"
    "  1 failed                    or of another version, type or kind\n"
    "  2 wrong usage     6 timed out\n"
    "  3 not found       7 no space\n"
    "  4 in use, or      8 no permission, or an unsafe directory\n"
    "    its seat taken  9, 10 doctor: a warning, an error\n"
    "                  128 + n: left in order after signal n (130: SIGINT, 143: SIGTERM)";

[[nodiscard]] constexpr exit_code exit_code_of(errc reason) noexcept {
  switch (reason) {
    case errc::bad_name:
    case errc::bad_argument: return exit_code::usage;
    case errc::not_found: return exit_code::not_found;
    case errc::in_use:
    case errc::seat_taken: return exit_code::in_use;
    case errc::not_a_segment:
    case errc::half_made:
    case errc::wrong_version:
    case errc::wrong_byte_order:
    case errc::wrong_type:
    case errc::wrong_kind:
    case errc::corrupted:
    case errc::truncated: return exit_code::broken;
    case errc::no_space: return exit_code::no_space;
    case errc::no_permission:
    case errc::unsafe_directory: return exit_code::no_permission;
    case errc::already_exists:
    case errc::wrong_process:
    case errc::misuse:
    case errc::interrupted:
    case errc::system_failure: break;
  }
  return exit_code::failed;
}

/// What the JSON of an error calls it when it is not the library's.
[[nodiscard]] constexpr const char* to_string(exit_code code) noexcept {
  switch (code) {
    case exit_code::done: return "done";
    case exit_code::failed: return "failed";
    case exit_code::usage: return "usage";
    case exit_code::not_found: return "not_found";
    case exit_code::in_use: return "in_use";
    case exit_code::broken: return "broken";
    case exit_code::timed_out: return "timed_out";
    case exit_code::no_space: return "no_space";
    case exit_code::no_permission: return "no_permission";
    case exit_code::advised: return "advised";
    case exit_code::unfit: return "unfit";
  }
  return "unknown";
}

/// A command that could not do its work, for a reason the library does not know.
class command_failure : public std::runtime_error {
 public:
  command_failure(exit_code code, const std::string& text) : std::runtime_error(text), code_(code) {}
  [[nodiscard]] exit_code code() const noexcept { return code_; }

 private:
  exit_code code_;
};

/// SIGINT or SIGTERM came: on the way out, in order.
class interrupted : public std::runtime_error {
 public:
  interrupted(int signal, const std::string& text) : std::runtime_error(text), signal_(signal) {}
  [[nodiscard]] int signal() const noexcept { return signal_; }

 private:
  int signal_;
};

}  // namespace sluice::tools
