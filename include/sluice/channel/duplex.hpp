#pragma once

#include <span>
#include <utility>

#include "sluice/channel/channel.hpp"

namespace sluice {

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
  static duplex create(const channel_options& options = {}) { return duplex(detail::create_unnamed(kinds(), options)); }
  /// In a segment of kind Segment: zero_segment or memfd_segment (segment.hpp).
  template <class Segment>
  static duplex create(const channel_options& options = {}) {
    return duplex(
        detail::create_in(Segment::create(detail::planned_bytes(kinds(), options), options.memory), kinds(), options));
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
  explicit duplex(const kept_attachment& attached) : to_child_(*attached, 0), to_parent_(*attached, 1) {}
  [[nodiscard]] static std::span<const detail::channel_kind> kinds() noexcept {
    static constexpr detail::channel_kind both[] = {{identity_of<ToChild>(), Ring::kind, "to child"},
                                                    {identity_of<ToParent>(), Ring::kind, "to parent"}};
    return both;
  }
  channel<ToChild, Ring> to_child_;
  channel<ToParent, Ring> to_parent_;
};

}  // namespace sluice
