#pragma once

// Whether the machine was started anew since a segment was made: only then may its bytes be of different moments.
// docs/decisions/0032-which-boot.md says why each piece of evidence counts. A copy that is known as one is the same case.

#include <string>

#include "registry/directory.hpp"

namespace sluice::detail {

enum class made_in {
  this_boot,
  another_boot,
  unknown,  ///< nothing here can tell
};

[[nodiscard]] made_in boot_of(const segment_header& header, const opened_file& opened);

/// @throws error system_failure: it is unknown, and torn messages could be delivered as good.
void require_known(made_in boot, const std::string& what);

/// For a durable segment that is to be made. @throws error system_failure: a reset of the machine could not be told later.
void require_boot_is_known(const std::string& what);

}  // namespace sluice::detail
