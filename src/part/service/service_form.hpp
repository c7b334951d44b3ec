#pragma once

// Where the desks of a service lie: sluice/detail/part/service/service_layout.hpp.

#include "sluice/detail/layout/segment_header.hpp"
#include "sluice/options.hpp"

namespace sluice::detail {

/// Fills part.slots and part.body_bytes, given the message there. @throws error bad_argument.
void form_service(part_descriptor& part, const ring_options& options);
void recall_service(const part_descriptor& part, ring_options& options) noexcept;
[[nodiscard]] bool is_sane_service(const part_descriptor& part) noexcept;

/// The same where requests have any length.
void form_service_of_bytes(part_descriptor& part, const ring_options& options);
void recall_service_of_bytes(const part_descriptor& part, ring_options& options) noexcept;
[[nodiscard]] bool is_sane_service_of_bytes(const part_descriptor& part) noexcept;

}  // namespace sluice::detail
