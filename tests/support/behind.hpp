#pragma once

// What a test sees behind a handle.

#include "sluice/detail/channel/access.hpp"

namespace sluice::detail::test {

template <class Handle>
[[nodiscard]] auto& raw_of(Handle&& handle) {
  return sluice::detail::access::raw(handle);
}
template <class Handle>
[[nodiscard]] participant& details_of(Handle&& handle) {
  return sluice::detail::access::owner(handle);
}

}  // namespace sluice::detail::test
