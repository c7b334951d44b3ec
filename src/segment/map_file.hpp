#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "os/fd.hpp"
#include "os/mapping.hpp"
#include "sluice/options.hpp"
#include "sluice/segment.hpp"

namespace sluice::detail {

/// What of a file is mapped.
struct file_part {
  segment_kind kind = segment_kind::file;
  std::uint64_t bytes = 0;
  std::uint64_t offset_bytes = 0;
  std::string path;  // for errors
};

/// Maps a part of an open file and keeps the descriptor for locks, where it is of a kind that can be locked.
[[nodiscard]] segment map_file(os::fd file, const file_part& part, const memory_options& how = {});

/// How long the file behind a segment is now. Empty where there is none, and where the program closed the descriptor, whose
/// number may mean another file by now.
[[nodiscard]] std::optional<std::uint64_t> length_of(const segment_file& file) noexcept;

/// The file behind a segment that has one: a duplicate of its descriptor or, where the program closed that, the file opened
/// anew by its name. @throws error that says why it cannot be opened anew; `what` is said first.
[[nodiscard]] os::fd file_behind(const segment& memory, const std::string& what);

/// Takes `bytes` for a new file as `how` says; how many there are then, in whole pages of the file.
[[nodiscard]] std::uint64_t make_room(int file, std::uint64_t bytes, const std::string& path,
                                      const memory_options& how);

/// For memory without a file: what is left to do once it is mapped.
[[nodiscard]] segment place_memory(segment_kind kind, os::mapping mapped, const memory_options& how, std::uint64_t page,
                                   const std::string& what);

[[nodiscard]] os::map_wishes wishes_for(const memory_options& how) noexcept;

/// Compares what is asked for with what the memory cgroup and the machine have left, for memory that is no disk's.
/// @throws error no_space, with the numbers.
void require_memory(std::uint64_t bytes, const std::string& what, const memory_options& how);

/// A new segment is for writing. @throws error bad_argument.
void require_shared(const memory_options& how, const std::string& what);

}  // namespace sluice::detail
