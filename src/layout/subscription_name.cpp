#include "sluice/detail/layout/subscription_name.hpp"

#include <algorithm>
#include <cstring>

#include "layout/name_characters.hpp"
#include "sluice/error.hpp"

namespace sluice::detail {
namespace {

bool is_legal_text(std::string_view text) noexcept {
  return !text.empty() && text.size() <= subscription_name::max_bytes && may_begin_name(text.front()) &&
         std::all_of(text.begin(), text.end(), may_stand_in_name);
}

}  // namespace

subscription_name::subscription_name(std::string_view text) {
  if (!is_legal_text(text))
    throw error(errc::bad_name, "subscription \"" + std::string(text) + "\" (" + std::to_string(text.size()) +
                                    " bytes): its name must be 1 to 24 of A-Z a-z 0-9 . _ -, the first a letter or a "
                                    "digit");
  std::memcpy(words_.data(), text.data(), text.size());
}

bool subscription_name::is_legal() const noexcept {
  std::array<char, max_bytes> bytes{};
  std::memcpy(bytes.data(), words_.data(), max_bytes);
  const auto* const end = std::find(bytes.cbegin(), bytes.cend(), '\0');
  return is_legal_text({bytes.data(), static_cast<std::size_t>(end - bytes.begin())}) &&
         std::all_of(end, bytes.cend(), [](char c) { return c == '\0'; });
}

std::string subscription_name::text() const {
  std::string text(max_bytes, '\0');
  std::memcpy(text.data(), words_.data(), max_bytes);
  text.erase(std::find(text.begin(), text.end(), '\0'), text.end());
  std::replace_if(
      text.begin(), text.end(), [](char c) { return !may_stand_in_name(c); }, '?');
  return text;
}

}  // namespace sluice::detail
