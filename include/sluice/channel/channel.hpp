#pragma once

#include <chrono>
#include <stop_token>
#include <string_view>
#include <utility>

#include "sluice/channel/consumer.hpp"
#include "sluice/channel/options.hpp"
#include "sluice/channel/producer.hpp"
#include "sluice/part/spsc/spsc_ring.hpp"
#include "sluice/registry/registry.hpp"
#include "sluice/segment/anonymous_segment.hpp"
#include "sluice/segment/hand_over.hpp"

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
    const auto located = locate(name_or_path);
    return create(located.where, located.name, options);
  }
  static channel create(const registry& where, const segment_name& name, const channel_options& options = {}) {
    return channel(where.create(name, plan(options), naming_of(options)));
  }

  /// Attaches to an existing one. @throws error not_found; wrong_type; wrong_kind; and all of registry::attach().
  static channel attach(std::string_view name_or_path, const memory_options& memory = {}) {
    const auto located = locate(name_or_path);
    return attach(located.where, located.name, memory);
  }
  static channel attach(const registry& where, const segment_name& name, const memory_options& memory = {}) {
    return channel(where.attach(name, memory));
  }
  /// The same, and insists on what `options.require` says. @throws error wrong_kind: the channel offers less.
  static channel attach(std::string_view name_or_path, const attach_options& options) {
    const auto located = locate(name_or_path);
    return attach(located.where, located.name, options);
  }
  static channel attach(const registry& where, const segment_name& name, const attach_options& options) {
    return channel(where.attach(name, options.memory), options.require);
  }

  /// The same, and waits until the name exists: it is looked for every 20 ms at most.
  /// @throws error not_found: not within `timeout`; interrupted: a stop was requested, and the name does not exist; and all
  ///         of attach(), at once.
  static channel attach_for(std::string_view name_or_path, std::chrono::nanoseconds timeout,
                            const attach_options& options = {}, const std::stop_token& stop = {}) {
    const auto located = locate(name_or_path);
    return attach_for(located.where, located.name, timeout, options, stop);
  }
  static channel attach_for(const registry& where, const segment_name& name, std::chrono::nanoseconds timeout,
                            const attach_options& options = {}, const std::stop_token& stop = {}) {
    return channel(where.attach_for(name, timeout, options.memory, stop), options.require);
  }
  static channel attach_until(std::string_view name_or_path, std::chrono::steady_clock::time_point when,
                              const attach_options& options = {}, const std::stop_token& stop = {}) {
    const auto located = locate(name_or_path);
    return attach_until(located.where, located.name, when, options, stop);
  }
  static channel attach_until(const registry& where, const segment_name& name,
                              std::chrono::steady_clock::time_point when, const attach_options& options = {},
                              const std::stop_token& stop = {}) {
    return channel(where.attach_until(name, when, options.memory, stop), options.require);
  }

  /// Whichever is possible. An existing channel must offer what was asked for by name: at least the capacity, the seats and
  /// the durability that `options` give; what stands there as zero or none is not asked for. It keeps its own sizes,
  /// permissions and lifetime: `capacity_slots()` says what there is.
  /// @throws error wrong_kind: it offers less; and all of create() and attach().
  static channel create_or_attach(std::string_view name_or_path, const channel_options& options = {}) {
    const auto located = locate(name_or_path);
    return create_or_attach(located.where, located.name, options);
  }
  static channel create_or_attach(const registry& where, const segment_name& name,
                                  const channel_options& options = {}) {
    return channel(where.create_or_attach(name, plan(options), naming_of(options)), asked_by(options));
  }

  /// Makes a channel without a name in a segment of kind Segment, for this process and those it forks afterwards; in a
  /// memfd_segment also for those it is handed over to.
  template <class Segment = anonymous_segment>
  static channel create_unnamed(const channel_options& options = {}) {
    const auto where = plan(options);
    return channel(format_unnamed(Segment::create(where.mapped_bytes, options.memory), where));
  }
  /// The same in memory that is mapped already, such as an adopted_segment of zeroes.
  static channel create_in(segment memory, const channel_options& options = {}) {
    return channel(format_unnamed(std::move(memory), plan(options)));
  }
  /// Attaches to a channel that another process made in this memory. @throws error wrong_type; wrong_kind; attach_unnamed().
  static channel attach_in(segment memory) { return channel(sluice::attach_unnamed(std::move(memory))); }

  /// Sends the channel through a connected unix socket, for accept() at the other end. See hand_over.hpp.
  void offer(int socket) const { sluice::offer(socket, memory()); }
  static channel accept(int socket, const memory_options& memory = {}) {
    return attach_in(sluice::accept(socket, memory));
  }

  /// Takes the producer's seat (spsc: the only one) for the calling process.
  /// @throws error seat_taken, with the pid of the process that sits there.
  template <wait_strategy Wait = spin_then_park>
  [[nodiscard]] sluice::producer<T, Ring, Wait> producer(Wait wait = {}) const {
    return sluice::producer<T, Ring, Wait>(raw_producer<Ring, Wait>(attached_, ring_index_, std::move(wait)));
  }
  /// Takes the consumer's seat likewise. What a dead predecessor had not released comes first.
  template <wait_strategy Wait = spin_then_park>
  [[nodiscard]] sluice::consumer<T, Ring, Wait> consumer(Wait wait = {}) const {
    return sluice::consumer<T, Ring, Wait>(raw_consumer<Ring, Wait>(attached_, ring_index_, std::move(wait)));
  }

  [[nodiscard]] std::uint64_t capacity_slots() const noexcept {
    return header().parts[ring_index_].slots.capacity_slots;
  }
  [[nodiscard]] const segment_header& header() const noexcept { return memory().header(); }
  [[nodiscard]] const segment& memory() const noexcept { return attached_.memory(); }
  /// Whether the channel's name still leads to this channel. Waits ask this by themselves; programs that poll may.
  [[nodiscard]] name_state name_now() const noexcept { return attached_.name_now(); }

  /// For segments made otherwise: ring `ring_index` of one that is attached. @throws error wrong_type; wrong_kind.
  explicit channel(attached_segment attached, std::uint32_t ring_index = 0)
      : channel(std::move(attached), requirements{}, ring_index) {}

 private:
  channel(attached_segment attached, const requirements& asked, std::uint32_t ring_index = 0)
      : attached_(std::move(attached)), ring_index_(ring_index) {
    try {
      require_ring(header(), ring_index_, Ring::kind, identity_of<T>(), "attach " + attached_.what());
      require_options(header(), ring_index_, asked, "attach " + attached_.what());
    } catch (...) {
      attached_.leave_name();  // another's channel, with its messages
      throw;
    }
  }
  static segment_plan plan(const channel_options& options) { return plan_channel<T>(options, Ring::kind); }

  attached_segment attached_;
  std::uint32_t ring_index_;
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
[[nodiscard]] channel<T, Ring> attach_for(std::string_view name_or_path, std::chrono::nanoseconds timeout,
                                          const attach_options& options = {}, const std::stop_token& stop = {}) {
  return channel<T, Ring>::attach_for(name_or_path, timeout, options, stop);
}
template <class T, ring Ring = spsc_ring>
[[nodiscard]] channel<T, Ring> attach_until(std::string_view name_or_path, std::chrono::steady_clock::time_point when,
                                            const attach_options& options = {}, const std::stop_token& stop = {}) {
  return channel<T, Ring>::attach_until(name_or_path, when, options, stop);
}
template <class T, ring Ring = spsc_ring>
[[nodiscard]] channel<T, Ring> create_or_attach(std::string_view name_or_path, const channel_options& options = {}) {
  return channel<T, Ring>::create_or_attach(name_or_path, options);
}

}  // namespace sluice
