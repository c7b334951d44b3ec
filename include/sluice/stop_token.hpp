#pragma once

// Ends waits by a std::stop_token: includes <stop_token> and makes it known to every call that waits.
//
//   std::jthread reader([&](std::stop_token stop) {
//     while (auto quote = in.peek(stop)) use(*quote);  // interrupted: in.status() says so
//   });
//
// Threads and processes: the token is this process's; a request from any of its threads ends the waits that were given it,
// at once, asleep or not. A message that was there before is returned first.
// Lifetime: a call refers to the token until it returns and keeps nothing of it.
// Errors: none. A wait that was ended returns wait_result::interrupted, and has taken nothing.

#include "sluice/detail/base/language.hpp"

#include <stop_token>

#include "sluice/detail/base/stop_signal.hpp"

namespace sluice::detail {

extern const stop_ways ways_of_stop_token;
[[nodiscard]] inline const stop_ways& stop_ways_of(stop_tag, const std::stop_token&) noexcept {
  return ways_of_stop_token;
}

}  // namespace sluice::detail
