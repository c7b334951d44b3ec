#pragma once

#include <string>

namespace sluice::detail::test {

/// How many lines of /proc/self/maps contain `text`.
int mappings_that_name(const std::string& text);
/// The line that covers `address`; empty when nothing is mapped there.
std::string mapping_at(const void* address);

}  // namespace sluice::detail::test
