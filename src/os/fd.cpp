#include "os/fd.hpp"

#include <unistd.h>

namespace sluice::os {

fd::~fd() {
  if (value_ >= 0) ::close(value_);  // after EINTR the descriptor is gone all the same: close(2)
}

}  // namespace sluice::os
