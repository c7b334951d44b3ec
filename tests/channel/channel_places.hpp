#pragma once

// Where a channel that is shared by fork can live, times the kinds of ring.

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>

#include "sluice/channel.hpp"
#include "sluice/detail/part/mpmc/mpmc_ring.hpp"
#include "sluice/registry.hpp"
#include "sluice/segment.hpp"
#include "support/temp_registry.hpp"

namespace sluice::detail::test {

struct numbered {
  std::uint64_t number = 0;
  std::uint64_t check[6] = {};

  static numbered of(std::uint64_t number) {
    numbered message{number, {}};
    for (std::uint64_t i = 0; i < 6; ++i) message.check[i] = (number + i + 1) * 0x9e3779b97f4a7c15ULL;
    return message;
  }
  [[nodiscard]] bool is_whole() const { return *this == of(number); }
  bool operator==(const numbered&) const = default;
};

/// A file under a name in a registry of its own.
template <class Ring>
class named_place {
 public:
  using ring = Ring;
  using link = channel<numbered, Ring>;
  static constexpr const char* name = Ring::kind == ring_kind::spsc ? "SpscFile" : "MpmcFile";
  explicit named_place(const channel_options& options = {.capacity_slots = 8})
      : link_(link::create(*names_, segment_name("channel"), options)) {}
  [[nodiscard]] const link& operator*() const { return link_; }
  [[nodiscard]] const link* operator->() const { return &link_; }

 private:
  temp_registry names_;
  link link_;
};

template <class Ring, class Segment>
constexpr const char* unnamed_name() {
  constexpr bool is_spsc = Ring::kind == ring_kind::spsc;
  switch (Segment::kind) {
    case segment_kind::zero: return is_spsc ? "SpscZero" : "MpmcZero";
    case segment_kind::memfd: return is_spsc ? "SpscMemfd" : "MpmcMemfd";
    default: return is_spsc ? "SpscAnonymous" : "MpmcAnonymous";
  }
}

template <class Ring, class Segment>
class unnamed_place {
 public:
  using ring = Ring;
  using link = channel<numbered, Ring>;
  static constexpr const char* name = unnamed_name<Ring, Segment>();
  explicit unnamed_place(const channel_options& options = {.capacity_slots = 8})
      : link_(link::template create_unnamed<Segment>(options)) {}
  [[nodiscard]] const link& operator*() const { return link_; }
  [[nodiscard]] const link* operator->() const { return &link_; }

 private:
  link link_;
};

using channel_places = ::testing::Types<          //
    named_place<spsc_ring>,                       //
    named_place<mpmc_ring>,                       //
    unnamed_place<spsc_ring, anonymous_segment>,  //
    unnamed_place<mpmc_ring, anonymous_segment>,  //
    unnamed_place<spsc_ring, zero_segment>,       //
    unnamed_place<mpmc_ring, zero_segment>,       //
    unnamed_place<spsc_ring, memfd_segment>,      //
    unnamed_place<mpmc_ring, memfd_segment>>;

struct place_names {
  template <class Place>
  static std::string GetName(int) {
    return Place::name;
  }
};

}  // namespace sluice::detail::test
