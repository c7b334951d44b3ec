#pragma once

namespace sluice::detail::test {

/// From now on open(2) with O_TMPFILE fails in this process with EOPNOTSUPP, as on a filesystem that has none (seccomp;
/// cannot be undone, so for a forked child). False where the kernel refuses the filter.
bool forbid_unnamed_files();

}  // namespace sluice::detail::test
