#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace sluice::detail {

/// ".sluice-locks-00c0ffee00c0ffee": of the file with `lock_inode`, in the segment's directory. It is no legal name of a
/// segment, and a segment that is renamed keeps it.
[[nodiscard]] std::string lock_file_name(std::uint64_t creation_id);
/// The creation_id in the name of a lock file; empty: it is none.
[[nodiscard]] std::optional<std::uint64_t> creation_id_in(const std::string& name) noexcept;

}  // namespace sluice::detail
