#pragma once

namespace sluice::detail::test {

/// Whether a loan that a call returned has anything. A temporary cannot be asked, because it ends with what it has.
template <class Loan>
[[nodiscard]] bool is_there(const Loan& loan) noexcept {
  return static_cast<bool>(loan);
}

}  // namespace sluice::detail::test
