#pragma once

#include <optional>
#include <string>

#include "registry/directory.hpp"
#include "sluice/registry.hpp"

namespace sluice::detail {

/// For one that is of another boot, or a copy. @throws error corrupted: nothing can tell what is whole in there.
void require_recoverable(const segment_header& header, const opened_file& opened, const std::string& what);

enum class recover_if { asked, of_another_boot };

/// What registry::recover() does. Empty: of_another_boot, and another process has recovered it meanwhile.
/// @param what  said first in errors: `recover "orders"`.
[[nodiscard]] std::optional<recovery_report> recover(int directory, const std::string& directory_path,
                                                     const std::string& name, recover_if when, const std::string& what);

}  // namespace sluice::detail
