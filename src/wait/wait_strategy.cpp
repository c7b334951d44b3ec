#include "sluice/wait/wait_strategy.hpp"

#include "os/cpu.hpp"

namespace sluice::detail {

void yield_processor() noexcept { os::yield(); }

processors own_processors() noexcept {
  if (os::usable_processors() > 1) return processors::several;
  return os::online_processors() > 1 ? processors::one_of_several : processors::one;
}

}  // namespace sluice::detail
