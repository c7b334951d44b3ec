#pragma once

#include <cstdint>
#include <functional>

#include "sluice/detail/base/stop_signal.hpp"

namespace sluice::detail {

/// Tries until a name exists: now, after 1 ms, and then at twice the distance up to 20 ms.
/// @throws error not_found: not before the deadline; interrupted: a stop was requested, and it does not exist; and whatever
///         else `attempt` throws, at once.
void await_name(std::uint64_t deadline_ns, const stop_signal& stop, const std::function<void()>& attempt);

}  // namespace sluice::detail
