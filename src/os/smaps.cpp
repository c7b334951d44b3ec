#include "os/smaps.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "os/proc_lines.hpp"
#include "os/process.hpp"
#include "sluice/detail/base/clock.hpp"

namespace sluice::os {
namespace {

/// "Rss:      1234 kB" -> 1234 * 1024.
std::uint64_t bytes_in(std::string_view line) noexcept {
  const auto digits = std::min(line.find_first_of("0123456789"), line.size());
  std::uint64_t kib = 0;
  std::from_chars(line.data() + digits, line.data() + line.size(), kib);
  return kib * 1024;
}

/// Of "VmFlags: rd wr sh lo ".
bool has_flag(std::string_view line, std::string_view flag) noexcept {
  for (int i = 1;; ++i) {
    const auto word = word_of(line, i);
    if (word == flag) return true;
    if (word.empty()) return false;
  }
}

void add(mapped_memory& found, std::string_view line) noexcept {
  const auto is = [&](std::string_view name) { return line.starts_with(name); };
  if (is("Size:")) found.mapped_bytes += bytes_in(line);
  if (is("KernelPageSize:")) found.page_bytes = std::max(found.page_bytes, bytes_in(line));
  const bool is_hugetlb = is("Shared_Hugetlb:") || is("Private_Hugetlb:");  // not counted in Rss
  if (is("Rss:") || is_hugetlb) found.resident_bytes += bytes_in(line);
  if (is("AnonHugePages:") || is("ShmemPmdMapped:") || is("FilePmdMapped:") || is_hugetlb)
    found.huge_bytes += bytes_in(line);
  // Not "Locked:", which divides what several processes share among them.
  if (is("VmFlags:")) found.is_locked = found.is_locked && has_flag(line, "lo");
}

}  // namespace

mapped_memory memory_mapped_by(std::uint32_t pid, const std::string& backing, std::uint64_t until_ns) {
  mapped_memory found;
  // The list of mappings alone costs little: a process that does not map it is not looked at more closely.
  const auto is_mapped = maps_backing(pid, backing);
  if (!is_mapped) return found;
  found.how = mapped_memory::sight::not_mapped;
  if (!*is_mapped) return found;
  bool is_concerned = false, is_late = false;
  std::uint64_t count = 0;
  const auto was_read = find_line(("/proc/" + std::to_string(pid) + "/smaps").c_str(), [&](std::string_view line) {
    const bool begins_a_mapping = !line.empty() && (line[0] < 'A' || line[0] > 'Z');
    if (!begins_a_mapping) {
      if (is_concerned) add(found, line);
      return false;
    }
    const auto permissions = word_of(line, 1);
    is_concerned = backing_in(line) == backing && permissions.size() == 4 && !permissions.starts_with("---");
    if (is_concerned) {
      if (count++ == 0) found.is_locked = true;
      found.is_writable = found.is_writable || permissions[1] == 'w';
      found.is_shared = found.is_shared || permissions[3] == 's';
    }
    is_late = detail::monotonic_now_ns() > until_ns;
    return is_late;
  });
  using sight = mapped_memory::sight;
  const auto how = !was_read    ? sight::not_readable
                   : is_late    ? sight::not_in_time
                   : count == 0 ? sight::not_mapped
                                : sight::seen;
  if (how != sight::seen) found = {};
  found.how = how;
  return found;
}

}  // namespace sluice::os
