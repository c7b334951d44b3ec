#pragma once

// What of a handle is lent: up to two single slots, or one batch. That it is a single one the ring knows by itself, so a
// loan costs two comparisons and no store; everything else is cold. docs/decisions/0028.

#include <cstdint>
#include <string>

#include "sluice/detail/channel/participant.hpp"

namespace sluice::detail {

/// How many loans of one handle may be open at once.
inline constexpr std::uint32_t max_open_loans = 2;

enum class lending : std::uint8_t {
  plain,    ///< a single slot, if the ring has one open; else nothing
  kept,     ///< nothing, although the ring has something open: a message that is lent next, or what cannot end in this
            ///< process, because it is another's or the segment is lost
  several,  ///< two slots, or one that is not the ring's usual one; or the handle is gone and its loans are not
  batch,
};

/// @throws error misuse: `handle` cannot do `what` ("claim a slot", "send") while this is lent: a batch, or so many loans.
[[noreturn]] void throw_lent(const participant& handle, role own, bool is_batch, std::uint32_t loans, const char* what);
/// @throws error misuse.
[[noreturn]] void throw_moved_from(role own);

}  // namespace sluice::detail
