#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "sluice/detail/layout/segment_header.hpp"
#include "sluice/options.hpp"

namespace sluice::detail {

[[nodiscard]] constexpr durability durability_of(const part_descriptor& ring) noexcept {
  return {static_cast<flush_when>(ring.flush_when), ring.flush_messages};
}
/// Whether any of these parts is durable.
[[nodiscard]] constexpr bool is_durable(std::span<const part_descriptor> parts) noexcept {
  for (const auto& part : parts)
    if (!durability_of(part).is_none()) return true;
  return false;
}
/// The same of a validated segment.
[[nodiscard]] constexpr bool is_durable(const segment_header& header) noexcept {
  return is_durable(std::span(header.parts, header.part_count));
}
/// How long the name of a validated segment stays. What is to outlast a reset of the machine outlasts its participants
/// as well: a durable segment is persistent, whatever its header says.
[[nodiscard]] constexpr lifetime lifetime_of(const segment_header& header) noexcept {
  return is_durable(header) ? lifetime::persistent : static_cast<lifetime>(header.lifetime);
}

}  // namespace sluice::detail
