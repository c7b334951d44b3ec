#pragma once

// The way behind handles, for the library's own tests and benches, and for its ports: seats, words and sleepers of a live
// participant. No interface for programs: it changes without notice, and .ci/check_layers refuses it to tools and examples.

#include "sluice/detail/channel/participant.hpp"

namespace sluice::detail {

struct access {
  /// The raw_producer or raw_consumer of a producer<T> or consumer<T>.
  template <class Handle>
  [[nodiscard]] static auto& raw(Handle&& handle) {
    return handle.usable();
  }
  /// The participant of a producer<T> or consumer<T>.
  template <class Handle>
  [[nodiscard]] static participant& owner(Handle&& handle) {
    return raw(handle).owner();
  }
  /// What a channel<T> is attached to, and which ring of it.
  template <class Channel>
  [[nodiscard]] static const attached_segment& attached(const Channel& channel) {
    return *channel.attached_;
  }
  template <class Channel>
  [[nodiscard]] static std::uint32_t ring_index(const Channel& channel) {
    return channel.ring_index_;
  }
  /// The participant of a raw_producer or raw_consumer.
  template <class Raw>
  [[nodiscard]] static participant& owner_of(Raw& raw) {
    return raw.owner();
  }
};

}  // namespace sluice::detail
