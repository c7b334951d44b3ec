#include "sluice/registry.hpp"

#include <algorithm>

#include "layout/name_characters.hpp"
#include "sluice/error.hpp"

namespace sluice {

using namespace detail;

namespace {

constexpr std::size_t max_name_bytes = 63;

}  // namespace

bool segment_name::is_legal(std::string_view text) noexcept {
  return !text.empty() && text.size() <= max_name_bytes && may_begin_name(text.front()) &&
         std::all_of(text.begin(), text.end(), may_stand_in_name);
}

segment_name::segment_name(std::string_view text) : text_(text) {
  if (!is_legal(text))
    throw error(errc::bad_name, "segment name \"" + text_ + "\" (" + std::to_string(text.size()) +
                                    " bytes): must be 1 to 63 of A-Z a-z 0-9 . _ -, the first a letter or a digit");
}

}  // namespace sluice
