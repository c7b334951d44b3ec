#include "sluice/segment/anonymous_segment.hpp"

#include <boost/interprocess/anonymous_shared_memory.hpp>
#include <boost/interprocess/exceptions.hpp>

#include "os/file.hpp"
#include "sluice/base/bytes.hpp"
#include "sluice/base/error.hpp"

namespace sluice {

segment anonymous_segment::create(std::uint64_t bytes) {
  namespace bip = boost::interprocess;
  try {
    auto region =
        std::make_shared<bip::mapped_region>(bip::anonymous_shared_memory(round_up(bytes, os::kernel_page_bytes())));
    const std::span all(static_cast<std::byte*>(region->get_address()), region->get_size());
    return {kind, all, std::move(region)};
  } catch (const bip::interprocess_exception& problem) {
    throw error::from_errno(problem.get_native_error(),
                            "map " + std::to_string(bytes) + " bytes of shared anonymous memory");
  }
}

}  // namespace sluice
