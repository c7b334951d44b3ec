#pragma once

namespace sluice {

/// Why a wait ended.
enum class wait_result {
  ready,      ///< there is a message, or room for one
  closed,     ///< the channel was closed (and, for a consumer, everything was delivered)
  peer_gone,  ///< every process on the other side has died; said once for each such death. A successor may come.
  timed_out,  ///< none of these within the time given
  interrupted,  ///< none of these, and the wait was to end: by its std::stop_token, or by a signal where that was asked for
};

[[nodiscard]] constexpr const char* to_string(wait_result result) noexcept {
  switch (result) {
    case wait_result::ready: return "ready";
    case wait_result::closed: return "closed";
    case wait_result::peer_gone: return "peer_gone";
    case wait_result::timed_out: return "timed_out";
    case wait_result::interrupted: return "interrupted";
  }
  return "unknown";
}

}  // namespace sluice
