#pragma once

// What the ring suites run over. A new kind of ring or of memory is one line here.

#include <gtest/gtest.h>

#include <string>

#include "conformance/ring_memory.hpp"
#include "sluice/detail/part/mpmc/mpmc_ring.hpp"
#include "sluice/detail/part/spsc/spsc_ring.hpp"

namespace sluice::detail::test {

template <class R>
struct named_ring;
template <>
struct named_ring<spsc_ring> {
  static constexpr const char* name = "Spsc";
};
template <>
struct named_ring<mpmc_ring> {
  static constexpr const char* name = "Mpmc";
};

template <class... T>
struct kinds {};

using ring_kinds = kinds<  //
    spsc_ring,             //
    mpmc_ring>;

using memory_kinds = kinds<             //
    callers_memory,                     //
    file_memory,                        //
    unnamed_memory<anonymous_segment>,  //
    unnamed_memory<zero_segment>>;

template <class Ring, class Memory>
struct ring_in {
  using ring = Ring;
  using memory = Memory;
};

namespace detail {

template <class... A, class... B>
::testing::Types<A..., B...> operator+(::testing::Types<A...>, ::testing::Types<B...>);
template <class Ring, class... Memories>
::testing::Types<ring_in<Ring, Memories>...> one_ring(kinds<Memories...>);
template <class Memories, class... Rings>
auto every(kinds<Rings...>) -> decltype((one_ring<Rings>(Memories()) + ...));

}  // namespace detail

/// Each kind of ring in each kind of memory.
using rings_in_every_memory = decltype(detail::every<memory_kinds>(ring_kinds()));
/// Each kind of ring once: for tests to which the memory makes no difference.
using rings_once = decltype(detail::every<kinds<callers_memory>>(ring_kinds()));

struct ring_case_names {
  template <class Case>
  static std::string GetName(int) {
    return std::string(named_ring<typename Case::ring>::name) + "In" + Case::memory::name;
  }
};

}  // namespace sluice::detail::test
