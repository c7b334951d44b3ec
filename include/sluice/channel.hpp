#pragma once

// Typed channels between processes: each message goes to one consumer. All that most programs include.
//
//   struct quote { int id; double bid, ask; };
//   auto quotes = sluice::create_or_attach<quote>("quotes", {.capacity_slots = 1024});
//   auto out = quotes.producer();  // in one process
//   auto in = quotes.consumer();   // in another
//
// spsc by default: one producer and one consumer at a time. `create_or_attach<quote, sluice::mpmc_ring>` of ring.hpp takes many of
// both. duplex<ToChild, ToParent> is two channels between a process and the child that it forks.
// Threads: copies of a channel are independent; a producer or consumer belongs to one thread at a time.
// Processes: any that may write to the file. A handle belongs to the process that made it: in a forked child it throws
// wrong_process, and the child makes its own.
// Lifetime: a channel keeps the segment mapped and its name from being swept; handles live on without it.
// Errors: making and attaching throw sluice::error; full, empty, closed and timed out are values.
// Crash: killed at any instruction, what was published is delivered, what was not is never seen, and what a dead consumer
// had not released is delivered again, marked.

#include "sluice/detail/base/language.hpp"

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "sluice/consumer.hpp"
#include "sluice/detail/channel/opening.hpp"
#include "sluice/detail/part/spsc/spsc_ring.hpp"
#include "sluice/error.hpp"
#include "sluice/message.hpp"
#include "sluice/options.hpp"
#include "sluice/producer.hpp"
#include "sluice/wait.hpp"

namespace sluice {

using detail::identity_of;
using detail::ring;
using detail::segment_header;
using detail::spsc_ring;

/// A segment with one ring of messages T, attached to: the place from which producers and consumers are made. Being
/// attached keeps the name from being swept; it takes no seat. Copies share the attachment.
/// Threads: copies are independent. Fork: the child may make its own producer or consumer from what it inherited.
template <class T, ring Ring = spsc_ring>
class channel {
  static_assert(detail::require_message<T>::value);

 public:
  /// Makes the channel `name_or_path`: a name in the standard registry, or a path with a slash in it.
  /// @throws error bad_name; bad_argument; already_exists; no_space; no_permission; unsafe_directory.
  static channel create(std::string_view name_or_path, const channel_options& options = {}) {
    return channel(detail::create_channel(name_or_path, kind(), options));
  }
  static channel create(const registry& where, const segment_name& name, const channel_options& options = {}) {
    return channel(detail::create_channel(where, name, kind(), options));
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
    return channel(detail::attach_channel(name_or_path, kind(), options));
  }
  static channel attach(const registry& where, const segment_name& name, const attach_options& options) {
    return channel(detail::attach_channel(where, name, kind(), options));
  }

  /// The same, and waits until the name exists: it is looked for every 20 ms at most.
  /// @throws error not_found: not within `at_most`; interrupted: a stop was requested, and the name does not exist; and all
  ///         of attach(), at once.
  static channel attach_for(std::string_view name_or_path, detail::timeout at_most, const attach_options& options = {},
                            const detail::stop_signal& stop = {}) {
    return channel(detail::attach_channel_before(detail::deadline_after(at_most), name_or_path, kind(), options, stop));
  }
  static channel attach_for(const registry& where, const segment_name& name, detail::timeout at_most,
                            const attach_options& options = {}, const detail::stop_signal& stop = {}) {
    return channel(detail::attach_channel_before(detail::deadline_after(at_most), where, name, kind(), options, stop));
  }
  static channel attach_until(std::string_view name_or_path, detail::time_limit when,
                              const attach_options& options = {}, const detail::stop_signal& stop = {}) {
    return channel(detail::attach_channel_before(detail::deadline_at(when), name_or_path, kind(), options, stop));
  }
  static channel attach_until(const registry& where, const segment_name& name, detail::time_limit when,
                              const attach_options& options = {}, const detail::stop_signal& stop = {}) {
    return channel(detail::attach_channel_before(detail::deadline_at(when), where, name, kind(), options, stop));
  }

  /// Whichever is possible. An existing channel must offer what was asked for by name: at least the capacity, the seats and
  /// the durability that `options` give; what stands there as zero or none is not asked for. It keeps its own sizes,
  /// permissions and lifetime: `capacity_slots()` says what there is.
  /// @throws error wrong_kind: it offers less; and all of create() and attach().
  static channel create_or_attach(std::string_view name_or_path, const channel_options& options = {}) {
    return channel(detail::create_or_attach_channel(name_or_path, kind(), options));
  }
  static channel create_or_attach(const registry& where, const segment_name& name,
                                  const channel_options& options = {}) {
    return channel(detail::create_or_attach_channel(where, name, kind(), options));
  }

