// What inspect shows of a segment's memory. Every answer may be missing, and none of them is a reason to fail.

#include "sluice/detail/base/clock.hpp"
#include "sluice/inspect.hpp"

#include <algorithm>

#include "os/filesystem.hpp"
#include "os/mapping.hpp"
#include "os/memfd.hpp"
#include "os/process.hpp"
#include "os/residence.hpp"
#include "os/smaps.hpp"
#include "registry/directory.hpp"
#include "sluice/error.hpp"

namespace sluice {

using namespace detail;

namespace {

constexpr std::uint64_t max_bytes_looked_at = std::uint64_t{4} << 30;  // a million pages: some ten milliseconds
constexpr std::uint64_t max_ns_for_processes = 1'000'000'000;
constexpr std::size_t max_processes = 64;

memory_sight sight_of(os::mapped_memory::sight how) noexcept {
  switch (how) {
    case os::mapped_memory::sight::seen: return memory_sight::seen;
    case os::mapped_memory::sight::not_mapped: return memory_sight::not_mapped;
    case os::mapped_memory::sight::not_in_time: return memory_sight::not_in_time;
    case os::mapped_memory::sight::not_readable: break;
  }
  return memory_sight::not_readable;
}

process_memory look_at_process(const seat_report& seat, const std::string& backing, std::uint64_t until_ns) {
  process_memory found;
  found.pid = seat.pid;
  if (!seat.same_pid_namespace) return found;
  const auto mapped = os::memory_mapped_by(seat.pid, backing, until_ns);
  found.sight = sight_of(mapped.how);
  found.page_bytes = mapped.page_bytes;
  found.mapped_bytes = mapped.mapped_bytes;
  found.resident_bytes = mapped.resident_bytes;
  found.huge_bytes = mapped.huge_bytes;
  found.is_locked = mapped.is_locked;
  found.is_writable = mapped.is_writable;
  found.is_shared = mapped.is_shared;
  return found;
}

/// Each process once, in whichever rings it sits.
std::vector<process_memory> look_at_processes(const segment_info& info, const std::string& backing) {
  const auto until_ns = monotonic_now_ns() + max_ns_for_processes;
  std::vector<process_memory> found;
  for (const auto& ring : info.rings)
    for (const auto& seat : ring.seats) {
      if (seat.state != seat_state::taken || seat.alive == liveness::dead || found.size() == max_processes) continue;
      if (std::none_of(found.begin(), found.end(), [&](const auto& one) { return one.pid == seat.pid; }))
        found.push_back(look_at_process(seat, backing, until_ns));
    }
  return found;
}

}  // namespace

const char* to_string(memory_sight value) noexcept {
  switch (value) {
    case memory_sight::seen: return "seen";
    case memory_sight::not_mapped: return "not_mapped";
    case memory_sight::not_readable: return "not_readable";
    case memory_sight::not_in_time: return "not_in_time";
  }
  return "unknown";
}

memory_report detail::look_at_memory(const opened_file& opened, const segment_info& info) {
  memory_report report;
  const int file = opened.file.get();
  auto filesystem = os::filesystem_of(file);
  report.filesystem = std::move(filesystem.name);
  report.survives_reset = filesystem.survives_reset;
  report.page_bytes = os::page_bytes_of(file);
  report.seals = os::seals_of(file);
  report.looked_at_bytes = opened.facts.length_bytes;
  if (report.looked_at_bytes == 0) return report;
  // Not mincore(2), which leaves out pages that were taken and never touched.
  if (filesystem.blocks_are_memory)
    report.in_memory_bytes = opened.facts.resident_bytes;
  else
    report.looked_at_bytes = std::min(report.looked_at_bytes, max_bytes_looked_at);
  std::string backing;
  try {
    const auto look =
        os::mapping::untouchable(file, filesystem.blocks_are_memory ? report.page_bytes : report.looked_at_bytes);
    backing = os::backing_of(look.bytes().data());
    if (!report.in_memory_bytes && os::residence_is_told(file, opened.facts.uid))
      report.in_memory_bytes = os::bytes_in_memory(look.bytes());
  } catch (const error&) {
    // It cannot be mapped here: no addresses left, or a filesystem that maps nothing.
  }
  report.processes = look_at_processes(info, backing);
  return report;
}

}  // namespace sluice
