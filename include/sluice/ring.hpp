#pragma once

// Kinds of ring, and rings in memory that the caller owns.
//
//   auto jobs = sluice::create_or_attach<job, sluice::mpmc_ring>("jobs");  // up to 4096 producers and 4096 consumers
//
//   const sluice::ring_request request{sluice::identity_of<job>(), {.kind = sluice::ring_kind::mpmc}};
//   const auto view = sluice::view_memory(memory, request);  // zeroed, ring_memory_bytes(request) long, 128-byte aligned
//   sluice::mpmc_ring::producer out(view, 0);                // seat 0: the caller says which, and that it is free
//
// A bare ring is the algorithm alone: no segment, no seats that the kernel holds, no waiting, no system call. Both sides are
// one thread's at a time. A death is seen by nothing here; channels add that.

#include "sluice/detail/base/language.hpp"

#include "sluice/detail/part/mpmc/mpmc_ring.hpp"
#include "sluice/detail/part/spsc/spsc_ring.hpp"
#include "sluice/detail/plan/segment_plan.hpp"
#include "sluice/detail/ring/ring_concept.hpp"

namespace sluice {

using detail::identity_named;
using detail::identity_of;
using detail::mpmc_ring;
using detail::plan_segment;
using detail::ring;
using detail::ring_memory_bytes;
using detail::ring_request;
using detail::ring_view;
using detail::segment_plan;
using detail::spsc_ring;
using detail::type_identity;
using detail::view_memory;

}  // namespace sluice
