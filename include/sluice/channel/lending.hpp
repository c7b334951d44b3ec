#pragma once

// What of a handle is lent: up to two single slots, or one batch. A handle that has lent nothing or one slot pays one
// comparison for it; everything else is cold. docs/decisions/0028.

#include <cstdint>
#include <string>

#include "sluice/channel/participant.hpp"

namespace sluice {

/// How many loans of one handle may be open at once.
inline constexpr std::uint32_t max_open_loans = 2;

enum class lending : std::uint8_t {
  nothing,
  one,      ///< a single slot, which is all that the ring has open
  several,  ///< two slots, or one that is not the ring's usual one; or the handle is gone and its loans are not
  batch,
};

/// @throws error misuse: `handle` cannot do `what` ("lend a slot", "send") while this is lent.
[[noreturn]] void throw_lent(const participant& handle, role own, lending lent, const char* what);
/// @throws error misuse.
[[noreturn]] void throw_moved_from(role own);

}  // namespace sluice
