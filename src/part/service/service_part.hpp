#pragma once

// What becomes of a ring when its messages are requests: the same, with desks for the replies behind its slots.

#include "part/part_kind.hpp"
#include "part/service/service_form.hpp"

namespace sluice::detail {

/// Its row in the table of kinds, given that of a ring whose messages have one size, or any length.
[[nodiscard]] constexpr part_kind with_replies(part_kind ring) noexcept {
  const bool has_any_length = ring.tag == ring_kind::mpmc_bytes;
  ring.tag = has_any_length ? ring_kind::service_bytes : ring_kind::service;
  ring.name = has_any_length ? "service-bytes" : "service";
  ring.producer_name = "client";
  ring.consumer_name = "server";
  ring.form = has_any_length ? form_service_of_bytes : form_service;
  ring.is_sane = has_any_length ? is_sane_service_of_bytes : is_sane_service;
  ring.recall = has_any_length ? recall_service_of_bytes : recall_service;
  return ring;
}

}  // namespace sluice::detail
