#include "sluice/segment.hpp"

#include <boost/interprocess/anonymous_shared_memory.hpp>
#include <boost/interprocess/exceptions.hpp>

#include "os/file.hpp"
#include "os/mapping.hpp"
#include "segment/map_file.hpp"
#include "sluice/detail/base/bytes.hpp"
#include "sluice/error.hpp"

namespace sluice {

using namespace detail;

namespace {

constexpr const char* memory_name = "shared anonymous memory";

/// With wishes, which Boost does not take here.
segment map_as_wished(std::uint64_t bytes, const memory_options& how) {
  auto wishes = wishes_for(how);
  const auto huge_page = os::huge_page_bytes();
  if (how.huge == huge_pages::require && huge_page == 0)
    throw error(errc::bad_argument, "create " + std::string(memory_name) + " in huge pages: this kernel has none");
  if (how.huge != huge_pages::none && huge_page != 0) {
    wishes.huge = true;
    try {
      return place_memory(anonymous_segment::kind, os::mapping::anonymous(round_up(bytes, huge_page), wishes), how,
                          huge_page, memory_name);
    } catch (const error& problem) {
      if (how.huge == huge_pages::require || problem.reason() != errc::no_space) throw;
    }
    wishes.huge = false;
  }
  require_memory(bytes, memory_name, how);
  const auto page = os::kernel_page_bytes();
  return place_memory(anonymous_segment::kind, os::mapping::anonymous(round_up(bytes, page), wishes), how, page,
                      memory_name);
}

}  // namespace

segment anonymous_segment::create(std::uint64_t bytes, const memory_options& how) {
  namespace bip = boost::interprocess;
  require_shared(how, std::string("create ") + memory_name);
  if (how.huge != huge_pages::none || how.no_reserve || how.address != nullptr || how.prefault || how.lock_in_memory ||
      how.no_dump)
    return map_as_wished(bytes, how);
  require_memory(bytes, memory_name, how);
  try {
    auto region =
        std::make_shared<bip::mapped_region>(bip::anonymous_shared_memory(round_up(bytes, os::kernel_page_bytes())));
    const std::span all(static_cast<std::byte*>(region->get_address()), region->get_size());
    return {kind, all, std::move(region)};
  } catch (const bip::interprocess_exception& problem) {
    throw os::map_error(problem.get_native_error(), bytes, memory_name, {});
  }
}

}  // namespace sluice
