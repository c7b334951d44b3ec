#pragma once

namespace sluice {

/// What became of the other side of a channel.
enum class peer_state {
  none,   ///< no process is there, and none died: not come yet, or left in order
  alive,  ///< at least one living process, stopped ones included
  dead,   ///< no process is there, and the last ones died
};

[[nodiscard]] const char* to_string(peer_state value) noexcept;

}  // namespace sluice
