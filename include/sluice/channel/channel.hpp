#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "sluice/base/clock.hpp"
#include "sluice/channel/consumer.hpp"
#include "sluice/channel/opening.hpp"
#include "sluice/channel/options.hpp"
#include "sluice/channel/producer.hpp"
#include "sluice/part/spsc/spsc_ring.hpp"

namespace sluice {

/// A segment with one ring of messages T, attached to: the place from which producers and consumers are made. Being
/// attached keeps the name from being swept; it takes no seat. Copies share the attachment.
/// Threads: copies are independent. Fork: the child may make its own producer or consumer from what it inherited.
template <class T, ring Ring = spsc_ring>
class channel {
  static_assert(require_message<T>::value);

 public:
  /// Makes the channel `name_or_path`: a name in the standard registry, or a path with a slash in it.
  /// @throws error bad_name; bad_argument; already_exists; no_space; no_permission; unsafe_directory.
  static channel create(std::string_view name_or_path, const channel_options& options = {}) {
    return channel(detail::create(name_or_path, kind(), options));
  }
  static channel create(const registry& where, const segment_name& name, const channel_options& options = {}) {
    return channel(detail::create(where, name, kind(), options));
  }

  /// Attaches to an existing one. @throws error not_found; wrong_type; wrong_kind; and all of registry::attach().
  static channel attach(std::string_view name_or_path, const memory_options& memory = {}) {
    return attach(name_or_path, attach_options{memory, {}});
  }
  static channel attach(const registry& where, const segment_name& name, const memory_options& memory = {}) {
    return attach(where, name, attach_options{memory, {}});
  }
  /// The same, and insists on what `options.require` says. @throws error wrong_kind: the channel offers less.
  static channel attach(std::string_view name_or_path, const attach_options& options) {
    return channel(detail::attach(name_or_path, kind(), options));
  }
  static channel attach(const registry& where, const segment_name& name, const attach_options& options) {
    return channel(detail::attach(where, name, kind(), options));
  }

  /// The same, and waits until the name exists: it is looked for every 20 ms at most.
  /// @throws error not_found: not within `at_most`; interrupted: a stop was requested, and the name does not exist; and all
  ///         of attach(), at once.
  static channel attach_for(std::string_view name_or_path, timeout at_most, const attach_options& options = {},
                            const detail::stop_signal& stop = {}) {
    return channel(detail::attach_before(deadline_after(at_most), name_or_path, kind(), options, stop));
  }
  static channel attach_for(const registry& where, const segment_name& name, timeout at_most,
                            const attach_options& options = {}, const detail::stop_signal& stop = {}) {
    return channel(detail::attach_before(deadline_after(at_most), where, name, kind(), options, stop));
  }
  static channel attach_until(std::string_view name_or_path, time_limit when, const attach_options& options = {},
                              const detail::stop_signal& stop = {}) {
    return channel(detail::attach_before(deadline_at(when), name_or_path, kind(), options, stop));
  }
  static channel attach_until(const registry& where, const segment_name& name, time_limit when,
                              const attach_options& options = {}, const detail::stop_signal& stop = {}) {
    return channel(detail::attach_before(deadline_at(when), where, name, kind(), options, stop));
  }

  /// Whichever is possible. An existing channel must offer what was asked for by name: at least the capacity, the seats and
  /// the durability that `options` give; what stands there as zero or none is not asked for. It keeps its own sizes,
  /// permissions and lifetime: `capacity_slots()` says what there is.
  /// @throws error wrong_kind: it offers less; and all of create() and attach().
  static channel create_or_attach(std::string_view name_or_path, const channel_options& options = {}) {
    return channel(detail::create_or_attach(name_or_path, kind(), options));
  }
  static channel create_or_attach(const registry& where, const segment_name& name,
                                  const channel_options& options = {}) {
    return channel(detail::create_or_attach(where, name, kind(), options));
  }

  /// Makes a channel without a name in a segment of kind Segment, for this process and those it forks afterwards; in a
  /// memfd_segment also for those it is handed over to.
  template <class Segment>
  static channel create_unnamed(const channel_options& options = {}) {
    const detail::channel_kind kinds[] = {kind()};
    return create_in(Segment::create(detail::planned_bytes(kinds, options), options.memory), options);
  }
  /// The same in an anonymous_segment.
  static channel create_unnamed(const channel_options& options = {}) {
    const detail::channel_kind kinds[] = {kind()};
    return channel(detail::create_unnamed(kinds, options));
  }
  /// The same in memory that is mapped already, such as an adopted_segment of zeroes.
  static channel create_in(const segment& memory, const channel_options& options = {}) {
    const detail::channel_kind kinds[] = {kind()};
    return channel(detail::create_in(memory, kinds, options));
  }
  /// Attaches to a channel that another process made in this memory. @throws error wrong_type; wrong_kind; attach_unnamed().
  static channel attach_in(const segment& memory) { return channel(detail::attach_in(memory, kind())); }

