#include "sluice/segment.hpp"

#include "os/file.hpp"
#include "os/memfd.hpp"
#include "segment/map_file.hpp"
#include "sluice/error.hpp"

namespace sluice {

using namespace detail;

namespace {

constexpr const char* memfd_name = "memfd";

segment make(std::uint64_t bytes, const memory_options& how, bool huge) {
  auto file = os::create_memfd("sluice", huge);
  const auto whole = make_room(file.get(), bytes, memfd_name, how);
  os::seal_length(file.get(), memfd_name);
  return map_file(std::move(file), {memfd_segment::kind, whole, 0, memfd_name}, how);
}

}  // namespace

segment memfd_segment::create(std::uint64_t bytes, const memory_options& how) {
  if (how.huge == huge_pages::none) return make(bytes, how, false);
  try {
    return make(bytes, how, true);
  } catch (const error& problem) {
    if (how.huge == huge_pages::prefer && problem.reason() != errc::bad_argument) return make(bytes, how, false);
    if (problem.reason() != errc::no_space) throw;
    throw error(errc::no_space, "create a memfd of " + std::to_string(bytes) +
                                    " bytes in huge pages: not that many are free; reserve some (sysctl "
                                    "vm.nr_hugepages), or let them be preferred, not required");
  }
}

segment memfd_segment::attach(int descriptor, const memory_options& how) {
  const auto what = "attach the segment of descriptor " + std::to_string(descriptor);
  auto file = os::duplicate(descriptor, false, what);
  const auto facts = os::facts_of(file.get(), memfd_name);
  if (!facts.is_regular) throw error(errc::not_a_segment, what + ": it is no file; see adopted_segment for devices");
  if (facts.length_bytes == 0) throw error(errc::half_made, what + ": it is empty; its maker has not sized it");
  return map_file(std::move(file), {kind, facts.length_bytes, 0, "descriptor " + std::to_string(descriptor)}, how);
}

}  // namespace sluice
