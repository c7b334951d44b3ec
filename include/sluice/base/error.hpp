#pragma once

#include <string>
#include <system_error>

namespace sluice {

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

}  // namespace sluice

template <>
struct std::is_error_code_enum<sluice::errc> : std::true_type {};
