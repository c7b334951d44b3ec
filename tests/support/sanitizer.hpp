#pragma once

namespace sluice::detail::test {

/// The address sanitizer answers mlock(2) itself, and its run time needs memory, addresses and descriptors that a test of
/// their absence takes away: such a test says so by GTEST_SKIP and runs in the other builds.
#ifdef __SANITIZE_ADDRESS__
inline constexpr bool is_sanitized = true;
#else
inline constexpr bool is_sanitized = false;
#endif

}  // namespace sluice::detail::test
