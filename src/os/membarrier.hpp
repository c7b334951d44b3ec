#pragma once

namespace sluice::os {

/// membarrier(2) REGISTER_GLOBAL_EXPEDITED, once per process: from then on the barriers of other processes reach this
/// one. Inherited by fork, lost at exec. False where the kernel or a filter refuses.
[[nodiscard]] bool membarrier_register() noexcept;

/// membarrier(2) GLOBAL_EXPEDITED: a full barrier on every processor that runs a registered process. False where refused.
[[nodiscard]] bool membarrier_global() noexcept;

}  // namespace sluice::os
