#pragma once

// How calls fail and how waits end, and which version this is.
//
//   try {
//     auto quotes = sluice::attach<quote>("quotes");
//   } catch (const sluice::error& problem) {
//     if (problem.reason() != sluice::errc::not_found) throw;  // what() is a sentence: what, on what, why, what to do
//   }
//
// Set-up, administration and misuse throw sluice::error, and nothing has happened then, unless a call says otherwise. What
// is expected is a value: full and empty are false or an empty loan, and a wait says by its wait_result why it ended.
// Threads and processes: errors and results are values of the process that got them; errors may pass between its threads.

#include "sluice/detail/base/language.hpp"

#include <string>
#include <system_error>

namespace sluice {

/// Of this build: semantic, and 0.x promises nothing between minor versions (CHANGELOG.md).
inline constexpr int version_major = 0;
inline constexpr int version_minor = 1;
inline constexpr int version_patch = 0;
inline constexpr const char* version_string = "0.1.0";

/// Why a call failed: one short list for the whole library. The CLI's exit codes follow from it.
enum class errc {
  not_found = 1,     ///< no such name
  already_exists,    ///< the name is taken
  in_use,            ///< a living process still uses it
  seat_taken,        ///< a living process holds the role; the text has its pid
  no_space,          ///< the filesystem or the memory limit is full
  no_permission,     ///< the kernel refused
  bad_name,          ///< not a legal segment name
  bad_argument,      ///< a size, count or option out of range
  not_a_segment,     ///< the file is something else, or random bytes
  half_made,         ///< a file whose maker died before it was whole
  wrong_version,     ///< made by another format version
  wrong_byte_order,  ///< made on a machine with the other byte order or word size
  wrong_type,        ///< holds messages of another type
  wrong_kind,        ///< another kind of ring or segment
  corrupted,         ///< shared bytes that no correct process writes
  truncated,         ///< the file is shorter than its header says
  unsafe_directory,  ///< the registry directory could be tampered with by another user
  wrong_process,     ///< a handle made before fork, used on the other side of it
  misuse,            ///< a call that the handle's state does not allow
  system_failure,    ///< any other errno; the text has it
  interrupted,       ///< a wait for a name was ended by its std::stop_token
};

/// "not_found", "already_exists", …
[[nodiscard]] const char* to_string(errc code) noexcept;

[[nodiscard]] const std::error_category& error_category() noexcept;
[[nodiscard]] std::error_code make_error_code(errc code) noexcept;

/// What set-up, administration and misuse throw. Expected outcomes (full, empty, timed out, closed) are values instead.
/// what() is one sentence: what was tried, on what, why it failed and, where there is a cure, what to do.
class error : public std::system_error {
 public:
  error(errc code, const std::string& text);

  /// From a failed system call: picks the code that fits `errno_value` and appends the kernel's own words.
  static error from_errno(int errno_value, const std::string& tried);

  [[nodiscard]] errc reason() const noexcept { return reason_; }
  [[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }

 private:
  errc reason_;
  std::string text_;
};

/// Why a wait ended.
enum class wait_result {
  ready,      ///< there is a message, or room for one
  closed,     ///< the channel was closed (and, for a consumer, everything was delivered)
  peer_gone,  ///< every process on the other side has died; said once for each such death. A successor may come.
  timed_out,  ///< none of these within the time given
  interrupted,  ///< none of these, and the wait was to end: by its std::stop_token, or by a signal where that was asked for
};

[[nodiscard]] constexpr const char* to_string(wait_result result) noexcept {
  switch (result) {
    case wait_result::ready: return "ready";
    case wait_result::closed: return "closed";
    case wait_result::peer_gone: return "peer_gone";
    case wait_result::timed_out: return "timed_out";
    case wait_result::interrupted: return "interrupted";
  }
  return "unknown";
}

/// What became of the other side of a channel.
enum class peer_state {
  none,   ///< no process is there, and none died: not come yet, or left in order
  alive,  ///< at least one living process, stopped ones included
  dead,   ///< no process is there, and the last ones died
};

[[nodiscard]] const char* to_string(peer_state value) noexcept;

}  // namespace sluice

template <>
struct std::is_error_code_enum<sluice::errc> : std::true_type {};
