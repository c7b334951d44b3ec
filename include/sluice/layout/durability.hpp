#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "sluice/layout/segment_header.hpp"

namespace sluice {

/// When what was published is written to the disk, so that it survives a reset of the machine. Unless the kernel decides,
/// each message carries a checksum: registry::recover() delivers no torn one.
enum class flush_when : std::uint32_t {
  kernel_decides = 0,  ///< after a reset nothing can be told apart, and nothing is kept
  on_close = 1,        ///< when a producer leaves in order, and at close()
  every = 2,           ///< as on_close, and whenever a producer has published so many
};

/// What a channel is created with. docs/decisions/0023-durability.md says what each costs.
struct durability {
  flush_when when = flush_when::kernel_decides;
  std::uint32_t messages = 0;  ///< of one producer, with `every`: at most so many of its last may be lost in a reset

  [[nodiscard]] static constexpr durability none() noexcept { return {}; }
  [[nodiscard]] static constexpr durability on_close() noexcept { return {flush_when::on_close, 0}; }
  /// 1: each message is on the disk when publish() returns.
  [[nodiscard]] static constexpr durability every(std::uint32_t messages) noexcept {
    return {flush_when::every, messages};
  }
  [[nodiscard]] constexpr bool is_none() const noexcept { return when == flush_when::kernel_decides; }
  [[nodiscard]] constexpr bool operator==(const durability&) const noexcept = default;
};

/// "none", "on close", "every message", "every 100 messages".
[[nodiscard]] std::string to_string(const durability& value);

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

}  // namespace sluice
