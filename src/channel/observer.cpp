#include "sluice/inspect.hpp"

#include "sluice/registry.hpp"

#include <algorithm>
#include <cstring>

#include "channel/readable_locks.hpp"
#include "part/part_kind.hpp"
#include "sluice/detail/plan/segment_plan.hpp"
#include "sluice/error.hpp"
#include "sluice/segment.hpp"

namespace sluice {

using namespace detail;

observer observer::attach(std::string_view name_or_path) {
  const auto located = locate(name_or_path);
  return attach(located.where, located.name);
}

observer observer::attach(const registry& where, const segment_name& name) {
  where.require_own(name);
  return observer(file_segment::attach(where.directory() + "/" + name.str(), {.access = view::read_only}));
}

observer::observer(segment memory) : memory_(std::move(memory)), what_("what is observed") {
  if (memory_.placement().is_writable)
    throw error(errc::bad_argument, "observe a segment: it is mapped for writing; map it with view::read_only");
  if (memory_.has_file()) what_ = memory_.file().path;
  segment_header copy{};
  const auto length = std::min(sizeof copy, memory_.bytes().size());
  std::memcpy(bytes_of(copy).data(), memory_.bytes().data(), length);
  memory_.require_whole(what_);
  validate_segment(bytes_of(copy).first(length), memory_.bytes().size(), "observe " + what_);
  memory_.trust(copy);
}

ring_view observer::ring(std::uint32_t index) const {
  if (index >= header().part_count)
    throw error(errc::bad_argument, "observe ring " + std::to_string(index) + " of " + what_ + ": it has " +
                                        std::to_string(header().part_count));
  return view_ring(memory_.bytes(), header().parts[index]);
}

ring_counts observer::counts(std::uint32_t ring_index) const {
  const auto seen = ring(ring_index);
  const auto cursors = part_kind_of(header().parts[ring_index]).cursors(seen);
  ring_counts counts;  // for people: nothing else is read on the word of these
  counts.tail = cursors.tail;
  counts.head = cursors.head;
  counts.holes = seen.control->holes.load(std::memory_order_relaxed);
  counts.redelivered = seen.control->redelivered.load(std::memory_order_relaxed);
  counts.settled = seen.control->settled.load(std::memory_order_relaxed);
  counts.is_closed = says_closed(seen.control->closed.load(std::memory_order_relaxed));
  memory_.require_whole(what_);
  return counts;
}

std::vector<seat_report> observer::seats(std::uint32_t ring_index) const {
  const auto seen = ring(ring_index);
  const auto locks = readable_locks::of(memory_);
  auto seats =
      report_seats(seat_table(memory_, seen, ring_index, locks.sight), seen, kind_in(header().parts[ring_index]));
  memory_.require_whole(what_);
  return seats;
}

}  // namespace sluice
