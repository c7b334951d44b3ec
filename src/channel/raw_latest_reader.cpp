#include "sluice/detail/channel/raw_latest_reader.hpp"

#include <string>

#include "sluice/registry.hpp"

namespace sluice::detail {
namespace {

[[noreturn]] void throw_no_value_of(const std::string& what) {
  throw error(errc::not_found, "get a value of " + what +
                                   ": none was written yet; try_get() says so without an error, and get_change() waits "
                                   "for the first");
}
[[noreturn]] void throw_never_whole_of(const std::string& what) {
  throw error(errc::corrupted,
              "get a value of " + what +
                  ": the newest version is not in its slot and does not come there: a process that is no correct "
                  "participant wrote into the segment; look with inspect, then remove it and create it anew");
}

}  // namespace

owned<participant> take_reader_seat(const attached_segment& attached, std::uint32_t ring_index, ring_kind kind) {
  return owned<participant>(
      new participant(attached, ring_index, kind, role::consumer, latest_seat_rules(kind), &latest_bell));
}

void throw_no_value(const participant& reader) { throw_no_value_of(reader.attached().what()); }
void throw_no_value(const watch_post& reader) { throw_no_value_of(reader.what()); }
void throw_never_whole(const participant& reader) { throw_never_whole_of(reader.attached().what()); }
void throw_never_whole(const watch_post& reader) { throw_never_whole_of(reader.what()); }

}  // namespace sluice::detail
