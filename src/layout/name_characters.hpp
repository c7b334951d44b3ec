#pragma once

// What names of segments and of subscriptions are made of.

namespace sluice::detail {

[[nodiscard]] constexpr bool may_begin_name(char c) noexcept {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
[[nodiscard]] constexpr bool may_stand_in_name(char c) noexcept {
  return may_begin_name(c) || c == '.' || c == '_' || c == '-';
}

}  // namespace sluice::detail
