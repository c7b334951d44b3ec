#include "os/own_page.hpp"

#include "os/file.hpp"
#include "os/mapping.hpp"

namespace sluice::os {

own_page& own() {
  static const auto* const mapped = new mapping(mapping::wiped_at_fork(kernel_page_bytes()));
  return *reinterpret_cast<own_page*>(mapped->bytes().data());
}

}  // namespace sluice::os