  /// Sends the channel through a connected unix socket, for accept() at the other end. See hand_over.hpp.
  void offer(int socket) const { detail::offer(socket, *attached_); }
  static channel accept(int socket, const memory_options& memory = {}) {
    return channel(detail::accept(socket, memory, kind()));
  }

  /// Takes the producer's seat (spsc: the only one) for the calling process.
  /// @throws error seat_taken, with the pid of the process that sits there.
  template <wait_strategy Wait = spin_then_park>
  [[nodiscard]] sluice::producer<T, Ring, Wait> producer(Wait wait = {}) const {
    return sluice::producer<T, Ring, Wait>(*attached_, ring_index_, std::move(wait));
  }
  /// Takes the consumer's seat likewise. What a dead predecessor had not released comes first.
  template <wait_strategy Wait = spin_then_park>
  [[nodiscard]] sluice::consumer<T, Ring, Wait> consumer(Wait wait = {}) const {
    return sluice::consumer<T, Ring, Wait>(*attached_, ring_index_, std::move(wait));
  }

  [[nodiscard]] std::uint64_t capacity_slots() const noexcept {
    return header().parts[ring_index_].slots.capacity_slots;
  }
  [[nodiscard]] const segment_header& header() const noexcept { return detail::header_of(*attached_); }
  /// What the channel lies in: segment.hpp.
  [[nodiscard]] const segment& memory() const noexcept { return detail::memory_of(*attached_); }
  /// Whether the channel's name still leads to this channel (registry.hpp). Waits ask this by themselves; programs that
  /// poll may.
  [[nodiscard]] name_state name_now() const noexcept { return detail::name_now(*attached_); }

  /// For segments made otherwise: ring `ring_index` of one that is attached. @throws error wrong_type; wrong_kind.
  explicit channel(const attached_segment& attached, std::uint32_t ring_index = 0)
      : attached_(detail::checked(attached, ring_index, kind())), ring_index_(ring_index) {}

 private:
  explicit channel(kept_attachment attached) noexcept : attached_(std::move(attached)) {}
  [[nodiscard]] static detail::channel_kind kind() noexcept { return {identity_of<T>(), Ring::kind}; }

  kept_attachment attached_;
  std::uint32_t ring_index_ = 0;
};

/// Shorthands: `sluice::create<quote>("quotes")`.
template <class T, ring Ring = spsc_ring>
[[nodiscard]] channel<T, Ring> create(std::string_view name_or_path, const channel_options& options = {}) {
  return channel<T, Ring>::create(name_or_path, options);
}
template <class T, ring Ring = spsc_ring>
[[nodiscard]] channel<T, Ring> attach(std::string_view name_or_path, const memory_options& memory = {}) {
  return channel<T, Ring>::attach(name_or_path, memory);
}
template <class T, ring Ring = spsc_ring>
[[nodiscard]] channel<T, Ring> attach(std::string_view name_or_path, const attach_options& options) {
  return channel<T, Ring>::attach(name_or_path, options);
}
template <class T, ring Ring = spsc_ring>
[[nodiscard]] channel<T, Ring> attach_for(std::string_view name_or_path, timeout at_most,
                                          const attach_options& options = {}, const detail::stop_signal& stop = {}) {
  return channel<T, Ring>::attach_for(name_or_path, at_most, options, stop);
}
template <class T, ring Ring = spsc_ring>
[[nodiscard]] channel<T, Ring> attach_until(std::string_view name_or_path, time_limit when,
                                            const attach_options& options = {}, const detail::stop_signal& stop = {}) {
  return channel<T, Ring>::attach_until(name_or_path, when, options, stop);
}
template <class T, ring Ring = spsc_ring>
[[nodiscard]] channel<T, Ring> create_or_attach(std::string_view name_or_path, const channel_options& options = {}) {
  return channel<T, Ring>::create_or_attach(name_or_path, options);
}

}  // namespace sluice
