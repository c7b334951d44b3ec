#include "sluice/error.hpp"

#include <cerrno>

namespace sluice {

namespace {

class category final : public std::error_category {
  [[nodiscard]] const char* name() const noexcept override { return "sluice"; }
  [[nodiscard]] std::string message(int value) const override { return to_string(static_cast<errc>(value)); }
};

errc reason_of(int errno_value) noexcept {
  switch (errno_value) {
    case ENOENT: return errc::not_found;
    case EEXIST: return errc::already_exists;
    case ENOSPC:
    case EDQUOT:
    case ENOMEM: return errc::no_space;
    case EACCES:
    case EPERM:
    case EROFS: return errc::no_permission;
    case EINVAL: return errc::bad_argument;
    default: return errc::system_failure;
  }
}

/// What to do, where the kernel's words alone do not say it.
const char* advice_for(int errno_value) noexcept {
  switch (errno_value) {
    case EMFILE: return "; close some, or raise ulimit -n";
    case ENFILE: return "; the whole machine has none left: sysctl fs.file-max";
    case ETXTBSY: return "; it is a program that runs, and no segment";
    default: return "";
  }
}

}  // namespace

const char* to_string(errc code) noexcept {
  switch (code) {
    case errc::not_found: return "not_found";
    case errc::already_exists: return "already_exists";
    case errc::in_use: return "in_use";
    case errc::seat_taken: return "seat_taken";
    case errc::no_space: return "no_space";
    case errc::no_permission: return "no_permission";
    case errc::bad_name: return "bad_name";
    case errc::bad_argument: return "bad_argument";
    case errc::not_a_segment: return "not_a_segment";
    case errc::half_made: return "half_made";
    case errc::wrong_version: return "wrong_version";
    case errc::wrong_byte_order: return "wrong_byte_order";
    case errc::wrong_type: return "wrong_type";
    case errc::wrong_kind: return "wrong_kind";
    case errc::corrupted: return "corrupted";
    case errc::truncated: return "truncated";
    case errc::unsafe_directory: return "unsafe_directory";
    case errc::wrong_process: return "wrong_process";
    case errc::misuse: return "misuse";
    case errc::interrupted: return "interrupted";
    case errc::system_failure: return "system_failure";
  }
  return "unknown";
}

const std::error_category& error_category() noexcept {
  static const category instance;
  return instance;
}

std::error_code make_error_code(errc code) noexcept { return {static_cast<int>(code), error_category()}; }

error::error(errc code, const std::string& text)
    : std::system_error(make_error_code(code)), reason_(code), text_(text) {}

error error::from_errno(int errno_value, const std::string& tried) {
  return {reason_of(errno_value),
          tried + ": " + std::generic_category().message(errno_value) + advice_for(errno_value)};
}

}  // namespace sluice
