// What the enumerations of the shared bytes are called, in the CLI and in errors.

#include "sluice/detail/layout/durability.hpp"
#include "sluice/detail/layout/seat.hpp"
#include "sluice/detail/layout/segment_header.hpp"

namespace sluice::detail {

const char* to_string(segment_kind kind) noexcept {
  switch (kind) {
    case segment_kind::file: return "file";
    case segment_kind::anonymous: return "anonymous";
    case segment_kind::zero: return "zero";
    case segment_kind::memfd: return "memfd";
    case segment_kind::adopted: return "adopted";
  }
  return "unknown";
}

const char* to_string(lifetime value) noexcept {
  switch (value) {
    case lifetime::persistent: return "persistent";
    case lifetime::ephemeral: return "ephemeral";
  }
  return "unknown";
}

const char* to_string(role value) noexcept { return value == role::producer ? "producer" : "consumer"; }

const char* to_string(seat_state value) noexcept {
  switch (value) {
    case seat_state::free: return "free";
    case seat_state::taken: return "taken";
    case seat_state::dead: return "dead";
    case seat_state::settled: return "settled";
  }
  return "unknown";
}

}  // namespace sluice::detail

namespace sluice {

std::string to_string(const durability& value) {
  switch (value.when) {
    case flush_when::kernel_decides: return "none";
    case flush_when::on_close: return "on close";
    case flush_when::every:
      return value.messages == 1 ? "every message" : "every " + std::to_string(value.messages) + " messages";
  }
  return "unknown";
}

}  // namespace sluice
