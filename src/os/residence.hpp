#pragma once

// Whether mapped pages are in memory, stay there, and reach the disk: madvise(2), mincore(2), mlock(2), msync(2).

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace sluice::os {

/// MADV_POPULATE_WRITE or _READ: every page is there afterwards, and what cannot be is an errno here (EFAULT: the file is
/// shorter, or its filesystem full) instead of a SIGBUS later. The bytes are not changed. 0: done.
[[nodiscard]] int populate(std::span<std::byte> bytes, bool for_writing) noexcept;

/// mincore(2): how many of these bytes lie in memory, in whole pages; none of them is touched. Of a file that this process
/// neither owns nor may write to the kernel says that all do: see residence_is_told(). Empty: not a mapping of a file.
[[nodiscard]] std::optional<std::uint64_t> bytes_in_memory(std::span<const std::byte> mapped);
/// Whether the kernel tells this process what of `file` lies in memory.
[[nodiscard]] bool residence_is_told(int file, std::uint32_t owner) noexcept;

/// mlock(2): pages stay in memory until they are unmapped. 0, or an errno.
[[nodiscard]] int lock_in_memory(std::span<std::byte> bytes) noexcept;
/// RLIMIT_MEMLOCK of this process; all ones: no limit.
[[nodiscard]] std::uint64_t lock_limit_bytes() noexcept;

/// MADV_DONTDUMP: these pages are in no core dump of this process. 0, or an errno.
[[nodiscard]] int leave_out_of_dumps(std::span<std::byte> bytes) noexcept;

/// MADV_HUGEPAGE, which the kernel may follow or not.
void advise_huge(std::span<std::byte> bytes) noexcept;

/// msync(2) with MS_SYNC, MS_ASYNC, MS_INVALIDATE. 0, or an errno.
[[nodiscard]] int write_back(std::span<std::byte> bytes) noexcept;
[[nodiscard]] int begin_to_write_back(std::span<std::byte> bytes) noexcept;
[[nodiscard]] int invalidate(std::span<std::byte> bytes) noexcept;

}  // namespace sluice::os
