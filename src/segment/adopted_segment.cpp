#include "sluice/segment.hpp"

#include "os/file.hpp"
#include "segment/map_file.hpp"
#include "sluice/error.hpp"

namespace sluice {

using namespace detail;

segment adopted_segment::map(int descriptor, std::uint64_t bytes, std::uint64_t offset_bytes,
                             const memory_options& how) {
  const auto path = "descriptor " + std::to_string(descriptor);
  const auto what = "map " + std::to_string(bytes) + " bytes of " + path + " from " + std::to_string(offset_bytes);
  auto file = os::duplicate(descriptor, false, what);
  const auto facts = os::facts_of(file.get(), path);
  const auto page = os::page_bytes_of(file.get(), facts);
  if (offset_bytes % page != 0)
    throw error(errc::bad_argument,
                what + ": the offset must be a multiple of the page size, " + std::to_string(page) + " bytes");
  constexpr auto furthest = std::uint64_t{1} << 55;  // of the bytes that are locked: docs/format.md, table 6
  if (bytes == 0 || bytes > furthest || offset_bytes > furthest)
    throw error(errc::bad_argument, what + ": no bytes, or further than a file reaches");
  if (facts.is_regular && facts.length_bytes < offset_bytes + bytes)
    throw error(errc::truncated, what + ": the file has " + std::to_string(facts.length_bytes) +
                                     " bytes; extend it first, or ask for less");
  return map_file(std::move(file), {kind, bytes, offset_bytes, path}, how);
}

}  // namespace sluice