  /// Makes a channel without a name in a segment of kind Segment, for this process and those it forks afterwards; in a
  /// memfd_segment also for those it is handed over to.
  template <class Segment>
  static channel create_unnamed(const channel_options& options = {}) {
    return create_in(Segment::create(detail::planned_bytes(kinds(), options), options.memory), options);
  }
  /// The same in an anonymous_segment.
  static channel create_unnamed(const channel_options& options = {}) {
    return channel(detail::create_unnamed_channel(kinds(), options));
  }
  /// The same in memory that is mapped already, such as an adopted_segment of zeroes.
  static channel create_in(const segment& memory, const channel_options& options = {}) {
    return channel(detail::create_channel_in(memory, kinds(), options));
  }
  /// Attaches to a channel that another process made in this memory. @throws error wrong_type; wrong_kind; attach_unnamed().
  static channel attach_in(const segment& memory) { return channel(detail::attach_channel_in(memory, kind())); }

  /// Sends the channel through a connected unix socket, for accept() at the other end: see segment.hpp.
  void offer(int socket) const { detail::offer_channel(socket, *attached_); }
  static channel accept(int socket, const memory_options& memory = {}) {
    return channel(detail::accept_channel(socket, memory, kind()));
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
      : attached_(detail::checked_channel(attached, ring_index, kind())), ring_index_(ring_index) {}

 private:
  explicit channel(detail::kept_attachment attached) noexcept : attached_(std::move(attached)) {}
  [[nodiscard]] static const detail::channel_kind& kind() noexcept {
    static constexpr detail::channel_kind only{identity_of<T>(), detail::ring_for<T, Ring>::type::kind};
    return only;
  }
  [[nodiscard]] static std::span<const detail::channel_kind> kinds() noexcept { return {&kind(), 1}; }

  friend struct detail::access;
  detail::kept_attachment attached_;
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
[[nodiscard]] channel<T, Ring> attach_for(std::string_view name_or_path, detail::timeout at_most,
                                          const attach_options& options = {}, const detail::stop_signal& stop = {}) {
  return channel<T, Ring>::attach_for(name_or_path, at_most, options, stop);
}
template <class T, ring Ring = spsc_ring>
[[nodiscard]] channel<T, Ring> attach_until(std::string_view name_or_path, detail::time_limit when,
                                            const attach_options& options = {}, const detail::stop_signal& stop = {}) {
  return channel<T, Ring>::attach_until(name_or_path, when, options, stop);
}
template <class T, ring Ring = spsc_ring>
[[nodiscard]] channel<T, Ring> create_or_attach(std::string_view name_or_path, const channel_options& options = {}) {
  return channel<T, Ring>::create_or_attach(name_or_path, options);
}

/// One end of a duplex: what this process sends, and what it receives.
template <class Out, class In, ring Ring = spsc_ring, wait_strategy Wait = spin_then_park>
struct duplex_end {
  producer<Out, Ring, Wait> out;
  consumer<In, Ring, Wait> in;
};

/// Two rings in one segment without a name, for a parent and the child it forks: ToChild one way, ToParent the other.
/// Made before fork; each side then takes its own end, once. When either dies, the other's waits say peer_gone; an exec
/// counts as leaving. An end that was taken before fork gives wrong_process on the other side of it.
template <class ToChild, class ToParent = ToChild, ring Ring = spsc_ring>
class duplex {
 public:
  /// In an anonymous segment. @throws error no_space; bad_argument.
  static duplex create(const channel_options& options = {}) {
    return duplex(detail::create_unnamed_channel(kinds(), options));
  }
  /// In a segment of kind Segment: zero_segment or memfd_segment (segment.hpp).
  template <class Segment>
  static duplex create(const channel_options& options = {}) {
    return duplex(detail::create_channel_in(Segment::create(detail::planned_bytes(kinds(), options), options.memory),
                                            kinds(), options));
  }

  /// For the parent, after fork. @throws error seat_taken.
  template <wait_strategy Wait = spin_then_park>
  [[nodiscard]] duplex_end<ToChild, ToParent, Ring, Wait> parent() const {
    auto in =
        to_parent_.template consumer<Wait>();  // first: a producer opens a closed ring, and must not do so in vain
    return {to_child_.template producer<Wait>(), std::move(in)};
  }
  /// For the child, after fork. @throws error seat_taken.
  template <wait_strategy Wait = spin_then_park>
  [[nodiscard]] duplex_end<ToParent, ToChild, Ring, Wait> child() const {
    auto in = to_child_.template consumer<Wait>();
    return {to_parent_.template producer<Wait>(), std::move(in)};
  }

 private:
  explicit duplex(const detail::kept_attachment& attached) : to_child_(*attached, 0), to_parent_(*attached, 1) {}
  [[nodiscard]] static std::span<const detail::channel_kind> kinds() noexcept {
    static constexpr detail::channel_kind both[] = {
        {identity_of<ToChild>(), detail::ring_for<ToChild, Ring>::type::kind, "to child"},
        {identity_of<ToParent>(), detail::ring_for<ToParent, Ring>::type::kind, "to parent"}};
    return both;
  }
  channel<ToChild, Ring> to_child_;
  channel<ToParent, Ring> to_parent_;
};

}  // namespace sluice
