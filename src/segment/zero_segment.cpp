#include "sluice/segment/zero_segment.hpp"

#include "os/file.hpp"
#include "os/mapping.hpp"
#include "sluice/base/bytes.hpp"

namespace sluice {

segment zero_segment::create(std::uint64_t bytes) {
  auto mapped = std::make_shared<os::mapping>(os::mapping::dev_zero(round_up(bytes, os::kernel_page_bytes())));
  const auto all = mapped->bytes();
  return {kind, all, std::move(mapped)};
}

}  // namespace sluice
