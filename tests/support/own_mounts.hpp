#pragma once

namespace sluice::detail::test {

/// Gives the calling process mounts of its own: what it mounts or unmounts from now on, no other process sees. Cannot be undone,
/// so for a forked child. False where that is refused, as to a process without CAP_SYS_ADMIN.
bool unshare_mounts();

}  // namespace sluice::detail::test
