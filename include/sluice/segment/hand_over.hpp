#pragma once

// Handing a segment without a name to a process that was not forked after it was made.

#include "sluice/segment/memory_options.hpp"
#include "sluice/segment/segment.hpp"

namespace sluice {

/// A duplicate of the segment's descriptor that survives exec, for the caller to pass on by its number and to close.
/// The other program attaches with memfd_segment::attach(number).
/// @throws error bad_argument: the segment has no descriptor (anonymous, /dev/zero, a device); not_found, no_permission: the
///         program closed the descriptor, and the file has no name to be opened anew by, or may not be.
[[nodiscard]] int inheritable_descriptor(const segment& memory);

/// Sends the segment's descriptor through a connected unix socket (SCM_RIGHTS). Blocks while the socket is full.
/// @throws error bad_argument: no descriptor, or no such socket; not_found: the other end is closed; and those of
///         inheritable_descriptor().
void offer(int socket, const segment& memory);

/// Waits for the next segment that is offered at the other end, and maps it.
/// @throws error not_found: the other end was closed; not_a_segment: something else came; truncated.
[[nodiscard]] segment accept(int socket, const memory_options& how = {});

}  // namespace sluice
