#pragma once

#include <cstdint>
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
  /// In a segment of kind Segment: anonymous_segment, zero_segment or memfd_segment. @throws error no_space; bad_argument.
  template <class Segment = anonymous_segment>
  static duplex create(const channel_options& options = {}) {
    ring_request requests[] = {request_for(identity_of<ToChild>(), Ring::kind, options),
                               request_for(identity_of<ToParent>(), Ring::kind, options)};
    requests[0].label = "to child";
    requests[1].label = "to parent";
    const auto plan = plan_segment(requests);
    return duplex(format_unnamed(Segment::create(plan.mapped_bytes, options.memory), plan));
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
  explicit duplex(const attached_segment& attached) : to_child_(attached, 0), to_parent_(attached, 1) {}
  channel<ToChild, Ring> to_child_;
  channel<ToParent, Ring> to_parent_;
};

}  // namespace sluice
