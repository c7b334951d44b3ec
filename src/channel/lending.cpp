#include "sluice/detail/channel/lending.hpp"

#include "sluice/error.hpp"
#include "sluice/registry.hpp"

namespace sluice::detail {

void throw_lent(const participant& handle, role own, bool is_batch, std::uint32_t loans, const char* what) {
  const std::string end = own == role::producer ? "publish or abandon" : "release";
  const auto* const name = role_name(static_cast<ring_kind>(handle.descriptor().kind), own);
  throw error(errc::misuse, std::string(what) + " with a " + name + " of " + handle.attached().what() + ": " +
                                (is_batch                 ? "a batch of it is open; " + end + " the batch first"
                                 : loans < max_open_loans ? "a loan of it is open; " + end + " the loan first"
                                                          : std::to_string(max_open_loans) + " loans of it are open; " +
                                                                end + " one of them first"));
}

void throw_moved_from(role own) {
  throw error(errc::misuse,
              std::string("use a ") + to_string(own) +
                  " that was moved from or has finished: it has no seat; use the handle that it was moved to, or "
                  "make a new one");
}

}  // namespace sluice::detail
