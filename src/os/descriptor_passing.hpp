#pragma once

// One descriptor and a few bytes through a connected unix socket: SCM_RIGHTS, unix(7).

#include <cstddef>
#include <span>

#include "os/fd.hpp"

namespace sluice::os {

/// Blocks while the socket's buffer is full. @throws error.
void send_descriptor(int socket, int descriptor, std::span<const std::byte> with);

/// Waits for one. @throws error not_found: the other end was closed; not_a_segment: what came has no descriptor, or other
/// than `with.size()` bytes.
[[nodiscard]] fd receive_descriptor(int socket, std::span<std::byte> with);

}  // namespace sluice::os
