#include "sluice/segment.hpp"

#include "os/file.hpp"
#include "os/mapping.hpp"
#include "segment/map_file.hpp"
#include "sluice/detail/base/bytes.hpp"
#include "sluice/error.hpp"

namespace sluice {

using namespace detail;

segment zero_segment::create(std::uint64_t bytes, const memory_options& how) {
  require_shared(how, "create a segment of /dev/zero");
  if (how.huge == huge_pages::require)
    throw error(errc::bad_argument,
                "create a segment of /dev/zero in huge pages: it has none; use a memfd or anonymous segment");
  require_memory(bytes, "a segment of /dev/zero", how);
  const auto page = os::kernel_page_bytes();
  return place_memory(kind, os::mapping::dev_zero(round_up(bytes, page), wishes_for(how)), how, page, "/dev/zero");
}

}  // namespace sluice
