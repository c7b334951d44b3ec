#include "sluice/detail/layout/lock_file_name.hpp"

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace sluice::detail {
namespace {

constexpr std::string_view lock_file_prefix = ".sluice-locks-";
constexpr std::size_t lock_file_digits = 16;

}  // namespace

std::string lock_file_name(std::uint64_t creation_id) {
  char text[lock_file_digits + 1];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(creation_id));
  return std::string(lock_file_prefix) + text;
}

std::optional<std::uint64_t> creation_id_in(const std::string& name) noexcept {
  if (name.size() != lock_file_prefix.size() + lock_file_digits || !name.starts_with(lock_file_prefix) ||
      name.find_first_not_of("0123456789abcdef", lock_file_prefix.size()) != std::string::npos)
    return std::nullopt;
  return std::strtoull(name.c_str() + lock_file_prefix.size(), nullptr, 16);
}

}  // namespace sluice::detail
