#pragma once

// The message of send and recv: up to room_bytes of payload, with its length before it.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "sluice/error.hpp"
#include "sluice/ring.hpp"

namespace sluice::tools {

struct record_header {
  std::uint32_t length_bytes;  // of the payload that follows
  std::uint32_t reserved;      // zero
};
static_assert(sizeof(record_header) == 8);

inline constexpr std::uint32_t record_alignment = 8;
inline constexpr std::uint64_t max_room_bytes = (1U << 30) - sizeof(record_header);  // the limit of a message is 1 GiB

/// Payload is rounded up to whole words.
[[nodiscard]] constexpr std::uint64_t record_bytes(std::uint64_t payload_bytes) noexcept {
  return sizeof(record_header) + (payload_bytes + record_alignment - 1) / record_alignment * record_alignment;
}

/// What a ring of records says that it holds.
[[nodiscard]] constexpr type_identity record_identity(std::uint64_t message_bytes) noexcept {
  constexpr std::uint64_t version = 1;
  return identity_named("sluice.record", version, message_bytes, record_alignment);
}

/// Where the payload of the record at `message` lies.
[[nodiscard]] inline std::byte* payload_of(std::byte* message) noexcept { return message + sizeof(record_header); }
[[nodiscard]] inline const std::byte* payload_of(const std::byte* message) noexcept {
  return message + sizeof(record_header);
}

inline void set_length(std::byte* message, std::size_t length_bytes) noexcept {
  const record_header header{static_cast<std::uint32_t>(length_bytes), 0};
  std::memcpy(message, &header, sizeof header);
}

/// The length the record claims, read once so that it cannot change after the check; empty when there is no such room.
[[nodiscard]] inline std::optional<std::size_t> length_of(const std::byte* message, std::uint64_t room_bytes) noexcept {
  const std::uint32_t length = *reinterpret_cast<const volatile std::uint32_t*>(message);
  return length <= room_bytes ? std::optional<std::size_t>(length) : std::nullopt;
}

}  // namespace sluice::tools
